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
    const wanted = await make();
    if (process.env.UPDATE_DOCUMENTS !== undefined) {
      const readme = read('README.md');
      const was = section(readme, name);
      const old = `<!-- ${name} -->\n${was}${was === '' ? '' : '\n'}<!-- /${name} -->`;
      const mended = readme.replace(old, () => `<!-- ${name} -->\n${wanted}\n<!-- /${name} -->`);
      writeFileSync(join(root, 'README.md'), mended);
    }

    expect(section(read('README.md'), name)).toBe(wanted);
  });
}

test('the tree in src/README.md is the folder', () => {
  const text = read('src/README.md');
  const tree = section(text, 'tree');
  const named = [...tree.matchAll(/^\s*([\w./-]+\.(?:ts|tsx|css|html))\s/gm)].map((one) => one[1]);
  const files = sources('src', ['.ts', '.tsx', '.css', '.html']).map(({ path }) =>
    path
      .replace(/^src\//, '')
      .split('/')
      .at(-1),
  );

  expect(named.sort()).toEqual(files.sort());
});

test('every metric that grafana/ uses exists', async () => {
  const known = new Set(
    [...(await metricsTable()).matchAll(/`(pointsman_\w+)`/g)].map((m) => m[1]),
  );
  const used = new Set(
    sources('grafana', ['.json', '.yml', '.yaml']).flatMap(({ text }) =>
      [...text.matchAll(/\bpointsman_\w+/g)].map(([name]) =>
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
