/**
 * Clients of HTTP/2 that make us work for nothing: each is sent away, nobody else feels it, and one
 * that only reloads is let alone.
 */
import { expect, test } from 'vitest';
import { pings, resets, settings } from '../../../src/proxy/http2/clientSession.ts';
import { streamsMax } from '../../../src/proxy/http2/front.ts';
import { fakeClock } from '../../support/clock.ts';
import {
  block,
  endHeaders,
  type Frame,
  type FrameClient,
  fieldsWith,
  frame,
  frameClient,
  frameType,
  get,
  uint32,
} from '../../support/frames.ts';
import { ask, http2Client, startHttp2 } from '../../support/http2.ts';
import { oneService, startOrigin, type TestProxy } from '../../support/proxy.ts';

const calm = 11;
const mebibyte = 1024 * 1024;

interface Stage {
  readonly proxy: TestProxy;
  readonly client: FrameClient;
  /** Requests that are with the target now. */
  inside(): number;
  most(): number;
}

/**
 * A target that never answers what it is asked for at `/held`. No time passes, so that nothing is
 * allowed anew while a machine takes its time.
 */
async function stage(): Promise<Stage> {
  let inside = 0;
  let most = 0;
  const origin = await startOrigin((req, res) => {
    inside++;
    most = Math.max(most, inside);
    res.once('close', () => inside--);
    if (req.url !== '/held') res.end('ok');
  });
  const proxy = await startHttp2({ ...oneService(origin.port), clock: fakeClock() });
  const client = await frameClient(proxy.port);
  return { proxy, client, inside: () => inside, most: () => most };
}

/**
 * Sends what `next` makes until the connection is ended, and never more than `most` times; between
 * them others are served, on a connection of their own.
 */
async function flood(
  { proxy, client }: Stage,
  most: number,
  next: (at: number) => Buffer,
): Promise<{ sent: number; code: number | undefined }> {
  const other = http2Client(proxy.port);
  await ask(other, { ':path': '/' });
  const before = process.memoryUsage().rss;
  let sent = 0;
  const told = (): Frame | undefined =>
    client.frames.findLast(({ type }) => type === frameType.goaway);
  // Once it is told, nothing it sends counts, though its socket may linger.
  while (sent < most && !client.closed && told() === undefined) {
    for (let burst = 0; burst < 100; burst++) client.send(next(sent++));
    // Whatever it does, whoever comes after it is served before the next burst.
    expect(await ask(other, { ':path': '/' })).toMatchObject({ status: 200, body: 'ok' });
  }
  expect(process.memoryUsage().rss - before).toBeLessThan(100 * mebibyte);
  await client.until(() => client.closed || undefined);
  return { sent, code: told()?.payload.readUInt32BE(4) };
}

const held = fieldsWith({ ':path': '/held' });

function opened(id: number, flags = endHeaders | 1): Buffer {
  return frame(frameType.headers, flags, id, block(held));
}

test('rapid reset (CVE-2023-44487): streams opened and reset at once end the connection', async () => {
  const scene = await stage();

  const { sent, code } = await flood(scene, 20_000, (at) => {
    const id = at * 2 + 1;
    return Buffer.concat([opened(id), frame(frameType.reset, 0, id, uint32(8))]);
  });

  expect(sent).toBeLessThan(resets.burst + 500);
  expect(code).toBeDefined();
  expect(code).not.toBe(0);
});

test('streams that are reset in the read that brought them reach no target', async () => {
  const { client, most } = await stage();
  const ids = Array.from({ length: 100 }, (_, at) => at * 2 + 1);

  client.send(...ids.flatMap((id) => [opened(id), frame(frameType.reset, 0, id, uint32(8))]));
  client.request(1_001, fieldsWith({}));

  expect(await client.outcome(1_001)).toMatchObject({ status: 200 });
  expect(most()).toBe(1);
});

/** What a client sends on a stream so that it is us who reset it. */
const provocations: Record<string, (id: number) => Buffer> = {
  'a window that opens by nothing': (id) => frame(frameType.window, 0, id, uint32(0)),
  'a window beyond its bound': (id) => frame(frameType.window, 0, id, uint32(2 ** 31 - 1)),
  'less than its content-length': (id) => frame(frameType.data, 1, id, 'a'),
  'more than its content-length': (id) => frame(frameType.data, 1, id, 'abcdefgh'),
};

test.each(Object.entries(provocations))(
  'MadeYouReset (CVE-2025-8671) by %s ends the connection',
  async (_, provoke) => {
    const scene = await stage();
    const measured = block([
      ...fieldsWith({ ':method': 'POST', ':path': '/held' }),
      ['content-length', '4'],
    ]);

    const { sent, code } = await flood(scene, 20_000, (at) => {
      const id = at * 2 + 1;
      return Buffer.concat([frame(frameType.headers, endHeaders, id, measured), provoke(id)]);
    });

    expect(sent).toBeLessThan(resets.burst + 500);
    expect(code).toBeDefined();
    expect(code).not.toBe(0);
    expect(scene.most()).toBeLessThan(2 * streamsMax);
  },
);

test('malformed heads, one after the other, end the connection', async () => {
  const scene = await stage();
  const wrong = block(fieldsWith({}, [['Upper', '1']]));

  const { sent } = await flood(scene, 20_000, (at) =>
    frame(frameType.headers, endHeaders | 1, at * 2 + 1, wrong),
  );

  expect(sent).toBeLessThan(resets.burst + 500);
  expect(scene.most()).toBeLessThanOrEqual(1);
});

test('CONTINUATION without an end (CVE-2024-27316) ends the connection', async () => {
  const scene = await stage();
  const more = block([['x-more', 'x'.repeat(1_000)]]);

  const { sent } = await flood(scene, 20_000, (at) =>
    at === 0
      ? frame(frameType.headers, 1, 1, block(get))
      : frame(frameType.continuation, 0, 1, more),
  );

  expect(sent).toBeLessThan(1_000);
});

test.each([
  ['PING', pings.burst, () => frame(frameType.ping, 0, 0, Buffer.alloc(8))],
  ['SETTINGS', settings.burst, () => frame(frameType.settings, 0, 0, '')],
])('%s after %i of them ends the connection', async (_, burst, next) => {
  const scene = await stage();

  const { sent, code } = await flood(scene, 20_000, next);

  expect(sent).toBeGreaterThanOrEqual(burst);
  expect(sent).toBeLessThan(burst + 500);
  expect(code).toBe(calm);
});

test('frames of DATA without any (CVE-2019-9518) end the connection', async () => {
  const scene = await stage();
  scene.client.send(
    frame(frameType.headers, endHeaders, 1, block(fieldsWith({ ':method': 'POST' }))),
  );

  const { sent } = await flood(scene, 20_000, () => frame(frameType.data, 0, 1, ''));

  expect(sent).toBeLessThan(1_000);
});

test('a header list that is far beyond any bound is not taken, small as it came', async () => {
  const scene = await stage();
  // One field in the table of HPACK, named again and again by one byte each.
  const bomb = Buffer.concat([
    block(get),
    Buffer.from([0x40]),
    block([['x-b', 'b'.repeat(3_000)]]).subarray(1),
    Buffer.alloc(10_000, 0xbe),
  ]);

  scene.client.send(frame(frameType.headers, endHeaders | 1, 1, bomb));

  const outcome = await scene.client.outcome(1);
  expect(outcome).not.toHaveProperty('status');
  expect(scene.most()).toBe(0);
  expect(await ask(http2Client(scene.proxy.port), { ':path': '/' })).toMatchObject({ status: 200 });
});

test('one connection has so many streams at once, and no more', async () => {
  const scene = await stage();

  for (let at = 0; at < streamsMax + 50; at++) scene.client.send(opened(at * 2 + 1));

  await scene.client.until(
    () =>
      scene.client.closed ||
      scene.client.frames.some(({ type }) => type === frameType.reset) ||
      undefined,
  );
  expect(scene.most()).toBeLessThanOrEqual(streamsMax);
});

test('a browser that reloads a page of a hundred files eight times over keeps its connection', async () => {
  const scene = await stage();
  const { client } = scene;
  let id = -1;
  for (let reload = 0; reload < 8; reload++) {
    const files: number[] = [];
    for (let file = 0; file < 100; file++) {
      id += 2;
      files.push(id);
      client.send(opened(id));
    }
    for (const file of files) client.reset(file, 8);
    // It is heard before the next reload.
    id += 2;
    client.request(id, fieldsWith({}));
    expect(await client.outcome(id)).toMatchObject({ status: 200 });
  }

  expect(client.find(frameType.goaway, 0)).toBeUndefined();
  expect(scene.inside()).toBeLessThanOrEqual(100);
});
