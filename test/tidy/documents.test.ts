/**
 * The documents say what the code does: tables in `docs/` are made from the code they describe, and
 * every link leads somewhere.
 * `UPDATE_DOCUMENTS=1 npx vitest run test/tidy` writes them anew.
 */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { configTable } from '../../src/config/document.ts';
import { faults } from '../../src/errors.ts';
import { metricsTable } from '../support/metricsTable.ts';
import { read, root, type Source, section, sources } from '../support/source.ts';
import { sourceTree } from '../support/tree.ts';

/** Which file holds each table, between `<!-- name -->` and `<!-- /name -->`, and who makes it. */
const tables: readonly [file: string, name: string, make: () => string | Promise<string>][] = [
  ['docs/configuration.md', 'config', () => configTable().trim()],
  ['docs/api.md', 'errors', errorsTable],
  ['docs/metrics.md', 'metrics', metricsTable],
];

function errorsTable(): string {
  const rows = Object.entries(faults).map(
    ([code, { status, side, retry, title }]) =>
      `| \`${code}\` | ${status} | ${side} | ${retry ? 'yes' : 'no'} | ${title} |`,
  );
  return ['| code | status | whose | retry | what |', '|---|---|---|---|---|', ...rows].join('\n');
}

for (const [file, name, make] of tables) {
  test(`the ${name} table in ${file} is what the code says`, async () => {
    holds(file, name, await make());
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

test('the walks in src/README.md go through files that are there', () => {
  const text = read('src/README.md');
  const walks = text.slice(text.indexOf('## Two walks'), text.indexOf('## The tree'));
  const files = sources('src', ['.ts', '.tsx']).map(({ path }) => path.replace(/\.tsx?$/, ''));
  const named = [...walks.matchAll(/`([a-z]+(?:\/\w+)+)`/g)].map(([, path]) => `/${path}`);

  const missing = named.filter((path) => !files.some((file) => file.endsWith(path)));

  expect(named.length).toBeGreaterThan(20);
  expect(missing).toEqual([]);
});

test('every folder of the top level is one that the README names', () => {
  const readme = read('README.md');
  const folders = readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !/^\.|node_modules|dist/.test(entry.name))
    .map((entry) => entry.name);

  expect(folders.filter((name) => !readme.includes(`${name}/`))).toEqual([]);
});

test('every relative link of the documents leads to a file and a heading that are there', () => {
  const broken = documents().flatMap(({ path, text }) =>
    linksOf(text)
      .filter((link) => !/^[a-z]+:/.test(link))
      .filter((link) => !leadsSomewhere(path, link))
      .map((link) => `${path}: ${link}`),
  );

  expect(broken).toEqual([]);
});

test('every page of docs/ is one that the README leads to', () => {
  const reached = new Set(linksOf(read('README.md')).map((link) => link.replace(/#.*/, '')));
  const pages = sources('docs', ['.md']).map(({ path }) => path);

  expect(pages.filter((path) => !reached.has(path) && !reached.has(dirname(path)))).toEqual([]);
});

test('what SECURITY.md says of http-proxy is said of the version that is pinned, and by tests that exist', () => {
  const text = read('SECURITY.md');
  const { dependencies } = JSON.parse(read('package.json'));
  const suites = sources('test')
    .map((source) => source.text)
    .join('\n');
  const named = [...text.matchAll(/Test: "([^"]+)"/g)].map((match) => match[1] ?? '');

  expect(text).toContain(`http-proxy ${dependencies['http-proxy']}`);
  expect(named.length).toBeGreaterThan(0);
  expect(named.filter((name) => !suites.includes(name))).toEqual([]);
});

/** Everything that is written for readers. */
function documents(): Source[] {
  const top = readdirSync(root).filter((name) => name.endsWith('.md'));
  return [
    ...[...top, 'src/README.md'].map((path) => ({ path, text: read(path) })),
    ...sources('docs', ['.md']),
  ];
}

/** Where the links of a text lead, those in code left out. */
function linksOf(markdown: string): string[] {
  const prose = markdown.replace(/^```[\s\S]*?^```/gm, '').replace(/`[^`\n]*`/g, '');
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1] ?? '');
}

function leadsSomewhere(from: string, link: string): boolean {
  const [path = '', anchor] = link.split('#');
  const file = path === '' ? from : join(dirname(from), path);
  if (!existsSync(join(root, file))) return false;
  return anchor === undefined || anchorsOf(read(file)).includes(anchor);
}

/** The anchors of the headings, as the hosts of repositories make them. */
function anchorsOf(markdown: string): string[] {
  const prose = markdown.replace(/^```[\s\S]*?^```/gm, '');
  return [...prose.matchAll(/^#{1,6} +(.+)$/gm)].map((match) =>
    (match[1] ?? '')
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}
