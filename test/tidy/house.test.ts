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

test('the control core reads no clock and throws no dice of its own', () => {
  const core = product.filter(({ path }) => /^src\/(control|proxy)\/[^/]+\.ts$/.test(path));
  const wrong = core
    .filter(({ text }) =>
      /\bDate\.now\(|(?<![.\w])setTimeout\(|(?<![.\w])setInterval\(|\bMath\.random\b/.test(text),
    )
    .map(({ path }) => path);

  expect(wrong.filter((path) => !worldly.includes(path))).toEqual([]);
});

/** Files where the world is let in. */
const worldly = ['src/control/controller.ts'];

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
  const readme = [read('README.md'), read('src/README.md')].join('\n');

  expect(readme).not.toMatch(/\/work\/|\/root\//);
});
