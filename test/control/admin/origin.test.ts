/**
 * Pages that try to use the browser of an operator: other names for this address, and posts across
 * sites.
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { dial, type Served, serveAdmin } from '../../support/admin.ts';

let served: Served;

beforeEach(async () => {
  served = await serveAdmin({ hosts: ['pointsman.internal'] });
});

afterEach(() => served.close());

const pause = (headers: Record<string, string>) =>
  served.call('POST', '/v1/services/shop/pause', { headers });

test.each([
  'localhost',
  'LOCALHOST:9400',
  '127.0.0.1',
  '[::1]:9400',
  'pointsman.internal',
  'pointsman.internal:8443',
])('it answers under the name %s', async (host) => {
  expect((await served.call('GET', '/v1/services', { headers: { host } })).status).toBe(200);
});

test.each([
  'evil.example',
  'localhost.evil.example',
  'evil.example:9400',
  '127.0.0.1.nip.io',
  'pointsman.internal.evil.example',
  'user@localhost',
  'localhost, evil.example',
  '10.0.0.1',
  '0.0.0.0',
])('DNS rebinding: the Host %s is refused, for reading and for acting', async (host) => {
  const read = await served.call('GET', '/v1/services', { headers: { host } });
  const act = await pause({ host });
  const page = await served.call('GET', '/', { headers: { host } });

  for (const answer of [read, act, page]) {
    expect([answer.status, answer.json.code]).toEqual([403, 'HOST_FORBIDDEN']);
  }
  expect(read.json.detail).toContain('admin.hosts');
  expect(served.control.calls).toEqual([]);
});

test('DNS rebinding: a foreign host in absolute form is refused, whatever the Host says', async () => {
  const statusOf = async (target: string): Promise<string> => {
    const wire = dial(served.port);
    wire.socket.write(`GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
    await wire.closed;
    return wire.received.slice(9, 12);
  };

  expect(await statusOf('http://evil.example/v1/services')).toBe('403');
  expect(await statusOf('http://user@localhost/v1/services')).toBe('403');
  expect(await statusOf('http://localhost:9400/v1/services')).toBe('200');
});

test('X-Forwarded-Host gives no name', async () => {
  const headers = { host: 'evil.example', 'x-forwarded-host': 'localhost' };

  expect((await served.call('GET', '/v1/services', { headers })).status).toBe(403);
});

test('two Hosts are refused, whichever comes first', async () => {
  for (const hosts of [
    ['localhost', 'evil.example'],
    ['evil.example', 'localhost'],
  ]) {
    const wire = dial(served.port);
    const lines = hosts.map((host) => `Host: ${host}\r\n`).join('');
    wire.socket.write(`GET /v1/services HTTP/1.1\r\n${lines}Connection: close\r\n\r\n`);

    expect(await wire.until('\r\n\r\n')).toMatch(/^HTTP\/1\.1 40[03] /);
    wire.socket.destroy();
  }
});

test.each([
  ['another Origin', { origin: 'https://evil.example' }],
  ['the Origin null', { origin: 'null' }],
  ['the same host, another port', { origin: 'http://localhost:1' }],
  ['a prefix of our name', { origin: 'http://localhost.evil.example' }],
  ['a file', { origin: 'file://' }],
  ['cross-site without an Origin', { 'sec-fetch-site': 'cross-site' }],
  ['a sibling of our site', { 'sec-fetch-site': 'same-site' }],
])('a cross-site post is refused: %s', async (_what, headers) => {
  const answer = await pause({ host: 'localhost:9400', ...headers } as Record<string, string>);

  expect([answer.status, answer.json.code]).toEqual([403, 'ORIGIN_FORBIDDEN']);
  expect(served.control.calls).toEqual([]);
});

test('a form post across sites needs no preflight, and is refused all the same', async () => {
  const answer = await served.call('POST', '/v1/services/shop/rollback', {
    headers: { origin: 'https://evil.example', 'content-type': 'text/plain' },
    body: '{"to":"v0"}',
  });

  expect(answer.json.code).toBe('ORIGIN_FORBIDDEN');
});

test('the page that this server serves may act, behind TLS too', async () => {
  const own = await pause({
    host: 'localhost:9400',
    origin: 'http://localhost:9400',
    'sec-fetch-site': 'same-origin',
  });
  const tls = await pause({ host: 'pointsman.internal', origin: 'https://pointsman.internal' });

  expect([own.status, tls.status]).toEqual([200, 200]);
});

test('a link from elsewhere may be followed, a script elsewhere may not read or hold a stream', async () => {
  const site = { 'sec-fetch-site': 'cross-site' };
  const link = await served.call('GET', '/', {
    headers: { ...site, 'sec-fetch-mode': 'navigate' },
  });
  const stream = await served.call('GET', '/v1/events', {
    headers: { ...site, 'sec-fetch-mode': 'no-cors' },
  });

  expect(link.status).toBe(200);
  expect(stream.status).toBe(403);
  expect(link.headers['access-control-allow-origin']).toBeUndefined();
});

test('a preflight is answered with no permission', async () => {
  const answer = await served.call('OPTIONS', '/v1/services/shop/pause', {
    headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' },
  });

  expect(answer.status).toBeGreaterThanOrEqual(400);
  expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))).toEqual(
    [],
  );
});
