/**
 * Emptying a pool: its containers are stopped and removed, now or when the engine is back.
 *
 * The rule this file keeps: only what a Pointsman of this instance started is ended. Adopted
 * containers are let go, and run on.
 */
import { reasonOf } from '../../../errors.ts';
import type { Log } from '../../../log.ts';
import { end } from './containers/containers.ts';
import { type Engine, isUnavailable } from './engine/engine.ts';
import { mapLimit } from './engine/mapLimit.ts';
import type { Reconciler } from './reconciler.ts';

/** A container whose stop timeout is not known is given so long. */
const stopMsUnknown = 60_000;

const none: ReadonlySet<string> = new Set();

export class Removal {
  readonly #engine: Engine;
  readonly #reconciler: Reconciler;
  readonly #log: Log;
  /** Pools to be removed when the engine is back, except for these containers of them. */
  readonly #due = new Map<string, ReadonlySet<string>>();

  constructor(engine: Engine, reconciler: Reconciler, log: Log) {
    this.#engine = engine;
    this.#reconciler = reconciler;
    this.#log = log;
  }

  /** @throws Fault DRIVER_UNAVAILABLE; it is then done when the engine is back. */
  async stop(poolId: string): Promise<void> {
    const pool = this.#reconciler.pools.get(poolId);
    if (pool !== undefined) {
      // Before its turn comes: what is under way must not bring anything back.
      pool.ending = true;
      this.#reconciler.rest(pool);
    }
    try {
      await this.#remove(poolId, none);
    } catch (thrown) {
      if (isUnavailable(thrown)) this.#due.set(poolId, none);
      this.#log.warn({ pool: poolId }, `not stopped: ${reasonOf(thrown)}`);
      throw thrown;
    }
  }

  /** Remembers what could not be removed. @param keep containers that ran before, and stay. */
  defer(poolId: string, keep: ReadonlySet<string>): void {
    this.#due.set(poolId, keep);
  }

  /** The pool is wanted again. */
  cancel(poolId: string): void {
    this.#due.delete(poolId);
  }

  /** Does what is due. @throws Fault DRIVER_UNAVAILABLE */
  async catchUp(): Promise<void> {
    for (const [poolId, keep] of this.#due) await this.#remove(poolId, keep);
  }

  #remove(poolId: string, keep: ReadonlySet<string>): Promise<void> {
    const reconciler = this.#reconciler;
    return reconciler.exclusive(poolId, async () => {
      const pool = reconciler.pools.get(poolId);
      if (pool !== undefined && keep.size === 0) {
        pool.ending = true;
        reconciler.rest(pool);
      }
      const ours = (await reconciler.survey()).filter(
        (one) => one.poolId === poolId && one.marks.own !== null && !keep.has(one.id),
      );
      const stopMs = pool?.wanted?.run.stopMs ?? stopMsUnknown;
      await mapLimit(ours, (one) => end(this.#engine, one, stopMs));
      this.#due.delete(poolId);
      if (keep.size === 0) reconciler.forget(poolId);
    });
  }
}
