/** Certificates by themselves, against a small authority: had, renewed, refused, interrupted. */
import { X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { systemClock } from '../../../../src/clock.ts';
import { wantedOf } from '../../../../src/control/certificates/acme/acme.ts';
import { fakeAuthority } from '../../../support/acme/fakeAuthority.ts';
import { owner, stateDirectory } from '../../../support/acme/owner.ts';
import { eventually } from '../../../support/client.ts';

const shop = { id: 'shop', service: 'shop', names: ['shop.example', 'www.shop.example'] };

/** The machine's clock, with a wall clock that a test can set ahead. */
function aheadClock() {
  let aheadMs = 0;
  return {
    ...systemClock,
    date: () => new Date(Date.now() + aheadMs),
    ahead(days: number) {
      aheadMs = days * 86_400_000;
    },
  };
}

test('a service has one certificate for all its hosts, and a temporary one until then', async () => {
  const authority = await fakeAuthority();
  const { acme, next, presented } = await owner({ settings: authority });

  await acme.want([shop]);
  const [temporary] = acme.certificates();
  const { what } = await next();
  const [given] = acme.certificates();

  expect(temporary).toMatchObject({ id: 'shop', temporary: true });
  expect(what).toBe('issued');
  expect(given).toMatchObject({ id: 'shop', temporary: false, names: shop.names });
  const leaf = new X509Certificate(given?.cert ?? '');
  expect(leaf.subjectAltName).toBe('DNS:shop.example, DNS:www.shop.example');
  expect(leaf.verify(new X509Certificate(authority.root).publicKey)).toBe(true);
  expect(authority.orders).toHaveLength(1);
  expect(presented[0]).toHaveLength(2);
  expect(presented.at(-1)).toEqual([]);
});

test('a challenge is said to be answered only once every worker has the answer', async () => {
  const authority = await fakeAuthority();
  let whenAsked = -1;
  let given: () => void = () => {};
  const { acme, next } = await owner({
    settings: authority,
    present: (answers) =>
      new Promise((resolve) => {
        if (answers.length === 0) return resolve();
        given = () => {
          whenAsked = authority.challenged.length;
          resolve();
        };
        setImmediate(given);
      }),
  });

  await acme.want([shop]);
  await next();

  expect(whenAsked).toBe(0);
  expect(authority.challenged).toEqual(['http-01', 'http-01']);
});

test('what is kept is for the owner alone, and the next life asks for nothing', async () => {
  const authority = await fakeAuthority();
  const first = await owner({ settings: authority });
  await first.acme.want([shop]);
  await first.next();
  const [had] = first.acme.certificates();
  await first.acme.close();

  const second = await owner({ settings: authority, stateDir: first.stateDir });
  await second.acme.want([shop]);

  expect(second.acme.certificates()).toEqual([had]);
  expect(authority.orders).toHaveLength(1);
  const dir = join(first.stateDir, 'acme');
  expect(statSync(dir).mode & 0o777).toBe(0o700);
  expect(readdirSync(dir).map((name) => statSync(join(dir, name)).mode & 0o777)).toEqual([
    0o600, 0o600,
  ]);
});

test('a status names no key', async () => {
  const authority = await fakeAuthority();
  const { acme, next } = await owner({ settings: authority });

  await acme.want([shop]);
  const told = await next();

  expect(JSON.stringify([told, acme.statuses()])).not.toMatch(/PRIVATE KEY/);
});

test('the authority is down: twenty starts make no order, and the waits survive them', async () => {
  const authority = await fakeAuthority();
  await authority.down();
  const stateDir = await stateDirectory();
  for (let start = 0; start < 20; start++) {
    const { acme, next } = await owner({ settings: authority, stateDir });
    await acme.want([shop]);
    if (start === 0) expect(await next()).toMatchObject({ what: 'failed' });
    expect(acme.certificates()).toMatchObject([{ temporary: true }]);
    await acme.close();
  }
  await authority.up();

  const { acme } = await owner({ settings: authority, stateDir });
  await acme.want([shop]);

  expect(authority.orders).toHaveLength(0);
  expect(acme.statuses()).toMatchObject([
    { failures: 1, lastError: expect.stringContaining('cannot be reached') },
  ]);
});

test('twenty starts that each end in mid-order make one order', async () => {
  const authority = await fakeAuthority();
  const stateDir = await stateDirectory();
  let looks = 0;
  // It takes the order, and never decides.
  authority.play.instead = (path, res) => {
    if (!path.startsWith('/challenge')) return false;
    looks++;
    res.writeHead(200, { 'replay-nonce': 'x' }).end('{}');
    return true;
  };
  for (let start = 1; start <= 20; start++) {
    const { acme } = await owner({ settings: authority, stateDir });
    await acme.want([shop]);
    await eventually(
      () => looks,
      (seen) => seen >= start,
    );
    await acme.close();
  }
  authority.play.instead = null;

  const last = await owner({ settings: authority, stateDir });
  await last.acme.want([shop]);
  const { what } = await last.next();

  expect(what).toBe('issued');
  expect(authority.orders).toHaveLength(1);
});

test('an order that was being signed is fetched with the key it was asked for', async () => {
  const authority = await fakeAuthority();
  authority.play.processing = 1_000_000;
  const first = await owner({ settings: authority });
  await first.acme.want([shop]);
  await eventually(
    () => authority.asked.some(({ path }) => path.startsWith('/finalize')),
    (seen) => seen,
  );
  await first.acme.close();
  authority.play.processing = 0;

  const second = await owner({ settings: authority, stateDir: first.stateDir });
  await second.acme.want([shop]);
  const { what } = await second.next();

  expect(what).toBe('issued');
  expect(authority.orders).toHaveLength(1);
  expect(authority.asked.filter(({ path }) => path.startsWith('/finalize'))).toHaveLength(1);
});

test('a window that moved to now: one renewal, and it says what it replaces', async () => {
  const authority = await fakeAuthority();
  const first = await owner({ settings: authority });
  await first.acme.want([shop]);
  await first.next();
  const [had] = first.acme.certificates();
  await first.acme.close();
  const now = Date.now();
  const hour = (hours: number) => new Date(now + hours * 3_600_000).toISOString();
  authority.play.window = { start: hour(-2), end: hour(-1) };
  // Once it is renewed, the successor's own window is far away.
  authority.play.validation = () => {
    authority.play.window = { start: hour(1000), end: hour(1001) };
    return 'valid';
  };

  const second = await owner({ settings: authority, stateDir: first.stateDir });
  await second.acme.want([shop]);
  const { what } = await second.next();
  const [renewed] = second.acme.certificates();
  await eventually(
    () => authority.asked.filter(({ path }) => path.startsWith('/renewal/')).length,
    (seen) => seen === 2,
  );
  await second.acme.close();
  const third = await owner({ settings: authority, stateDir: first.stateDir });
  await third.acme.want([shop]);

  expect(what).toBe('issued');
  expect(renewed?.cert).not.toBe(had?.cert);
  expect(third.acme.certificates()).toEqual([renewed]);
  expect(authority.orders).toHaveLength(2);
  const asked = authority.asked.find(({ path }) => path.startsWith('/renewal/'))?.path;
  expect(authority.orders[1]?.replaces).toBe(asked?.slice('/renewal/'.length));
  expect(authority.orders[1]?.replaces).toMatch(/^[\w-]+\.[\w-]+$/);
});

test('a certificate whose successor exists is asked for without naming it', async () => {
  const authority = await fakeAuthority();
  const clock = aheadClock();
  const { acme, next } = await owner({ settings: authority, clock });
  await acme.want([shop]);
  await next();
  let refusals = 0;
  authority.play.instead = (path, res) => {
    if (path !== '/new-order' || refusals++ > 0) return false;
    const type = 'urn:ietf:params:acme:error:alreadyReplaced';
    res.writeHead(409, { 'replay-nonce': 'stale' }).end(JSON.stringify({ type }));
    return true;
  };
  clock.ahead(61);

  await acme.want([]);
  await acme.want([shop]);
  const { what } = await next();

  expect(what).toBe('issued');
  expect(authority.orders).toHaveLength(2);
  expect(authority.orders[1]).not.toHaveProperty('replaces');
});

test('without windows a certificate is renewed at two thirds, and the old one served till then', async () => {
  const authority = await fakeAuthority();
  authority.play.renewalInfo = false;
  authority.play.days = 45;
  const clock = aheadClock();
  const { acme, next, stateDir } = await owner({ settings: authority, clock });
  await acme.want([shop]);
  await next();
  const [had] = acme.certificates();
  await acme.close();
  await authority.down();
  clock.ahead(31);

  const second = await owner({ settings: authority, clock, stateDir });
  await second.acme.want([shop]);
  const failed = await second.next();

  expect(failed).toMatchObject({ what: 'failed', status: { source: 'acme', failures: 1 } });
  expect(second.acme.certificates()).toEqual([had]);
  await second.acme.close();

  await authority.up();
  clock.ahead(32);
  const third = await owner({ settings: authority, clock, stateDir });
  await third.acme.want([shop]);
  expect(await third.next()).toMatchObject({ what: 'issued', status: { failures: 0 } });
  expect(authority.orders).toHaveLength(2);
  expect(authority.orders[1]).not.toHaveProperty('replaces');
});

test('a name that is not believed is told in our words, and the other challenge is next', async () => {
  const authority = await fakeAuthority();
  const clock = aheadClock();
  authority.play.validation = (type) =>
    type === 'tls-alpn-01'
      ? 'valid'
      : { type: 'urn:ietf:params:acme:error:connection', detail: 'timeout\u001b[31m' };
  const first = await owner({ settings: authority, clock });
  await first.acme.want([shop]);

  const { what, status } = await first.next();
  await first.acme.close();
  clock.ahead(1);
  const second = await owner({ settings: authority, clock, stateDir: first.stateDir });
  await second.acme.want([shop]);

  expect(what).toBe('failed');
  expect(status.lastError).toBe(
    'shop.example by http-01: The authority could not connect to the name: check DNS, firewall and port. (timeout [31m)',
  );
  expect(await second.next()).toMatchObject({ what: 'issued' });
  expect(authority.challenged.slice(-2)).toEqual(['tls-alpn-01', 'tls-alpn-01']);
});

test('an authority that asks to wait a week is left alone for a week', async () => {
  const authority = await fakeAuthority();
  const { acme, next } = await owner({ settings: authority });
  authority.play.instead = (path, res) => {
    if (path !== '/new-order') return false;
    const type = 'urn:ietf:params:acme:error:rateLimited';
    res.writeHead(429, { 'retry-after': '604800', 'replay-nonce': 'x' });
    res.end(JSON.stringify({ type, detail: 'too many certificates' }));
    return true;
  };

  await acme.want([shop]);
  const { status } = await next();

  expect(status.lastError).toContain('as much as it gives for now');
  expect(status.nextTryAt - Date.now()).toBeGreaterThan(604_790_000);
});

test('an account that the authority forgot is made again with the same key', async () => {
  const authority = await fakeAuthority();
  const clock = aheadClock();
  const first = await owner({ settings: authority, clock });
  await first.acme.want([shop]);
  await first.next();
  await first.acme.close();
  clock.ahead(61);
  let forgets = 1;
  authority.play.instead = (path, res) => {
    if (path !== '/new-order' || forgets-- <= 0) return false;
    const type = 'urn:ietf:params:acme:error:accountDoesNotExist';
    res.writeHead(400, { 'replay-nonce': 'x' }).end(JSON.stringify({ type }));
    return true;
  };
  const { acme, next } = await owner({ settings: authority, clock, stateDir: first.stateDir });
  await acme.want([shop]);
  expect(await next()).toMatchObject({ what: 'failed' });
  await acme.close();
  clock.ahead(62);

  const third = await owner({ settings: authority, clock, stateDir: first.stateDir });
  await third.acme.want([shop]);

  expect(await third.next()).toMatchObject({ what: 'issued' });
  const made = authority.asked.filter(({ path }) => path === '/new-account');
  expect(made).toHaveLength(2);
  expect(made[0]?.header.jwk).toEqual(made[1]?.header.jwk);
});

test('a profile that the authority does not have is named with those it has', async () => {
  const authority = await fakeAuthority();
  authority.play.meta = { profiles: { classic: '', tlsserver: '' } };
  const { acme, next } = await owner({ settings: { ...authority, profile: 'tlserver' } });

  await acme.want([shop]);
  const { status } = await next();

  expect(status.lastError).toContain('has no profile "tlserver"; it has classic, tlsserver.');
  expect(authority.asked).toEqual([]);
});

test('a damaged file costs one order, and is kept aside', async () => {
  const authority = await fakeAuthority();
  const first = await owner({ settings: authority });
  await first.acme.want([shop]);
  await first.next();
  await first.acme.close();
  const file = join(first.stateDir, 'acme', 'certificate-shop.json');
  const text = readFileSync(file, 'utf8');
  writeFileSync(file, text.replace('shop.example', 'shap.example'));

  const second = await owner({ settings: authority, stateDir: first.stateDir });
  await second.acme.want([shop]);

  expect(second.acme.certificates()).toMatchObject([{ temporary: true }]);
  expect(await second.next()).toMatchObject({ what: 'issued' });
  expect(readdirSync(join(first.stateDir, 'acme'))).toContain('certificate-shop.json.damaged');
});

test('a host more is a new order, and the certificate before is served until it came', async () => {
  const authority = await fakeAuthority();
  const { acme, next } = await owner({ settings: authority });
  await acme.want([shop]);
  await next();
  const [had] = acme.certificates();

  await acme.want([{ ...shop, names: [...shop.names, 'x.shop.example'] }]);
  const [meanwhile] = acme.certificates();
  await next();
  const [after] = acme.certificates();

  expect(meanwhile?.cert).toBe(had?.cert);
  expect(new X509Certificate(after?.cert ?? '').subjectAltName).toContain('x.shop.example');
});

test('hosts of a service share a certificate up to the number that authorities take', () => {
  const hosts = Array.from({ length: 60 }, (_, at) => `h${at + 10}.example`);

  const wanted = wantedOf([
    { name: 'shop', hosts: ['B.example'.toLowerCase(), 'a.example', '*.a.example'] },
    { name: 'many', hosts },
    { name: 'any', hosts: [] },
  ]);

  expect(wanted.map(({ id, names }) => [id, names.length])).toEqual([
    ['shop', 2],
    ['many', 25],
    ['many.2', 25],
    ['many.3', 10],
  ]);
});
