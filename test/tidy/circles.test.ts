/**
 * Nothing imports itself by way of others: not a file, not a folder.
 *
 * The rule this file keeps: imports of types count, since a reader follows them too; a folder and
 * the one it stands in are two. So every folder can be read, and moved, with what lies below it.
 */
import { expect, test } from 'vitest';
import { circlesOf, fileGraph, folderGraph } from '../support/circles.ts';
import { folderOf } from '../support/floors.ts';
import { sources } from '../support/source.ts';

const files = fileGraph(sources('src'));
const folders = folderGraph(files, folderOf);

test('no file imports itself by way of others', () => {
  expect(circlesOf(files)).toEqual([]);
});

test('no folder imports itself by way of others', () => {
  expect(circlesOf(folders)).toEqual([]);
});

test('a circle is found however long it is, and whatever hangs on it', () => {
  const text = (...names: string[]) =>
    names.map((name) => `import type { A } from './${name}.ts';\n`);
  const planted = fileGraph([
    { path: 'src/a.ts', text: text('b', 'leaf').join('') },
    { path: 'src/b.ts', text: text('c').join('') },
    { path: 'src/c.ts', text: `${text('leaf').join('')}const a = await import('./a.ts');` },
    { path: 'src/leaf.ts', text: '' },
    { path: 'src/root.ts', text: text('a', 'c').join('') },
  ]);

  expect(circlesOf(planted)).toEqual([['src/a.ts', 'src/b.ts', 'src/c.ts']]);
});

test('a folder that its own parent imports, and that imports it, is a circle', () => {
  const planted = fileGraph([
    { path: 'src/house/door.ts', text: `import { a } from './room/chair.ts';` },
    { path: 'src/house/wall.ts', text: '' },
    { path: 'src/house/room/chair.ts', text: `import { a } from '../wall.ts';` },
  ]);

  expect(circlesOf(planted)).toEqual([]);
  expect(circlesOf(folderGraph(planted, folderOf))).toEqual([['src/house', 'src/house/room']]);
});
