import { expect, test } from 'vitest';
import { describeChange } from '../../src/config/change.ts';
import { parseConfig } from '../../src/config/load.ts';

const parse = (text: string) => parseConfig(text, '/etc/pointsman.yaml');

const shop = 'shop: { hosts: [shop], run: { static: {} } }';

test('the same file changes nothing', () => {
  const text = `workers: 2\nservices: { ${shop} }`;

  expect(describeChange(parse(text), parse(text))).toEqual({
    added: [],
    removed: [],
    changed: [],
    needsRestart: [],
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
    needsRestart: [],
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

test('what takes a restart is said in one sentence each', () => {
  const before = parse('workers: 1\nservices: {}');
  const after = parse(
    `listen: :80
workers: 2
state: /var/lib/pointsman
admin: { listen: "[::1]:9400" }
accessLog: all
services: {}`,
  );

  expect(describeChange(before, after).needsRestart).toEqual([
    'listen stays 127.0.0.1:8080 until a restart; the file says 0.0.0.0:80.',
    'workers stays 1 until a restart; the file says 2.',
    'state stays /etc/pointsman-state until a restart; the file says /var/lib/pointsman.',
    'admin.listen stays 127.0.0.1:9400 until a restart; the file says [::1]:9400.',
  ]);
});
