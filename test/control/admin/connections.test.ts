/** Connections to the admin port: what strangers may take of them. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { strangersMax } from '../../../src/control/admin/connections.ts';
import { serverOptions } from '../../../src/control/admin/secureServer.ts';
import { dial, serveAdmin } from '../../support/admin.ts';

const token = 'correct-horse-battery-staple';

test('strangers that take up connections push each other out, and nobody who showed a token', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'pointsman-strangers-'));
  const tokenFile = join(dir, 'token');
  await writeFile(tokenFile, token, { mode: 0o600 });
  const served = await serveAdmin({ tokenFile });
  const get = `GET /v1/services HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n\r\n`;
  const known = dial(served.port);
  known.socket.write(get);
  await known.until('HTTP/1.1 200');

  const strangers = Array.from({ length: strangersMax + 2 }, () => dial(served.port));
  await Promise.race(strangers.map(({ closed }) => closed));
  const fresh = await served.call('GET', '/v1/services', {
    headers: { authorization: `Bearer ${token}` },
  });
  known.socket.write(get);

  expect(fresh.status).toBe(200);
  await known.until(/HTTP\/1\.1 200[\s\S]*HTTP\/1\.1 200/);
  for (const { socket } of [known, ...strangers]) socket.destroy();
  await served.close();
  await rm(dir, { recursive: true });
});

test('five hundred calls that come at once, each on a connection of its own, are all answered', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'pointsman-burst-'));
  const tokenFile = join(dir, 'token');
  await writeFile(tokenFile, token, { mode: 0o600 });
  const served = await serveAdmin({ tokenFile });
  const headers = { authorization: `Bearer ${token}`, connection: 'close' };
  const calls = Array.from({ length: 500 }, () => served.call('GET', '/v1/services', { headers }));

  const answers = await Promise.all(calls);

  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  await served.close();
  await rm(dir, { recursive: true });
});

test('half heads and half bodies are looked for every second, so that their limits hold', () => {
  expect(serverOptions(null)).toMatchObject({
    requestTimeout: 30_000,
    http: { headersTimeout: 10_000, connectionsCheckingInterval: 1_000 },
  });
});
