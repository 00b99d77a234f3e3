/**
 * kill -9 of the controller, of a worker, of everything, at random moments of deployments and
 * flips.
 *
 * The rule this file keeps: whatever dies when, the service comes back on exactly one color, the
 * one the API and the state file name. SEED plays a run again, CRASH_ROUNDS makes it longer.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import http from 'node:http';
import { expect, test } from 'vitest';
import { type ServiceStatus, sidesOf } from '../../src/control/model/api.ts';
import { decode } from '../../src/control/stores/format.ts';
import { Load } from '../support/clients.ts';
import { long } from '../support/form.ts';
import { marked } from '../support/processes.ts';
import { seed, seeded } from '../support/random.ts';
import { kill, type Pointsman, releaseFile, startPointsman, until } from '../support/whole.ts';

const rounds = Number(process.env.CRASH_ROUNDS ?? (long ? 50 : 6));
const replicas = 2;
const workers = 2;
/** A deployment takes about so long here; a kill falls somewhere inside, or just behind. */
const deploymentMs = 700;
/** Of a rollback. */
const rollbackMs = 25;

const victims = ['controller', 'worker', 'supervisor', 'everything'] as const;
type Victim = (typeof victims)[number];

test(
  `${rounds} rounds of kill -9 (SEED=${seed})`,
  async () => {
    const random = seeded(seed);
    const command = [process.execPath, releaseFile];
    const pointsman = await startPointsman({
      workers,
      run: { process: { command, replicas } },
      first: { release: 'v0' },
    });
    const tally: Record<string, number> = {};
    for (let nth = 0; nth < rounds; nth++) {
      const round = await nextRound(pointsman, random, nth);
      const { victim, back, to, afterMs } = round;
      const what = back ? 'rollback' : 'deployment';
      const told = `round ${nth}: ${victim}, ${afterMs.toFixed(1)} ms into the ${what} to ${to}`;
      try {
        const outcome = `${victim}, ${what}: ${await play(pointsman, round, told)}`;
        tally[outcome] = (tally[outcome] ?? 0) + 1;
      } catch (cause) {
        throw new Error(`${told} (SEED=${seed}): ${cause}`, { cause });
      }
    }
    // For whoever asks whether the kills fall where they should.
    if (process.env.CRASH_TALLY) process.stdout.write(`${JSON.stringify(tally, null, 1)}\n`);
    expect(pointsman.output).not.toContain('bug:');
    expect((await pointsman.stop()).code).toBe(0);
    await pointsman.nothingLeft();
  },
  60_000 + rounds * 20_000,
);

interface Round {
  readonly victim: Victim;
  readonly before: ServiceStatus;
  readonly to: string;
  readonly back: boolean;
  readonly afterMs: number;
}

async function nextRound(pointsman: Pointsman, random: () => number, nth: number): Promise<Round> {
  const before = await pointsman.status();
  const { ready, to: warm } = before.rollback;
  const back = ready && warm !== null && random() < 0.5;
  return {
    victim: victims[nth % victims.length] ?? 'worker',
    before,
    back,
    to: back ? warm.release : `v${nth + 1}`,
    afterMs: random() * (back ? rollbackMs : deploymentMs),
  };
}

async function play(pointsman: Pointsman, round: Round, told: string): Promise<'went' | 'stayed'> {
  const { victim, before, to, back, afterMs } = round;
  const from = sidesOf(before).live?.release ?? '';
  const livePids = await pidsOf(pointsman, from);
  const load = new Load(pointsman.port, { get: 8, post: 4, slow: 2 });
  await load.answered(from, load.clients);

  // Whoever asks may lose the connection to a controller that dies: that is the round's business.
  const asked = performance.now();
  const call = (back ? pointsman.rollback(to) : pointsman.deploy(to)).catch(() => null);
  await new Promise((resolve) => setTimeout(resolve, afterMs));
  const dead = await strike(pointsman, victim, load);
  await call;
  const settled = await settle(pointsman, told);
  const live = sidesOf(settled).live?.release ?? '';
  await load.answered(live, load.clients);
  await load.stop();

  expect([from, to]).toContain(live);
  expect(sidesOf(settled).live?.healthy).toBe(replicas);
  expect(await stateOf(pointsman)).toEqual({ live: settled.live, release: live });
  expect(new Set(await Promise.all(Array.from({ length: 20 }, () => who(pointsman.port))))).toEqual(
    new Set([live]),
  );
  checkClients(load, victim, dead);
  checkOrder(load, asked, from, to);
  // The pool that was live was never started anew: its replicas were found again.
  if (live === from) expect(await pidsOf(pointsman, from)).toEqual(livePids);
  await checkReplicas(pointsman);
  return live === to ? 'went' : 'stayed';
}

/** Kills; @returns the client ports that were connected to what died; null: all of them. */
async function strike(
  pointsman: Pointsman,
  victim: Victim,
  load: Load,
): Promise<ReadonlySet<number> | null> {
  if (victim === 'everything' || victim === 'supervisor') {
    if (victim === 'everything') await pointsman.crash();
    // Its children see that it has gone, and end by themselves.
    else pointsman.signal('SIGKILL');
    await pointsman.ended;
    pointsman.launch();
    // 1 to 2 s on a quiet machine.
    await until('it serves again', () => who(pointsman.port));
    return null;
  }
  const pids = await until('all children are there', () => {
    const { controller, workers: all } = pointsman.pids();
    return controller !== null && all.length === workers ? { controller, workers: all } : null;
  });
  if (victim === 'controller') {
    kill(pids.controller, 'SIGKILL');
    return new Set();
  }
  const worker = pids.workers[Math.floor(load.exchanges.length % workers)] ?? 0;
  // Stopped first, so that who is connected to it does not change while it is looked at.
  kill(worker, 'SIGSTOP');
  const ports = clientPortsOf(worker, pointsman.port);
  kill(worker, 'SIGKILL');
  return ports;
}

/** Waits until nothing is under way and everything that should run does. */
function settle(pointsman: Pointsman, told: string): Promise<ServiceStatus> {
  return until(`it has settled after ${told}`, async () => {
    const { ready, workers: said } = await pointsman.health();
    const { controller, workers: running } = pointsman.pids();
    const pids = said.map(({ pid }) => pid).sort();
    if (!ready || controller === null || `${pids}` !== `${[...running].sort()}`) return null;
    if (pids.length !== workers) return null;
    const status = await pointsman.status();
    const over = status.deployment?.endedAt !== null;
    const { live } = sidesOf(status);
    return over && live?.healthy === replicas ? status : null;
  });
}

function checkClients(load: Load, victim: Victim, dead: ReadonlySet<number> | null): void {
  if (dead === null) return;
  if (victim === 'controller') expect([load.errors, load.closed]).toEqual([[], []]);
  // Every connection of the worker ended, and no other.
  const mine = load.closed.filter(({ port }) => dead.has(port)).map(({ client }) => client);
  expect(load.closed.map(({ client }) => client)).toEqual(mine);
  const hurt = new Set(mine);
  expect(load.errors.filter(({ client }) => !hurt.has(client))).toEqual([]);
}

/**
 * Once a client has had an answer of the new release, no request that starts goes to the old one.
 */
function checkOrder(load: Load, asked: number, from: string, to: string): void {
  const first = Math.min(
    ...load.exchanges
      .filter(({ by, start }) => by === to && start >= asked)
      .map(({ head }) => head),
  );
  const late = load.exchanges.filter(({ by, start }) => by === from && start > first);
  expect(late).toEqual([]);
}

/** What runs is what is on record: nothing was lost, nothing was started twice. */
async function checkReplicas(pointsman: Pointsman): Promise<void> {
  await until('what runs is what is on record', async () => {
    const { pools } = await pointsman.status();
    const wanted = [pools.blue, pools.green].flatMap((pool) =>
      pool === null || pool.role === 'retiring' ? [] : [pool.id, pool.id],
    );
    const found = (await marked(pointsman.stateDir)).map(({ mark }) => mark?.poolId ?? '');
    return `${wanted.sort()}` === `${found.sort()}`;
  });
}

async function pidsOf(pointsman: Pointsman, release: string): Promise<readonly number[]> {
  const found = await marked(pointsman.stateDir);
  return found
    .filter(({ mark }) => mark?.release === release)
    .map(({ pid }) => pid)
    .sort((a, b) => a - b);
}

/** Which release answers on a connection of its own. @throws when none does. */
function who(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const req = http.get({ host: '127.0.0.1', port, agent: false }, (res) => {
      res.resume();
      const by = res.headers['x-release'];
      if (res.statusCode === 200 && by !== undefined) resolve(String(by));
      else reject(new Error(`answered ${res.statusCode}`));
    });
    req.once('error', reject);
  });
}

/** What the state file says once no flip is on its way to it, read as a restart would read it. */
function stateOf(pointsman: Pointsman): Promise<{ live: string; release: string | undefined }> {
  return until('the record is on the disk', () => {
    const decoded = decode(readFileSync(`${pointsman.stateDir}/state.json`));
    const shop = decoded.kind === 'good' ? decoded.state.services.shop : undefined;
    if (shop === undefined) throw new Error(JSON.stringify(decoded));
    if (shop.intent !== null) return null;
    return { live: shop.live, release: shop.pools[shop.live]?.release.name };
  });
}

/** The clients' ends of the connections that a process holds. */
function clientPortsOf(pid: number, port: number): ReadonlySet<number> {
  const inodes = new Set<string>();
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    try {
      const to = readlinkSync(`/proc/${pid}/fd/${fd}`);
      const inode = /^socket:\[(\d+)\]$/.exec(to)?.[1];
      if (inode !== undefined) inodes.add(inode);
    } catch {
      // Closed while we looked.
    }
  }
  const ports = new Set<number>();
  for (const line of readFileSync('/proc/net/tcp', 'utf8').split('\n').slice(1)) {
    const [, local = '', remote = '', , , , , , , inode = ''] = line.trim().split(/\s+/);
    const at = (address: string): number => Number.parseInt(address.split(':')[1] ?? '', 16);
    if (at(local) === port && inodes.has(inode)) ports.add(at(remote));
  }
  return ports;
}
