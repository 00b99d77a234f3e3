/**
 * Who may import whom.
 *
 * The rule this file keeps: imports point downwards, the two planes do not know each other, and
 * each npm package has one door, so that replacing it touches one file and its contract tests.
 */

import { builtinModules } from 'node:module';
import { dirname, join, normalize } from 'node:path';
import { expect, test } from 'vitest';
import { roomOf, rooms } from '../support/floors.ts';
import { importsOf, read, type Source, sources } from '../support/source.ts';

const all = sources('src').filter(({ path }) => !path.startsWith('src/dashboard/'));

function local(source: Source): string[] {
  return importsOf(source)
    .filter((name) => name.startsWith('.'))
    .map((name) => normalize(join(dirname(source.path), name)));
}

/** Types of the resolved config are part of the ground: they name what everybody is given. */
const typesOnly = new Set(['src/config/config.ts']);

test('every file stands in a room', () => {
  const homeless = all.filter(({ path }) => !(roomOf(path) in rooms)).map(({ path }) => path);

  expect(homeless).toEqual([]);
});

test('imports point downwards, and the planes do not know each other', () => {
  const wrong = all.flatMap((source) => {
    const room = roomOf(source.path);
    const may = new Set([room, ...(rooms[room] ?? [])]);
    return local(source)
      .filter((path) => !may.has(roomOf(path)) && !typesOnly.has(path))
      .map((path) => `${source.path} imports ${path}`);
  });

  expect(wrong).toEqual([]);
});

test('the supervisor imports next to nothing', () => {
  const supervisor = all.find(({ path }) => path === 'src/supervisor/supervisor.ts');

  expect(supervisor && local(supervisor).sort()).toEqual([
    'src/handover/birth.ts',
    'src/handover/predecessor.ts',
    'src/handover/succession.ts',
    'src/handover/trigger.ts',
    'src/ipc.ts',
    'src/listener.ts',
    'src/log.ts',
    'src/priority.ts',
    'src/scoreboard.ts',
    'src/supervisor/child.ts',
    'src/supervisor/crew.ts',
    'src/supervisor/household.ts',
    'src/supervisor/placement.ts',
  ]);
});

test('each npm package has one door', () => {
  const doors = new Map<string, string[]>();
  for (const source of all) {
    for (const name of importsOf(source)) {
      if (name.startsWith('.') || name.startsWith('node:') || builtinModules.includes(name))
        continue;
      const parts = name.split('/');
      const pkg = name.startsWith('@') ? parts.slice(0, 2).join('/') : (parts[0] ?? '');
      doors.set(pkg, [...new Set([...(doors.get(pkg) ?? []), source.path])]);
    }
  }

  const several = [...doors].filter(([, files]) => files.length > 1);
  expect(several).toEqual([]);
});

test('every package the product depends on is imported by it, and nothing else is', () => {
  const { dependencies } = JSON.parse(read('package.json')) as {
    dependencies: Record<string, string>;
  };
  const imported = new Set(
    all
      .flatMap(importsOf)
      .filter((name) => !name.startsWith('.') && !name.startsWith('node:'))
      .map((name) =>
        name
          .split('/')
          .slice(0, name.startsWith('@') ? 2 : 1)
          .join('/'),
      ),
  );

  // What fastify's type provider is made for, and asks its user to install.
  imported.add('typebox');
  // What fastify depends on, named to hold it at the last version that runs on Node 20 without a
  // warning: `overrides` do not travel with a package.
  imported.add('light-my-request');
  expect([...imported].sort()).toEqual(Object.keys(dependencies).sort());
});
