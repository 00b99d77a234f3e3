/** Which service a host and a path mean. */
import { expect, test } from 'vitest';
import { Routes } from '../../src/proxy/routes.ts';

const routes = new Routes<string>([
  [{ hosts: ['shop.example'], paths: ['/'] }, 'shop'],
  [{ hosts: ['shop.example'], paths: ['/api', '/api/v2/'] }, 'api'],
  [{ hosts: ['*.shop.example'], paths: ['/'] }, 'wild'],
  [{ hosts: ['*.eu.shop.example'], paths: ['/'] }, 'eu'],
  [{ hosts: ['only.example'], paths: ['/only'] }, 'only'],
  [{ hosts: [], paths: ['/any'] }, 'any'],
]);

test.each([
  ['shop.example', '/', 'shop'],
  ['SHOP.Example', '/x', 'shop'],
  ['shop.example:8080', '/', 'shop'],
  ['shop.example.', '/', 'shop'],
  ['shop.example', '/api', 'api'],
  ['shop.example', '/api/', 'api'],
  ['shop.example', '/api?x=/y', 'api'],
  ['shop.example', '/apis', 'shop'],
  ['shop.example', '/api/v2/x', 'api'],
  ['shop.example', '//api', 'shop'],
  ['shop.example', '/API', 'shop'],
  ['shop.example', '/%61pi', 'shop'],
  ['a.shop.example', '/', 'wild'],
  ['b.a.shop.example', '/', 'wild'],
  ['a.eu.shop.example', '/', 'eu'],
  ['eu.shop.example', '/', 'wild'],
  ['xshop.example', '/', undefined],
  ['only.example', '/only/x', 'only'],
  ['only.example', '/any/x', 'any'],
  ['only.example', '/', undefined],
  ['other', '/any', 'any'],
  ['[::1]:80', '/any', 'any'],
  ['', '/any', 'any'],
  ['other', '/', undefined],
])('%s%s is for %s', (host, path, service) => {
  expect(routes.match(host, path)).toBe(service);
});

test('of two services that claim the same, the first keeps it', () => {
  const twice = new Routes<string>([
    [{ hosts: [], paths: ['/'] }, 'first'],
    [{ hosts: [], paths: ['/'] }, 'second'],
  ]);

  expect(twice.match('a', '/')).toBe('first');
});

test('a path as long as the parser lets through is matched by its beginning', () => {
  expect(routes.match('shop.example', `/api/${'x/'.repeat(8_000)}`)).toBe('api');
});
