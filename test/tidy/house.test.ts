/** House rules that a machine can check; the rest is for readers. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { importsOf, read, root, sources } from '../support/source.ts';

const product = sources('src');
const tests = sources('test');
const everything = [
  ...product,
  ...tests,
  ...sources('bench', ['.mjs']),
  ...sources('deploy', ['.mjs']),
];

test('every file of the product opens with what it is', () => {
  const mute = product
    .filter(({ text }) => !/^(#![^\n]*\n)?\/\*\*/.test(text))
    .map(({ path }) => path);

  expect(mute).toEqual([]);
});

test('no line of the product is longer than 100 columns', () => {
  const long = product.flatMap(({ path, text }) =>
    text.split('\n').flatMap((line, at) => {
      // A template or a URL cannot always be broken.
      const exempt = /[`]|https?:\/\/|'.{60,}'|\{' '\}$|^\s*\/.+\/[a-z]*;?$/.test(line);
      return [...line].length > 100 && !exempt ? [`${path}:${at + 1}`] : [];
    }),
  );

  expect(long).toEqual([]);
});

test('no console outside the CLI', () => {
  const noisy = product
    .filter(({ path }) => !path.startsWith('src/cli/'))
    .filter(({ text }) => /\bconsole\.\w+\(/.test(text.replace(/^\s*(\/\/|\*).*$/gm, '')))
    .map(({ path }) => path);

  expect(noisy).toEqual([]);
});

test('nothing is left to mend, and no test is left alone', () => {
  const marks = ['FIX' + 'ME', 'TO' + 'DO', 'X' + 'XX'].join('|');
  const left = everything
    .filter(({ text }) => new RegExp(`\\b(${marks})\\b|\\b(test|it|describe)\\.only\\(`).test(text))
    .map(({ path }) => path);

  expect(left).toEqual([]);
});

test('no barrels, no default exports, no utils', () => {
  const wrong = product
    .filter(({ path }) => !path.endsWith('.config.ts'))
    .filter(
      ({ path, text }) =>
        /\/(index|utils?|helpers?|misc|common)\.tsx?$/.test(path) || /^export default/m.test(text),
    )
    .map(({ path }) => path);

  expect(wrong).toEqual([]);
});

test('both planes read no clock and throw no dice of their own', () => {
  const found = product
    .filter(({ path }) => /^src\/(control|proxy)\//.test(path))
    .map(({ path, text }) => [path, worldIn(text)] as const)
    .filter(([, world]) => world.length > 0);

  expect(Object.fromEntries(found)).toEqual(worldly);
});

test('time and chance are found by whatever name they are let in', () => {
  const letIn = (text: string) => worldIn(text).length > 0;

  expect(
    [
      'const now = Date.now();',
      'const now = new Date();',
      'const later = setTimeout(done, 5);',
      'performance.now()',
      "import { setTimeout as rest } from 'node:timers/promises';",
      "import { createHash, randomInt } from 'node:crypto';",
      'roll = Math.random',
    ].map(letIn),
  ).not.toContain(false);
  expect(
    ['new Date(at)', 'socket.setTimeout(0)', '// Date.now() would', ' * setTimeout()'].map(letIn),
  ).not.toContain(true);
});

/** What of time and chance a file reaches for by itself; comments apart. */
function worldIn(text: string): readonly string[] {
  const code = text.replace(/^\s*(\/\/|\/?\*).*$/gm, '');
  const reached = code.matchAll(
    /\bDate\.now\b|\bnew Date\(\)|\bperformance\.now\b|\bhrtime\b|(?<![.\w])(?:setTimeout|setInterval)\(|\bMath\.random\b|\b(?:random[A-Z]\w+|getRandomValues)\b|'node:timers[\w/]*'/g,
  );
  return [...new Set([...reached].map(([name]) => name.replace(/\($/, '')))].sort();
}

/**
 * Where the world is let in, and what of it. Names, tokens and cookies are drawn where they are
 * given out; nothing is decided by them.
 */
const worldly: Readonly<Record<string, readonly string[]>> = {
  'src/control/admin/app.ts': ['randomUUID'],
  'src/control/admin/connections.ts': ['randomUUID'],
  'src/control/admin/server.ts': ['setTimeout'],
  'src/control/admin/session.ts': ['randomBytes'],
  'src/control/certificates/acme/x509.ts': ['randomBytes'],
  'src/control/certificates/certificates.ts': ['randomBytes'],
  'src/control/controller.ts': ['Math.random', 'randomBytes'],
  'src/control/drivers/docker/engine/instance.ts': ['randomBytes'],
  'src/control/drivers/process/marks.ts': ["'node:timers/promises'", 'setTimeout'],
  'src/control/drivers/process/ports.ts': ['Math.random'],
  'src/proxy/accounting/requestIds.ts': ['randomUUID'],
  'src/proxy/edge/basicAuth.ts': ['randomBytes'],
  'src/proxy/general/tunnel.ts': ['randomBytes'],
};

test('few files stand loose: what starts and joins the planes', () => {
  const loose = (folder: string) =>
    product.filter(
      ({ path }) => path.startsWith(folder) && !path.slice(folder.length).includes('/'),
    ).length;

  expect(loose('src/control/')).toBeLessThanOrEqual(8);
  expect(loose('src/proxy/')).toBeLessThanOrEqual(18);
});

test('no file is over 320 lines but the tables', () => {
  const long = [...product, ...sources('src', ['.css'])]
    .filter(({ text }) => text.trimEnd().split('\n').length > 320)
    .map(({ path }) => path)
    .filter((path) => !tables.includes(path));

  expect(long).toEqual([]);
});

const tables = ['src/config/schema.ts', 'src/control/admin/routes.ts', 'src/dashboard/style.css'];

test('the lock holds every optional package of every platform', () => {
  const { packages } = JSON.parse(read('package-lock.json')) as {
    packages: Readonly<Record<string, { optionalDependencies?: Record<string, string> }>>;
  };
  const missing = Object.entries(packages).flatMap(([path, { optionalDependencies }]) =>
    Object.keys(optionalDependencies ?? {})
      .filter((name) => !placesOf(path, name).some((place) => place in packages))
      .map((name) => `${name}, wanted by ${path || 'the project'}`),
  );

  expect(missing).toEqual([]);
});

/** Where a package may lie that `path` depends on: beside its own dependencies, or further up. */
function placesOf(path: string, name: string): readonly string[] {
  const places = [`${path === '' ? '' : `${path}/`}node_modules/${name}`];
  for (
    let at = path.lastIndexOf('node_modules/');
    at >= 0;
    at = path.lastIndexOf('node_modules/', at - 1)
  ) {
    places.push(`${path.slice(0, at)}node_modules/${name}`);
    if (at === 0) break;
  }
  return places;
}

test('every import of a neighbour names a file that is there', () => {
  const missing = product.flatMap((source) =>
    importsOf(source)
      .filter((name) => name.startsWith('.') && /\.tsx?$/.test(name))
      .filter((name) => !existsSync(join(root, source.path, '..', name)))
      .map((name) => `${source.path} imports ${name}`),
  );

  expect(missing).toEqual([]);
});

test('nothing committed names this machine', () => {
  const documents = [
    read('README.md'),
    read('src/README.md'),
    ...sources('docs', ['.md']).map(({ text }) => text),
  ].join('\n');

  expect(documents).not.toMatch(/\/work\/|\/root\//);
});
