/** How requests are counted that a release is judged by. The rule: only what is its own failure. */
import { expect, test } from 'vitest';
import { clientKey, isFailure, Outcomes } from '../../../src/proxy/balancing/outcomes.ts';
import { TrustedProxies } from '../../../src/proxy/edge/trustedProxies.ts';

test('5xx, resets, timeouts and refused connections are failures of the release', () => {
  const bad = [
    isFailure(500, null),
    isFailure(503, null),
    isFailure(200, 'UPSTREAM_RESET'),
    isFailure(504, 'UPSTREAM_TIMEOUT'),
    isFailure(502, 'UPSTREAM_UNREACHABLE'),
    isFailure(503, 'NO_HEALTHY_TARGET'),
  ];

  expect(bad).toEqual(bad.map(() => true));
});

test('4xx, what the client did, and our own 503 are none', () => {
  const good = [
    isFailure(200, null),
    isFailure(404, null),
    isFailure(413, 'BODY_TOO_LARGE'),
    isFailure(408, 'REQUEST_TIMEOUT'),
    isFailure(503, 'QUEUE_FULL'),
    isFailure(503, 'QUEUE_TIMEOUT'),
    isFailure(503, 'SHUTTING_DOWN'),
  ];

  expect(good).toEqual(good.map(() => false));
});

test('a client is its address, or of IPv6 the network it can choose addresses in', () => {
  const keys = ['192.0.2.1', '2001:db8::1', '2001:db8:0:0:ffff::2', '2001:DB8:0:1::1', '::1'].map(
    (peer) => clientKey(peer, [], null),
  );

  expect(keys).toEqual([
    '192.0.2.1',
    '2001:db8:0:0::/64',
    '2001:db8:0:0::/64',
    '2001:db8:0:1::/64',
    '0:0:0:0::/64',
  ]);
});

test('a proxy is believed who its client is where it is trusted, and nobody beyond the first who is not', () => {
  const proxies = new TrustedProxies(['10.0.0.0/8']);
  const raw = [
    'Host',
    'a',
    'X-Forwarded-For',
    '203.0.113.9, 198.51.100.7',
    'x-forwarded-for',
    '10.0.0.2',
  ];

  expect(clientKey('10.0.0.1', raw, proxies)).toBe('198.51.100.7');
  expect(clientKey('192.0.2.1', raw, proxies)).toBe('192.0.2.1');
  expect(clientKey('10.0.0.1', [], proxies)).toBe('10.0.0.1');
});

test('however many clients fail, what is kept and told of them is bounded', () => {
  const outcomes = new Outcomes();
  for (let one = 0; one < 5_000; one++) outcomes.fail(`10.0.${one >> 8}.${one & 255}`);
  for (let one = 0; one < 40; one++) outcomes.fail('10.0.0.1');

  const { failed, clients } = outcomes.stats();

  expect(failed).toBe(5_040);
  expect(Object.keys(clients)).toHaveLength(8);
  expect(clients['10.0.0.1']).toBe(41);
});
