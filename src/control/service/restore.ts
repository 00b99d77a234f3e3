/**
 * How a service comes back when the controller starts: from the record, and from what the workers
 * say.
 *
 * The rule this file keeps: everything that touches traffic is decided before the first table, from
 * the disk and the workers alone; platforms are asked afterwards, and one that does not answer
 * leaves the service on the addresses its workers have. The live pool is never stopped.
 */
import { reasonOf } from '../../errors.ts';
import { type Color, otherColor, type WorkerStats } from '../../wire.ts';
import type { RunningTarget } from '../drivers/driver.ts';
import { type Deployment, inProgress, type PoolState, type ServiceState } from '../model/state.ts';
import { statsOf, statsOfPool } from '../workers/stats.ts';
import type { Afterwards } from './afterwards.ts';
import type { AutoRollback } from './autoRollback.ts';
import { promoted, recordedPools, wasLive } from './candidate.ts';
import { underWay } from './checking.ts';
import type { ControlContext } from './context.ts';
import { end, record as recorded, standbyPool } from './deployment.ts';
import { type Barrier, flipForward, receiptOf, release } from './flip.ts';
import { healthIn, type Pools } from './pools.ts';
import type { ServiceRecord } from './record.ts';
import { type Plan, recoveryOf } from './recovery.ts';
import { tellFlip } from './switchOver.ts';

/**
 * A flip that cannot be finished with every worker is finished without the last ones after so many
 * tries.
 */
const forwardTries = 20;

/** Who goes on with the pool that is not live. */
export interface RestoreListener {
  /** A drain was under way, of the pool `left`; null: that pool is gone. */
  flipped(deployment: Deployment, left: string | null): void;
  /** The standby is warm. */
  warm(poolId: string): void;
}

export class Restore {
  readonly #record: ServiceRecord;
  readonly #pools: Pools;
  readonly #context: ControlContext;
  readonly #listener: RestoreListener;
  readonly #autoRollback: AutoRollback;
  readonly #afterwards: Afterwards;
  readonly #stats: readonly WorkerStats[];
  readonly #plan: Plan;
  #durable: Promise<void> = Promise.resolve();
  /** The pool whose place a candidate has taken; null: none. */
  #left: string | null = null;
  /** Pools that the record gave up with this start. */
  #dropped: readonly PoolState[] = [];

  /**
   * @param stats of every worker that answered.
   * @param workers how many there should be.
   */
  constructor(
    record: ServiceRecord,
    pools: Pools,
    context: ControlContext,
    listener: RestoreListener,
    autoRollback: AutoRollback,
    afterwards: Afterwards,
    stats: readonly WorkerStats[],
    workers: number,
  ) {
    this.#record = record;
    this.#pools = pools;
    this.#context = context;
    this.#listener = listener;
    this.#autoRollback = autoRollback;
    this.#afterwards = afterwards;
    this.#stats = stats;
    this.#plan = recoveryOf(record.name, record.state, stats, workers);
  }

  /**
   * Makes up the record, and begins to run what is on it.
   *
   * @returns when the live pool's addresses are known, or its platform has refused.
   */
  decide(): Promise<void> {
    const record = this.#record;
    const plan = this.#plan;
    if (plan.kind === 'forward') record.overrideTable(plan);
    else this.#interrupt();
    const { state } = record;
    const forward = plan.kind === 'forward' ? plan : { live: state.live, promotes: false };
    const { live, promotes } = forward;
    const places = promotes ? promoted(state) : state.pools;
    const first = this.#run(places[live], live, true);
    void this.#run(places[otherColor(live)], otherColor(live), false);
    // Its place is taken; it is emptied once that is on record.
    const left = promotes ? state.pools[live] : null;
    if (left !== null) this.#left = this.#pools.add(left, live, false).id;
    return first;
  }

  /** After the first table: leads the workers where it said. */
  async finish(): Promise<void> {
    const record = this.#record;
    const plan = this.#plan;
    if (plan.kind === 'forward') await this.#forward(plan);
    if (plan.kind === 'back') {
      const fence = { service: record.name, generation: plan.generation };
      await release(this.#barrier(), fence);
    }
    this.#afterwards.resume();
    await this.#recount();
    this.#autoRollback.resume();
    await this.#durable;
    for (const pool of this.#dropped) {
      if (this.#pools.get(pool.id) !== undefined) {
        void this.#pools.empty(pool.id, Promise.resolve());
        continue;
      }
      await this.#context.platforms
        .driver(pool.release.run.kind)
        .stop(pool.id)
        .catch((thrown: unknown) =>
          this.#context.dependencies.log.error(
            {},
            `${pool.id} is not stopped: ${reasonOf(thrown)}`,
          ),
        );
    }
  }

  /** What had not flipped has failed; the slot it had filled is empty again. */
  #interrupt(): void {
    const record = this.#record;
    const before = record.state;
    const { deployment } = before;
    if (inProgress(deployment)) {
      if (deployment.checks?.some(underWay)) {
        void this.#context.dependencies.gates.sweep(deployment.id);
      }
      const error = { code: 'INTERRUPTED', message: 'Pointsman was restarted before the flip.' };
      const at = record.at();
      this.#durable = record.note((state) => end(state, deployment.id, 'failed', error, at));
      const ended = record.state.deployment;
      record.tell();
      if (ended !== null) this.#context.append(ended);
    }
    const standby = standbyPool(record.state);
    const half = Boolean(record.state.candidate) || (standby !== null && !wasLive(standby));
    if (record.state.intent !== null || half) this.#durable = record.note(cleared);
    const kept = new Set(recordedPools(record.state).map(({ id }) => id));
    this.#dropped = recordedPools(before).filter(({ id }) => !kept.has(id));
  }

  async #run(pool: PoolState | null, color: Color, live: boolean): Promise<void> {
    const record = this.#record;
    if (pool === null) return;
    const restored = this.#pools.add(pool, color, true);
    const known = healthIn(this.#stats, pool.id);
    const assumed = (id: string): boolean => (known === null ? live : (known.get(id) ?? false));
    const named = { poolId: pool.id, service: record.name, color };
    this.#context.prober.watch(named, record.config.health, false, assumed);
    const served = servedBy(this.#stats, pool.id);
    if (served.length > 0) this.#pools.targets(restored, served);
    this.#recall(pool.id);
    await this.#pools.ensure(restored, record.state.generation);
  }

  /** What names stood for, as the workers go on using it: it holds until somebody says another. */
  #recall(poolId: string): void {
    for (const { targets } of statsOfPool(this.#stats, poolId)) {
      for (const { host = '', addresses = [] } of targets) {
        if (addresses.length > 0) this.#context.names.recall(host, addresses);
      }
    }
  }

  async #forward(plan: Extract<Plan, { kind: 'forward' }>): Promise<void> {
    const record = this.#record;
    const before = record.state;
    const fence = { service: record.name, generation: plan.generation };
    const arrived = async (): Promise<boolean> => {
      const stats = statsOf(await this.#context.stats(), record.name);
      return stats.every((service) => service.generation >= plan.generation);
    };
    const flipped = await flipForward(this.#barrier(), fence, arrived, forwardTries);
    const pool = (plan.promotes ? promoted(before) : before.pools)[plan.live];
    const intended = before.intent?.generation === plan.generation ? before.deployment : null;
    const receipt = receiptOf(
      record.name,
      plan.generation,
      intended?.direction ?? 'deploy',
      intended?.from ?? null,
      intended?.to ?? { color: plan.live, release: pool?.release.name ?? '' },
      flipped,
    );
    // As it happened where the record has it already.
    const known = before.deployment?.receipt;
    const told = known?.generation === plan.generation ? known : receipt;
    const watch = intended === null ? null : this.#autoRollback.over(intended.id, told);
    const { promotes } = plan;
    this.#durable = record.note((state) =>
      recorded(state, intended?.id ?? null, told, watch, promotes),
    );
    tellFlip(record, this.#context, told);
    if (this.#left !== null) void this.#pools.empty(this.#left, this.#durable);
    // What was on record was none that led here: nobody goes on with it.
    if (intended === null) this.#interrupt();
  }

  /** A drain that was under way is counted on; a pool that stays warm keeps its time and size. */
  async #recount(): Promise<void> {
    const record = this.#record;
    const { deployment } = record.state;
    const standby = standbyPool(record.state);
    if (deployment?.phase === 'draining') {
      this.#listener.flipped(deployment, standby?.id ?? null);
      return;
    }
    if (standby !== null) this.#listener.warm(standby.id);
    if (deployment === null || deployment.endedAt === null) return;
    const { store } = this.#context.dependencies;
    const kept = await store
      .history({ service: record.name, limit: 5 })
      .catch(() => ({ deployments: [deployment] }));
    const known = kept.deployments.some((one) => one.id === deployment.id);
    if (!known) this.#context.append(deployment);
  }

  #barrier(): Barrier {
    const { dependencies, publisher } = this.#context;
    return { ...dependencies, publisher };
  }
}

/** No flip is under way and no slot is half filled. */
function cleared(state: ServiceState): ServiceState {
  const color = otherColor(state.live);
  const standby = state.pools[color];
  const keep = standby === null || wasLive(standby);
  return {
    ...state,
    intent: null,
    pools: keep ? state.pools : { ...state.pools, [color]: null },
    ...(state.candidate && { candidate: null }),
  };
}

/** The targets of a pool as the workers reach them now. */
function servedBy(stats: readonly WorkerStats[], poolId: string): readonly RunningTarget[] {
  for (const pool of statsOfPool(stats, poolId)) {
    const targets = pool.targets.flatMap(({ id, host, port, scheme }) => {
      if (host === undefined || port === undefined) return [];
      const at = { id, host, port, ...(scheme !== undefined && { scheme }) };
      return [{ ...at, state: 'running' as const, detail: 'as the workers know it' }];
    });
    if (targets.length > 0) return targets;
  }
  return [];
}
