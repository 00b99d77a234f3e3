/**
 * The pools of one service that run, or are on their way out: what the driver and the prober know
 * of them.
 *
 * The rule this file keeps: a pool is stopped only after the workers have been told to forget it
 * and say that nothing is inside, and never while it is one of the two on record.
 */
import { pause } from '../../clock.ts';
import type { Run, ServiceConfig } from '../../config/config.ts';
import { Fault, reasonOf } from '../../errors.ts';
import type { Color, PoolEntry, WorkerStats } from '../../wire.ts';
import type { TargetTls } from '../../wireTls.ts';
import type { Driver, RunningTarget, Started, StartOrder } from '../drivers/driver.ts';
import type { PoolState, Release } from '../model/state.ts';
import { statsOfPool } from '../workers/stats.ts';
import type { ControlContext } from './context.ts';
import { insideOf } from './drain.ts';
import { countOf } from './flip.ts';
import { sizeOf } from './release.ts';

/**
 * A retired pool is stopped after so long, whatever is inside: tunnels are closed over some
 * seconds.
 */
export const emptyMsMax = 10_000;
const emptyPollMs = 100;
/** A stop that fails is tried again so often; what is left then is found at the next start. */
const stopTries = 5;
const retryMsMin = 1_000;
const retryMsMax = 30_000;

/** A pool that runs, or is on its way in or out. */
export interface ServicePool {
  readonly id: string;
  readonly color: Color;
  release: Release;
  /** The workers may know of it. */
  shown: boolean;
  /** The driver has said what its targets are. */
  known: boolean;
  /** How many targets it has to have; null: what the driver gives is what there is. */
  size: number | null;
  /** How it is kept cheaper than one that could take the traffic; null: it is not. */
  rest: Rest | null;
  /** It is on its way out of its rest. */
  waking: boolean;
  /** Its retirement is decided, and on its way to the disk. */
  leaving: boolean;
  emptying: Promise<void> | null;
  /** Starts of this pool, one after another. */
  work: Promise<unknown>;
  problem: string | null;
}

/** What is ordered of a pool, beside its release. */
export type Shape = Pick<StartOrder, 'replicas' | 'frozen'>;

export const whole: Shape = { replicas: null, frozen: false };

export interface Rest {
  /** Replicas of the whole pool. */
  readonly full: number;
  readonly frozen: boolean;
}

export class Pools {
  readonly #service: string;
  readonly #context: ControlContext;
  readonly #pools = new Map<string, ServicePool>();
  readonly #controller = new AbortController();

  constructor(service: string, context: ControlContext) {
    this.#service = service;
    this.#context = context;
  }

  get(poolId: string): ServicePool | undefined {
    return this.#pools.get(poolId);
  }

  all(): readonly ServicePool[] {
    return [...this.#pools.values()];
  }

  /** Begins to keep a pool; its targets come later. */
  add({ id, release }: PoolState, color: Color, shown: boolean): ServicePool {
    const pool: ServicePool = {
      id,
      color,
      release,
      shown,
      known: false,
      size: sizeOf(release),
      rest: null,
      waking: false,
      leaving: false,
      emptying: null,
      work: Promise.resolve(),
      problem: null,
    };
    this.#pools.set(id, pool);
    return pool;
  }

  /** @param tls of the service. */
  entry(poolId: string, { id: tls }: TargetTls): PoolEntry | null {
    const pool = this.#pools.get(poolId);
    if (pool === undefined || !pool.shown) return null;
    const targets = this.#context.prober
      .view(poolId)
      .filter(({ target }) => target.port > 0 || target.scheme === 'unix')
      .map(({ target: { id, host, port, scheme }, healthy, named }) => ({
        ...{ id, host, port, healthy },
        ...(named !== null && named.used !== null && { addresses: named.used }),
        ...(scheme !== undefined && { scheme }),
        ...(scheme === 'https' && { tls }),
      }));
    return { id: poolId, release: pool.release.name, targets };
  }

  /** What should run is looked at again, but for what a deployment is about to start. */
  ensureAll(but: string | null, generation: number): void {
    for (const pool of this.all()) {
      if (pool.emptying === null && pool.id !== but) void this.ensure(pool, generation);
    }
  }

  /** Makes the driver run the pool; see `Driver.start`. */
  start(
    pool: ServicePool,
    generation: number,
    { replicas, frozen }: Shape,
    signal: AbortSignal,
    progress: (line: string) => void,
  ): Promise<Started> {
    const work = pool.work.then(() =>
      this.#driver(pool.release).start({
        service: this.#service,
        color: pool.color,
        poolId: pool.id,
        generation,
        release: pool.release,
        replicas,
        frozen,
        progress,
        signal,
      }),
    );
    pool.work = work.catch(() => undefined);
    return work;
  }

  targets(pool: ServicePool, targets: readonly RunningTarget[]): void {
    pool.known = true;
    this.#context.prober.targets(pool.id, targets);
    this.#context.publisher.touch();
  }

  /** Why the pool is not wholly healthy, as part of a sentence; null: it is. */
  gap(
    poolId: string,
    words: (view: Readonly<ReturnType<ControlContext['prober']['view']>[number]>) => string,
  ) {
    const pool = this.#pools.get(poolId);
    if (pool === undefined || !pool.known) return 'its targets are not known yet';
    const views = this.#context.prober.view(poolId);
    const size = pool.size ?? 1;
    if (views.length < size) return `${views.length} of ${size} replicas run`;
    if (views.length === 0) return 'it has no target';
    const bad = views.find((view) => !view.healthy);
    return bad === undefined ? null : words(bad);
  }

  /**
   * Starts or finds again a pool on record, for as long as it takes: a platform that is away comes
   * back.
   *
   * @returns after the first try.
   */
  async ensure(pool: ServicePool, generation: number, tryMs = retryMsMin): Promise<void> {
    try {
      const { rest, size } = pool;
      const started = await this.start(
        pool,
        generation,
        rest === null ? whole : { replicas: size, frozen: rest.frozen },
        this.#controller.signal,
        () => {},
      );
      if (this.#controller.signal.aborted || this.#pools.get(pool.id) !== pool) return;
      pool.problem = null;
      this.targets(pool, started.targets);
    } catch (thrown) {
      if (this.#controller.signal.aborted || this.#pools.get(pool.id) !== pool) return;
      pool.problem = `pool ${pool.id} cannot be run: ${reasonOf(thrown)}`;
      this.#context.dependencies.log.error({}, `${this.#service}: ${pool.problem}`);
      this.#context.dependencies.clock.after(tryMs, () => {
        if (this.#pools.get(pool.id) !== pool || pool.emptying !== null) return;
        void this.ensure(pool, generation, Math.min(tryMs * 2, retryMsMax));
      });
    }
  }

  /** Empties and stops a pool that is on record no more. A second call joins the first. */
  empty(poolId: string, after: Promise<unknown>, limitMs = emptyMsMax): Promise<void> {
    const pool = this.#pools.get(poolId);
    if (pool === undefined) return Promise.resolve();
    pool.emptying ??= this.#empty(pool, after, limitMs);
    return pool.emptying;
  }

  /** Resolves when nothing is on its way out any more. */
  async emptied(): Promise<void> {
    await Promise.all(this.all().map((pool) => pool.emptying ?? Promise.resolve()));
  }

  /** @param look whether to ask it now. @throws Fault DRIVER_UNAVAILABLE where it is away. */
  async refuseAway(kind: Run['kind'], look: boolean): Promise<void> {
    const { platforms } = this.#context;
    const away = platforms.away(kind);
    if (away !== null) throw new Fault('DRIVER_UNAVAILABLE', `${this.#service}: ${away}`);
    if (look) await platforms.driver(kind).list();
  }

  /** Gives up every wait. Nothing is stopped by it. */
  close(): void {
    this.#controller.abort();
    for (const pool of this.#pools.values()) this.#context.prober.forget(pool.id);
  }

  async #empty(pool: ServicePool, after: Promise<unknown>, limitMs: number): Promise<void> {
    const { dependencies, prober, publisher } = this.#context;
    const { clock } = dependencies;
    pool.shown = false;
    prober.forget(pool.id);
    await after;
    await publisher.publish().catch(() => undefined);
    const until = clock.now() + limitMs;
    while (clock.now() < until && !this.#controller.signal.aborted) {
      const stats = await this.#context.stats();
      if (stats.length > 0 && countOf(insideOf(stats, pool.id)) === 0) break;
      await pause(clock, emptyPollMs, this.#controller.signal);
    }
    await this.#stop(pool);
  }

  async #stop(pool: ServicePool): Promise<void> {
    const { dependencies } = this.#context;
    // A start that is still under way would bring it back; it has been told to give up.
    let starting = true;
    const { work } = pool;
    const settled = work.then(() => {
      starting = false;
    });
    await Promise.race([settled, pause(dependencies.clock, emptyMsMax, this.#controller.signal)]);
    let waitMs = retryMsMin;
    for (let left = stopTries; left > 0; left--) {
      if (this.#controller.signal.aborted) return;
      try {
        await this.#driver(pool.release).stop(pool.id);
        break;
      } catch (thrown) {
        const text = `Pool ${pool.id} could not be stopped: ${reasonOf(thrown)}`;
        dependencies.log.error(
          {},
          left > 1 ? text : `${text} It is left running until the next start.`,
        );
        await pause(dependencies.clock, waitMs, this.#controller.signal);
        waitMs *= 2;
      }
    }
    if (this.#controller.signal.aborted) return;
    this.#pools.delete(pool.id);
    if (!starting) return;
    // Should that start come back after all, nothing of it may stay.
    void settled.then(() => this.#driver(pool.release).stop(pool.id)).catch(() => undefined);
  }

  #driver(release: Release): Driver {
    return this.#context.platforms.driver(release.run.kind);
  }
}

/** Whether a target worked, as the workers know it; null: none of them knows the pool. */
export function healthIn(
  stats: readonly WorkerStats[],
  poolId: string,
): ReadonlyMap<string, boolean> | null {
  const health = new Map<string, boolean>();
  for (const pool of statsOfPool(stats, poolId)) {
    for (const target of pool.targets) health.set(target.id, target.healthy);
  }
  return health.size === 0 ? null : health;
}

/** The policy of a service decides how long its pools may take to empty when it leaves. */
export function leaveMs(config: ServiceConfig): number {
  return config.policy.drainMs + emptyMsMax;
}
