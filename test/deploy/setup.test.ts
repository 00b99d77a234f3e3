/**
 * What `npm start` and `npm test` do first: `deploy/setup.mjs` in a small project of its own, with an npm and a compiler
 * that only write down what they were asked.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';

const script = fileURLToPath(new URL('../../deploy/setup.mjs', import.meta.url));

const locked = {
  '': { name: 'small' },
  'node_modules/a': { version: '1.0.0', integrity: 'sha512-a' },
  'node_modules/b-for-another-system': { version: '1.0.0', integrity: 'sha512-b', optional: true },
};

/** Each call of a sham program adds one line; npm also leaves the record that the true one leaves. */
const sham = `#!/usr/bin/env node
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
const name = basename(process.argv[1]);
appendFileSync('asked', name + ' ' + process.argv.slice(2).join(' ') + '\\n');
if (name === 'npm') {
  const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'));
  const here = Object.entries(packages).filter(([path, { optional }]) => path !== '' && !optional);
  mkdirSync('node_modules', { recursive: true });
  writeFileSync('node_modules/.package-lock.json', JSON.stringify({ packages: Object.fromEntries(here) }));
}
if (name === 'tsc') { mkdirSync('dist', { recursive: true }); writeFileSync('dist/main.js', ''); }
if (name === 'vite') { mkdirSync('dist/dashboard', { recursive: true }); writeFileSync('dist/dashboard/index.html', ''); }
`;

interface Project {
  lock(packages: object): void;
  touchLock(): void;
  /** Runs the set-up; which programs it called, with their first argument. */
  setUp(): string[];
}

function project(): Project {
  const dir = mkdtempSync(join(tmpdir(), 'pointsman-setup-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  for (const folder of ['deploy', 'src/dashboard', 'bin', 'node_modules/.bin']) {
    mkdirSync(join(dir, folder), { recursive: true });
  }
  cpSync(script, join(dir, 'deploy', 'setup.mjs'));
  writeFileSync(join(dir, 'package.json'), '{ "type": "module" }');
  for (const program of ['bin/npm', 'node_modules/.bin/tsc', 'node_modules/.bin/vite']) {
    writeFileSync(join(dir, program), sham);
    chmodSync(join(dir, program), 0o755);
  }
  const lockFile = join(dir, 'package-lock.json');
  const lock = (packages: object): void => writeFileSync(lockFile, JSON.stringify({ packages }));
  lock(locked);
  return {
    lock,
    touchLock() {
      const later = new Date(Date.now() + 60_000);
      utimesSync(lockFile, later, later);
    },
    setUp() {
      rmSync(join(dir, 'asked'), { force: true });
      const ran = spawnSync(process.execPath, [join(dir, 'deploy', 'setup.mjs')], {
        cwd: tmpdir(),
        env: { ...process.env, PATH: join(dir, 'bin') + delimiter + process.env.PATH },
        encoding: 'utf8',
      });
      expect(ran.status, ran.stderr).toBe(0);
      return asked(join(dir, 'asked'));
    },
  };
}

function asked(file: string): string[] {
  try {
    const lines = readFileSync(file, 'utf8').trim().split('\n');
    return lines.map((line) => line.split(' ').slice(0, 2).join(' '));
  } catch {
    return [];
  }
}

test('a fresh clone is installed by its lock, with ci, which never writes the lock; then built', () => {
  expect(project().setUp()).toEqual(['npm ci', 'tsc -p', 'vite build']);
});

test('what is up to date is not done again, also when git has given the lock another time', () => {
  const small = project();
  small.setUp();

  expect(small.setUp()).toEqual([]);
  small.touchLock();
  expect(small.setUp()).toEqual([]);
});

test('a lock that names another version is installed', () => {
  const small = project();
  small.setUp();
  small.lock({ ...locked, 'node_modules/a': { version: '1.0.1', integrity: 'sha512-c' } });

  expect(small.setUp()).toEqual(['npm ci']);
  expect(small.setUp()).toEqual([]);
});
