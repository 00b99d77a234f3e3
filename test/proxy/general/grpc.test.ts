/** Targets that are spoken to by HTTP/2: gRPC and plain requests, from clients of either version. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http2 from 'node:http2';
import https from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { Authority } from '../../support/certificates.ts';
import { ShopClient, startGrpc, status } from '../../support/grpc.ts';
import { ask, http2Client } from '../../support/http2.ts';
import { deadPort, entry, policy, pool } from '../../support/proxy.ts';
import { trust as verifiedBy } from '../../support/targetTls.ts';
import { setOf, shake, startTls } from '../../support/tls.ts';

const dir = mkdtempSync(join(tmpdir(), 'pointsman-grpc-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const ca = new Authority(join(dir, 'ca'));
const exact = ca.sign(join(dir, 'exact'), { names: ['shop.example'] });
const trust = { ca: ca.pem, servername: 'shop.example' };

const change = { policy: { ...policy, protocol: 'h2' as const } };
const shop = (ports: readonly number[], more: object = {}) =>
  entry({ pools: { blue: pool('blue.1', ports), green: null }, ...change, ...more });

async function front(services: readonly ReturnType<typeof shop>[]) {
  const proxy = await startTls({ services }, await setOf([exact]));
  return { proxy, where: { port: proxy.port, ...trust } };
}

test('gRPC: one message and streams in each direction pass, with their trailers and failures', async () => {
  const origin = await startGrpc('blue');
  const { proxy, where } = await front([shop([origin.port])]);
  const client = new ShopClient(where);

  expect(await client.say('hello')).toMatchObject({ code: status.OK, text: 'blue hello' });
  expect(await client.count(3)).toEqual(['blue 1', 'blue 2', 'blue 3']);
  const joined = await client.join(['a', 'b', 'c']);
  expect(joined).toMatchObject({ code: status.OK, text: 'blue a,b,c' });
  expect(joined.metadata?.get('x-told')).toEqual(['3']);
  expect(await client.join([])).toMatchObject({ code: status.OK, text: 'blue ' });
  expect(await client.talk(['one', 'two'])).toEqual(['blue one', 'blue two']);
  expect(await client.say('fail')).toMatchObject({
    code: status.ALREADY_EXISTS,
    text: 'blue: für 100 %',
  });
  const large = 'x'.repeat(1_000_000);
  expect((await client.say(large)).text).toHaveLength(large.length + 5);
  expect(proxy.plane.stats().lanes).toMatchObject({ http2: 7, express: 0 });
});

test('gRPC: each call goes where the flip says when it begins, those that are open stay, and none fails', async () => {
  const [blue, green] = [await startGrpc('blue'), await startGrpc('green')];
  const pools = { blue: pool('blue.1', [blue.port]), green: pool('green.1', [green.port]) };
  const at = (live: 'blue' | 'green', generation: number) =>
    entry({ live, generation, pools, policy: { ...change.policy, drainMs: 600_000 } });
  const { proxy, where } = await front([at('blue', 1)]);
  const client = new ShopClient(where);
  const stays = client.open();
  const told: string[] = [];
  stays.on('data', (value: string) => told.push(value));
  const over = new Promise((resolve) => stays.once('status', resolve));
  const began = new Promise<void>((resolve) => stays.once('data', () => resolve()));
  stays.write('0');
  await began;
  const failed: unknown[] = [];

  for (let generation = 2; generation <= 21; generation++) {
    const live = generation % 2 === 0 ? 'green' : 'blue';
    const around = [
      ...Array.from({ length: 5 }, () => client.say('x')),
      client.count(3),
      client.join(['a', 'b']),
      client.talk(['a', 'b']),
    ];
    proxy.flip(at(live, generation));
    expect(await client.say('now')).toMatchObject({ code: status.OK, text: `${live} now` });
    stays.write(String(generation));
    for (const got of await Promise.all(around)) {
      const right = 'code' in got ? got.code === status.OK : got.length >= 2;
      if (!right) failed.push(got);
    }
  }
  stays.end();

  expect(failed).toEqual([]);
  expect(await over).toMatchObject({ code: status.OK });
  expect(told).toEqual(
    ['0', ...Array.from({ length: 20 }, (_, nth) => nth + 2)].map((one) => `blue ${one}`),
  );
});

test('gRPC: our own answers are trailers alone, and count as what they are', async () => {
  const { proxy, where } = await front([shop([await deadPort()], { hosts: ['shop.example'] })]);
  const client = new ShopClient(where);
  const nowhere = new ShopClient({ ...where });

  const down = await client.say('x');
  const stream = await nowhere.count(3);

  expect(down.code).toBe(status.UNAVAILABLE);
  expect(down.text).toMatch(/^The service could not be reached \(UPSTREAM_UNREACHABLE, request /);
  expect(stream).toMatchObject({ code: status.UNAVAILABLE });
  expect(proxy.lines[0]).toMatchObject({ status: 502, fault: 'UPSTREAM_UNREACHABLE' });
});

test('gRPC: a target that dies in a stream ends it as a failure, and the next call finds another', async () => {
  const [first, second] = [await startGrpc('one'), await startGrpc('two')];
  const { where } = await front([shop([first.port, second.port])]);
  const client = new ShopClient(where);
  const counted = [client.count(1_000), client.count(1_000)];
  const said = await Promise.all([client.say('a'), client.say('b')]);
  expect(said.map(({ code }) => code)).toEqual([0, 0]);

  first.stop();

  const broken = await Promise.race(counted);
  expect(broken).toHaveProperty('code');
  expect((broken as { code: number }).code).not.toBe(status.OK);
  const after = await Promise.all(Array.from({ length: 6 }, () => client.say('c')));
  expect(after.filter(({ code }) => code === status.OK).length).toBeGreaterThanOrEqual(3);
});

/** A plain server of HTTP/2. */
async function plainOrigin(
  handle: (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void,
  settings: http2.Settings = {},
) {
  const server = http2.createServer({ settings });
  const sessions = new Set<http2.ServerHttp2Session>();
  server.on('session', (session) => sessions.add(session));
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    handle(stream, headers);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, sessions };
}

test('plain requests pass as well, from HTTP/1.1 and from HTTP/2: fields, interim answers, bodies, HEAD', async () => {
  const seen: http2.IncomingHttpHeaders[] = [];
  const { port } = await plainOrigin((stream, headers) => {
    seen.push(headers);
    if (headers[':method'] === 'POST')
      stream.additionalHeaders({ ':status': 103, link: '</a.css>' });
    let body = '';
    stream.on('data', (part) => {
      body += part;
    });
    stream.on('end', () => {
      stream.respond({ ':status': 201, 'x-a': 'b', 'set-cookie': ['a=1', 'b=2'] });
      if (headers[':method'] === 'HEAD') stream.end();
      else stream.end(`<${body}>`);
    });
  });
  const { proxy, where } = await front([shop([port])]);

  const client = http2Client(where.port, trust);
  const got = await ask(
    client,
    { ':method': 'POST', ':path': '/p?q', te: 'trailers' },
    { body: 'hello' },
  );
  const head = await ask(client, { ':method': 'HEAD', ':path': '/' });
  const plain = await shake(where.port, { servername: 'shop.example', host: 'shop.example' });

  expect(got).toMatchObject({ status: 201, body: '<hello>', whole: true, interims: [103] });
  expect(got.headers).toMatchObject({
    'x-a': 'b',
    'set-cookie': ['a=1', 'b=2'],
    via: '2.0 pointsman',
  });
  expect(head).toMatchObject({ status: 201, body: '', whole: true });
  expect(seen[0]).toMatchObject({
    ':method': 'POST',
    ':path': '/p?q',
    ':scheme': 'http',
    ':authority': 'shop.example',
    te: 'trailers',
    'x-forwarded-proto': 'https',
    via: '2.0 pointsman-1-shop',
  });
  expect(seen[0]).not.toHaveProperty('host');
  expect(plain.status).toBe(201);
  expect(seen[2]).toMatchObject({ via: '1.1 pointsman-1-shop' });
  expect(proxy.plane.stats().lanes).toMatchObject({ express: 0, general: 1 });
});

test('as many streams as a target takes on one connection, then another connection', async () => {
  const held: http2.ServerHttp2Stream[] = [];
  const { port, sessions } = await plainOrigin(
    (stream, headers) => {
      if (headers[':path'] === '/held') held.push(stream);
      else stream.respond({ ':status': 200 }, { endStream: true });
    },
    { maxConcurrentStreams: 2 },
  );
  const { where } = await front([shop([port])]);
  const client = http2Client(where.port, trust);
  expect(await ask(client, { ':path': '/' })).toMatchObject({ status: 200 });

  const asked = Array.from({ length: 5 }, () => ask(client, { ':path': '/held' }));
  while (held.length < 5) await new Promise((resolve) => setImmediate(resolve));

  expect(sessions.size).toBe(3);
  for (const stream of held) stream.respond({ ':status': 200 }, { endStream: true });
  for (const one of await Promise.all(asked))
    expect(one).toMatchObject({ status: 200, whole: true });
});

test('a target that says GOAWAY is not asked on that connection again, and what is open ends', async () => {
  const held: http2.ServerHttp2Stream[] = [];
  const { port, sessions } = await plainOrigin((stream, headers) => {
    if (headers[':path'] === '/held') held.push(stream);
    else stream.respond({ ':status': 200 }, { endStream: true });
  });
  const { where } = await front([shop([port])]);
  const client = http2Client(where.port, trust);
  const open = ask(client, { ':path': '/held' });
  while (held.length === 0) await new Promise((resolve) => setImmediate(resolve));

  for (const session of sessions) session.close();
  for (let at = 0; at < 20; at++)
    expect(await ask(client, { ':path': '/' })).toMatchObject({ status: 200 });

  held[0]?.respond({ ':status': 200 }, { endStream: true });
  expect(await open).toMatchObject({ status: 200, whole: true });
  expect(sessions.size).toBe(2);
});

test('by TLS it is agreed on by ALPN, and a target that is not to be trusted, or has none, hears of nothing', async () => {
  const good = ca.sign(join(dir, 'good'), { names: ['127.0.0.1'] });
  const pair = { cert: readFileSync(good.cert), key: readFileSync(good.key) };
  let heard = 0;
  const started = async (server: Server): Promise<number> => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    return (server.address() as AddressInfo).port;
  };
  const secure = http2.createSecureServer(pair, (_, res) => {
    heard++;
    res.end('by TLS');
  });
  const older = https.createServer({ ...pair, ALPNProtocols: ['http/1.1'] }, () => heard++);
  const by = verifiedBy({ ca: ca.pem });
  const strict = verifiedBy({ ca: new Authority(join(dir, 'other')).pem });
  const at = (port: number, tls: string) => {
    const target = {
      id: 'a',
      host: '127.0.0.1',
      port,
      healthy: true,
      scheme: 'https',
      tls,
    } as const;
    const blue = { id: `blue.${tls}`, release: 'v1', targets: [target] };
    return [entry({ pools: { blue, green: null }, ...change })];
  };
  const [port, oldPort] = [await started(secure), await started(older)];
  const { proxy, where } = await front(at(port, by.id));
  const set = await setOf([exact]);
  proxy.plane.certificates.replace({ ...set, targetTls: [by, strict] });
  const client = http2Client(where.port, trust);

  expect(await ask(client, { ':path': '/' })).toMatchObject({ status: 200, body: 'by TLS' });
  proxy.stage(at(port, strict.id));
  expect((await ask(client, { ':path': '/' })).body).toContain('UPSTREAM_UNVERIFIED');
  proxy.stage(at(oldPort, by.id));
  expect((await ask(client, { ':path': '/' })).body).toContain('UPSTREAM_UNREACHABLE');
  expect(heard).toBe(1);
});

test('when a drain ends, its connections are gone', async () => {
  const [blue, green] = [
    await plainOrigin((stream) => stream.respond({ ':status': 200 }, { endStream: true })),
    await plainOrigin((stream) => stream.respond({ ':status': 200 }, { endStream: true })),
  ];
  const pools = { blue: pool('blue.1', [blue.port]), green: pool('green.1', [green.port]) };
  const { proxy, where } = await front([entry({ pools, ...change })]);
  const client = http2Client(where.port, trust);
  await ask(client, { ':path': '/' });
  const [session] = blue.sessions;
  const gone = new Promise<void>((resolve) => session?.once('close', () => resolve()));

  proxy.flip(entry({ live: 'green', generation: 2, pools, ...change }));

  await gone;
  expect(await ask(client, { ':path': '/' })).toMatchObject({ status: 200 });
});
