/**
 * What `npm start` and `npm test` do first on a fresh clone: install the dependencies, build
 * `dist/`.
 *
 * The rule this file keeps: it needs nothing but Node and npm, does only what is out of date, and
 * says in one line what it does. `--build` builds in any case.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, utimesSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const wanted = [20, 19];

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < wanted[0] || (major === wanted[0] && minor < wanted[1])) {
  fail(`Pointsman needs Node ${wanted.join('.')} or newer; this is ${process.versions.node}.`);
}

// `ci` takes exactly what the lock names and never writes it, so that a clone stays clean.
if (!isInstalled()) {
  run('Installing dependencies', 'npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
}

const again = process.argv.includes('--build');
const bin = (name) => join(root, 'node_modules', '.bin', name);
const page = join(root, 'src', 'dashboard');
if (again) rmSync(join(root, 'dist'), { recursive: true, force: true });
if (isStale(join(root, 'dist', 'main.js'), newest(join(root, 'src'), page))) {
  run('Building dist/', bin('tsc'), ['-p', 'tsconfig.json']);
  stamp(join(root, 'dist', 'main.js'));
}
const runbook = timeOf(join(root, 'docs', 'operations.md'));
if (isStale(join(root, 'dist', 'dashboard', 'index.html'), Math.max(newest(page), runbook))) {
  run('Building the page', bin('vite'), ['build', '--logLevel', 'warn']);
}

/**
 * Whether `node_modules` holds what the lock names, by npm's own record of it. Not by their times:
 * `git` gives a lock a new one with every change of branch, and an install takes a minute. Packages
 * of other platforms are named by the lock and left out by npm.
 */
function isInstalled() {
  const here = packagesOf(join(root, 'node_modules', '.package-lock.json'));
  const wanted = packagesOf(join(root, 'package-lock.json'));
  return Object.entries(wanted).every(([path, { version, integrity, optional }]) => {
    const found = here[path];
    if (path === '') return true;
    if (found === undefined) return optional === true;
    return found.version === version && found.integrity === integrity;
  });
}

/** @returns none where there is no such file, or where npm was ended while it wrote it. */
function packagesOf(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages ?? {};
  } catch {
    return {};
  }
}

function isStale(built, sourcesMs) {
  return !existsSync(built) || sourcesMs > timeOf(built);
}

/** A compiler may leave a file alone that would come out the same. */
function stamp(file) {
  const now = new Date();
  utimesSync(file, now, now);
}

function run(what, command, args) {
  process.stderr.write(`${what} …\n`);
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    // Its own output is no part of what `npm start` or `npm test` print.
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  if (status !== 0) fail(`${what} failed: ${command} ${args.join(' ')} (${error ?? status})`);
}

function newest(folder, except) {
  return readdirSync(folder, { withFileTypes: true }).reduce((most, entry) => {
    const path = join(folder, entry.name);
    if (path === except) return most;
    return Math.max(most, entry.isDirectory() ? newest(path, except) : timeOf(path));
  }, timeOf(folder));
}

/** @returns 0 where there is no such file: nothing is older than what is not there. */
function timeOf(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
