/** Events as a stream: nothing missed, nothing kept for those who do not read. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  heartbeatMs,
  readersMax,
  stalledMs,
  streamsMax,
} from '../../../src/control/admin/streams.ts';
import { dial, type Served, serveAdmin, type Wire } from '../../support/admin.ts';
import { type FakeClock, fakeClock } from '../../support/clock.ts';
import { fakeControl, fakeEvents } from '../../support/fakeControl.ts';

let served: Served;
let clock: FakeClock;

beforeEach(async () => {
  clock = fakeClock();
  served = await serveAdmin({ clock });
});

afterEach(() => served.close());

function follow(query = '', headers = ''): Wire {
  const wire = dial(served.port);
  wire.socket.write(`GET /v1/events${query} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`);
  return wire;
}

const tell = (what: string, service = 'shop') =>
  served.control.events.emit({ type: 'service', service, what });

const idsIn = (text: string) => [...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));

test('a reader gets what happens from then on, numbered and typed', async () => {
  tell('before');
  const wire = follow();
  await wire.until(': open');

  tell('after');

  const got = await wire.until('"after"');
  expect(got).toContain('content-type: text/event-stream');
  expect(got).toContain('cache-control: no-store');
  expect(got).toContain('id: 2\nevent: service\ndata: {"type":"service"');
  expect(got).not.toContain('before');
});

test('a reader that comes back goes on behind the last event it saw', async () => {
  for (const what of ['one', 'two', 'three']) tell(what);

  const byHeader = await follow('?after=0', 'Last-Event-ID: 1\r\n').until('"three"');
  const byQuery = await follow('?after=2').until('"three"');

  expect(idsIn(byHeader)).toEqual([2, 3]);
  expect(idsIn(byQuery)).toEqual([3]);
});

test('ids as large as real ones, which begin at the wall clock, are taken', async () => {
  const first = 1_767_225_600_000_001;
  const real = await serveAdmin({ control: fakeControl({ events: fakeEvents(first) }) });
  for (const what of ['one', 'two']) {
    real.control.events.emit({ type: 'service', service: 'shop', what });
  }

  const back = { headers: { 'last-event-id': String(first) } };
  const byHeader = await real.call('GET', '/v1/events?follow=false', back);
  const byQuery = await real.call('GET', `/v1/events?follow=false&after=${first}`);

  expect([idsIn(byHeader.text), idsIn(byQuery.text)]).toEqual([[first + 1], [first + 1]]);
  await real.close();
});

test('the kept events can be read without following', async () => {
  tell('one');
  tell('two');

  const answer = await served.call('GET', '/v1/events?after=0&follow=false');

  expect(idsIn(answer.text)).toEqual([1, 2]);
});

test('a reader of one service gets its events, and those of no service', async () => {
  tell('mine');
  tell('theirs', 'api');
  served.control.events.emit({ type: 'worker', worker: 1, what: 'up', why: 'started' });

  const { text } = await served.call('GET', '/v1/events?after=0&follow=false&service=shop');

  expect(idsIn(text)).toEqual([1, 3]);
});

test.each(['x', '-1', '1.5', '99999999999999999999'])(
  'a Last-Event-ID that is no id is refused: %s',
  async (id) => {
    const answer = await served.call('GET', '/v1/events', { headers: { 'last-event-id': id } });

    expect(answer.json.code).toBe('CALL_INVALID');
  },
);

test('an idle stream is kept alive by comments', async () => {
  const wire = follow();
  await wire.until(': open');

  clock.pass(heartbeatMs);

  await wire.until(': here');
});

test('line breaks in an event cannot forge another one', async () => {
  tell('x\n\nid: 99\nevent: flip\ndata: {}');

  const { text } = await served.call('GET', '/v1/events?after=0&follow=false');

  expect(idsIn(text)).toEqual([1]);
});

test('a reader that does not read is disconnected, not buffered without end', async () => {
  const wire = follow();
  await wire.until(': open');
  wire.socket.pause();
  const large = 'x'.repeat(16_384);
  let sent = 0;

  while (served.control.listeners > 0 && sent < 5_000) {
    tell(large);
    sent += 1;
    if (sent % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
  }

  expect(served.control.listeners).toBe(0);
  expect(sent).toBeLessThan(3_000);
  wire.socket.resume();
  await wire.closed;
});

test('a reader that takes nothing for long is disconnected, however little waits', async () => {
  const wire = follow();
  await wire.until(': open');
  wire.socket.pause();
  // More than the sockets of both ends hold, in fewer events than may wait.
  for (let i = 0; i < 900; i++) tell('x'.repeat(32_768));
  await new Promise((resolve) => setImmediate(resolve));
  expect(served.control.listeners).toBe(1);

  clock.pass(stalledMs);

  await expect.poll(() => served.control.listeners).toBe(0);
  wire.socket.resume();
  await wire.closed;
});

test('a slow reader costs the others nothing', async () => {
  const slow = follow();
  const quick = follow();
  await slow.until(': open');
  await quick.until(': open');
  slow.socket.pause();

  for (let i = 0; i < 200; i++) tell('x'.repeat(8_192));
  tell('the last');

  await quick.until('"the last"');
  slow.socket.destroy();
});

test('a long history is replayed whole to a reader that reads', async () => {
  for (let i = 0; i < 3_000; i++) tell('x'.repeat(500));

  const { text } = await served.call('GET', '/v1/events?after=0&follow=false');

  expect(idsIn(text)).toHaveLength(3_000);
});

test('a reader that leaves is forgotten', async () => {
  const wire = follow();
  await wire.until(': open');

  wire.socket.destroy();

  await expect.poll(() => served.control.listeners).toBe(0);
});

test('there is a bound on readers', async () => {
  const wires: Wire[] = [];
  for (let i = 0; i < streamsMax; i++) wires.push(follow());
  await Promise.all(wires.map((wire) => wire.until(': open')));

  const answer = await served.call('GET', '/v1/events');

  expect([answer.status, answer.json.code]).toEqual([429, 'RATE_LIMITED']);
  for (const wire of wires) wire.socket.destroy();
});

test('readers take no more streams than leave some to operators', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'pointsman-streams-'));
  const [tokenFile, readTokenFile] = [join(dir, 'token'), join(dir, 'read-token')];
  await writeFile(tokenFile, 'of-the-operator-alone', { mode: 0o600 });
  await writeFile(readTokenFile, 'of-whoever-may-look', { mode: 0o600 });
  const guarded = await serveAdmin({ clock, tokenFile, readTokenFile });
  const follow = async (token: string): Promise<Wire> => {
    const wire = dial(guarded.port);
    wire.socket.write(
      `GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n\r\n`,
    );
    await wire.until(/: open|RATE_LIMITED/);
    return wire;
  };
  const readers: Wire[] = [];
  for (let i = 0; i < readersMax; i++) readers.push(await follow('of-whoever-may-look'));

  const oneMore = await follow('of-whoever-may-look');
  const operator = await follow('of-the-operator-alone');

  expect(oneMore.received).toMatch(/^HTTP\/1\.1 429 /);
  expect(operator.received).toMatch(/^HTTP\/1\.1 200 /);
  for (const wire of [...readers, oneMore, operator]) wire.socket.destroy();
  await guarded.close();
  await rm(dir, { recursive: true });
});
