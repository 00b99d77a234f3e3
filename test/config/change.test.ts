import { expect, test } from 'vitest';
import { asInForce, describeChange, inForceOf, outstanding } from '../../src/config/change.ts';
import { parseConfig } from '../../src/config/load.ts';

const parse = (text: string) => parseConfig(text, '/etc/pointsman.yaml');

const shop = 'shop: { hosts: [shop], run: { static: {} } }';

test('the same file changes nothing', () => {
  const text = `workers: 2\nservices: { ${shop} }`;

  expect(describeChange(parse(text), parse(text))).toEqual({
    added: [],
    removed: [],
    changed: [],
  });
});

test('services are told apart by name: added, removed, changed', () => {
  const before = parse(`services: { ${shop}, a: { hosts: [a], run: { static: {} } } }`);
  const after = parse(
    `services: { shop: { hosts: [shop], drain: 1s, run: { static: {} } },
      b: { hosts: [b], run: { static: {} } } }`,
  );

  expect(describeChange(before, after)).toEqual({
    added: ['b'],
    removed: ['a'],
    changed: ['shop'],
  });
});

test('a default that is written out, and another order of services, are no change', () => {
  const other = 'other: { hosts: [o], run: { static: {} } }';
  const before = parse(`services: { ${shop}, ${other} }`);
  const after = parse(
    `services: { ${other}, shop: { drain: 30s, hosts: [shop], run: { static: {} } } }`,
  );

  expect(describeChange(before, after).changed).toEqual([]);
});

test('a first release that changes has no effect any more, and is no change', () => {
  const first = (release: string) =>
    parse(
      `services: { shop: { hosts: [shop], run: { static: {} }, first: { release: ${release}, targets: [127.0.0.1:1] } } }`,
    );

  expect(describeChange(first('v1'), first('v2')).changed).toEqual([]);
});

const running = inForceOf(parse('workers: 1\nservices: {}'));
const other = `listen: :80
workers: 2
state: /var/lib/pointsman
shutdown: 5s
admin: { listen: "[::1]:9400" }
accessLog: all
services: {}`;

test('what a reload cannot make true is said in one sentence each, by what does', () => {
  expect(outstanding(running, parse(other))).toEqual({
    handover: [
      'listen becomes 0.0.0.0:80; it is 127.0.0.1:8080.',
      'workers becomes 2; it is 1.',
      'shutdown becomes 5s; it is 30s.',
      'admin.listen becomes [::1]:9400; it is 127.0.0.1:9400.',
    ],
    needsRestart: [
      'state stays /etc/pointsman-state until a restart; the file says /var/lib/pointsman.',
    ],
  });
});

test('from or to one process everything takes a restart', () => {
  const { handover, needsRestart } = outstanding(running, parse('workers: 0\nservices: {}'));

  expect(handover).toEqual([]);
  expect(needsRestart).toEqual(['workers stays 1 until a restart; the file says 0.']);
});

test('what an operator may change at any time takes no restart', () => {
  const file = parse(
    'workers: 1\nadmin: { tokenFile: ./t, readTokenFile: ./r, hosts: [proxy.example] }\nservices: {}',
  );

  expect(outstanding(running, file)).toEqual({ handover: [], needsRestart: [] });
});

test('what is read again is as what runs where it takes a restart, and as the file elsewhere', () => {
  const now = asInForce(parse(other), running);

  expect(inForceOf(now)).toEqual(running);
  expect(now.edge.accessLog).toBe(parse(other).edge.accessLog);
});
