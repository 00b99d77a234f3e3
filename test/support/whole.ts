/**
 * A real Pointsman for end-to-end tests: `node dist/main.js run -c file` on free ports, in a folder
 * of its own, and what a test asks of it.
 *
 * The rule this file keeps: nothing outlives the test. Every process that belongs to the folder is
 * found in /proc by its command or environment, ended by pid, and a test that left one behind
 * fails.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFailed, onTestFinished } from 'vitest';
import type { Health, ServiceStatus } from '../../src/control/model/api.ts';
import type { Deployment } from '../../src/control/model/state.ts';
import { type Answered, ask, type CallOptions } from './admin.ts';
import { patienceMs } from './form.ts';
import { endMarked, marked } from './processes.ts';

/** POINTSMAN_MAIN names another build: an older one, or one with a fault put in. */
export const mainFile =
  process.env.POINTSMAN_MAIN ?? fileURLToPath(new URL('../../dist/main.js', import.meta.url));
export const releaseFile = fileURLToPath(new URL('release.mjs', import.meta.url));

const lookEveryMs = 10;
/** At least how many test files run at a time. */
const portStep = 4;
const given = new Set<number>();

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
}

export interface StartOptions {
  /** Comes before `node`: a wrapper such as `sh -c 'ulimit …; exec "$@"' sh`. */
  readonly before?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** false: nobody reads its output. */
  readonly read?: boolean;
  /** Descriptors that it begins with, from 3 on. */
  readonly fds?: readonly number[];
  /** Another build: its main.js. */
  readonly main?: string;
  /** Another Node: its program, or its name in the PATH. */
  readonly node?: string;
}

/** Which processes one Pointsman consists of; `null` where one is missing just now. */
export interface Pids {
  readonly supervisor: number;
  readonly controller: number | null;
  readonly workers: readonly number[];
}

/** What `config` is completed with, for a service `shop` on any host. */
export interface ShopOptions {
  readonly workers: number;
  readonly run: object;
  readonly first: object;
  readonly service?: object;
  readonly top?: object;
  /** Services beside `shop`, by name. */
  readonly others?: Readonly<Record<string, object>>;
}

/**
 * A folder with a config in it; call `start` to run it. Ports are below those that the system gives
 * out.
 */
export async function preparePointsman(options: ShopOptions): Promise<Pointsman> {
  const pointsman = new Pointsman(await freePort(), await freePort());
  pointsman.configure(pointsman.config(options));
  onTestFailed(() => {
    process.stderr.write(`${pointsman.configFile}:\n${pointsman.output.slice(-8_000)}\n`);
  });
  onTestFinished(() => pointsman.remove());
  return pointsman;
}

export async function startPointsman(
  options: ShopOptions,
  start?: StartOptions,
): Promise<Pointsman> {
  const pointsman = await preparePointsman(options);
  await pointsman.start(start);
  return pointsman;
}

export class Pointsman {
  readonly dir = realpathSync(mkdtempSync(join(tmpdir(), 'pointsman-e2e-')));
  readonly stateDir = join(this.dir, 'state');
  readonly configFile = join(this.dir, 'pointsman.yaml');
  readonly port: number;
  readonly adminPort: number;
  #output = '';
  #process: ChildProcess | null = null;
  #ended: Promise<Ended> | null = null;

  constructor(port: number, adminPort: number) {
    this.port = port;
    this.adminPort = adminPort;
  }

  /** All that it printed, over every start. */
  get output(): string {
    return this.#output;
  }

  /** Resolves when the process that was started last has ended. */
  get ended(): Promise<Ended> {
    if (this.#ended === null) throw new Error('It was never started.');
    return this.#ended;
  }

  config({ workers, run, first, service = {}, top = {}, others = {} }: ShopOptions): object {
    const common = {
      // Quick to become healthy, slow to stop being it: the machine is shared.
      health: { interval: '250ms', rise: 1, fall: 20 },
      deploy: { timeout: '20s' },
      drain: '10s',
    };
    const beside = Object.entries(others).map(([name, one]) => [name, { ...common, ...one }]);
    return {
      listen: `127.0.0.1:${this.port}`,
      workers,
      state: './state',
      admin: { listen: `127.0.0.1:${this.adminPort}` },
      shutdown: '5s',
      services: {
        shop: { ...common, run, first, ...service },
        ...Object.fromEntries(beside),
      },
      ...top,
    };
  }

  /** Writes the config file: JSON is YAML. */
  configure(config: object | string): void {
    const text = typeof config === 'string' ? config : JSON.stringify(config, null, 2);
    writeFileSync(this.configFile, text);
  }

  /** Starts it; does not wait. */
  launch(options: StartOptions = {}): void {
    const { before = [], env = {}, read = true, fds = [] } = options;
    const [command = '', ...args] = [
      ...before,
      options.node ?? process.execPath,
      options.main ?? mainFile,
      'run',
      '-c',
      this.configFile,
    ];
    const { POINTSMAN_ROLE: _, ...inherited } = process.env;
    const started = spawn(command, args, {
      cwd: this.dir,
      env: { ...inherited, ...env },
      stdio: ['ignore', 'pipe', 'pipe', ...fds],
    });
    const from = this.#output.length;
    for (const stream of [started.stdout, started.stderr]) {
      if (!read && stream === started.stdout) continue;
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text;
      });
    }
    this.#process = started;
    this.#ended = new Promise((resolve) => {
      // Not 'close': whoever inherited the pipes may outlive it.
      started.on('exit', (code, signal) => {
        setImmediate(() => resolve({ code, signal, output: this.#output.slice(from) }));
      });
    });
  }

  /** Starts it and waits until it is ready. @throws with its output, if it ends before. */
  async start(options?: StartOptions): Promise<void> {
    this.launch(options);
    const gone = this.ended.then((ended) => {
      throw new Error(`it ended: ${JSON.stringify(ended)}`);
    });
    gone.catch(() => {});
    await Promise.race([gone, this.ready()]);
  }

  async ready(): Promise<void> {
    await until('it is ready', async () => (await this.call('GET', '/readyz')).status === 200);
  }

  signal(signal: NodeJS.Signals): void {
    this.#process?.kill(signal);
  }

  /** SIGTERM, and its end. */
  async stop(): Promise<Ended> {
    this.signal('SIGTERM');
    return this.ended;
  }

  /** kill -9 of the supervisor and all its children; replicas are let live. */
  async crash(): Promise<void> {
    const { supervisor, controller, workers } = this.pids();
    for (const pid of [supervisor, controller, ...workers]) if (pid) kill(pid, 'SIGKILL');
    await this.ended;
  }

  /** A call of the admin API on a connection of its own. @throws when nobody answers. */
  call(method: string, path: string, options?: CallOptions): Promise<Answered> {
    return ask(this.adminPort, method, path, options);
  }

  async status(service = 'shop'): Promise<ServiceStatus> {
    return (await this.call('GET', `/v1/services/${service}`)).json;
  }

  async health(): Promise<Health> {
    return (await this.call('GET', '/v1/health')).json;
  }

  /** @returns the answer, whatever it is. */
  deploy(release: string, body: object = {}): Promise<Answered> {
    return this.call('POST', '/v1/services/shop/deployments', { body: { release, ...body } });
  }

  rollback(to: string): Promise<Answered> {
    return this.call('POST', '/v1/services/shop/rollback', { body: { to } });
  }

  /** Waits until a deployment has flipped or ended otherwise. */
  flipped(id: string): Promise<Deployment> {
    return until(`${id} has flipped or ended`, async () => {
      const { json } = await this.call('GET', `/v1/deployments/${id}`);
      return ['draining', 'live', 'failed', 'aborted'].includes(json.phase) ? json : null;
    });
  }

  async history(): Promise<readonly Deployment[]> {
    return (await this.call('GET', '/v1/deployments?limit=1000')).json.deployments;
  }

  pids(): Pids {
    const supervisor = this.#process?.pid ?? 0;
    const children = processes().filter(({ parent }) => parent === supervisor);
    const role = (name: string): number[] =>
      children
        .filter(({ environment }) => environment.includes(`POINTSMAN_ROLE=${name}\0`))
        .map(({ pid }) => pid);
    return { supervisor, controller: role('controller')[0] ?? null, workers: role('worker') };
  }

  /** Every process that belongs to this folder, replicas included. */
  everyPid(): Promise<readonly number[]> {
    return everyPidOf(this.dir, this.stateDir);
  }

  /** Waits until nothing of it runs any more. @throws naming what still does. */
  nothingLeft(): Promise<void> {
    return nothingLeftOf(this.dir, this.stateDir);
  }

  /** Ends what is left, whatever happened, and removes the folder. */
  async remove(): Promise<void> {
    this.#process?.kill('SIGKILL');
    if (this.#ended !== null) await this.#ended;
    for (const pid of await this.everyPid()) kill(pid, 'SIGKILL');
    await endMarked(this.stateDir);
    await this.nothingLeft();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** Every process whose command or environment names a folder, and every replica of its state. */
export async function everyPidOf(dir: string, stateDir: string): Promise<readonly number[]> {
  const ours = processes()
    .filter(({ pid }) => pid !== process.pid)
    .filter(({ command, environment }) => `${command}${environment}`.includes(dir))
    .map(({ pid }) => pid);
  const replicas = (await marked(stateDir)).map(({ pid }) => pid);
  return [...new Set([...ours, ...replicas])];
}

/** @throws naming what still runs, when patience is over. */
export async function nothingLeftOf(dir: string, stateDir: string): Promise<void> {
  let left: readonly number[] = [];
  try {
    await until('nothing of it runs', async () => {
      left = await everyPidOf(dir, stateDir);
      return left.length === 0;
    });
  } catch (cause) {
    const names = left.map((pid) => processes().find((one) => one.pid === pid)?.command);
    throw new Error(`still there: ${names.join('; ').replaceAll('\0', ' ')}`, { cause });
  }
}

/** Several releases in one process: their names, and where each listens. */
export async function startReleases(names: readonly string[]): Promise<Record<string, string>> {
  const started = spawn(process.execPath, [releaseFile, ...names], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(async () => {
    const exited = new Promise((resolve) => started.once('exit', resolve));
    started.kill('SIGKILL');
    await exited;
  });
  const line = await new Promise<string>((resolve) => {
    started.stdout.setEncoding('utf8').once('data', resolve);
  });
  const ports = Object.entries(JSON.parse(line) as Record<string, number>);
  return Object.fromEntries(ports.map(([name, port]) => [name, `127.0.0.1:${port}`]));
}

/** Looks again and again until there is something; generous, since it only ends what hangs. */
export async function until<T>(
  what: string,
  look: () => Promise<T | null | false> | T | null | false,
  limitMs = patienceMs,
): Promise<T> {
  const limit = performance.now() + limitMs;
  let failed: unknown = null;
  for (;;) {
    try {
      const seen = await look();
      if (seen) return seen;
      failed = null;
    } catch (thrown) {
      failed = thrown;
    }
    if (performance.now() > limit) {
      throw new Error(`waited ${limitMs} ms until ${what}`, { cause: failed });
    }
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
  }
}

/** Of a process that may have ended already. */
export function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended: that was wanted.
  }
}

/**
 * A port that is free now, below the range that the system takes for outgoing connections; never
 * the same twice, nor one of a test file that runs beside this one.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const place = Number(process.env.VITEST_POOL_ID ?? 1) % portStep;
    const port = 20_000 + Math.floor((Math.random() * 12_000) / portStep) * portStep + place;
    if (given.has(port)) continue;
    given.add(port);
    const free = await new Promise<boolean>((resolve) => {
      const server = createServer();
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (free) return port;
  }
}

interface Seen {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
  readonly environment: string;
}

/** What runs now, without zombies. */
function processes(): readonly Seen[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
        const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        if (state === 'Z' || state === 'X') return [];
        const command = readFileSync(`/proc/${name}/cmdline`, 'latin1');
        const environment = readFileSync(`/proc/${name}/environ`, 'latin1');
        return [{ pid: Number(name), parent: Number(parent), command, environment }];
      } catch {
        return [];
      }
    });
}
