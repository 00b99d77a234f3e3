/**
 * The tour of the documents, as a newcomer types it: what `npm start` runs, then the CLI.
 *
 * The rule this file keeps: the demo is run as it is, only on ports of its own, and with less
 * patience.
 */
import { spawn } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFailed, onTestFinished, test } from 'vitest';
import { read } from '../support/source.ts';
import { type Ran, replayTour } from '../support/tour.ts';
import { everyPidOf, freePort, kill, mainFile, nothingLeftOf, until } from '../support/whole.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

interface Tour {
  readonly url: string;
  readonly output: string;
  /** The same once more, beside the first; it is expected to end. */
  again(): Promise<Ran>;
  /** Runs `pointsman …`. */
  run(...args: string[]): Promise<Ran>;
  /** Who answers at the front door. */
  who(): Promise<string>;
  /** Ctrl-C; the exit code. */
  end(): Promise<number | null>;
}

async function start(): Promise<Tour> {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'pointsman-tour-')));
  const demo = join(dir, 'deploy', 'demo');
  const stateDir = join(demo, '.pointsman');
  const [port, adminPort] = [await freePort(), await freePort()];
  mkdirSync(join(dir, 'deploy'));
  cpSync(join(root, 'deploy', 'demo'), demo, { recursive: true });
  symlinkSync(join(root, 'dist'), join(dir, 'dist'));
  for (const name of ['pointsman.yaml', 'start.mjs']) {
    const text = readFileSync(join(demo, name), 'utf8');
    writeFileSync(
      join(demo, name),
      text
        .replaceAll('127.0.0.1:8080', `127.0.0.1:${port}`)
        .replaceAll(':9400', `:${adminPort}`)
        // The broken release is waited for until then.
        .replace('timeout: 20s', 'timeout: 8s'),
    );
  }
  const started = spawn(process.execPath, [join(demo, 'start.mjs')], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [started.stdout, started.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const ended = new Promise<number | null>((resolve) => started.once('exit', resolve));
  onTestFailed(() => void process.stderr.write(output.slice(-6_000)));
  onTestFinished(async () => {
    for (const pid of await everyPidOf(dir, stateDir)) kill(pid, 'SIGKILL');
    await nothingLeftOf(dir, stateDir);
    rmSync(dir, { recursive: true, force: true });
  });
  await until('it says what to try', () => output.includes('Try, in another terminal'));
  return {
    url: `http://127.0.0.1:${port}`,
    get output() {
      return output;
    },
    again: () => ran([join(demo, 'start.mjs')]),
    run: (...args) => command(args, `http://127.0.0.1:${adminPort}`),
    who: async () => (await fetch(`http://127.0.0.1:${port}/`)).text(),
    async end() {
      started.kill('SIGINT');
      const code = await ended;
      await nothingLeftOf(dir, stateDir);
      return code;
    },
  };
}

function command(args: readonly string[], admin: string): Promise<Ran> {
  return ran([mainFile, ...args], { POINTSMAN_ADMIN: admin, USER: 'ada', NO_COLOR: '1' });
}

/** Runs node until it ends. */
function ran(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> {
  const started = spawn(process.execPath, args, {
    env: { ...process.env, ...env },
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
  return new Promise((resolve) => {
    started.once('close', (code) => resolve({ code, stdout, stderr }));
  });
}

test('the tour: status, deploy, rollback, a broken release, history, events', async () => {
  const tour = await start();
  expect(tour.output).toContain(`Pointsman is ready: ${tour.url} serves v1 from blue.`);
  expect(await tour.who()).toMatch(/^Hello from v1 /);

  const status = await tour.run('status', 'shop');
  expect(status).toMatchObject({ code: 0, stderr: '' });
  expect(status.stdout).toMatch(/LIVE.*v1|v1.*LIVE/i);

  const deploy = await tour.run('deploy', 'shop', 'v2', '--why', 'the new cart');
  expect(deploy.code).toBe(0);
  expect(deploy.stdout).toMatch(/v2/);
  expect(deploy.stderr).toMatch(/probing|healthy|ready/i);
  expect(await tour.who()).toMatch(/^Hello from v2 /);

  const back = await tour.run('rollback', 'shop');
  expect(back.code).toBe(0);
  expect(await tour.who()).toMatch(/^Hello from v1 /);

  // Somebody who still looks at generation 2, where v2 was live.
  const again = await tour.run('rollback', 'shop', '--if-generation', '2');
  expect(again.code).toBe(6);
  expect(again.stderr.trim().split('\n')).toHaveLength(1);
  expect(await tour.who()).toMatch(/^Hello from v1 /);

  const broken = await tour.run('deploy', 'shop', 'v3-broken');
  expect(broken.code).toBe(5);
  const reason = broken.stderr.trim().split('\n').at(-1) ?? '';
  expect(reason).toMatch(/v3-broken/);
  expect(reason).toMatch(/500/);
  expect(reason).toMatch(/the database migration is missing/);
  expect(await tour.who()).toMatch(/^Hello from v1 /);

  const history = await tour.run('history', 'shop');
  expect(history.code).toBe(0);
  for (const told of [/v2/, /rollback/i, /v3-broken/, /failed/i, /ada@/, /the new cart/]) {
    expect(history.stdout).toMatch(told);
  }

  const events = await tour.run('events', '--json');
  expect(events.code).toBe(0);
  expect(events.stdout).toMatch(/"type":"flip"/);

  const unknown = await tour.run('status', 'shpo');
  expect(unknown.code).not.toBe(0);
  expect(unknown.stderr).toMatch(/shpo/);

  expect(await tour.end()).toBe(0);
});

test('a second start says which address is taken and by whom, and nothing of the first one', async () => {
  const tour = await start();
  const { host } = new URL(tour.url);
  expect(tour.output).toMatch(
    new RegExp(
      `Pointsman is up: clients at ${tour.url}; page at \\S+; \\d+ workers?; 1 service\\n`,
    ),
  );

  const second = await tour.again();

  expect(second.code).toBe(1);
  expect(second.stdout).toBe('');
  expect(second.stderr).toMatch(
    new RegExp(`Cannot listen on ${host}: process \\d+ \\(.*main\\.js run`),
  );
  expect(second.stderr.trim().split('\n')).toHaveLength(1);
  expect(await tour.who()).toMatch(/^Hello from v1 /);
  expect(await tour.end()).toBe(0);
});

for (const [page, steps] of [
  ['docs/quick-start.md', 9],
  ['README.md', 4],
] as const) {
  test(`the tour of ${page} prints what the page shows`, async () => {
    const tour = await start();

    expect(await replayTour(read(page), tour)).toBeGreaterThanOrEqual(steps);
    expect(await tour.end()).toBe(0);
  });
}

test('the demo config is right, and check says so', async () => {
  const ran = await command(['check', '-c', join(root, 'deploy', 'demo', 'pointsman.yaml')], '');

  expect(ran.code).toBe(0);
});

test('with nobody at the admin address, a command says so and ends with 4', async () => {
  const ran = await command(['status'], `http://127.0.0.1:${await freePort()}`);

  expect(ran.code).toBe(4);
  expect(ran.stderr.trim().split('\n')).toHaveLength(1);
});
