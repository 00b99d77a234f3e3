/** Whose word is taken. */
import { expect, test } from 'vitest';
import { clientAddress, TrustedProxies } from '../../../src/proxy/edge/trustedProxies.ts';

test.each([
  ['10.0.0.0/8', '10.255.0.1', true],
  ['10.0.0.0/8', '11.0.0.1', false],
  ['192.0.2.7', '192.0.2.7', true],
  ['192.0.2.7', '192.0.2.8', false],
  ['fd00::/8', 'fd12::1', true],
  ['fd00::/8', 'fe80::1', false],
  ['::1', '::1', true],
  ['0.0.0.0/0', '', false],
])('of %s, %s is trusted: %s', (block, address, trusted) => {
  expect(new TrustedProxies([block]).trusts(address)).toBe(trusted);
});

test('without trusted proxies nobody is trusted', () => {
  expect(new TrustedProxies([]).trusts('127.0.0.1')).toBe(false);
});

test('an IPv4 address in IPv6 clothing is the IPv4 address', () => {
  expect(clientAddress({ remoteAddress: '::ffff:10.0.0.1' })).toBe('10.0.0.1');
  expect(clientAddress({ remoteAddress: '::ffff:dead:beef' })).toBe('::ffff:dead:beef');
  expect(clientAddress({ remoteAddress: undefined })).toBe('');
});
