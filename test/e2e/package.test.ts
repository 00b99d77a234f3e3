/**
 * What `npm publish` would publish: packed, installed where nothing is, and used.
 *
 * The rule this file keeps: the package is judged from outside. The home and the prefix it is
 * installed into are empty, nothing of the checkout is reached from there, and what is packed is
 * built from sources alone.
 */
import { spawn } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFailed, onTestFinished, test } from 'vitest';
import { read, root } from '../support/source.ts';
import { type Ran, replayTour } from '../support/tour.ts';
import { everyPidOf, freePort, kill, nothingLeftOf, until } from '../support/whole.ts';

/** A registry that cannot be reached says so with one of these. */
const unreachable = /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ENETUNREACH|ETIMEDOUT)\b/;
const must = process.env.POINTSMAN_CI === '1' || process.env.CI === 'true';
const installMs = 400_000;

const dir = realpathSync(mkdtempSync(join(tmpdir(), 'pointsman-package-')));
const home = join(dir, 'home');
const installed = join(dir, 'prefix', 'lib', 'node_modules', 'pointsman');
const bin = join(dir, 'prefix', 'bin', 'pointsman');
let tarball: string;
let packed: readonly string[];
let install: Ran;

beforeAll(async () => {
  mkdirSync(home);
  const checkout = sourcesAlone();
  const pack = await execute('npm', ['pack', '--json', '--pack-destination', dir], {
    cwd: checkout,
  });
  expect(pack.code, pack.stderr).toBe(0);
  const [{ filename, files }] = JSON.parse(pack.stdout.slice(pack.stdout.indexOf('[')));
  tarball = join(dir, filename);
  packed = files.map(({ path }: { path: string }) => path);
  install = await execute(
    'npm',
    ['install', '--global', '--prefix', join(dir, 'prefix'), '--no-audit', '--no-fund', tarball],
    { cwd: dir },
  );
}, installMs);

afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** The checkout as git has it, but for a `dist` of an older build; the tools are those at hand. */
function sourcesAlone(): string {
  const checkout = join(dir, 'checkout');
  mkdirSync(checkout);
  const kept = readdirSync(root).filter(
    (name) => !/^\.|^(node_modules|dist|test|bench)$/.test(name),
  );
  for (const name of kept) cpSync(join(root, name), join(checkout, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(checkout, 'node_modules'));
  mkdirSync(join(checkout, 'dist'));
  writeFileSync(join(checkout, 'dist', 'gone.js'), '// of a file that is no longer in src/');
  return checkout;
}

/** Runs a program in an environment without a home, npm's settings or Pointsman's. */
function execute(
  command: string,
  args: readonly string[],
  { cwd, env = {} }: { cwd: string; env?: Readonly<Record<string, string>> },
): Promise<Ran> {
  const started = spawn(command, args, {
    cwd,
    env: { ...bareEnv(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  started.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  started.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    started.once('error', reject);
    started.once('close', (code) => resolve({ code, stdout, stderr }));
  });
}

function bareEnv(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(npm_|POINTSMAN|VITEST|NODE_ENV|NODE_OPTIONS|XDG_|INIT_CWD)/.test(name),
  );
  // What was downloaded before is no setting, and need not be downloaded again.
  const npmCache = process.env.npm_config_cache ?? join(homedir(), '.npm');
  return { ...Object.fromEntries(kept), HOME: home, npm_config_cache: npmCache };
}

/** @returns whether the package is there; false only where no registry can be reached. */
function isInstalled(skip: (why: string) => void): boolean {
  if (install.code !== 0 && unreachable.test(install.stderr) && !must) {
    skip('no package registry can be reached');
    return false;
  }
  expect(install.code, install.stderr).toBe(0);
  return true;
}

test('packing builds from sources alone: what an older build left is not in it', () => {
  expect(packed).toContain('dist/main.js');
  expect(packed).toContain('dist/dashboard/index.html');
  expect(packed).not.toContain('dist/gone.js');
});

test('the package holds what is used and read, and nothing that only a checkout needs', () => {
  for (const wanted of [
    'LICENSE',
    'README.md',
    'CHANGELOG.md',
    'SECURITY.md',
    'deploy/pointsman.yaml',
    'deploy/pointsman.schema.json',
    'deploy/pointsman.service',
    'deploy/pointsman.socket',
    'deploy/demo/app.mjs',
    'deploy/demo/pointsman.yaml',
    'docs/quick-start.md',
    'docs/images/flip.svg',
  ]) {
    expect(packed).toContain(wanted);
  }
  const unwanted = packed.filter((path) =>
    /\.(png|tsx|map|tsbuildinfo)$|(^|[^d])\.ts$|setup|compose|Dockerfile|^(src|test|bench)\//.test(
      path,
    ),
  );
  expect(unwanted).toEqual([]);
});

test('installing it warns of no engine on any Node it says it runs on', ({ skip }) => {
  if (!isInstalled(skip)) return;

  expect(install.stderr + install.stdout).not.toContain('EBADENGINE');
  const { engines } = JSON.parse(read('package.json'));
  expect(engines).toEqual({ node: '>=20.19' });
});

test('installed, it helps, says its version, and checks the example config it came with', async ({
  skip,
}) => {
  if (!isInstalled(skip)) return;
  const help = await execute(bin, ['--help'], { cwd: home });
  const version = await execute(bin, ['--version'], { cwd: home });
  const demo = join(installed, 'deploy', 'demo', 'pointsman.yaml');
  const check = await execute(bin, ['check', '-c', demo], { cwd: home });

  expect(help).toMatchObject({ code: 0, stderr: '' });
  expect(help.stdout).toContain('Usage: pointsman');
  expect(version.stdout.trim()).toBe(JSON.parse(read('package.json')).version);
  expect(check).toMatchObject({ code: 0, stderr: '' });
});

test('installed, the tour of the quick start prints what the page shows', async ({ skip }) => {
  if (!isInstalled(skip)) return;
  const demo = join(home, 'demo');
  const stateDir = join(demo, '.pointsman');
  const config = join(demo, 'pointsman.yaml');
  const [port, adminPort] = [await freePort(), await freePort()];
  cpSync(join(installed, 'deploy', 'demo'), demo, { recursive: true });
  writeFileSync(
    config,
    readFileSync(config, 'utf8')
      .replace(':8080', `:${port}`)
      .replace(':9400', `:${adminPort}`)
      .replace('timeout: 20s', 'timeout: 8s'),
  );
  const running = spawn(bin, ['run', '-c', config], {
    cwd: home,
    env: bareEnv(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [running.stdout, running.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const ended = new Promise<number | null>((resolve) => running.once('exit', resolve));
  onTestFailed(() => void process.stderr.write(output.slice(-6_000)));
  onTestFinished(async () => {
    for (const pid of await everyPidOf(demo, stateDir)) kill(pid, 'SIGKILL');
    await nothingLeftOf(demo, stateDir);
  });
  const url = `http://127.0.0.1:${port}`;
  const admin = `http://127.0.0.1:${adminPort}`;
  const env = { POINTSMAN_ADMIN: admin, NO_COLOR: '1' };
  await until('it is ready', async () => (await fetch(`${admin}/readyz`)).ok);
  await until('the first release serves', async () => (await fetch(url)).ok);

  await replayTour(readFileSync(join(installed, 'docs', 'quick-start.md'), 'utf8'), {
    url,
    run: (...args) => execute(bin, args, { cwd: home, env }),
  });
  // Only files of the package: a screen of the API's description too, which its own server serves.
  expect((await fetch(`${admin}/`)).status).toBe(200);
  expect((await fetch(`${admin}/docs/`)).status).toBe(200);
  running.kill('SIGTERM');
  expect(await ended).toBe(0);
});
