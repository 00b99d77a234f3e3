/**
 * Requests of HTTP/2 in the words of HTTP/1.1: what is passed on, and what never is (RFC 9113
 * section 8). Said in raw frames, since no client would say it.
 */
import { expect, test } from 'vitest';
import {
  endHeaders,
  type Fields,
  fieldsWith,
  frame,
  frameClient,
  frameType,
  type Outcome,
} from '../../support/frames.ts';
import { ask, http2Client, startHttp2 } from '../../support/http2.ts';
import { oneService, startOrigin, startRawOrigin } from '../../support/proxy.ts';
import { refused } from './refusedHeads.ts';

const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

async function start() {
  const origin = await startRawOrigin((socket, soFar) => {
    if (soFar.endsWith('\r\n\r\n')) socket.write(answer);
  });
  const proxy = await startHttp2(oneService(origin.port));
  return { origin, proxy };
}

/** What becomes of one stream, and what a target got of it. */
async function told(fields: Fields, body?: string): Promise<{ outcome: Outcome; got: string }> {
  const { origin, proxy } = await start();
  const client = await frameClient(proxy.port);
  if (body === undefined) client.request(1, fields);
  else {
    client.request(1, fields, endHeaders);
    client.send(frame(frameType.data, 1, 1, body));
  }
  const outcome = await client.outcome(1);
  // Whatever it was, the connection is none the worse for it.
  client.request(3, fieldsWith({ ':path': '/next' }));
  expect(await client.outcome(3)).toMatchObject({ status: 200 });
  const got = origin.received.join('\n').replace(/GET \/next [\s\S]*/, '');
  return { outcome, got };
}

test.each(Object.entries(refused))('%s is refused, and no target hears of it', async (_, of) => {
  const [fields, body, wanted] = of;

  const { outcome, got } = await told(fields, body);

  expect(outcome).toMatchObject(wanted);
  expect(got).toBe('');
});

test('an authority with a user is refused, by us or by the nghttp2 of newer Nodes', async () => {
  const { outcome, got } = await told(fieldsWith({ ':authority': 'me@shop' }));

  expect([{ reset: 1 }, { status: 400 }]).toContainEqual(
    'status' in outcome ? { status: outcome.status } : outcome,
  );
  expect(got).toBe('');
});

test('a field whose value holds what no field does is left out, and with it every line it would add', async () => {
  const { got } = await told(fieldsWith({}, [['x-a', '1\r\nX-Injected: 1\r\n\r\nGET /smuggled']]));

  expect(got).not.toMatch(/injected|smuggled/i);
});

test('a plain request: its host first, no framing, cookies as one field, and a Via that says 2.0', async () => {
  const { outcome, got } = await told(
    fieldsWith({ ':path': '/a?b=c' }, [
      ['cookie', 'a=1'],
      ['x-free', 'yes'],
      ['cookie', 'b=2'],
      ['te', 'trailers'],
      ['x-forwarded-proto', 'gopher'],
    ]),
  );

  expect(outcome).toEqual({ status: 200, body: 'ok' });
  expect(got).toMatch(/^GET \/a\?b=c HTTP\/1\.1\r\n/);
  expect(got).toContain('\r\nHost: shop.example\r\n');
  expect(got).toContain('\r\nCookie: a=1; b=2\r\n');
  expect(got).toContain('\r\nTE: trailers\r\n');
  expect(got).toContain('\r\nVia: 2.0 pointsman-1-shop\r\n');
  expect(got).toContain('\r\nX-Forwarded-Proto: https\r\n');
  expect(got).toContain('\r\nX-Forwarded-Host: shop.example\r\n');
  expect(got).toContain('\r\nX-Forwarded-For: 127.0.0.1\r\n');
  expect(got).not.toMatch(/gopher|transfer-encoding|content-length|:authority/i);
});

test('a host in place of an authority serves as well as one that says the same', async () => {
  const alone = await told(fieldsWith({ ':authority': null }, [['host', 'shop.example']]));
  const both = await told(fieldsWith({}, [['host', 'shop.example']]));

  for (const { outcome, got } of [alone, both]) {
    expect(outcome).toMatchObject({ status: 200 });
    expect(got.match(/host: shop\.example/gi)).toHaveLength(2);
  }
});

test.each([
  ['more than it said', 'abc'],
  ['less than it said', 'a'],
])('a body of %s is reset, and never whole for its target', async (_, body) => {
  const { origin, proxy } = await start();
  const client = await frameClient(proxy.port);

  client.request(1, fieldsWith({ ':method': 'POST' }, [['content-length', '2']]), endHeaders);
  client.send(frame(frameType.data, 1, 1, body));

  // The nghttp2 of newer Nodes ends the whole connection for too much.
  expect(await client.outcome(1)).not.toHaveProperty('status');
  expect(origin.received.join('')).not.toContain('\r\n\r\nab');
});

test('a body without a length goes on in chunks, and its trailers behind it', async () => {
  const origin = await startRawOrigin((socket, soFar) => {
    if (/\r\n0\r\n[\s\S]*\r\n\r\n$/.test(soFar)) socket.write(answer);
  });
  const proxy = await startHttp2(oneService(origin.port));
  const client = await frameClient(proxy.port);

  client.request(1, fieldsWith({ ':method': 'POST' }), endHeaders);
  client.send(frame(frameType.data, 0, 1, 'hello'));
  client.request(1, [
    ['x-sum', '5'],
    ['x-forwarded-for', '1.2.3.4'],
  ]);

  expect(await client.outcome(1)).toMatchObject({ status: 200 });
  const got = origin.received.join('');
  expect(got).toContain('\r\nTransfer-Encoding: chunked\r\n');
  expect(got).toMatch(/\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 5\r\n\r\n$/);
  expect(got).not.toContain('1.2.3.4');
});

test('a body of nothing ends, even if it ends before there is a place for its request', async () => {
  const origin = await startOrigin((req, res) => {
    req.resume();
    req.on('end', () => res.end(`${req.method} ${req.headers['transfer-encoding']}`));
  });
  const proxy = await startHttp2(oneService(origin.port));
  const client = http2Client(proxy.port);

  for (const method of ['GET', 'POST', 'PUT', 'DELETE']) {
    const got = await ask(client, { ':method': method, ':path': '/' }, { body: '' });

    expect(got).toMatchObject({ status: 200, body: `${method} chunked`, whole: true });
  }
});

test('an upload that its client resets, with or without an error, never ends whole', async () => {
  for (const code of [8, 0]) {
    const { origin, proxy } = await start();
    const client = await frameClient(proxy.port);
    client.request(1, fieldsWith({ ':method': 'POST' }), endHeaders);
    client.send(frame(frameType.data, 0, 1, 'half'));
    const arrived = (): boolean => origin.received.join('').includes('half');
    const closed = new Promise<void>((resolve) => {
      origin.server.once('connection', (socket) => socket.once('close', resolve));
    });
    await until(arrived);

    client.reset(1, code);

    await closed;
    expect(origin.received.join('')).toMatch(/half\r\n$/);
  }
});

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}
