import { describe, expect, test } from 'vitest';
import {
  formatAddress,
  formatTarget,
  isLoopback,
  parseListen,
  parseTarget,
  targetWanted,
} from '../../src/config/address.ts';
import { Fault } from '../../src/errors.ts';
import { fc } from '../support/property.ts';

test.each([
  ['127.0.0.1:3000', '127.0.0.1', 3000],
  [':3000', '127.0.0.1', 3000],
  ['Shop.Internal:80', 'shop.internal', 80],
  ['shop_web_1:80', 'shop_web_1', 80],
  ['[::1]:80', '::1', 80],
  ['[FE80::1%eth0]:80', 'fe80::1%eth0', 80],
  ['a:65535', 'a', 65_535],
])('%s is a target', (text, host, port) => {
  expect(parseTarget(text)).toEqual({ host, port });
});

test.each([
  ['https://shop:8443', { host: 'shop', port: 8443, scheme: 'https' }],
  ['HTTPS://Shop.Internal', { host: 'shop.internal', port: 443, scheme: 'https' }],
  ['https://shop/', { host: 'shop', port: 443, scheme: 'https' }],
  ['https://[::1]:8443', { host: '::1', port: 8443, scheme: 'https' }],
  ['https://[::1]', { host: '::1', port: 443, scheme: 'https' }],
  ['unix:/run/shop.sock', { host: '/run/shop.sock', port: 0, scheme: 'unix' }],
  ['unix:///run/shop.sock', { host: '/run/shop.sock', port: 0, scheme: 'unix' }],
])('%s is a target that is spoken to in another way', (text, target) => {
  expect(parseTarget(text)).toEqual(target);
  expect(parseTarget(formatTarget(parseTarget(text)))).toEqual(target);
});

test.each([
  ['', ''],
  ['shop', 'the port is missing: shop:8080?'],
  ['3000', 'did you mean :3000?'],
  ['http://shop:80', 'take the http:// away'],
  ['ws://shop:80/', 'take the ws:// away'],
  ['http://shop', 'write shop:80'],
  [
    'http://shop:80/v2',
    'an address has no path; `prefix.add` of the service puts one in front of paths',
  ],
  [
    'shop:80/path',
    'an address has no path; `prefix.add` of the service puts one in front of paths',
  ],
  ['/run/shop.sock', 'write unix:/run/shop.sock'],
  ['unix:shop.sock', 'the path of a socket begins with /'],
  ['unix:/run/', 'that is no path of a socket'],
  ['unix:/run/a b', 'that is no path of a socket'],
  ['unix:/run/a:\0b', 'that is no path of a socket'],
  ['wss://shop:8443', 'write https://shop:8443'],
  ['https://', 'the host is missing'],
  ['https://:8443', 'the host is missing'],
  [
    'https://shop/v2',
    'an address has no path; `prefix.add` of the service puts one in front of paths',
  ],
  ['h2c://shop:80', 'take the h2c:// away, and write `protocol: h2` in the service'],
  ['tcp://shop:80', 'targets are spoken to in HTTP: name a port that takes it, as host:port'],
  ['user@shop:80', '"user@shop" is no host name'],
  ['shop:0', '0 is no port'],
  ['shop:65536', '65536 is no port'],
  ['shop:', ''],
  ['shop: 80', ''],
  ['-shop:80', '"-shop" is no host name'],
  ['shop..internal:80', '"shop..internal" is no host name'],
  ['127.1:80', '"127.1" is no host name'],
  ['2130706433:80', '"2130706433" is no host name'],
  ['0x7f.0.0.0x1:80', '"0x7f.0.0.0x1" is no host name'],
  ['256.0.0.1:80', '"256.0.0.1" is no host name'],
  ['[::g]:80', '"::g" is no IPv6 address'],
  ['[127.0.0.1]:80', '"127.0.0.1" is no IPv6 address'],
  ['::1', 'an IPv6 host stands in brackets: [::1]:8080'],
  ['0.0.0.0:80', '0.0.0.0 is no address to connect to; 127.0.0.1 is this machine'],
  ['shop\r\nHost: evil:80', ''],
])('%j is no target, and the refusal says why', (text, hint) => {
  const wanted = `wanted ${targetWanted}`;
  const message = `${wanted}, got ${JSON.stringify(text)}${hint === '' ? '' : `; ${hint}`}`;

  expect(() => parseTarget(text)).toThrow(
    expect.objectContaining({ code: 'TARGET_INVALID', message }),
  );
});

describe('where to listen', () => {
  test.each([
    ['https://:443', 'HTTPS is what `tls` says'],
    [':443 ssl', 'HTTPS is what `tls` says'],
    ['http://:80', 'take the http:// away'],
    ['*:80', 'every IPv4 address is :80'],
    [':80, [::]:80', 'several are a list: [":80", "[::]:80"]'],
    ['unix:/run/p.sock', 'clients connect by TCP alone'],
    ['udp://:443', 'udp is not spoken here'],
  ])('%j is no such address, and the refusal says what to write', (text, hint) => {
    expect(() => parseListen(text)).toThrow(`; ${hint}`);
  });

  test('a port alone is every IPv4 address; port 0 is any free one', () => {
    expect(parseListen(':8080')).toEqual({ host: '0.0.0.0', port: 8080 });
    expect(parseListen('[::]:0')).toEqual({ host: '::', port: 0 });
  });
});

test('an address that is written and read again is the same', () => {
  const label = fc.stringMatching(/^[a-z][a-z0-9]{0,10}$/);
  const host = fc.oneof(fc.ipV4(), fc.ipV6(), fc.array(label, { minLength: 1, maxLength: 4 }));
  fc.assert(
    fc.property(host, fc.integer({ min: 1, max: 65_535 }), (made, port) => {
      const address = { host: typeof made === 'string' ? made : made.join('.'), port };
      fc.pre(address.host !== '0.0.0.0' && address.host !== '::');

      expect(parseTarget(formatAddress(address))).toEqual({
        host: address.host.toLowerCase(),
        port,
      });
    }),
  );
});

test('any text is an address or a Fault', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      try {
        parseTarget(text);
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(Fault);
      }
    }),
  );
});

test.each([
  ['localhost', true],
  ['LOCALHOST', true],
  ['127.0.0.1', true],
  ['127.8.8.8', true],
  ['::1', true],
  ['::ffff:127.0.0.1', true],
  ['0.0.0.0', false],
  ['::', false],
  ['127.example', false],
  ['localhost.example', false],
  ['10.0.0.1', false],
])('%s is loopback: %s', (host, loopback) => {
  expect(isLoopback(host)).toBe(loopback);
});
