import { expect, test } from 'vitest';
import { parseTarget } from '../../src/config/address.ts';
import { refusalOf } from '../../src/config/targets.ts';

const own = [
  { host: '0.0.0.0', port: 8080 },
  { host: '::', port: 8443 },
  { host: '10.0.0.5', port: 80 },
  { host: '127.0.0.1', port: 9400 },
];
const local = () => new Set(['10.0.0.5', '2001:db8::5', '127.0.0.1', '::1']);
const refused = (text: string, linkLocal = false) =>
  refusalOf(parseTarget(text), { own, linkLocal }, local) !== null;

test.each([
  'localhost:8080',
  '127.0.0.1:8080',
  '10.0.0.5:8080',
  '[::ffff:10.0.0.5]:8080',
  '[::ffff:7f00:1]:8080',
  '[2001:db8::5]:8443',
  '[2001:DB8:0::5]:8443',
  '10.0.0.5:8443',
  '10.0.0.5:80',
  '127.0.0.1:9400',
  '[::1]:9400',
])('%s is our own, and no target', (text) => {
  expect(refused(text)).toBe(true);
  expect(refused(text, true)).toBe(true);
});

test.each(['10.0.0.5:8081', '10.0.0.6:8080', '[2001:db8::5]:8080', '10.0.0.5:9400', 'shop:8080'])(
  '%s is somebody else',
  (text) => expect(refused(text)).toBe(false),
);

test.each([
  '169.254.169.254:80',
  '169.254.0.1:1',
  '[::ffff:169.254.169.254]:80',
  '[fe80::1]:80',
  '[fe80::1%eth0]:80',
  '[fd00:ec2::254]:80',
  '[fd00:0ec2:0::254]:80',
  '[fd20:ce::254]:80',
])('%s is where clouds keep credentials: a target only where the key says so', (text) => {
  expect(refused(text)).toBe(true);
  expect(refused(text, true)).toBe(false);
});

test.each(['169.253.0.1:80', '[fd00:ec2::253]:80', '[fec0::1]:80'])('%s is none of these', (text) =>
  expect(refused(text)).toBe(false),
);
