/**
 * All pools on the engine: kept true by looking, told to whoever listens, started again when one
 * dies.
 *
 * The rule this file keeps: look first, tell, then act. A replica that died is reported down before
 * anything is started that could be given its address, and what is started is looked at again
 * before it is reported running. Work on one pool is done one thing at a time.
 *
 * An exited container is started again as it is, so it runs the image, the env and the options it
 * was created with; one that was removed is created anew from what `start` was given.
 */
import type { Clock } from '../../../clock.ts';
import { reasonOf } from '../../../errors.ts';
import type { Log } from '../../../log.ts';
import type { DriverEvent } from '../driver.ts';
import { Adoptions } from './adoptions.ts';
import { type Here, nowhere, whereAmI } from './containers/addressing.ts';
import {
  type Found,
  inspect,
  inspectAll,
  pauseContainer,
  startContainer,
  survey,
} from './containers/containers.ts';
import type { ContainerFacts } from './containers/facts.ts';
import { type Labels, type Marks, marksOf } from './containers/labels.ts';
import { lastOutput } from './containers/output.ts';
import { type Engine, isUnavailable } from './engine/engine.ts';
import { mapLimit } from './engine/mapLimit.ts';
import {
  type ContainerPool,
  countEnd,
  isFrozen,
  newPool,
  type Replica,
  replicaOf,
  targetIdOf,
  targetOf,
  targetsOf,
} from './pool.ts';
import { createReplica, marksFor } from './replica.ts';

export interface ReconcilerDependencies {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly log: Log;
  readonly emit: (event: DriverEvent) => void;
  readonly instance: () => Promise<string>;
}

/** A container and what its labels say. */
export interface Member {
  readonly marks: Marks;
  readonly facts: ContainerFacts;
}

export class Reconciler {
  readonly pools = new Map<string, ContainerPool>();
  readonly adoptions = new Adoptions();
  readonly #dependencies: ReconcilerDependencies;
  readonly #queues = new Map<string, Promise<unknown>>();
  /** Looks that have not begun. */
  readonly #looks = new Map<string, Promise<void>>();
  #here: Promise<Here> | null = null;
  #closed = false;

  constructor(dependencies: ReconcilerDependencies) {
    this.#dependencies = dependencies;
  }

  /** Where Pointsman is, asked once per connection to the engine. */
  here(): Promise<Here> {
    this.#here ??= whereAmI(this.#dependencies.engine).catch((thrown: unknown) => {
      this.#here = null;
      throw thrown;
    });
    return this.#here;
  }

  /** The engine went away: where we are may be another place when it returns. */
  forgetHere(): void {
    this.#here = null;
  }

  pool(id: string): ContainerPool {
    const pool = this.pools.get(id) ?? newPool(id);
    this.pools.set(id, pool);
    return pool;
  }

  /** Runs `work` when nothing else is being done to the pool. */
  async exclusive<Outcome>(poolId: string, work: () => Promise<Outcome>): Promise<Outcome> {
    const before = this.#queues.get(poolId) ?? Promise.resolve();
    const mine = before.then(work, work);
    const settled = mine.catch(() => {});
    this.#queues.set(poolId, settled);
    settled.then(() => {
      if (this.#queues.get(poolId) === settled) this.#queues.delete(poolId);
    });
    return mine;
  }

  /** Every container of ours and every one to adopt, under the pool it belongs to now. */
  async survey(): Promise<readonly Found[]> {
    const found = await survey(this.#dependencies.engine, await this.#dependencies.instance());
    return found.map((one) => ({ ...one, poolId: this.adoptions.poolIdOf(one) }));
  }

  /**
   * The containers of one pool. An adopted one of another image than the release's is none of them.
   */
  async members(poolId: string, found?: readonly Found[]): Promise<readonly Member[]> {
    const ids = (found ?? (await this.survey()))
      .filter((one) => one.poolId === poolId)
      .map((one) => one.id);
    const all = await inspectAll(this.#dependencies.engine, ids);
    return all.flatMap((facts) => {
      const marks = marksOf(facts.labels);
      if (marks === null || !this.adoptions.takes(poolId, facts)) return [];
      return [{ marks, facts }];
    });
  }

  /** Looks at everything, one pool beside the other. @throws Fault DRIVER_UNAVAILABLE */
  async sync(): Promise<void> {
    const found = await this.survey();
    const ids = new Set([...found.map((one) => one.poolId), ...this.pools.keys()]);
    await mapLimit([...ids], (id) => this.refresh(id));
  }

  /** Looks at one pool, after whatever is being done to it; a look that waits its turn is shared. */
  refresh(poolId: string): Promise<void> {
    const waiting = this.#looks.get(poolId);
    if (waiting !== undefined) return waiting;
    const look = this.exclusive(poolId, () => {
      this.#looks.delete(poolId);
      return this.look(poolId);
    });
    this.#looks.set(poolId, look);
    return look;
  }

  /** Looks at one pool. Only inside `exclusive`. */
  async look(poolId: string): Promise<void> {
    const members = await this.members(poolId);
    const here = await this.here();
    if (members.length === 0 && !this.pools.has(poolId)) return;
    const pool = this.pool(poolId);
    const seen = new Set<string>();
    for (const { marks, facts } of members) {
      const replica = replicaOf(pool, marks, facts.name);
      // A second container for the same place, left by a crash between two steps, is not a second
      // target.
      if (seen.has(replica.id) && !facts.running) continue;
      seen.add(replica.id);
      this.#note(pool, replica, facts, here);
    }
    for (const replica of pool.replicas.values()) {
      if (!seen.has(replica.id)) this.#noteGone(pool, replica);
    }
    this.#expectWanted(pool);
    this.tell(pool);
    if (pool.replicas.size === 0 && pool.wanted === null) this.pools.delete(poolId);
  }

  /** A hint that a container died: its target is down now, whatever a closer look will say. */
  died(containerId: string, exitCode: string): void {
    for (const pool of this.pools.values()) {
      for (const replica of pool.replicas.values()) {
        if (replica.containerId !== containerId || replica.target.state === 'down') continue;
        const detail = `${replica.id} exited with code ${exitCode}`;
        replica.target = { id: replica.id, ...nowhere, state: 'down', detail };
        this.tell(pool);
      }
    }
  }

  /** A hint that something about a container changed: its pool is looked at. */
  async touched(containerId: string, labels: Labels): Promise<void> {
    const pools = [...this.pools.values()].filter((pool) =>
      [...pool.replicas.values()].some((replica) => replica.containerId === containerId),
    );
    const marks = marksOf(labels);
    if (marks?.own && marks.own.instance !== (await this.#dependencies.instance())) return;
    const poolId = marks && (marks.own?.poolId ?? this.adoptions.poolIdFor(marks));
    const ids = new Set(pools.map((pool) => pool.id));
    if (poolId !== null) ids.add(poolId);
    await mapLimit([...ids], (id) => this.refresh(id));
  }

  /** Tells listeners what the targets are, where that is news. */
  tell(pool: ContainerPool): void {
    const targets = targetsOf(pool);
    const text = JSON.stringify(targets);
    if (pool.ending || text === pool.reported) return;
    pool.reported = text;
    this.#dependencies.emit({ kind: 'targets', poolId: pool.id, targets });
  }

  /** Nothing of the pool is started by itself any more. */
  rest(pool: ContainerPool): void {
    for (const replica of pool.replicas.values()) {
      replica.cancelStart?.();
      replica.cancelStart = null;
    }
  }

  forget(poolId: string): void {
    const pool = this.pools.get(poolId);
    if (pool !== undefined) this.rest(pool);
    this.pools.delete(poolId);
    this.adoptions.end(poolId);
  }

  close(): void {
    this.#closed = true;
    for (const pool of this.pools.values()) this.rest(pool);
  }

  #note(pool: ContainerPool, replica: Replica, facts: ContainerFacts, here: Here): void {
    replica.containerId = facts.id;
    replica.target = targetOf(replica.id, replica.marks, facts, here, isFrozen(pool));
    if (facts.running) {
      replica.seenRunning = true;
      replica.cancelStart?.();
      replica.cancelStart = null;
      return;
    }
    this.#scheduleRestart(pool, replica, facts);
  }

  #noteGone(pool: ContainerPool, replica: Replica): void {
    const { own } = replica.marks;
    if (own === null || !pool.wanted?.numbers.has(own.replica)) {
      replica.cancelStart?.();
      pool.replicas.delete(replica.id);
      return;
    }
    const detail = `${replica.id} was removed by someone`;
    replica.target = { id: replica.id, ...nowhere, state: 'down', detail };
    this.#scheduleRestart(pool, replica, null);
    replica.containerId = null;
  }

  /** A pool that was asked for has all its places, also those of which nothing is left. */
  #expectWanted(pool: ContainerPool): void {
    const { wanted } = pool;
    if (wanted === null || this.adoptions.has(pool.id)) return;
    for (const number of wanted.numbers) {
      const marks = marksFor(wanted, number, '');
      const known = pool.replicas.has(targetIdOf(marks, ''));
      if (!known) this.#noteGone(pool, replicaOf(pool, marks, targetIdOf(marks, '')));
    }
  }

  /** Sets the time at which a replica that is down is started again. */
  #scheduleRestart(pool: ContainerPool, replica: Replica, facts: ContainerFacts | null): void {
    const ours = replica.marks.own !== null && (pool.wanted !== null || replica.seenRunning);
    if (!ours || pool.ending || this.#closed) return;
    const news = replica.cancelStart === null;
    const delayMs = countEnd(replica, facts);
    const again = `; started again after ${delayMs} ms (end ${replica.deaths} in a row)`;
    replica.target = { ...replica.target, detail: replica.target.detail + again };
    if (!news) return;
    // Looks that come before its turn find it down still: they neither start nor explain it again.
    replica.cancelStart = this.#dependencies.clock.after(delayMs, () => {
      this.#startAgain(pool, replica);
    });
    if (facts !== null && !facts.fresh) this.#explain(pool, replica, facts);
  }

  #startAgain(pool: ContainerPool, replica: Replica): void {
    const { engine, log } = this.#dependencies;
    this.exclusive(pool.id, async () => {
      replica.cancelStart = null;
      if (pool.ending || this.#closed || this.pools.get(pool.id) !== pool) return;
      if (pool.replicas.get(replica.id) !== replica) return;
      const { containerId } = replica;
      const facts = containerId === null ? null : await inspect(engine, containerId);
      try {
        let id: string | null = null;
        if (facts !== null && !facts.running) {
          log.info({ pool: pool.id, target: replica.id }, 'starting a container that died again');
          id = facts.id;
        } else if (facts === null && pool.wanted !== null && replica.marks.own !== null) {
          log.info({ pool: pool.id, target: replica.id }, 'creating a container that was removed');
          const instance = await this.#dependencies.instance();
          id = await createReplica(engine, pool.wanted, replica.marks.own.replica, instance);
          replica.containerId = id;
        }
        if (id !== null) await startContainer(engine, id);
        if (id !== null && isFrozen(pool)) await pauseContainer(engine, id, true);
      } catch (thrown) {
        if (isUnavailable(thrown)) throw thrown;
        log.warn({ pool: pool.id, target: replica.id }, `not started: ${reasonOf(thrown)}`);
        replica.countedEnd = '';
      }
      await this.look(pool.id);
    }).catch((thrown: unknown) => {
      // Out of reach: when the engine is back, everything is looked at again.
      const detail = { pool: pool.id, target: replica.id };
      log.warn(detail, `not started again: ${reasonOf(thrown)}`);
    });
  }

  /** The last lines of what died, for the record of a deployment that fails by it. */
  #explain(pool: ContainerPool, replica: Replica, facts: ContainerFacts): void {
    lastOutput(this.#dependencies.engine, facts).then((lines) => {
      for (const line of lines) {
        this.#dependencies.emit({ kind: 'output', poolId: pool.id, target: replica.id, line });
      }
    });
  }
}
