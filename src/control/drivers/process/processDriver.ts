/**
 * Runs releases as processes of this machine: one a replica, each on a port of its own on
 * 127.0.0.1.
 *
 * The rule this file keeps: replicas outlive the controller that started them, and the next
 * controller finds them all: by their records, and by the mark in their environment where a kill -9
 * fell between a spawn and its record. A pid is believed only together with its start time.
 */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Clock } from '../../../clock.ts';
import type { ProcessRun } from '../../../config/config.ts';
import { Fault } from '../../../errors.ts';
import type { Driver, DriverEvent, RunningPool, Started, StartOrder } from '../driver.ts';
import { everyProcess, type Found, type Mark } from './marks.ts';
import { ProcessPool } from './pool.ts';
import { Ports } from './ports.ts';
import { Records, type ReplicaRecord } from './records.ts';
import type { Replica, Shared } from './replica.ts';

/** How often adopted replicas are looked at, and output is read. */
const lookEveryMs = 1000;
/** More of one release on one machine is a mistake. */
const replicasMax = 1000;

export interface ProcessDriverOptions {
  /** Records and output are kept in `processes/` there; names the owner of what is started. */
  readonly stateDir: string;
  readonly clock: Clock;
  /** What replicas inherit; this process' own environment where it is not given. */
  readonly env?: NodeJS.ProcessEnv;
  /** For ports; `Math.random` where it is not given. */
  readonly random?: () => number;
}

export class ProcessDriver implements Driver {
  readonly #owner: string;
  readonly #shared: Shared;
  readonly #pools = new Map<string, ProcessPool>();
  /** The last change of each pool that was asked for; the next one waits for it. */
  readonly #turns = new Map<string, Promise<unknown>>();
  readonly #listeners = new Set<(event: DriverEvent) => void>();
  #found: Promise<void> | null = null;
  #cancelLook: () => void = () => {};
  #closed = false;

  constructor({ stateDir, clock, env = process.env, random }: ProcessDriverOptions) {
    this.#owner = resolve(stateDir);
    const records = new Records(this.#owner);
    this.#shared = { clock, ports: new Ports(random), records, env };
  }

  async start(order: StartOrder): Promise<Started> {
    const { run, count } = wanted(order);
    await this.#findOwn();
    return this.#inTurn(order.poolId, async () => {
      const pool = this.#poolFor(order);
      try {
        if (order.signal.aborted) throw aborted(order.poolId);
        await this.#shared.records.makeFolder(order.poolId);
        await pool.start(run, count, order.signal, order.progress);
      } catch (caught) {
        if (pool.replicas.length === 0) await this.#forget(order.poolId);
        throw caught instanceof Fault ? caught : unavailable(caught);
      }
      return { targets: pool.targets, release: order.release };
    });
  }

  async stop(poolId: string): Promise<void> {
    await this.#findOwn();
    await this.#inTurn(poolId, async () => {
      await this.#pools.get(poolId)?.stop();
      if (this.#pools.has(poolId)) await this.#forget(poolId);
    });
  }

  async list(): Promise<readonly RunningPool[]> {
    await this.#findOwn();
    const pools: RunningPool[] = [];
    for (const { place, replicas } of this.#pools.values()) {
      if (replicas.length === 0) continue;
      const { poolId, service, color, release } = place;
      const targets = await Promise.all(replicas.map(withMemory));
      pools.push({ poolId, service, color, release, targets });
    }
    return pools;
  }

  watch(listener: (event: DriverEvent) => void): () => void {
    // A listener of its own, so that one function watching twice is told twice.
    const mine = (event: DriverEvent): void => listener(event);
    this.#listeners.add(mine);
    return () => {
      this.#listeners.delete(mine);
    };
  }

  /**
   * Looks after nothing any more, and leaves all that runs running. For the end of the controller.
   */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelLook();
    this.#listeners.clear();
    for (const pool of this.#pools.values()) pool.leave();
    await Promise.allSettled(this.#turns.values());
  }

  #poolFor({ poolId, service, color, release }: StartOrder): ProcessPool {
    const there = this.#pools.get(poolId);
    if (!there) {
      const place = { owner: this.#owner, poolId, service, color, release: release.name };
      return this.#newPool(place);
    }
    if (there.place.release !== release.name) {
      throw new Fault(
        'RELEASE_INVALID',
        `Pool ${poolId} runs release ${there.place.release}; it cannot become ${release.name}. Stop it first.`,
      );
    }
    return there;
  }

  #newPool(place: ProcessPool['place']): ProcessPool {
    const pool = new ProcessPool(place, this.#shared, (event) => {
      for (const listener of [...this.#listeners]) listener(event);
    });
    this.#pools.set(place.poolId, pool);
    return pool;
  }

  async #forget(poolId: string): Promise<void> {
    this.#pools.delete(poolId);
    await this.#shared.records.forgetPool(poolId);
  }

  #inTurn<T>(poolId: string, act: () => Promise<T>): Promise<T> {
    const mine = (this.#turns.get(poolId) ?? Promise.resolve()).then(act);
    const settled = mine
      .catch(() => {})
      .finally(() => {
        if (this.#turns.get(poolId) === settled) this.#turns.delete(poolId);
      });
    this.#turns.set(poolId, settled);
    return mine;
  }

  /** Once in the life of the driver, before its first answer. */
  #findOwn(): Promise<void> {
    this.#found ??= this.#adoptAll().catch((caught: unknown) => {
      this.#found = null;
      throw caught instanceof Fault ? caught : unavailable(caught);
    });
    return this.#found;
  }

  async #adoptAll(): Promise<void> {
    const records = await this.#shared.records.read();
    const all = await everyProcess(this.#owner);
    const living = new Map(all.map((found) => [found.pid, found]));
    for (const record of records) {
      const found = living.get(record.pid);
      const same = found !== undefined && found.identity === record.identity;
      await this.#adopt(record, same ? found : null);
    }
    // Leaders that no record names: the controller was killed right after their spawn.
    for (const found of all) {
      if (found.mark && found.group === found.pid) await this.#adopt(found.mark, found);
    }
    for (const pool of this.#pools.values()) pool.settle();
    this.#lookLater();
  }

  async #adopt(mark: Mark | ReplicaRecord, found: Found | null): Promise<void> {
    const { poolId, service, color, release, replica, port, stopMs } = mark;
    const place = { owner: this.#owner, poolId, service, color, release };
    const pool = this.#pools.get(poolId) ?? this.#newPool(place);
    const one = pool.replica(replica, stopMs);
    // A second leader of a replica that runs is a child that left the group: it ends with the
    // replica.
    if (!one.running) await one.adopt(port, found);
  }

  #lookLater(): void {
    if (this.#closed) return;
    this.#cancelLook = this.#shared.clock.after(lookEveryMs, () => {
      const replicas = [...this.#pools.values()].flatMap((pool) => pool.replicas);
      void Promise.all(replicas.map((replica) => replica.look())).finally(() => this.#lookLater());
    });
  }
}

function wanted({ release, replicas, poolId }: StartOrder): { run: ProcessRun; count: number } {
  const { run, name } = release;
  const invalid = (what: string): Fault =>
    new Fault('RELEASE_INVALID', `Release ${name}: ${what}.`);
  if (run.kind !== 'process') throw invalid(`it is of kind ${run.kind}; wanted: process`);
  if (!run.command[0])
    throw invalid('its command is empty; a program and its arguments are wanted');
  // The id becomes the name of a folder.
  if (!/^[A-Za-z0-9][\w.-]{0,199}$/.test(poolId)) throw invalid(`"${poolId}" is no name of a pool`);
  const count = replicas ?? run.replicas;
  if (!Number.isInteger(count) || count < 0 || count > replicasMax) {
    throw invalid(`0 to ${replicasMax} replicas are wanted, got ${count}`);
  }
  return { run, count };
}

async function withMemory(replica: Replica): Promise<RunningPool['targets'][number]> {
  const target = replica.target();
  const status = await readFile(`/proc/${replica.pid}/status`, 'latin1').catch(() => '');
  const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(status)?.[1];
  return kilobytes ? { ...target, memoryBytes: Number(kilobytes) * 1024 } : target;
}

function aborted(poolId: string): Fault {
  return new Fault('ABORTED', `The start of pool ${poolId} was aborted.`);
}

function unavailable(cause: unknown): Fault {
  const { code, message } = cause as NodeJS.ErrnoException;
  return new Fault(
    'DRIVER_UNAVAILABLE',
    `Processes cannot be run or found now (${code ?? message}). Check the state directory and its disk.`,
    { cause },
  );
}
