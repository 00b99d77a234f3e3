/**
 * The TLS entrance of a worker: who is shown which certificate, who is asked for one, and who is
 * sent away.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { afterAll, expect, test } from 'vitest';
import { handshakeMsMax } from '../../../src/proxy/tls/handshakes.ts';
import { Authority, type Pair } from '../../support/certificates.ts';
import { eventually, type RawClient, rawClient } from '../../support/client.ts';
import { fakeClock } from '../../support/clock.ts';
import { long } from '../../support/form.ts';
import { entry, oneService, policy, pool, startOrigin } from '../../support/proxy.ts';
import { seed, seeded } from '../../support/random.ts';
import { helloOf, setOf, shake, startTls } from '../../support/tls.ts';

const dir = mkdtempSync(join(tmpdir(), 'pointsman-tls-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const ca = new Authority(join(dir, 'ca'));
const stranger = new Authority(join(dir, 'stranger'), 'Stranger');
const exact = ca.sign(join(dir, 'exact'), { names: ['shop.example'] });
const wild = ca.sign(join(dir, 'wild'), { names: ['*.shop.example'], key: 'rsa' });
const staff = ca.sign(join(dir, 'staff'), { names: ['staff.example'] });
const person = ca.sign(join(dir, 'person'), { names: ['person'] });
const other = stranger.sign(join(dir, 'other'), { names: ['person'] });
const ended = ca.sign(join(dir, 'ended'), {
  names: ['person'],
  from: '20200101000000Z',
  until: '20200102000000Z',
});

/** As a client shows it. */
function shown({ cert, key }: Pair): { cert: string; key: string } {
  return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
}

async function origin(): Promise<number> {
  return (await startOrigin((_, res) => res.end('hello'))).port;
}

/** `shop` for everybody, `staff` for those whose certificate the authority has signed. */
async function startStaff(clientCa = ca.pem, set: object = {}) {
  const port = await origin();
  const pools = { blue: pool('blue.1', [port]), green: null };
  const services = [
    entry({ name: 'shop', hosts: ['shop.example', 'other.example'], pools, policy }),
    entry({ name: 'staff', hosts: ['staff.example'], pools, policy }),
  ];
  const authority = { service: 'staff', hosts: ['staff.example'], ca: clientCa };
  const change = { clientAuthorities: [authority], ...set };
  return startTls({ services }, await setOf([exact, wild, staff], change));
}

const versions = ['TLSv1.2', 'TLSv1.3'] as const;

test('a name gets its own certificate before that of a wildcard, in any case, and each its kind of key', async () => {
  const { port } = await startTls(oneService(await origin()), await setOf([exact, wild]));
  const serial = async (servername: string) => (await shake(port, { servername })).serial;

  expect(await serial('shop.example')).toBe(exact.serial);
  expect(await serial('SHOP.Example')).toBe(exact.serial);
  expect(await serial('a.shop.example')).toBe(wild.serial);
  expect(await serial('')).toBe(exact.serial);
  // A wildcard stands for one label.
  expect(await serial('a.b.shop.example')).toBe(exact.serial);
  expect(await serial('')).toBe(exact.serial);
});

test('an unknown name gets an alert where the config refuses, and no name at all as well', async () => {
  const set = await setOf([exact]);
  const { port } = await startTls(oneService(await origin()), set, { unknown: 'refuse' });

  expect((await shake(port, { servername: 'other.example' })).error).toBeTruthy();
  expect((await shake(port, { servername: '' })).error).toBeTruthy();
  expect((await shake(port, { servername: 'shop.example' })).serial).toBe(exact.serial);
});

test('what is older than the minimum gets an alert, by name and by default', async () => {
  const set = await setOf([exact]);
  const usual = await startTls(oneService(await origin()), set);
  const strict = await startTls(oneService(await origin()), set, { minimum: '1.3' });
  const by = async (port: number, version: tls.SecureVersion, servername: string) => {
    // Level 0: what Node's own client would not even offer.
    const old = { ciphers: 'DEFAULT@SECLEVEL=0', minVersion: version, maxVersion: version };
    const { protocol = null } = await shake(port, { servername, ...old });
    return protocol;
  };

  for (const name of ['shop.example', 'other.example']) {
    expect(await by(usual.port, 'TLSv1.1', name)).toBeNull();
    expect(await by(usual.port, 'TLSv1.2', name)).toBe('TLSv1.2');
    expect(await by(strict.port, 'TLSv1.2', name)).toBeNull();
    expect(await by(strict.port, 'TLSv1.3', name)).toBe('TLSv1.3');
  }
});

test('the minimum and what unknown names get follow the config without a restart', async () => {
  const setup = oneService(await origin());
  const proxy = await startTls(setup, await setOf([exact]));
  const old = { servername: 'other.example', maxVersion: 'TLSv1.2' } as const;

  const before = await shake(proxy.port, old);
  const change = { redirect: true, redirectPort: null, http2: true } as const;
  proxy.stage(setup.services, { tls: { minimum: '1.3', unknown: 'refuse', ...change } });
  const after = await shake(proxy.port, old);
  const unknown = await shake(proxy.port, { servername: 'other.example' });
  const known = await shake(proxy.port, { servername: 'shop.example' });

  expect(before.protocol).toBe('TLSv1.2');
  expect(after.error).toBeTruthy();
  expect(unknown.error).toBeTruthy();
  expect(known.protocol).toBe('TLSv1.3');
});

test('a client that offers protocols, none of them ours, gets the alert for it', async () => {
  const { port } = await startTls(oneService(await origin()), await setOf([exact]));

  const odd = await shake(port, { ALPNProtocols: ['acme-tls/1'] });
  const usual = await shake(port, { ALPNProtocols: ['http/1.1'] });

  expect(odd.error).toMatch(/NO_APPLICATION_PROTOCOL|ECONNRESET/);
  expect(usual.alpn).toBe('http/1.1');
});

test.each(versions)(
  'a session of %s resumes in another worker, until the keys are new ones',
  async (version) => {
    const set = await setOf([exact]);
    const first = await startTls(oneService(await origin()), set);
    const second = await startTls(oneService(await origin()), set);
    const options = { servername: 'shop.example', host: 'shop.example', maxVersion: version };

    const { session } = await shake(first.port, options);
    const resumed = await shake(second.port, { ...options, session });
    second.plane.certificates.replace({
      ...set,
      ticketKeys: Buffer.alloc(48, 9).toString('base64'),
    });
    const anew = await shake(second.port, { ...options, session });

    expect(session).toBeDefined();
    expect(resumed).toMatchObject({ reused: true, status: 200 });
    expect(anew).toMatchObject({ reused: false, status: 200 });
  },
);

test('new certificates are shown to new connections, and those that stand go on', async () => {
  const set = await setOf([exact]);
  const next = ca.sign(join(dir, 'next'), { names: ['shop.example'] });
  const proxy = await startTls(oneService(await origin()), set);
  const standing = tls.connect({
    ...{ port: proxy.port, host: '127.0.0.1', servername: 'shop.example' },
    rejectUnauthorized: false,
  });
  await new Promise((resolve) => standing.once('secureConnect', resolve));

  proxy.plane.certificates.replace(await setOf([next]));
  const fresh = await shake(proxy.port, { servername: 'shop.example' });
  standing.write('GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n');
  const answer = await new Promise((resolve) =>
    standing.once('data', (part) => resolve(`${part}`)),
  );
  standing.destroy();

  expect(fresh.serial).toBe(next.serial);
  expect(answer).toMatch(/^HTTP\/1\.1 200 /);
});

test.each(versions)(
  'a service that wants to know its clients is reached by those its authority has signed (%s)',
  async (maxVersion) => {
    const { port } = await startStaff();
    const as = async (who: Pair | null) => {
      const options = { servername: 'staff.example', host: 'staff.example', maxVersion };
      return (await shake(port, { ...options, ...(who && shown(who)) })).status;
    };

    expect(await as(person)).toBe(200);
    expect(await as(null)).toBe(403);
    expect(await as(other)).toBe(403);
    expect(await as(ended)).toBe(403);
  },
);

test('nobody comes to such a service by another name, by none, or on the session of another one', async () => {
  const { port } = await startStaff();
  const me = shown(person);
  const at = (options: object) => shake(port, { host: 'staff.example', ...me, ...options });

  expect((await at({ servername: 'shop.example' })).status).toBe(403);
  expect((await at({ servername: '' })).status).toBe(403);
  for (const maxVersion of versions) {
    const { session } = await shake(port, {
      servername: 'shop.example',
      host: 'shop.example',
      maxVersion,
    });
    const taken = { servername: 'staff.example', host: 'staff.example', session, maxVersion };
    expect((await shake(port, taken)).status).toBe(403);
  }
  // The others are asked for nothing.
  const shop = { servername: 'shop.example', host: 'shop.example' };
  expect((await shake(port, shop)).status).toBe(200);
});

test.each(['', 'no certificate at all\n'])(
  'where the authority cannot be read, %j, nobody is let in',
  async (clientCa) => {
    const { port } = await startStaff(clientCa);
    const options = { servername: 'staff.example', host: 'staff.example', ...shown(person) };

    expect((await shake(port, options)).status).toBe(403);
  },
);

const names = [
  '__proto__',
  'constructor',
  'toString',
  '.',
  '..',
  '*',
  '*.shop.example',
  'a'.repeat(255),
];

test.each([false, true])(
  'names that mean something to JavaScript mean nothing here (hellos looked at: %s)',
  async (peeks) => {
    const set = await setOf([exact], lookedAt(peeks));
    const { port } = await startTls(oneService(await origin()), set);

    for (const servername of names) {
      for (const ALPNProtocols of [['http/1.1'], ['acme-tls/1'], []]) {
        await shake(port, { servername, ALPNProtocols });
      }
      expect((await shake(port, { servername })).serial).toBe(exact.serial);
    }
  },
);

test.each([false, true])(
  'made-up hellos end in an alert or the end of their connection (hellos looked at: %s)',
  async (peeks) => {
    const set = await setOf([exact], lookedAt(peeks));
    const clock = fakeClock();
    const proxy = await startTls({ ...oneService(await origin()), clock }, set);
    const hello = await helloOf({ servername: 'shop.example' });
    const random = seeded(seed);
    const below = (limit: number): number => Math.floor(random() * limit);
    const clients: RawClient[] = [];

    for (let round = 0; round < (long ? 2_000 : 200); round++) {
      const bytes = Buffer.from(hello);
      for (let changes = below(6); changes > 0; changes--) bytes[below(bytes.length)] = below(256);
      const client = await rawClient(proxy.port);
      client.send(bytes.subarray(0, 1 + below(bytes.length)));
      clients.push(client);
    }
    const known = await shake(proxy.port, { servername: 'shop.example', host: 'shop.example' });
    clock.pass(handshakeMsMax);
    await Promise.all(clients.map((client) => client.ended()));

    expect(known.serial).toBe(exact.serial);
    const { completed, timeout, refused } = proxy.plane.handshakes;
    expect(completed).toBe(1);
    // Those that were torn, and those that were wrong.
    expect(timeout).toBeGreaterThan(0);
    expect(refused).toBeGreaterThan(0);
  },
);

test('a handshake has its time from the first byte on, and so have those that say nothing', async () => {
  const clock = fakeClock();
  const proxy = await startTls({ ...oneService(await origin()), clock }, await setOf([exact]));
  const silent = await rawClient(proxy.port);
  const slow = await rawClient(proxy.port);
  await eventually(
    () => proxy.sockets.size,
    (open) => open === 2,
    60_000,
  );

  clock.pass(handshakeMsMax - 1);
  slow.send(Buffer.from([22]));
  const done = await shake(proxy.port, { servername: 'shop.example', host: 'shop.example' });
  clock.pass(1);
  await Promise.all([silent.ended(), slow.ended()]);

  expect(done.status).toBe(200);
  expect(proxy.plane.handshakes).toMatchObject({ completed: 1, timeout: 2 });
});

/** Has the worker look at hellos before they are answered. */
function lookedAt(peeks: boolean): object {
  const authority = { service: 'x', hosts: ['x.example'], ca: ca.pem };
  return peeks ? { clientAuthorities: [authority] } : {};
}
