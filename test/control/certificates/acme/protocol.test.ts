/** The calls of ACME against a small authority that plays faults. */
import { expect, test } from 'vitest';
import { systemClock } from '../../../../src/clock.ts';
import { AcmeClient } from '../../../../src/control/certificates/acme/protocol/client.ts';
import {
  accountKey,
  newAccountKey,
} from '../../../../src/control/certificates/acme/protocol/jws.ts';
import {
  openTransport,
  retryAfter,
} from '../../../../src/control/certificates/acme/protocol/transport.ts';
import { type FakeAuthority, fakeAuthority } from '../../../support/acme/fakeAuthority.ts';
import { fakeClock } from '../../../support/clock.ts';

function clientOf(authority: Pick<FakeAuthority, 'directory'>, clock = systemClock): AcmeClient {
  const transport = openTransport(clock, 'test', null);
  return new AcmeClient(transport, clock, authority.directory, accountKey(newAccountKey()), null);
}

const order = {
  names: [{ type: 'dns', value: 'a.example' }],
  profile: null,
  replaces: null,
} as const;

test('nonces that are refused are taken for new ones, nineteen times in a row', async () => {
  const authority = await fakeAuthority();
  const client = clientOf(authority);
  authority.play.badNonces = 19;

  const account = await client.register(null, null);

  expect(account).toContain('/account/');
});

test('a storm of refused nonces ends', async () => {
  const authority = await fakeAuthority();
  const client = clientOf(authority);
  authority.play.badNonces = 1_000;

  await expect(client.register(null, null)).rejects.toMatchObject({ type: 'badNonce' });

  expect(authority.play.badNonces).toBe(980);
});

test('an account is bound to one that the authority knows', async () => {
  const authority = await fakeAuthority();
  const binding = { kid: 'kid-1', hmacKey: 'zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3M' };
  authority.play.binding = binding;

  await expect(clientOf(authority).register(null, null)).rejects.toMatchObject({
    type: 'externalAccountRequired',
    message: expect.stringContaining('set tls.acme.eab'),
  });
  await expect(clientOf(authority).register(null, binding)).resolves.toContain('/account/');
});

test('an order says its profile and what it replaces, and neither where there is none', async () => {
  const authority = await fakeAuthority();
  const client = clientOf(authority);
  await client.register(null, null);

  await client.newOrder(order);
  await client.newOrder({ ...order, profile: 'tlsserver', replaces: 'a.b' });

  expect(authority.orders[0]).not.toHaveProperty('profile');
  expect(authority.orders[0]).not.toHaveProperty('replaces');
  expect(authority.orders[1]).toMatchObject({ profile: 'tlsserver', replaces: 'a.b' });
});

test('a limit is told with the wait that the authority asks for', async () => {
  const authority = await fakeAuthority();
  const client = clientOf(authority);
  await client.register(null, null);
  authority.play.instead = (path, res) => {
    if (path !== '/new-order') return false;
    const type = 'urn:ietf:params:acme:error:rateLimited';
    res
      .writeHead(429, { 'retry-after': '3600' })
      .end(JSON.stringify({ type, detail: 'too\nmany' }));
    return true;
  };

  await expect(client.newOrder(order)).rejects.toMatchObject({
    type: 'rateLimited',
    retryAfterMs: 3_600_000,
    message: expect.stringContaining('too many'),
  });
});

test('Retry-After is seconds or a date, and never more than eight days', () => {
  const now = new Date('2026-01-01T00:00:00Z');

  expect(retryAfter('120', now)).toBe(120_000);
  expect(retryAfter('Thu, 01 Jan 2026 01:00:00 GMT', now)).toBe(3_600_000);
  expect(retryAfter('Wed, 31 Dec 2025 01:00:00 GMT', now)).toBe(0);
  expect(retryAfter('99999999999', now)).toBe(8 * 86_400_000);
  expect(retryAfter('soon', now)).toBe(null);
  expect(retryAfter(undefined, now)).toBe(null);
});

test.each([
  ['a page of somebody else', '<html>hello'],
  ['a list', '[]'],
  ['nothing', ''],
  ['a directory without newOrder', '{"newNonce":"http://127.0.0.1/n","newAccount":"x"}'],
])('a directory that is none is said to be none: %s', async (_, body) => {
  const authority = await fakeAuthority();
  authority.play.instead = (_path, res) => Boolean(res.end(body));

  await expect(clientOf(authority).directory()).rejects.toMatchObject({
    code: 'AUTHORITY_MALFORMED',
  });
});

test('an answer without an end is cut', async () => {
  const authority = await fakeAuthority();
  let closed = false;
  authority.play.instead = (_path, res) => {
    const chunk = Buffer.alloc(16_384, 0x20);
    const more = (): void => {
      while (!closed && res.write(chunk));
    };
    res.on('drain', more);
    res.on('close', () => {
      closed = true;
    });
    more();
    return true;
  };

  await expect(clientOf(authority).directory()).rejects.toMatchObject({
    code: 'AUTHORITY_MALFORMED',
    message: expect.stringContaining('more than 262144 bytes'),
  });
});

test('an answer that never comes is waited for half a minute', async () => {
  const authority = await fakeAuthority();
  const clock = fakeClock();
  const asked = new Promise<void>((resolve) => {
    authority.play.instead = () => {
      resolve();
      return true;
    };
  });

  const answer = clientOf(authority, clock).directory();
  await asked;
  clock.pass(30_000);

  await expect(answer).rejects.toMatchObject({ code: 'AUTHORITY_UNREACHABLE' });
});

test('an address that the authority names is HTTPS, or it is not asked', async () => {
  const authority = await fakeAuthority();
  const client = clientOf(authority);
  await client.register(null, null);
  authority.play.instead = (path, res) => {
    if (path !== '/new-order') return false;
    const body = {
      status: 'pending',
      authorizations: ['http://192.0.2.1/a'],
      finalize: 'file:///x',
    };
    res.writeHead(201, { location: 'http://192.0.2.1/order' }).end(JSON.stringify(body));
    return true;
  };

  const made = await client.newOrder(order);

  await expect(client.order(made.url)).rejects.toMatchObject({ code: 'AUTHORITY_MALFORMED' });
  await expect(client.finalize(made, Buffer.of(1))).rejects.toMatchObject({
    message: expect.stringContaining('is not HTTPS'),
  });
});

test('a token that is no token becomes neither a path nor a certificate', async () => {
  const authority = await fakeAuthority();
  const client = clientOf(authority);
  await client.register(null, null);
  authority.play.instead = (path, res) => {
    if (!path.startsWith('/authz')) return false;
    const challenges = [{ type: 'http-01', url: 'https://a/', token: '../../admin' }];
    const identifier = { type: 'dns', value: 'a.example' };
    res.end(JSON.stringify({ status: 'pending', identifier, challenges }));
    return true;
  };
  const made = await client.newOrder(order);

  await expect(client.authorization(made.authorizations[0] ?? '')).rejects.toMatchObject({
    code: 'AUTHORITY_MALFORMED',
  });
});

test('nobody listens, and it says so', async () => {
  const authority = await fakeAuthority();
  await authority.down();

  await expect(clientOf(authority).directory()).rejects.toMatchObject({
    code: 'AUTHORITY_UNREACHABLE',
    message: expect.stringContaining('nothing listens there'),
  });
});
