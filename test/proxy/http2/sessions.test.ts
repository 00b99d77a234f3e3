/** Connections of HTTP/2: how they are agreed on, whose they are, and how they end. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { afterAll, expect, test } from 'vitest';
import { headMsMax, keepAliveMs, lingerMs } from '../../../src/proxy/connectionLimits.ts';
import { Authority } from '../../support/certificates.ts';
import { rawClient } from '../../support/client.ts';
import { fakeClock } from '../../support/clock.ts';
import { fieldsWith, frameClient, frameType } from '../../support/frames.ts';
import { ask, http2Client, startHttp2 } from '../../support/http2.ts';
import { entry, oneService, policy, pool, startOrigin } from '../../support/proxy.ts';
import { setOf, shake, startTls } from '../../support/tls.ts';

const dir = mkdtempSync(join(tmpdir(), 'pointsman-http2-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const ca = new Authority(join(dir, 'ca'));
const exact = ca.sign(join(dir, 'exact'), { names: ['shop.example', 'staff.example'] });
const trust = { ca: ca.pem, servername: 'shop.example' };

async function telling(): Promise<number> {
  const { port } = await startOrigin((req, res) => {
    res.end(`${req.headers['x-forwarded-for']} ${req.headers['x-forwarded-proto']}`);
  });
  return port;
}

test('HTTP/2 is agreed on before HTTP/1.1, and not where the config has it off or the client has none', async () => {
  const port = await telling();
  const set = await setOf([exact]);
  const proxy = await startTls(oneService(port), set);
  const alpn = async (at: number, ...ALPNProtocols: string[]) =>
    (await shake(at, { servername: 'shop.example', ALPNProtocols })).alpn;

  expect(await alpn(proxy.port, 'http/1.1', 'h2')).toBe('h2');
  expect(await alpn(proxy.port, 'http/1.1')).toBe('http/1.1');
  expect(await alpn(proxy.port)).toBe(false);
  expect((await shake(proxy.port, { ALPNProtocols: ['h3'] })).error).toBeTruthy();

  const edge = proxy.plane.edge.tls;
  if (edge === null) throw new Error('no TLS');
  const standing = http2Client(proxy.port, trust);
  expect(await ask(standing, { ':path': '/' })).toMatchObject({ status: 200 });
  proxy.stage(oneService(port).services, { tls: { ...edge, http2: false } });
  expect(await alpn(proxy.port, 'http/1.1', 'h2')).toBe('http/1.1');
  expect(await ask(standing, { ':path': '/' })).toMatchObject({ status: 200 });
});

test('streams and HTTP/1.1 pass side by side behind the same address', async () => {
  const proxy = await startTls(oneService(await telling()), await setOf([exact]));

  const stream = await ask(http2Client(proxy.port, trust), { ':path': '/' });
  const plain = await shake(proxy.port, { servername: 'shop.example', host: 'shop.example' });

  expect(stream).toMatchObject({ status: 200, body: '127.0.0.1 https', whole: true });
  expect(plain.status).toBe(200);
  expect(proxy.plane.stats().lanes).toEqual({ express: 1, general: 0, http2: 1 });
});

test('a PROXY header in front of the handshake says whose the streams are', async () => {
  const setup = { ...oneService(await telling()), edge: { proxyProtocol: ['127.0.0.0/8'] } };
  const proxy = await startTls(setup, await setOf([exact]));
  const { socket, send } = await rawClient(proxy.port);
  socket.removeAllListeners('data');
  send('PROXY TCP4 192.0.2.7 10.0.0.1 51201 443\r\n');
  const secured = tls.connect({ socket, ALPNProtocols: ['h2'], ...trust });
  await new Promise<void>((resolve) => secured.once('secureConnect', () => resolve()));

  const client = http2Client(proxy.port, { ...trust, createConnection: () => secured });

  expect(await ask(client, { ':path': '/' })).toMatchObject({ body: '192.0.2.7 https' });
  expect(proxy.lines[0]).toMatchObject({ client: '192.0.2.7', lane: 'http2' });
});

test('a connection that knows its client may ask for what is for those alone, another one is told to open its own', async () => {
  const port = await telling();
  const person = ca.sign(join(dir, 'person'), { names: ['person'] });
  const pools = { blue: pool('blue.1', [port]), green: null };
  const services = [
    entry({ name: 'shop', hosts: ['shop.example'], pools, policy }),
    entry({ name: 'staff', hosts: ['staff.example'], pools, policy }),
  ];
  const authority = { service: 'staff', hosts: ['staff.example'], ca: ca.pem };
  const set = await setOf([exact], { clientAuthorities: [authority] });
  const proxy = await startTls({ services }, set);
  const { readFileSync } = await import('node:fs');
  const shown = { cert: readFileSync(person.cert), key: readFileSync(person.key) };
  const staff = { ':path': '/', ':authority': 'staff.example' };

  const known = http2Client(proxy.port, { ...trust, servername: 'staff.example', ...shown });
  const nobody = http2Client(proxy.port, { ...trust, servername: 'staff.example' });
  // A browser takes one connection for two names of one certificate.
  const shared = http2Client(proxy.port, trust);

  expect(await ask(known, staff)).toMatchObject({ status: 200 });
  expect(await ask(nobody, staff)).toMatchObject({ status: 403 });
  expect(await ask(shared, { ':path': '/' })).toMatchObject({ status: 200 });
  expect(await ask(shared, staff)).toMatchObject({ status: 421 });
});

const goaways = (client: { frames: readonly { type: number; payload: Buffer }[] }) =>
  client.frames
    .filter(({ type }) => type === frameType.goaway)
    .map(({ payload }) => [payload.readUInt32BE(0) & 0x7fffffff, payload.readUInt32BE(4)]);

test('a stop is told at once: what is open is finished, and nothing is begun behind the last one', async () => {
  const held: (() => void)[] = [];
  const origin = await startOrigin((req, res) => {
    if (req.url === '/held') held.push(() => res.end('held'));
    else res.end('ok');
  });
  const proxy = await startHttp2(oneService(origin.port));
  const [busy, idle] = [await frameClient(proxy.port), await frameClient(proxy.port)];
  busy.request(1, fieldsWith({ ':path': '/held' }));
  busy.request(3, fieldsWith({}));
  await busy.outcome(3);
  idle.request(1, fieldsWith({}));
  await idle.outcome(1);

  proxy.plane.close(10_000);

  await idle.until(() => idle.closed || undefined);
  await busy.until(() => (goaways(busy).length > 0 ? true : undefined));
  expect(goaways(busy)).toEqual([[3, 0]]);
  busy.request(5, fieldsWith({}));
  held[0]?.();
  expect(await busy.outcome(1)).toEqual({ status: 200, body: 'held' });
  await busy.until(() => busy.closed || undefined);
  expect(busy.frames.filter(({ id }) => id === 5)).toEqual([]);
  expect(proxy.lines).toHaveLength(3);
});

test('who comes while it stops is served what it brought, and then told', async () => {
  const { port } = await startOrigin((_, res) => res.end('ok'));
  const proxy = await startHttp2(oneService(port));
  proxy.plane.close(10_000);
  const client = await frameClient(proxy.port);

  client.request(1, fieldsWith({}));

  expect(await client.outcome(1)).toMatchObject({ status: expect.any(Number) });
  await client.until(() => client.closed || undefined);
  expect(goaways(client)[0]).toEqual([1, 0]);
});

test('a connection without streams is kept for a while, and then ended, whatever its client does', async () => {
  const clock = fakeClock();
  const { port } = await startOrigin((_, res) => res.end('ok'));
  const proxy = await startHttp2({ ...oneService(port), clock });
  const client = await frameClient(proxy.port);
  client.request(1, fieldsWith({}));
  await client.outcome(1);

  clock.pass(keepAliveMs - 1_000);
  client.request(3, fieldsWith({}));
  expect(await client.outcome(3)).toMatchObject({ status: 200 });
  expect(goaways(client)).toEqual([]);
  while (proxy.lines.length < 2) await new Promise((resolve) => setImmediate(resolve));
  clock.pass(keepAliveMs + 1_000);
  await client.until(() => (goaways(client).length > 0 ? true : undefined));
  clock.pass(lingerMs + 1_000);

  await client.until(() => client.closed || undefined);
  while (proxy.sockets.size > 0) await new Promise((resolve) => setImmediate(resolve));
});

test('a connection that never asks for anything is ended like one of HTTP/1.1', async () => {
  const clock = fakeClock();
  const { port } = await startOrigin((_, res) => res.end('ok'));
  const proxy = await startHttp2({ ...oneService(port), clock });
  const silent = await rawClient(proxy.port);
  const spoke = await frameClient(proxy.port);

  clock.pass(headMsMax + 1_000);
  clock.pass(lingerMs + 1_000);

  await silent.ended();
  await spoke.until(() => spoke.closed || undefined);
});

test.each([
  ['what is no HTTP/2', 'GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n'],
  [
    'a preface and a frame that is none',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\x99\0\0\0\0\0',
  ],
])('%s ends the connection, and nothing else', async (_, bytes) => {
  const { port } = await startOrigin((_, res) => res.end('ok'));
  const proxy = await startHttp2(oneService(port));
  const client = await rawClient(proxy.port);

  client.send(Buffer.from(bytes, 'latin1'));

  await client.ended();
  expect(await ask(http2Client(proxy.port), { ':path': '/' })).toMatchObject({ status: 200 });
});
