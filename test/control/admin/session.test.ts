/**
 * Signing in: a cookie stands for the token, acts only with its CSRF token, and ends when it
 * should.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { guessesMax } from '../../../src/control/admin/authenticator.ts';
import { sessionMs, sessionsMax } from '../../../src/control/admin/session.ts';
import { Sampler } from '../../../src/control/telemetry/samples.ts';
import { dial, type Served, serveAdmin } from '../../support/admin.ts';
import { type FakeClock, fakeClock } from '../../support/clock.ts';
import { fakeControl } from '../../support/fakeControl.ts';

const token = 'correct-horse-battery-staple';
const readToken = 'look-but-do-not-touch-it';

let dir: string;
let clock: FakeClock;
let served: Served;
let pageDir: string;
let tokenFile: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'pointsman-session-'));
  tokenFile = join(dir, 'token');
  const readTokenFile = join(dir, 'read-token');
  pageDir = dir;
  await writeFile(tokenFile, `${token}\n`, { mode: 0o600 });
  await writeFile(readTokenFile, `${readToken}\n`, { mode: 0o600 });
  await writeFile(join(dir, 'index.html'), '<!doctype html><title>the page</title>');
  clock = fakeClock();
  served = await serveAdmin({ tokenFile, readTokenFile, clock });
});

afterEach(async () => {
  await served.close();
  await rm(dir, { recursive: true });
});

interface SignedIn {
  readonly cookie: string;
  readonly csrf: string;
  readonly setCookie: string;
}

async function signIn(with_: string): Promise<SignedIn> {
  const answer = await served.call('POST', '/v1/session', { body: { token: with_ } });
  expect(answer.status).toBe(200);
  const setCookie = String(answer.headers['set-cookie']);
  return { cookie: setCookie.split(';')[0] ?? '', csrf: answer.json.csrf, setCookie };
}

const pause = (headers: Record<string, string>) =>
  served.call('POST', '/v1/services/shop/pause', { headers, body: {} });

test('a token becomes a cookie that no script reads, no other site sends, and that is not the token', async () => {
  const { setCookie, cookie, csrf } = await signIn(token);

  expect(setCookie).toMatch(/; HttpOnly; SameSite=Strict; Max-Age=43200$/);
  expect(setCookie).toContain(`pointsman_${served.port}=`);
  expect(setCookie).not.toContain(token);
  expect(cookie).not.toContain(csrf);
  expect((await served.call('GET', '/v1/services', { headers: { cookie } })).status).toBe(200);
});

test('a cookie alone changes nothing: the CSRF token of its session is required, and no other', async () => {
  const mine = await signIn(token);
  const other = await signIn(token);

  const bare = await pause({ cookie: mine.cookie });
  const wrong = await pause({ cookie: mine.cookie, 'x-csrf-token': other.csrf });
  const right = await pause({ cookie: mine.cookie, 'x-csrf-token': mine.csrf });

  expect([bare.status, bare.json.code]).toEqual([403, 'CSRF_REQUIRED']);
  expect([wrong.status, wrong.json.code]).toEqual([403, 'CSRF_REQUIRED']);
  expect(right.status).toBe(200);
  expect(served.control.calls).toHaveLength(1);
});

test('a reader looks and never acts, by cookie or by bearer token', async () => {
  const { cookie, csrf } = await signIn(readToken);
  const authorization = `Bearer ${readToken}`;

  const looks = await served.call('GET', '/v1/services', { headers: { cookie } });
  const scrapes = await served.call('GET', '/metrics', { headers: { authorization } });
  const byCookie = await pause({ cookie, 'x-csrf-token': csrf });
  const byToken = await pause({ authorization });

  expect([looks.status, scrapes.status]).toEqual([200, 200]);
  expect([byCookie.status, byCookie.json.code]).toEqual([403, 'FORBIDDEN']);
  expect([byToken.status, byToken.json.code]).toEqual([403, 'FORBIDDEN']);
  expect(served.control.calls).toEqual([]);
});

test('the page can ask what it may do before and after it is signed in', async () => {
  const before = await served.call('GET', '/v1/session');
  const { cookie, csrf } = await signIn(readToken);
  const after = await served.call('GET', '/v1/session', { headers: { cookie } });

  expect(before.json).toEqual({ needed: true, role: null, csrf: null });
  expect(after.json).toEqual({ needed: true, role: 'reader', csrf });
});

test('without a token in the config everybody is the operator, and signing in is an empty form', async () => {
  const open = await serveAdmin();

  const state = await open.call('GET', '/v1/session');
  const signed = await open.call('POST', '/v1/session', { body: { token: 'anything' } });
  await open.close();

  expect(state.json).toEqual({ needed: false, role: 'operator', csrf: null });
  expect(signed.headers['set-cookie']).toBeUndefined();
});

test('a wrong token is refused without a cookie, and guessing is stopped as everywhere', async () => {
  const wrong = await served.call('POST', '/v1/session', { body: { token: 'not-the-token' } });
  for (let i = 0; i < guessesMax; i++) {
    await served.call('POST', '/v1/session', { body: { token: `guess-${i}` } });
  }
  const stopped = await served.call('POST', '/v1/session', { body: { token: 'one-more' } });

  expect([wrong.status, wrong.headers['set-cookie']]).toEqual([401, undefined]);
  expect(stopped.status).toBe(429);
});

test('signing out ends the session on the server, not only in the browser', async () => {
  const { cookie, csrf } = await signIn(token);

  const bare = await served.call('DELETE', '/v1/session', { headers: { cookie } });
  const out = await served.call('DELETE', '/v1/session', {
    headers: { cookie, 'x-csrf-token': csrf },
  });
  const after = await served.call('GET', '/v1/services', { headers: { cookie } });

  expect(bare.status).toBe(403);
  expect(String(out.headers['set-cookie'])).toContain('Max-Age=0');
  expect(after.status).toBe(401);
});

test('a session ends after its time, whatever the browser keeps', async () => {
  const { cookie } = await signIn(token);

  clock.pass(sessionMs);

  expect((await served.call('GET', '/v1/services', { headers: { cookie } })).status).toBe(401);
});

test('a changed token ends every session that an old one began', async () => {
  const { cookie } = await signIn(token);
  await writeFile(tokenFile, 'another-token-entirely');

  await served.admin.reload();

  expect((await served.call('GET', '/v1/services', { headers: { cookie } })).status).toBe(401);
});

test('sessions are bounded: the oldest gives way', async () => {
  const first = await signIn(token);
  for (let i = 0; i < sessionsMax; i++) await signIn(token);

  const { cookie } = first;
  expect((await served.call('GET', '/v1/services', { headers: { cookie } })).status).toBe(401);
});

test('a sign-in sent by a page elsewhere is refused', async () => {
  const headers = { origin: 'http://evil.example', 'sec-fetch-site': 'cross-site' };

  const answer = await served.call('POST', '/v1/session', { headers, body: { token } });

  expect([answer.status, answer.json.code]).toEqual([403, 'ORIGIN_FORBIDDEN']);
});

test('the files of the page need no token, and nothing else becomes open with them', async () => {
  const withPage = await serveAdmin({ tokenFile, pageDir });

  const page = await withPage.call('GET', '/');
  const others = ['/v1/services', '/metrics', '/docs', '/openapi.json', '/nope', '/v1/nope'];
  const refused = await Promise.all(others.map((path) => withPage.call('GET', path)));
  await withPage.close();

  expect([page.status, page.headers['content-security-policy']]).toEqual([
    200,
    expect.stringContaining("default-src 'self'"),
  ]);
  expect(page.text).toContain('the page');
  expect(refused.map(({ status }) => status)).toEqual(others.map(() => 401));
});

test('live figures come with the events of who asks for them, and with nobody elses', async () => {
  const samples = new Sampler();
  const live = await serveAdmin({ control: { ...fakeControl(), samples } });
  const follow = (query: string) => {
    const wire = dial(live.port);
    wire.socket.write(`GET /v1/events${query} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    return wire;
  };
  const [page, terminal] = [follow('?samples=true'), follow('')];
  await Promise.all([page.until(': open'), terminal.until(': open')]);

  samples.take(new Date(5), 0, []);
  live.control.events.emit({ type: 'service', service: 'shop', what: 'last' });

  expect(await page.until('last')).toContain('event: sample\ndata: {"atMs":5,"services":{}}\n\n');
  expect(await terminal.until('last')).not.toContain('sample');
  expect((await live.call('GET', '/v1/services/shop/samples')).json).toEqual({ samples: [] });
  expect((await live.call('GET', '/v1/services/nope/samples')).status).toBe(404);
  page.socket.destroy();
  await page.closed;
  await expect.poll(() => samples.watched).toBe(0);
  await live.close();
});

test('readers that sign in again and again sign no operator out', async () => {
  const { cookie } = await signIn(token);

  for (let i = 0; i <= sessionsMax; i++) await signIn(readToken);

  expect((await served.call('GET', '/v1/services', { headers: { cookie } })).status).toBe(200);
});
