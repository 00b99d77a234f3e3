/**
 * What becomes of the pool that was live: it drains, stays warm, rests, and is retired in its time.
 *
 * The rule this file keeps: nothing here can fail a deployment, which has flipped. A drain that is
 * overtaken (its pool is live again, or a new record takes the place of its own) is void or goes on
 * unseen, but its numbers reach the history either way.
 */
import { pause } from '../../clock.ts';
import { Fault, reasonOf } from '../../errors.ts';
import type { Drained, Inside } from '../../wire.ts';
import type { Deployment } from '../model/state.ts';
import type { ControlContext } from './context.ts';
import { retired, settle, settled, standbyPool } from './deployment.ts';
import { DrainTally, insideOf } from './drain.ts';
import { countOf, nobody } from './flip.ts';
import { type Pools, type Rest, type ServicePool, type Shape, whole } from './pools.ts';
import type { ServiceRecord } from './record.ts';

const drainPollMsMin = 50;
const drainPollMsMax = 1_000;
/** The workers cut at the drain limit; what they have not told so long after it counts as cut. */
const drainGraceMs = 5_000;
/** What has to wait for something else looks again so often. */
const lookAgainMs = 1_000;

interface Drain {
  readonly deployment: Deployment;
  readonly poolId: string;
  readonly inflight: Inside;
  last: Drained;
  over: boolean;
  readonly ended: Promise<void>;
  readonly end: () => void;
}

export class Standby {
  readonly #record: ServiceRecord;
  readonly #pools: Pools;
  readonly #context: ControlContext;
  readonly #busy: () => boolean;
  readonly #controller = new AbortController();
  #drain: Drain | null = null;
  #retiring: Promise<void> = Promise.resolve();
  #cancelWarm: (() => void) | null = null;

  /** @param busy a deployment or rollback has the service to itself, or the way back may be wanted. */
  constructor(record: ServiceRecord, pools: Pools, context: ControlContext, busy: () => boolean) {
    this.#record = record;
    this.#pools = pools;
    this.#context = context;
    this.#busy = busy;
  }

  /** The pool that drains now; null: none. */
  get draining(): string | null {
    return this.#drain?.poolId ?? null;
  }

  /** See `RolloutListener`. */
  async slotFree(waits: () => void): Promise<void> {
    if (this.#drain !== null) {
      waits();
      await this.#drain.ended;
    }
    await this.#retiring;
  }

  /** The standby is somebody else's now: no timer of it counts any more. */
  slotTaken(): void {
    this.#cancelTimer();
  }

  /**
   * A flip happened.
   *
   * @param left the pool that was live until now; null: there was none.
   */
  flipped(deployment: Deployment, left: string | null): void {
    this.#cancelTimer();
    this.#void();
    if (left === null) {
      this.#settle(deployment, null);
      return;
    }
    const inflight = deployment.receipt?.inflight ?? nobody;
    let end: () => void = () => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const last = {
      inflight,
      finished: 0,
      clientAborted: 0,
      cut: 0,
      stillOpen: countOf(inflight),
      done: false,
    };
    const drain = { deployment, poolId: left, inflight, last, over: false, ended, end };
    this.#drain = drain;
    void this.#watch(drain);
  }

  /**
   * Another deployment is on record now: that of a drain under way goes to the history as it is.
   */
  displaced(): void {
    const drain = this.#drain;
    const record = this.#record;
    if (drain === null || record.state.deployment?.id === drain.deployment.id) return;
    this.#context.append(settled(record.latest(drain.deployment), drain.last, record.at()));
  }

  /** The standby is warm: kept for its time, at its size. */
  warm(poolId: string): void {
    this.#cancelTimer();
    const { warm } = this.#record.config;
    if (warm.forMs !== null) this.#retireAfter(poolId, warm.forMs, warm.forMs);
    void this.#scaleDown(poolId);
  }

  /**
   * @param by the deployment that has the service to itself now; null: none.
   * @returns the pool that may be retired now.
   * @throws Fault RETIRE_REFUSED where there is none.
   */
  retirable(by: { readonly id: string } | null): string {
    const pool = this.#standby();
    const refuse = (why: string) => new Fault('RETIRE_REFUSED', `${this.#record.name}: ${why}.`);
    if (by !== null) throw refuse(`deployment ${by.id} runs; abort it, or wait for its end`);
    if (pool === undefined) throw refuse('the standby is empty');
    if (this.draining !== pool.id) return pool.id;
    throw refuse('requests of before the flip are still inside the standby; wait for its drain');
  }

  /** @throws Fault RETIRE_REFUSED, STATE_NOT_WRITABLE; then the pool stays. */
  async retire(poolId: string, why: string): Promise<void> {
    const record = this.#record;
    const pool = this.#pools.get(poolId);
    if (pool === undefined || pool.leaving || pool.emptying !== null) {
      throw new Fault('RETIRE_REFUSED', `${record.name}: the standby is being retired already.`);
    }
    pool.leaving = true;
    const saved = record.save((state) => retired(state, poolId));
    this.#retiring = saved.then(
      () => undefined,
      () => undefined,
    );
    try {
      await saved;
    } catch (thrown) {
      pool.leaving = false;
      throw thrown;
    }
    this.#cancelTimer();
    const named = `${pool.release.name} on ${pool.color}`;
    record.changed(`${named}: ${why}`);
    void this.#pools
      .empty(poolId, Promise.resolve())
      .then(() => record.changed(`${named} has been stopped`));
  }

  /**
   * Makes a warm pool that was kept small or frozen able to take the traffic.
   *
   * @returns whether there was one that was not being woken yet.
   */
  wake(): boolean {
    const pool = this.#standby();
    const rest = pool?.rest ?? null;
    if (pool === undefined || rest === null || pool.waking) return false;
    pool.waking = true;
    this.#start(pool, whole)
      .then(() => {
        pool.size = rest.full;
        pool.rest = null;
      })
      .catch((thrown: unknown) => this.#failed(pool, 'woken', thrown))
      .finally(() => {
        pool.waking = false;
      });
    return true;
  }

  close(): void {
    this.#cancelTimer();
    this.#controller.abort();
    if (this.#drain !== null) {
      this.#drain.over = true;
      this.#drain.end();
    }
    this.#drain = null;
  }

  #cancelTimer(): void {
    this.#cancelWarm?.();
    this.#cancelWarm = null;
  }

  async #watch(drain: Drain): Promise<void> {
    const { clock } = this.#context.dependencies;
    const tally = new DrainTally(drain.poolId, drain.inflight);
    const until = clock.now() + this.#record.config.policy.drainMs + drainGraceMs;
    let waitMs = drainPollMsMin;
    for (;;) {
      const stats = await this.#context.stats();
      if (drain.over) return;
      drain.last = tally.update(stats);
      if (drain.last.done) break;
      if (clock.now() >= until) {
        drain.last = tally.close();
        break;
      }
      await pause(clock, waitMs, this.#controller.signal);
      if (drain.over) return;
      waitMs = Math.min(waitMs * 1.5, drainPollMsMax);
    }
    this.#over(drain);
    if (standbyPool(this.#record.state)?.id === drain.poolId) this.warm(drain.poolId);
  }

  /** The pool that drains is live again, or will never be heard of. */
  #void(): void {
    if (this.#drain !== null) this.#over(this.#drain);
  }

  #over(drain: Drain): void {
    drain.over = true;
    this.#drain = null;
    this.#settle(drain.deployment, drain.last);
    drain.end();
  }

  #settle(deployment: Deployment, drained: Drained | null): void {
    const at = this.#record.at();
    const done = settled(this.#record.latest(deployment), drained, at);
    void this.#record.note((state) => settle(state, deployment.id, drained, at));
    this.#record.tell(done);
    this.#context.append(done);
  }

  #retireAfter(poolId: string, delayMs: number, forMs: number): void {
    const { clock } = this.#context.dependencies;
    // A clock takes at most 2^31 - 1 ms (24 days) at once.
    const step = Math.min(delayMs, 2_000_000_000);
    this.#cancelWarm = clock.after(step, () => {
      this.#cancelWarm = null;
      if (standbyPool(this.#record.state)?.id !== poolId) return;
      if (step < delayMs) this.#retireAfter(poolId, delayMs - step, forMs);
      else if (this.#busy()) this.#retireAfter(poolId, lookAgainMs, forMs);
      else this.#retireNow(poolId, forMs);
    });
  }

  #retireNow(poolId: string, forMs: number): void {
    this.retire(poolId, `retired, having been warm for ${forMs / 1000} s`).catch(
      (thrown: unknown) => {
        this.#context.dependencies.log.warn({}, `${poolId} is not retired: ${reasonOf(thrown)}`);
        if (standbyPool(this.#record.state)?.id === poolId) {
          this.#retireAfter(poolId, lookAgainMs, forMs);
        }
      },
    );
  }

  /** Makes the pool as small, or as frozen, as the config wants it. Tunnels live until it is retired, so that waits until none is left. */
  async #scaleDown(poolId: string): Promise<void> {
    const pool = this.#standby();
    if (pool?.id !== poolId) return;
    while (this.#restFor(pool) !== null) {
      const stats = await this.#context.stats();
      const rest = this.#restFor(pool);
      const empty = stats.length > 0 && countOf(insideOf(stats, poolId)) === 0;
      if (rest !== null && empty && !this.#busy()) {
        pool.rest = rest;
        pool.size = rest.replicas;
        try {
          await this.#start(pool, rest);
        } catch (thrown) {
          this.#failed(pool, 'laid to rest', thrown);
          // Whatever came of it: it is better awake than half asleep.
          this.wake();
        }
        return;
      }
      await pause(this.#context.dependencies.clock, lookAgainMs, this.#controller.signal);
    }
  }

  /** How the pool is to rest, as things are; null: it is not to, or does already. */
  #restFor(pool: ServicePool): (Rest & Shape & { readonly replicas: number }) | null {
    const { size, release } = pool;
    if (this.#controller.signal.aborted || this.#standby() !== pool) return null;
    if (pool.leaving || pool.rest !== null) return null;
    if (size === null || release.run.kind === 'static') return null;
    const { replicas, freeze } = this.#record.config.warm;
    const count = Math.min(replicas ?? size, size);
    return freeze || count < size ? { full: size, replicas: count, frozen: freeze } : null;
  }

  async #start(pool: ServicePool, shape: Shape): Promise<void> {
    const pools = this.#pools;
    const { generation } = this.#record.state;
    const signal = this.#controller.signal;
    const started = await pools.start(pool, generation, shape, signal, () => {});
    if (pools.get(pool.id) !== pool || pool.emptying !== null) return;
    pools.targets(pool, started.targets);
  }

  #standby(): ServicePool | undefined {
    const filled = standbyPool(this.#record.state);
    return filled === null ? undefined : this.#pools.get(filled.id);
  }

  #failed(pool: ServicePool, what: string, thrown: unknown): void {
    const text = `Pool ${pool.id} could not be ${what}: ${reasonOf(thrown)}`;
    this.#context.dependencies.log.warn({}, text);
    this.#record.changed(text);
  }
}
