/**
 * The documents say what the code does: tables in the README are made from the code they describe.
 * `UPDATE_DOCUMENTS=1 npx vitest run test/tidy` writes them anew.
 */
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { configTable } from '../../src/config/document.ts';
import { faults } from '../../src/errors.ts';
import { metricsTable } from '../support/metricsTable.ts';
import { read, root, section, sources } from '../support/source.ts';
import { sourceTree } from '../support/tree.ts';

const tables: Readonly<Record<string, () => string | Promise<string>>> = {
  config: () => configTable().trim(),
  errors: () => {
    const rows = Object.entries(faults).map(
      ([code, { status, side, retry, title }]) =>
        `| \`${code}\` | ${status} | ${side} | ${retry ? 'yes' : 'no'} | ${title} |`,
    );
    return ['| code | status | whose | retry | what |', '|---|---|---|---|---|', ...rows].join(
      '\n',
    );
  },
  metrics: metricsTable,
};

for (const [name, make] of Object.entries(tables)) {
  test(`the ${name} table of the README is what the code says`, async () => {
    holds('README.md', name, await make());
  });
}

test('the tree in src/README.md is the folder, in the words of its files', () => {
  holds('src/README.md', 'tree', sourceTree());
});

function holds(file: string, name: string, wanted: string): void {
  if (process.env.UPDATE_DOCUMENTS !== undefined) {
    const text = read(file);
    const from = text.indexOf(`<!-- ${name} -->`);
    const to = text.indexOf(`<!-- /${name} -->`);
    const mended = `${text.slice(0, from)}<!-- ${name} -->\n${wanted}\n${text.slice(to)}`;
    writeFileSync(join(root, file), mended);
  }
  expect(section(read(file), name)).toBe(wanted);
}

test('every metric that grafana/ uses exists', async () => {
  const known = new Set(
    [...(await metricsTable()).matchAll(/`(pointsman_\w+)`/g)].map((m) => m[1]),
  );
  const used = new Set(
    sources('grafana', ['.json', '.yml', '.yaml']).flatMap(({ text }) =>
      [...text.matchAll(/(?<![\w:])pointsman_\w+(?![\w:])/g)].map(([name]) =>
        name.replace(/_(bucket|sum|count)$/, ''),
      ),
    ),
  );

  expect([...used].filter((name) => !known.has(name))).toEqual([]);
});

test('every folder of the top level is one that the README names', () => {
  const readme = read('README.md');
  const folders = readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !/^\.|node_modules|dist/.test(entry.name))
    .map((entry) => entry.name);

  expect(folders.filter((name) => !readme.includes(`${name}/`))).toEqual([]);
});
