/** The admin server as a whole: it starts, serves the page, and ends. */
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { dial, type Served, serveAdmin } from '../../support/admin.ts';

let dir: string;
let served: Served | undefined;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'pointsman-page-'));
});

afterEach(async () => {
  await served?.close();
  served = undefined;
  await rm(dir, { recursive: true });
});

test('a port in use is named, with what to do', async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port } = other.address() as { port: number };

  await expect(serveAdmin({ listen: { host: '127.0.0.1', port } })).rejects.toMatchObject({
    code: 'PORT_IN_USE',
    message: expect.stringMatching(new RegExp(`127.0.0.1:${port}.*another port`)),
  });

  await new Promise((resolve) => other.close(resolve));
});

test('an address that is not of this machine is named', async () => {
  const tokenFile = join(dir, 'token');
  await writeFile(tokenFile, 'correct-horse-battery-staple', { mode: 0o600 });

  await expect(
    serveAdmin({ listen: { host: '192.0.2.1', port: 0 }, tokenFile }),
  ).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('192.0.2.1'),
  });
});

test('closing ends streams and idle connections at once', async () => {
  served = await serveAdmin();
  const stream = dial(served.port);
  stream.socket.write('GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await stream.until(': open');
  const idle = dial(served.port);
  idle.socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await idle.until('ok\n');
  const begun = performance.now();

  await served.close();

  await Promise.all([stream.closed, idle.closed]);
  // Left alone, an idle connection would stay for longer than that.
  expect(performance.now() - begun).toBeLessThan(4_000);
  expect(stream.received).toMatch(/0\r\n\r\n$/);
  served = undefined;
});

test('a call that is being answered when the server closes is answered', async () => {
  served = await serveAdmin();
  const go = served.control.hold();
  const call = served.call('POST', '/v1/services/shop/pause');
  await expect.poll(() => served?.control.calls.length).toBe(1);

  const closed = served.close();
  go();

  expect((await call).status).toBe(200);
  await closed;
  served = undefined;
});

test('a call that never ends does not keep the server open', async () => {
  served = await serveAdmin();
  served.control.hold();
  const call = served.call('POST', '/v1/services/shop/pause').catch(() => 'cut');
  await expect.poll(() => served?.control.calls.length).toBe(1);

  await served.close();

  expect(await call).toBe('cut');
  served = undefined;
});

test('without a built page there is a plain one that names the calls', async () => {
  served = await serveAdmin({ pageDir: join(dir, 'nowhere') });

  const page = await served.call('GET', '/');

  expect(page.status).toBe(200);
  expect(page.text).toContain('/v1/services');
  expect(page.text).not.toMatch(/<script|style=/);
});

test('a built page is served with its files, and the calls beside it', async () => {
  await writeFile(join(dir, 'index.html'), '<h1>the page</h1>');
  await mkdir(join(dir, 'assets'));
  await writeFile(join(dir, 'assets', 'page.js'), '1;');
  served = await serveAdmin({ pageDir: dir });

  expect((await served.call('GET', '/')).text).toBe('<h1>the page</h1>');
  expect((await served.call('GET', '/assets/page.js')).headers['content-type']).toContain(
    'javascript',
  );
  expect((await served.call('GET', '/v1/services')).status).toBe(200);
  expect((await served.call('GET', '/nope.js')).json.code).toBe('NOT_FOUND');
  expect((await served.call('GET', '/v1/nope')).json.code).toBe('NOT_FOUND');
});

test.each([
  '/../secret',
  '/assets/../../secret',
  '/%2e%2e/secret',
  '/..%2fsecret',
  '/%2e%2e%2fsecret',
  '/assets/%2e%2e/%2e%2e/secret',
  '/..%5csecret',
  '//secret',
  '/.env',
  '/%00secret',
])('path traversal: %s does not leave the page', async (path) => {
  await mkdir(join(dir, 'page', 'assets'), { recursive: true });
  await writeFile(join(dir, 'secret'), 'the token');
  await writeFile(join(dir, 'page', 'index.html'), 'the page');
  await writeFile(join(dir, 'page', '.env'), 'the token');
  served = await serveAdmin({ pageDir: join(dir, 'page') });
  const wire = dial(served.port);

  wire.socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
  await wire.closed;

  expect(wire.received).toMatch(/^HTTP\/1\.1 40[0-9] /);
  expect(wire.received).not.toContain('the token');
});

test('a link out of the page is not a hole anybody but the builder can make', async () => {
  await mkdir(join(dir, 'page'));
  await writeFile(join(dir, 'page', 'index.html'), 'the page');
  await symlink(join(dir, 'page', 'index.html'), join(dir, 'page', 'same.html'));
  served = await serveAdmin({ pageDir: join(dir, 'page') });

  expect((await served.call('GET', '/same.html')).status).toBe(200);
});

test('every answer carries the headers that keep browsers from being used', async () => {
  served = await serveAdmin();

  for (const path of ['/', '/v1/services', '/v1/nope', '/docs/', '/healthz']) {
    const { headers } = await served.call('GET', path);
    expect(headers['content-security-policy']).toContain("default-src 'self'");
    expect(headers['content-security-policy']).toContain("frame-ancestors 'none'");
    expect(headers['x-content-type-options']).toBe('nosniff');
    expect(headers['referrer-policy']).toBe('no-referrer');
    if (path.startsWith('/v1')) expect(headers['cache-control']).toBe('no-store');
  }
});
