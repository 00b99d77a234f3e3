/**
 * The token: who has it may act, who guesses is slowed, and what guards it is read again on demand.
 */
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { guessesMax, guessWindowMs, readToken } from '../../../src/control/admin/authenticator.ts';
import { routes } from '../../../src/control/admin/routes.ts';
import { dial, type Served, serveAdmin } from '../../support/admin.ts';
import { fakeClock } from '../../support/clock.ts';

const token = 'correct-horse-battery-staple';

let dir: string;
let tokenFile: string;
let served: Served | undefined;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'pointsman-auth-'));
  tokenFile = join(dir, 'token');
  await writeFile(tokenFile, `${token}\n`, { mode: 0o600 });
});

afterEach(async () => {
  await served?.close();
  served = undefined;
  await rm(dir, { recursive: true });
});

const bearer = (value: string) => ({ headers: { authorization: `Bearer ${value}` } });

test('without the token every call and page is refused, but healthz and readyz answer', async () => {
  served = await serveAdmin({ tokenFile });
  const calls = routes.map((r) => [r.method, r.path.replace(/:\w+/, 'shop')] as const);
  const pages = ['/', '/docs', '/docs/json', '/openapi.json', '/metrics', '/v1/events', '/v1/nope'];

  for (const [method, path] of [...calls, ...pages.map((page) => ['GET', page] as const)]) {
    const answer = await served.call(method, path);
    expect([path, answer.status, answer.json?.code]).toEqual([path, 401, 'UNAUTHORIZED']);
    expect(answer.headers['www-authenticate']).toContain('Bearer');
  }

  expect((await served.call('GET', '/healthz')).status).toBe(200);
  expect((await served.call('GET', '/readyz')).status).toBe(200);
  expect(served.control.calls).toEqual([]);
});

test('with the token a call is done; with another, a part of it, or more than it, it is not', async () => {
  served = await serveAdmin({ tokenFile });

  const right = await served.call('GET', '/v1/services', bearer(token));
  const wrong = ['x', token.slice(0, -1), `${token}x`, token.toUpperCase(), ''];

  expect(right.status).toBe(200);
  for (const guess of wrong) {
    expect((await served.call('GET', '/v1/services', bearer(guess))).status).toBe(401);
  }
});

test('tokens are compared by timingSafeEqual over digests of one length, and in no other way', async () => {
  const source = await readFile(
    new URL('../../../src/control/admin/authenticator.ts', import.meta.url),
    'utf8',
  );

  expect(source).toContain('timingSafeEqual(digest, this.#digest)');
  expect(source).toContain("createHash('sha256')");
  expect(source).not.toMatch(/token === (this|guess)|headers\.authorization ===/);
});

test('no number of wrong tokens keeps the right ones out, by header or by signing in', async () => {
  const readTokenFile = join(dir, 'read-token');
  await writeFile(readTokenFile, 'look-but-do-not-touch', { mode: 0o600 });
  served = await serveAdmin({ tokenFile, readTokenFile });
  for (let i = 0; i < 2 * guessesMax; i++)
    await served.call('GET', '/v1/services', bearer(`guess-${i}`));

  const operator = await served.call('GET', '/v1/services', bearer(token));
  const reader = await served.call('GET', '/v1/services', bearer('look-but-do-not-touch'));
  const signedIn = await served.call('POST', '/v1/session', { body: { token } });

  expect([operator.status, reader.status, signedIn.status]).toEqual([200, 200, 200]);
});

test('a guesser is stopped, and may go on when the window has passed', async () => {
  const clock = fakeClock();
  served = await serveAdmin({ tokenFile, clock });
  for (let i = 0; i < guessesMax; i++)
    await served.call('GET', '/v1/services', bearer(`guess-${i}`));

  const stopped = await served.call('GET', '/v1/services', bearer('one-guess-more'));
  clock.pass(guessWindowMs);
  const again = await served.call('GET', '/v1/services', bearer('one-guess-more'));

  expect(stopped.status).toBe(429);
  expect(stopped.json.code).toBe('RATE_LIMITED');
  expect(stopped.headers['retry-after']).toBe('60');
  expect(again.status).toBe(401);
});

test('a scraper with an old token, or none, does not lock the operator out', async () => {
  served = await serveAdmin({ tokenFile });
  for (let i = 0; i < 3 * guessesMax; i++) {
    await served.call('GET', '/metrics', i % 2 ? {} : bearer('an-old-token-of-last-year'));
  }

  expect((await served.call('GET', '/metrics', bearer(token))).status).toBe(200);
});

test.each([
  ['empty', ''],
  ['too short', 'short'],
  ['of two lines', 'correct-horse-battery\nstaple-and-more'],
  ['with blanks', 'correct horse battery staple'],
])('a token file that is %s is refused at the start', async (_what, text) => {
  await writeFile(tokenFile, text);

  await expect(serveAdmin({ tokenFile })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining(tokenFile),
  });
});

test('a token file that is not there is refused at the start', async () => {
  await expect(serveAdmin({ tokenFile: join(dir, 'nope') })).rejects.toMatchObject({
    code: 'CONFIG_UNREADABLE',
  });
});

test('a token file that others may read is taken, with a warning', async () => {
  await chmod(tokenFile, 0o644);

  served = await serveAdmin({ tokenFile });

  expect(served.logged).toEqual([
    expect.objectContaining({ level: 'warn', message: expect.stringContaining('chmod 600') }),
  ]);
});

test("the group may read the reader's token, for a scraper beside; not the operator's", async () => {
  const said: string[] = [];
  const warn = (message: string): void => void said.push(message);
  await chmod(tokenFile, 0o440);

  await readToken(tokenFile, warn, 'readTokenFile');
  expect(said).toEqual([]);
  await readToken(tokenFile, warn);
  expect(said).toEqual([expect.stringContaining('admin.tokenFile')]);
  await chmod(tokenFile, 0o444);
  await readToken(tokenFile, warn, 'readTokenFile');
  expect(said[1]).toContain('admin.readTokenFile');
});

test('off loopback it does not listen without a token', async () => {
  await expect(serveAdmin({ listen: { host: '0.0.0.0', port: 0 } })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('admin.tokenFile'),
  });
});

test('a reload takes the new token, and ends the streams that the old one opened', async () => {
  served = await serveAdmin({ tokenFile });
  const wire = dial(served.port);
  wire.socket.write(
    `GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n\r\n`,
  );
  await wire.until(': open');
  await writeFile(tokenFile, 'another-token-entirely');

  const reload = await served.call('POST', '/v1/config/reload', bearer(token));

  expect(reload.status).toBe(200);
  await wire.until('0\r\n\r\n');
  expect((await served.call('GET', '/v1/services', bearer(token))).status).toBe(401);
  const fresh = await served.call('GET', '/v1/services', bearer('another-token-entirely'));
  expect(fresh.status).toBe(200);
});

test('a reload with a bad token file changes nothing, the configuration included', async () => {
  served = await serveAdmin({ tokenFile });
  await writeFile(tokenFile, '');

  const reload = await served.call('POST', '/v1/config/reload', bearer(token));

  expect(reload.json.code).toBe('CONFIG_INVALID');
  expect(served.control.calls).toEqual([]);
  expect((await served.call('GET', '/v1/services', bearer(token))).status).toBe(200);
  await expect(served.admin.reload()).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
});

test('the token is in no log line and no answer', async () => {
  served = await serveAdmin({ tokenFile });

  const answers = [
    await served.call('POST', '/v1/services/shop/pause', bearer(token)),
    await served.call('POST', '/v1/services/nope/pause', bearer(token)),
    await served.call('POST', '/v1/services/shop/pause', bearer(`${token}x`)),
  ];

  expect(JSON.stringify(answers)).not.toContain(token);
  expect(JSON.stringify(served.logged)).not.toContain(token);
});
