import { readFile } from 'node:fs/promises';
import { Ajv } from 'ajv';
import { expect, test } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { configKeys, configSchema, configTable } from '../../src/config/document.ts';
import { readFields } from '../../src/config/load.ts';
import { Reading } from '../../src/config/reading.ts';

const example = await readFile('deploy/pointsman.yaml', 'utf8');

const validate = new Ajv({ strict: true, allowUnionTypes: true }).compile(configSchema());

test('the schema for editors is the one the validation comes from (vitest -u writes it)', async () => {
  const text = `${JSON.stringify(configSchema(), null, 2)}\n`;

  await expect(text).toMatchFileSnapshot('../../deploy/pointsman.schema.json');
});

test('the example has every key, and no mistake', () => {
  const reading = new Reading('deploy/pointsman.yaml');

  readFields(example, reading);

  const services = /^services\.[^.]+/;
  const written = new Set(reading.paths.map((path) => path.replace(services, 'services.*')));
  expect(configKeys().filter((key) => !written.has(key))).toEqual([]);
});

test('editors find no mistake in the example', () => {
  validate(parseYaml(example));

  expect(validate.errors).toBeNull();
});

test.each([
  ['a misspelt key', 'services: {}\nlisten_on: :80'],
  ['a service without run', 'services: { shop: {} }'],
  ['two ways to run', 'services: { shop: { run: { static: {}, process: { command: [x] } } } }'],
  ['a duration without a unit', 'services: {}\nshutdown: 30'],
  ['a number out of bounds', 'services: {}\nworkers: 65'],
  ['a word not in the list', 'services: {}\nlanes: fast'],
  ['a service name in capitals', 'services: { Shop: { run: { static: {} } } }'],
])('editors find %s', (_, text) => {
  expect(validate(parseYaml(text))).toBe(false);
});

test('every key has a row in the table, with a sentence and a default or "required"', () => {
  const lines = configTable().trimEnd().split('\n').slice(2);

  expect(lines.map((line) => /^\| `([^`]+)`/.exec(line)?.[1])).toEqual(configKeys());
  for (const line of lines) expect(line).toMatch(/^\|([^|]*\|){3} [^|]+\. \|$/);
  expect(lines).toContain(
    '| `services.*.drain` | `30s` | 0s to 1h | How long requests inside the old pool may take to ' +
      'end after a flip; then they are cut. |',
  );
  expect(lines).toContain(
    '| `services.*.warm` | `until-next` | until-next, or 1s to 14d, or a map | How long the old ' +
      'pool is kept for a rollback: until the next deployment has taken its place, or a time. |',
  );
});
