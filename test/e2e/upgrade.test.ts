/**
 * Pointsman is replaced by itself while it serves: nobody is refused, nobody is reset, and one
 * process at a time writes the state.
 */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { delimiter, dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Handover } from '../../src/ipc.ts';
import { ask } from '../support/admin.ts';
import { download, Load, listen, talk } from '../support/clients.ts';
import { long } from '../support/form.ts';
import { marked } from '../support/processes.ts';
import {
  freePort,
  kill,
  mainFile,
  type Pointsman,
  preparePointsman,
  releaseFile,
  type ShopOptions,
  startPointsman,
  startReleases,
  until,
} from '../support/whole.ts';

const upgrades = long ? 20 : 3;
/** Stories of one part alone. */
const inLongForm = test.runIf(long);

/** By when it serves again after a kill; on a shared machine the limit of 1 s gets some air. */
const quickMs = 5_000;

async function shop(
  top: object = {},
): Promise<ShopOptions & { readonly birch: readonly string[] }> {
  const { alder, birch = '' } = await startReleases(['alder', 'birch']);
  const first = { release: 'r0', targets: [alder] };
  return { workers: 2, run: { static: {} }, first, top, birch: [birch] };
}

async function handoverOf(pointsman: Pointsman): Promise<Handover | null> {
  return (await pointsman.call('GET', '/v1/upgrade')).json.handover;
}

/** Asks for a hand-over, and waits until it is in one of these phases. */
async function upgrade(
  pointsman: Pointsman,
  ...phases: readonly Handover['phase'][]
): Promise<Handover> {
  const before = await handoverOf(pointsman);
  const { status, text } = await pointsman.call('POST', '/v1/upgrade', { body: {} });
  expect(status, text).toBe(202);
  return until(`the hand-over is ${phases.join(' or ')}`, async () => {
    const handover = await handoverOf(pointsman);
    const another = handover !== null && handover.startedAt !== before?.startedAt;
    return another && phases.includes(handover.phase) ? handover : null;
  });
}

/** Those who hold the state. */
function writers(pointsman: Pointsman): readonly string[] {
  return readdirSync(pointsman.stateDir).filter((name) => name.startsWith('lock-'));
}

test(
  `${upgrades} upgrades under load: nobody is refused or reset, and what is long lives to its limit`,
  async () => {
    const pointsman = await startPointsman(await shop({ handover: '2s', shutdown: '1s' }));
    const load = new Load(pointsman.port, { get: 8, post: 4, slow: 4 });
    const fresh = new Load(pointsman.port, { get: 2, post: 0, slow: 0, keep: false });
    const pids = new Set<number>();

    for (let nth = 0; nth < upgrades; nth++) {
      const tunnel = await talk(pointsman.port);
      const events = await listen(pointsman.port);
      const file = await download(pointsman.port, 20, 50);
      const draining = await upgrade(pointsman, 'draining', 'failed');
      const said = tunnel.said;
      expect(draining, JSON.stringify(draining)).toMatchObject({ phase: 'draining', error: null });
      pids.add(draining.from.pid);
      expect(writers(pointsman)).toHaveLength(1);
      await load.answered('alder', 2 * load.clients);
      await fresh.answered('alder', 4);
      expect(await file.over).toBeNull();
      expect([tunnel.code, events.wrong, tunnel.said > said]).toEqual([null, null, true]);
      const done = await until('the old one has ended', async () => {
        const handover = await handoverOf(pointsman);
        return handover?.phase === 'done' ? handover : null;
      });
      expect(done.left).toMatchObject({ tunnels: 1, cut: 1 });
      expect(await tunnel.closed).toBe(1012);
      expect(tunnel.wrongs).toEqual([]);
    }
    await load.stop();
    await fresh.stop();

    expect([load.errors, fresh.errors]).toEqual([[], []]);
    expect(pids.size).toBe(upgrades);
    expect((await pointsman.stop()).code).toBe(0);
    await pointsman.nothingLeft();
    expect(writers(pointsman)).toEqual([]);
  },
  60_000 + upgrades * 30_000,
);

/** A build of its own: `current` leads to it, and then to what came of it. */
class Builds {
  readonly main: string;
  readonly #current: string;
  readonly #folder: string;

  constructor(pointsman: Pointsman) {
    this.#folder = join(pointsman.dir, 'builds');
    this.#current = join(this.#folder, 'current');
    this.main = join(this.#current, 'dist', 'main.js');
    this.#copy('old');
    symlinkSync(join(this.#folder, 'old'), this.#current);
  }

  /** @param text of a file of the next one, which is as the first otherwise; null: it has none. */
  next(file: string, text: string | null): void {
    const next = this.#copy('next');
    if (text === null) rmSync(join(next, file));
    else writeFileSync(join(next, file), text);
    rmSync(this.#current);
    symlinkSync(join(this.#folder, 'next'), this.#current);
  }

  #copy(name: string): string {
    const [from, to] = [dirname(dirname(mainFile)), join(this.#folder, name)];
    mkdirSync(to, { recursive: true });
    cpSync(join(from, 'dist'), join(to, 'dist'), { recursive: true });
    cpSync(join(from, 'package.json'), join(to, 'package.json'));
    symlinkSync(join(from, 'node_modules'), join(to, 'node_modules'));
    return join(to, 'dist');
  }
}

/** @returns the pids of those who serve now, and how many of them there are. */
async function serving(pointsman: Pointsman): Promise<readonly number[]> {
  const { ready, workers } = await pointsman.health();
  return ready ? workers.map(({ pid }) => pid).sort() : [];
}

const dies = 'process.exit(1);\n';
const killsItsSupervisor = `process.on('message', ({ kind }) => {
  if (kind === 'prepare') process.send({ kind: 'loaded' });
  else process.kill(process.ppid, 'SIGKILL');
});\n`;

const broken = [
  [
    'has a worker that does not start',
    'proxy/serving/worker.js',
    'export {',
    /worker ended with exit code 1/,
  ],
  [
    'crashes once it has the state',
    'control/controllerProcess.js',
    `export function runController() { ${killsItsSupervisor} }`,
    /signal SIGKILL/,
  ],
  ['does not start', 'main.js', dies, /exit code 1/],
  ['is gone', 'main.js', null, /exit code 1/],
] as const;

test.each(long ? broken : broken.slice(0, 1))(
  'a build that %s: the old one serves as it did',
  async (_, file, text, why) => {
    const options = await shop();
    const pointsman = await preparePointsman(options);
    const builds = new Builds(pointsman);
    await pointsman.start({ main: builds.main });
    const before = await serving(pointsman);
    const load = new Load(pointsman.port, { get: 4, post: 2, slow: 2 });
    await load.answered('alder', load.clients);
    builds.next(file, text);

    const failed = await upgrade(pointsman, 'failed', 'done');

    expect(failed.error).toMatch(why);
    await until(
      'the old one is well',
      async () => (await serving(pointsman)).join() === before.join(),
    );
    expect(writers(pointsman)).toHaveLength(1);
    const { json } = await pointsman.deploy('r1', { targets: options.birch });
    expect(await pointsman.flipped(json.id)).toMatchObject({ error: null });
    await load.answered('birch', load.clients);
    await load.stop();
    expect([load.errors, load.closed]).toEqual([[], []]);
    expect((await pointsman.stop()).code).toBe(0);
    await pointsman.nothingLeft();
  },
);

test('the successor is killed while the old one drains: that takes everything back', async () => {
  const options = await shop({ handover: '30s' });
  const pointsman = await startPointsman(options);
  const before = await serving(pointsman);
  const tunnel = await talk(pointsman.port);
  const load = new Load(pointsman.port, { get: 4, post: 2, slow: 2 });
  const { to } = await upgrade(pointsman, 'draining');
  await load.answered('alder', load.clients);

  kill(to?.pid ?? 0, 'SIGKILL');
  const killed = performance.now();
  // What was in flight in the successor has ended with it.
  await until('it serves', async () => (await ask(pointsman.port, 'GET', '/')).status === 200);
  const servesMs = performance.now() - killed;

  // Of the old workers, the one with the tunnel is there for sure: another may have left already.
  const after = await until('the old one is well', async () => {
    const pids = await serving(pointsman);
    return pids.length === before.length ? pids : null;
  });
  expect(after.filter((pid) => before.includes(pid)).length).toBeGreaterThan(0);
  expect(await handoverOf(pointsman)).toMatchObject({ phase: 'failed', to: { pid: to?.pid } });
  expect(writers(pointsman)).toHaveLength(1);
  expect(servesMs).toBeLessThan(quickMs);
  expect([tunnel.code, tunnel.wrongs]).toEqual([null, []]);
  const errors = load.errors.filter(({ start }) => start > killed);
  expect(errors.filter(({ error }) => error !== 'ECONNRESET')).toEqual([]);
  expect((await upgrade(pointsman, 'draining', 'failed')).phase).toBe('draining');
  await load.stop();
  expect((await pointsman.stop()).code).toBe(0);
  await pointsman.nothingLeft();
});

test.each(['starting', 'draining'] as const)(
  'the old one is killed while it is %s: its successor serves',
  async (phase) => {
    const options = await shop({ handover: '30s' });
    const pointsman = await startPointsman(options);
    const { supervisor, workers: old } = pointsman.pids();
    const handover = await upgrade(pointsman, phase);

    kill(supervisor, 'SIGKILL');
    const serves = await until('the successor is well', async () => {
      const pids = await serving(pointsman);
      return pids.length === 2 && !pids.some((pid) => old.includes(pid)) ? pids : null;
    });

    expect((await ask(pointsman.port, 'GET', '/')).status).toBe(200);
    expect(serves).toHaveLength(2);
    expect(writers(pointsman)).toHaveLength(1);
    const { json } = await pointsman.deploy('r1', { targets: options.birch });
    expect(await pointsman.flipped(json.id)).toMatchObject({ error: null });
    if (handover.to !== null) kill(handover.to.pid, 'SIGTERM');
  },
);

test('whoever keeps a connection to the old one goes where the new one says, from the flip on', async () => {
  const options = await shop({ handover: '30s' });
  const pointsman = await startPointsman(options);
  const slow = new Load(pointsman.port, { get: 8, post: 0, slow: 0, restMs: 1_500 });
  await slow.answered('alder', slow.clients);
  await upgrade(pointsman, 'draining');

  const { json } = await pointsman.deploy('r1', { targets: options.birch });
  await pointsman.flipped(json.id);
  const flipped = performance.now();
  await slow.answered('birch', slow.clients);
  await slow.stop();

  expect(slow.errors).toEqual([]);
  const late = slow.exchanges.filter(({ start, by }) => start > flipped && by !== 'birch');
  expect(late).toEqual([]);
  const { deployment } = await pointsman.status();
  expect(deployment?.receipt).toMatchObject({ workers: 4 });
});

inLongForm('releases that run as processes run on', async () => {
  const command = [process.execPath, releaseFile];
  const run = { process: { command, replicas: 2 } };
  const top = { handover: '0s', shutdown: '0s' };
  const pointsman = await startPointsman({ workers: 1, run, first: { release: 'r0' }, top });
  const pids = async () => (await marked(pointsman.stateDir)).map(({ pid }) => pid).sort();
  const before = await pids();

  const done = await upgrade(pointsman, 'done', 'failed');

  expect(done.error).toBeNull();
  expect(await pids()).toEqual(before);
  expect((await ask(pointsman.port, 'GET', '/')).status).toBe(200);
  expect((await pointsman.stop()).code).toBe(0);
  await pointsman.nothingLeft();
});

inLongForm(
  'a reload: what takes other processes or sockets comes by a hand-over, or it is said why not',
  async () => {
    const options = await shop({ handover: '1s', shutdown: '1s' });
    const pointsman = await startPointsman(options);
    const load = new Load(pointsman.port, { get: 4, post: 2, slow: 2 });
    const [second, taken] = [await freePort(), await freePort()];
    const config = pointsman.config({ ...options, workers: 1 });
    const listen = [`127.0.0.1:${pointsman.port}`, `127.0.0.1:${second}`];
    const reload = async (change: object) => {
      pointsman.configure({ ...config, ...change });
      return (await pointsman.call('POST', '/v1/config/reload', { body: {} })).json;
    };

    const { handover, needsRestart } = await reload({ listen, state: './elsewhere' });
    const over = async (phase: string) => (await handoverOf(pointsman))?.phase === phase;
    await until('it is done', () => over('done'));

    expect(handover).toEqual([
      `listen becomes ${listen.join(' ')}; it is ${listen[0]}.`,
      'workers becomes 1; it is 2.',
    ]);
    expect(needsRestart).toEqual([expect.stringContaining('elsewhere')]);
    await until('one worker is left', async () => (await serving(pointsman)).length === 1);
    expect((await ask(second, 'GET', '/')).status).toBe(200);

    const other = createServer().listen(taken, '127.0.0.1');
    onTestFinished(() => void other.close());
    await reload({ listen: [...listen, `127.0.0.1:${taken}`] });
    await until('it has failed', () => over('failed'));
    expect((await handoverOf(pointsman))?.error).toContain(`Cannot listen on 127.0.0.1:${taken}`);
    expect((await ask(second, 'GET', '/')).status).toBe(200);

    await reload({});
    await until('it is done', () => over('done'));
    await expect(ask(second, 'GET', '/')).rejects.toThrow('ECONNREFUSED');
    await load.stop();
    expect(load.errors).toEqual([]);
    expect((await pointsman.stop()).code).toBe(0);
  },
);

/** POINTSMAN_NODES: folders of other Nodes, each with a `node` in it; `.ci/run` installs them. */
const nodes = (process.env.POINTSMAN_NODES ?? '').split(delimiter).filter((one) => one !== '');

test.skipIf(nodes.length === 0)(
  'a successor on another Node, and back (POINTSMAN_NODES names them)',
  async () => {
    const pointsman = await preparePointsman(await shop({ handover: '1s', shutdown: '1s' }));
    const link = join(pointsman.dir, 'node');
    const runsOn = (folder: string): void => {
      rmSync(link, { force: true });
      symlinkSync(folder, link);
    };
    runsOn(dirname(process.execPath));
    const env = { PATH: `${link}${delimiter}${process.env.PATH}` };
    await pointsman.start({ node: 'node', env });
    const load = new Load(pointsman.port, { get: 4, post: 2, slow: 2 });
    const versions: string[] = [];

    for (const folder of [...nodes, dirname(process.execPath)]) {
      runsOn(folder);
      const done = await upgrade(pointsman, 'done', 'failed');
      expect(done.error).toBeNull();
      versions.push(done.to?.node ?? '');
      await load.answered('alder', load.clients);
    }
    await load.stop();

    const wanted = nodes.map((folder) => versionOf(join(folder, 'node')));
    expect(versions).toEqual([...wanted, process.versions.node]);
    expect(load.errors).toEqual([]);
    expect((await pointsman.stop()).code).toBe(0);
  },
  180_000,
);

function versionOf(node: string): string {
  return spawnSync(node, ['-p', 'process.versions.node'], { encoding: 'utf8' }).stdout.trim();
}

test('systemd is told when it serves, and which process is the main one after an upgrade', async () => {
  const pointsman = await preparePointsman(await shop({ handover: '0s', shutdown: '0s' }));
  const told = join(pointsman.dir, 'told');
  const bin = join(pointsman.dir, 'bin');
  mkdirSync(bin);
  // In the place of systemd's own, which says what it is given to the socket.
  const script = `#!/bin/sh\necho "$NOTIFY_SOCKET $*" >>${told}\n`;
  writeFileSync(join(bin, 'systemd-notify'), script, { mode: 0o755 });
  const env = { NOTIFY_SOCKET: '/run/notify', PATH: `${bin}${delimiter}${process.env.PATH}` };
  await pointsman.start({ env });
  const { supervisor } = pointsman.pids();

  const { to } = await upgrade(pointsman, 'draining', 'done', 'failed');
  const { code } = await pointsman.ended;

  expect(code).toBe(0);
  await pointsman.ready();
  const lines = await until('both are told', () => {
    const all = readFileSync(told, 'utf8').trim().split('\n');
    return all.length === 2 ? all : null;
  });
  expect(lines).toEqual([supervisor, to?.pid].map((pid) => `/run/notify --ready --pid=${pid}`));
  kill(to?.pid ?? 0, 'SIGTERM');
  await pointsman.nothingLeft();
});

inLongForm(
  'a state that a newer Pointsman wrote: the successor is refused in words, the old one stays',
  async () => {
    const pointsman = await startPointsman(await shop());
    const file = join(pointsman.stateDir, 'state.json');
    const { controller } = pointsman.pids();
    // So that it writes nothing meanwhile.
    kill(controller ?? 0, 'SIGSTOP');
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.replace(/"format":\d+/, '"format":99'));

    pointsman.signal('SIGUSR2');
    await until('it has failed', () => pointsman.output.includes('hand-over failed'));
    writeFileSync(file, text);
    kill(controller ?? 0, 'SIGCONT');
    const failed = await until('it is told', () => handoverOf(pointsman));

    expect(failed.error).toMatch(/format 99, written by a newer Pointsman.*Run the newer/);
    expect((await upgrade(pointsman, 'draining', 'failed')).error).toBeNull();
    expect((await pointsman.stop()).code).toBe(0);
  },
);
