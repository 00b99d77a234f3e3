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
import type { Deployer } from './deployer.ts';
import { retired, settle, settled, standbyPool } from './deployment.ts';
import { DrainTally, insideOf } from './drain.ts';
import { countOf, nobody } from './flip.ts';
import { type Rest, type Running, type Shape, whole } from './pools.ts';

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
  readonly #deployer: Deployer;
  readonly #controller = new AbortController();
  #drain: Drain | null = null;
  #retiring: Promise<void> = Promise.resolve();
  #cancelWarm: (() => void) | null = null;

  constructor(deployer: Deployer) {
    this.#deployer = deployer;
  }

  /** The pool that drains now; null: none. */
  get draining(): string | null {
    return this.#drain?.poolId ?? null;
  }

  get drainEnded(): Promise<void> {
    return this.#drain?.ended ?? Promise.resolve();
  }

  /** Resolves when no retirement is on its way to the disk. */
  get quiet(): Promise<void> {
    return this.#retiring;
  }

  /**
   * A flip happened.
   *
   * @param left the pool that was live until now; null: there was none.
   */
  flipped(deployment: Deployment, left: string | null): void {
    this.forget();
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
    if (drain === null || this.#deployer.state.deployment?.id === drain.deployment.id) return;
    const { core } = this.#deployer;
    core.append(settled(drain.deployment, drain.last, this.#deployer.at()));
  }

  /** The standby is somebody else's now: no timer of it counts any more. */
  forget(): void {
    this.#cancelWarm?.();
    this.#cancelWarm = null;
  }

  /** The standby is warm: kept for its time, at its size. */
  warm(poolId: string): void {
    this.forget();
    const { warm } = this.#deployer.config;
    if (warm.forMs !== null) this.#retireAfter(poolId, warm.forMs, warm.forMs);
    void this.#lay(poolId);
  }

  /** @throws Fault RETIRE_REFUSED, STATE_NOT_WRITABLE; then the pool stays. */
  async retire(poolId: string, why: string): Promise<void> {
    const deployer = this.#deployer;
    const running = deployer.pools.get(poolId);
    if (running === undefined || running.leaving || running.emptying !== null) {
      throw new Fault('RETIRE_REFUSED', `${deployer.name}: the standby is being retired already.`);
    }
    running.leaving = true;
    const saved = deployer.save((state) => retired(state, poolId));
    this.#retiring = saved.then(
      () => undefined,
      () => undefined,
    );
    try {
      await saved;
    } catch (thrown) {
      running.leaving = false;
      throw thrown;
    }
    this.forget();
    deployer.changed(`${running.release.name} on ${running.color}: ${why}`);
    void deployer.pools
      .empty(poolId, Promise.resolve())
      .then(() => deployer.changed(`${running.release.name} on ${running.color} has been stopped`));
  }

  /**
   * Makes a warm pool that was kept small or frozen able to take the traffic.
   *
   * @returns whether there was one that was not being woken yet.
   */
  wake(): boolean {
    const running = this.#standby();
    const rest = running?.rest ?? null;
    if (running === undefined || rest === null || running.waking) return false;
    running.waking = true;
    this.#order(running, whole)
      .then(() => {
        running.size = rest.full;
        running.rest = null;
      })
      .catch((thrown: unknown) => this.#failed(running, 'woken', thrown))
      .finally(() => {
        running.waking = false;
      });
    return true;
  }

  close(): void {
    this.forget();
    this.#controller.abort();
    if (this.#drain !== null) {
      this.#drain.over = true;
      this.#drain.end();
    }
    this.#drain = null;
  }

  async #watch(drain: Drain): Promise<void> {
    const { core, config } = this.#deployer;
    const { clock } = core.dependencies;
    const tally = new DrainTally(drain.poolId, drain.inflight);
    const until = clock.now() + config.policy.drainMs + drainGraceMs;
    let waitMs = drainPollMsMin;
    for (;;) {
      const stats = await core.stats();
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
    if (standbyPool(this.#deployer.state)?.id === drain.poolId) this.warm(drain.poolId);
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
    const at = this.#deployer.at();
    const done = settled(deployment, drained, at);
    void this.#deployer.note((state) => settle(state, deployment.id, drained, at));
    this.#deployer.tell(done);
    this.#deployer.core.append(done);
  }

  #retireAfter(poolId: string, delayMs: number, forMs: number): void {
    const { clock } = this.#deployer.core.dependencies;
    // A clock takes at most 2^31 - 1 ms (24 days) at once.
    const step = Math.min(delayMs, 2_000_000_000);
    this.#cancelWarm = clock.after(step, () => {
      this.#cancelWarm = null;
      if (standbyPool(this.#deployer.state)?.id !== poolId) return;
      if (step < delayMs) this.#retireAfter(poolId, delayMs - step, forMs);
      else if (this.#deployer.busy) this.#retireAfter(poolId, lookAgainMs, forMs);
      else this.#retireNow(poolId, forMs);
    });
  }

  #retireNow(poolId: string, forMs: number): void {
    this.retire(poolId, `retired, having been warm for ${forMs / 1000} s`).catch(
      (thrown: unknown) => {
        this.#deployer.core.dependencies.log.warn(
          {},
          `${poolId} is not retired: ${reasonOf(thrown)}`,
        );
        if (standbyPool(this.#deployer.state)?.id === poolId) {
          this.#retireAfter(poolId, lookAgainMs, forMs);
        }
      },
    );
  }

  /** Lays the pool to rest. Tunnels live until it is retired, so that waits until none is left. */
  async #lay(poolId: string): Promise<void> {
    const { core } = this.#deployer;
    const running = this.#standby();
    if (running?.id !== poolId) return;
    while (this.#restFor(running) !== null) {
      const stats = await core.stats();
      const rest = this.#restFor(running);
      const empty = stats.length > 0 && countOf(insideOf(stats, poolId)) === 0;
      if (rest !== null && empty && !this.#deployer.busy) {
        running.rest = rest;
        running.size = rest.replicas;
        try {
          await this.#order(running, rest);
        } catch (thrown) {
          this.#failed(running, 'laid to rest', thrown);
          // Whatever came of it: it is better awake than half asleep.
          this.wake();
        }
        return;
      }
      await pause(core.dependencies.clock, lookAgainMs, this.#controller.signal);
    }
  }

  /** How the pool is to rest, as things are; null: it is not to, or does already. */
  #restFor(running: Running): (Rest & Shape & { readonly replicas: number }) | null {
    const { size, release } = running;
    if (this.#controller.signal.aborted || this.#standby() !== running) return null;
    if (running.leaving || running.rest !== null) return null;
    if (size === null || release.run.kind === 'static') return null;
    const { replicas, freeze } = this.#deployer.config.warm;
    const count = Math.min(replicas ?? size, size);
    return freeze || count < size ? { full: size, replicas: count, frozen: freeze } : null;
  }

  async #order(running: Running, shape: Shape): Promise<void> {
    const { pools, state } = this.#deployer;
    const signal = this.#controller.signal;
    const started = await pools.start(running, state.generation, shape, signal, () => {});
    if (pools.get(running.id) !== running || running.emptying !== null) return;
    pools.targets(running, started.targets);
  }

  #standby(): Running | undefined {
    const pool = standbyPool(this.#deployer.state);
    return pool === null ? undefined : this.#deployer.pools.get(pool.id);
  }

  #failed(running: Running, what: string, thrown: unknown): void {
    const text = `Pool ${running.id} could not be ${what}: ${reasonOf(thrown)}`;
    this.#deployer.core.dependencies.log.warn({}, text);
    this.#deployer.changed(text);
  }
}
