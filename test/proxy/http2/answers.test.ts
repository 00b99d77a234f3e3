/** Answers on streams of HTTP/2: what a client gets of them, and how they end. */
import { createHash } from 'node:crypto';
import http2 from 'node:http2';
import { expect, test } from 'vitest';
import { endHeaders, endStream, fieldsWith, frameClient, frameType } from '../../support/frames.ts';
import { ask, http2Client, startHttp2 } from '../../support/http2.ts';
import {
  entry,
  oneService,
  policy,
  pool,
  startOrigin,
  startRawOrigin,
} from '../../support/proxy.ts';

test('HEAD, 204, 205 and 304 have no body, and what is said of one stands', async () => {
  const origin = await startOrigin((req, res) => {
    const status = Number(req.url?.slice(1) ?? 200);
    res.writeHead(status, status === 204 ? {} : { 'Content-Length': '5', ETag: '"e"' });
    res.end(status === 200 ? 'hello' : undefined);
  });
  const proxy = await startHttp2(oneService(origin.port));
  const client = http2Client(proxy.port);

  const head = await ask(client, { ':method': 'HEAD', ':path': '/200' });
  const full = await ask(client, { ':path': '/200' });
  const none = await ask(client, { ':path': '/204' });
  const reset = await ask(client, { ':path': '/205' });
  const same = await ask(client, { ':path': '/304' });

  expect(head).toMatchObject({ status: 200, body: '', whole: true });
  expect(head.headers['content-length']).toBe('5');
  expect(full).toMatchObject({ status: 200, body: 'hello', whole: true });
  expect(none).toMatchObject({ status: 204, body: '', whole: true });
  expect(reset).toMatchObject({ status: 205, body: '', whole: true });
  expect(same).toMatchObject({ status: 304, body: '', whole: true });
  expect(same.headers).toMatchObject({ 'content-length': '5', etag: '"e"' });
});

test('fields pass: several cookies apart, other doubles as one, none of the connection', async () => {
  const origin = await startRawOrigin((socket) => {
    socket.write(
      'HTTP/1.1 200 Fine\r\nConnection: X-Hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: timeout=9\r\n' +
        'Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Content-Type-Options: nosniff\r\n' +
        'X-Content-Type-Options: nosniff\r\nVary: a\r\nVary: b\r\nX-Latin: \xe4\r\n' +
        'Content-Length: 2\r\n\r\nok',
      'latin1',
    );
  });
  const proxy = await startHttp2(oneService(origin.port));

  const { headers } = await ask(http2Client(proxy.port), { ':path': '/' });

  expect(headers['set-cookie']).toEqual(['a=1', 'b=2']);
  expect(headers).toMatchObject({
    'x-content-type-options': 'nosniff, nosniff',
    vary: 'a, b',
    'x-latin': '\xe4',
    via: '1.1 pointsman',
  });
  for (const gone of ['connection', 'x-hop', 'keep-alive', 'transfer-encoding']) {
    expect(headers).not.toHaveProperty(gone);
  }
});

test('interim answers come before the final one, a 100 only to whoever waits for it', async () => {
  const origin = await startOrigin((req, res) => {
    res.writeEarlyHints({ link: '</a.css>; rel=preload' });
    req.resume();
    req.on('end', () => res.end('done'));
  });
  const proxy = await startHttp2(oneService(origin.port));
  const client = http2Client(proxy.port);

  const plain = await ask(client, { ':path': '/' });
  const raw = await frameClient(proxy.port);
  raw.request(1, fieldsWith({ ':method': 'POST' }, [['expect', '100-continue']]), endHeaders);
  // 100 is a literal: its head comes alone, before any of the body was sent.
  await raw.until(() => raw.find(frameType.headers, 1));
  raw.send(Buffer.from([0, 0, 0, 0, endStream, 0, 0, 0, 1]));

  expect(plain).toMatchObject({ status: 200, interims: [103], body: 'done' });
  expect(await raw.outcome(1)).toEqual({ status: 200, body: 'done' });
});

test('trailers of an answer pass, those that decide before a body do not', async () => {
  const origin = await startOrigin((_, res) => {
    res.writeHead(200, { Trailer: 'X-Sum' });
    res.write('hello');
    res.addTrailers({ 'X-Sum': '5', 'Set-Cookie': 'late=1' });
    res.end();
  });
  const proxy = await startHttp2(oneService(origin.port));

  const got = await ask(http2Client(proxy.port), { ':path': '/' });

  expect(got).toMatchObject({ status: 200, body: 'hello', whole: true });
  expect(got.trailers['x-sum']).toBe('5');
  expect(got.trailers).not.toHaveProperty('set-cookie');
});

test.each([
  ['in chunks', 'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n'],
  ['of a known length', 'Content-Length: 10\r\n\r\nhello'],
])('an answer %s that breaks off is reset, never ended', async (_, rest) => {
  const origin = await startRawOrigin((socket) => {
    socket.write(`HTTP/1.1 200 OK\r\n${rest}`);
  });
  const proxy = await startHttp2(oneService(origin.port));
  const client = await frameClient(proxy.port);
  client.request(1, fieldsWith({}));
  await client.until(() => client.find(frameType.data, 1));

  for (const socket of origin.sockets) socket.destroy();

  expect(await client.outcome(1)).toEqual({ reset: 2 });
  expect(
    client.frames.some(({ id, type, flags }) => id === 1 && type < 2 && flags & endStream),
  ).toBe(false);
});

test('large bodies pass both ways at once, unchanged, next to others', async () => {
  const origin = await startOrigin((req, res) => {
    if (req.method === 'GET') res.end('small');
    else req.pipe(res);
  });
  const proxy = await startHttp2(oneService(origin.port));
  const client = http2Client(proxy.port);
  const body = Buffer.alloc(2 * 1024 * 1024, 'pointsman');
  const sum = (bytes: Buffer | string): string => createHash('sha256').update(bytes).digest('hex');

  const echoed = Promise.all(
    [1, 2].map(() => ask(client, { ':method': 'POST', ':path': '/echo' }, { body })),
  );
  const small = await Promise.all(
    Array.from({ length: 50 }, () => ask(client, { ':path': '/small' })),
  );

  for (const one of small) expect(one).toMatchObject({ status: 200, body: 'small', whole: true });
  for (const one of await echoed) {
    expect(one).toMatchObject({ status: 200, whole: true });
    expect(sum(Buffer.from(one.body, 'latin1'))).toBe(sum(body));
  }
});

test('of an answer that its client does not take no more is read than a little', async () => {
  let taken = 0;
  const chunk = Buffer.alloc(64 * 1024, 'x');
  const origin = await startOrigin((req, res) => {
    if (req.url === '/other') return void res.end();
    const more = (): void => {
      while (taken < 512 * chunk.length) {
        taken += chunk.length;
        if (!res.write(chunk)) return void res.once('drain', more);
      }
      res.end();
    };
    more();
  });
  const proxy = await startHttp2(oneService(origin.port));
  const client = await frameClient(proxy.port, 1_000);
  client.request(1, fieldsWith({}));
  await client.until(() => client.find(frameType.data, 1));

  // A stream of its own goes by, so whatever would come has come.
  const other = http2Client(proxy.port);
  for (let at = 0; at < 50; at++) await ask(other, { ':path': '/other' });

  expect(client.frames.filter(({ type }) => type === frameType.data)).toHaveLength(1);
  expect(taken).toBeLessThan(16 * 1024 * 1024);
});

test('an own answer says the code and the id, and does not close the connection for the others', async () => {
  const origin = await startOrigin((_, res) => res.end('ok'));
  const setup = oneService(origin.port, { bodyBytesMax: 10 });
  const [shop] = setup.services;
  if (shop === undefined) throw new Error('no service');
  const proxy = await startHttp2({ services: [{ ...shop, hosts: ['shop.example'] }] });
  const client = http2Client(proxy.port);

  const unknown = await ask(client, { ':path': '/', ':authority': 'no.example' });
  const large = await ask(
    client,
    { ':method': 'POST', ':path': '/' },
    { body: 'x'.repeat(1_000_000) },
  );
  const long = await ask(client, { ':path': '/', 'x-long': 'x'.repeat(20_000) });
  const fine = await ask(client, { ':path': '/' });

  expect(unknown).toMatchObject({ status: 404, whole: true });
  expect(unknown.body).toContain('ROUTE_UNKNOWN');
  expect(unknown.headers).not.toHaveProperty('connection');
  expect(large.status).toBe(413);
  expect(long.status).toBe(431);
  expect(fine).toMatchObject({ status: 200, body: 'ok', whole: true });
  const logged = proxy.lines.map(({ status, lane, ending }) => [status, lane, ending]);
  expect(logged).toEqual([404, 413, 431, 200].map((status) => [status, 'http2', 'finished']));
  expect(proxy.plane.stats().lanes).toEqual({ express: 0, general: 0, http2: 4 });
});

test('a request whose target is gone is tried on another one; what was cut is not sent twice', async () => {
  const dead = await startRawOrigin((socket) => socket.destroy());
  const origin = await startOrigin((_, res) => res.end('ok'));
  const proxy = await startHttp2(oneService([dead.port, origin.port]));
  const client = http2Client(proxy.port);

  const got = await Promise.all(Array.from({ length: 40 }, () => ask(client, { ':path': '/' })));

  expect(got.filter(({ status }) => status !== 200)).toEqual([]);
});

test('each stream goes where the flip says when it comes, those that are open stay', async () => {
  const held: (() => void)[] = [];
  const color = (name: string) =>
    startOrigin((req, res) => {
      if (req.url === '/held') held.push(() => res.end(name));
      else res.end(name);
    });
  const [blue, green] = [await color('blue'), await color('green')];
  const pools = { blue: pool('blue.1', [blue.port]), green: pool('green.1', [green.port]) };
  // What is held outlasts the test, however slow the machine is.
  const change = { policy: { ...policy, drainMs: 600_000, responseMs: 600_000 } };
  const at = (live: 'blue' | 'green', generation: number) =>
    entry({ live, generation, pools, ...change });
  const proxy = await startHttp2({ services: [at('blue', 1)] });
  const client = http2Client(proxy.port);
  const before = ask(client, { ':path': '/held' });
  while (held.length === 0) await new Promise((resolve) => setImmediate(resolve));

  let lost = 0;
  for (let generation = 2; generation <= 21; generation++) {
    const live = generation % 2 === 0 ? 'green' : 'blue';
    const around = Array.from({ length: 10 }, () => ask(client, { ':path': '/' }));
    proxy.flip(at(live, generation));
    const after = await ask(client, { ':path': '/' });
    expect(after.body).toBe(live);
    for (const one of await Promise.all(around)) if (!one.whole || one.status !== 200) lost++;
  }
  held[0]?.();

  expect(lost).toBe(0);
  expect(await before).toMatchObject({ status: 200, body: 'blue', whole: true });
});

test('a stream that its client gives up gives its place back at once', async () => {
  const origin = await startOrigin((req, res) => {
    if (req.url !== '/never') res.end('ok');
  });
  const proxy = await startHttp2(oneService(origin.port, { connectionsPerTargetMax: 1 }));
  const client = http2Client(proxy.port);
  const stream = client.request({
    ':path': '/never',
    ':authority': 'shop.example',
    ':scheme': 'https',
  });
  stream.on('error', () => {});
  await new Promise<void>((resolve) => origin.server.once('request', () => resolve()));

  stream.close(http2.constants.NGHTTP2_CANCEL);

  expect(await ask(client, { ':path': '/' })).toMatchObject({ status: 200, body: 'ok' });
  expect(proxy.lines[0]).toMatchObject({ ending: 'clientAborted', path: '/never' });
});
