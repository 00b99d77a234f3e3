/**
 * How a service comes back when the controller starts: from the record, and from what the workers
 * say.
 *
 * The rule this file keeps: everything that touches traffic is decided before the first table, from
 * the disk and the workers alone; platforms are asked afterwards, and one that does not answer
 * leaves the service on the addresses its workers have. The live pool is never stopped.
 */
import { reasonOf } from '../../errors.ts';
import { type Color, colors, otherColor, type WorkerStats } from '../../wire.ts';
import type { RunningTarget } from '../drivers/driver.ts';
import type { PoolState, ServiceState } from '../model/state.ts';
import { statsOf, statsOfPool } from '../workers/stats.ts';
import type { Deployer } from './deployer.ts';
import { end, inProgress, record, standbyPool, wasLive } from './deployment.ts';
import { type Barrier, flipForward, receiptOf, release } from './flip.ts';
import { healthIn } from './pools.ts';
import { type Plan, recoveryOf } from './recovery.ts';

/**
 * A flip that cannot be finished with every worker is finished without the last ones after so many
 * tries.
 */
const forwardTries = 20;

export class Restore {
  readonly #deployer: Deployer;
  readonly #stats: readonly WorkerStats[];
  readonly #plan: Plan;
  #durable: Promise<void> = Promise.resolve();
  /** Pools that the record gave up with this start. */
  #dropped: readonly PoolState[] = [];

  /** @param workers how many there should be. */
  constructor(deployer: Deployer, stats: readonly WorkerStats[], workers: number) {
    this.#deployer = deployer;
    this.#stats = stats;
    this.#plan = recoveryOf(deployer.name, deployer.state, stats, workers);
  }

  /**
   * Makes up the record, and begins to run what is on it.
   *
   * @returns when the live pool's addresses are known, or its platform has refused.
   */
  decide(): Promise<void> {
    const deployer = this.#deployer;
    const plan = this.#plan;
    if (plan.kind === 'forward') deployer.moving(plan);
    else this.#interrupt();
    const live = plan.kind === 'forward' ? plan.live : deployer.state.live;
    const first = this.#run(live, true);
    void this.#run(otherColor(live), false);
    return first;
  }

  /** After the first table: leads the workers where it said. */
  async finish(): Promise<void> {
    const deployer = this.#deployer;
    const plan = this.#plan;
    if (plan.kind === 'forward') await this.#forward(plan);
    if (plan.kind === 'back') {
      const fence = { service: deployer.name, generation: plan.generation };
      await release(this.#barrier(), fence);
    }
    await this.#recount();
    await this.#durable;
    for (const pool of this.#dropped) {
      await deployer.core.platforms
        .driver(pool.release.run.kind)
        .stop(pool.id)
        .catch((thrown: unknown) =>
          deployer.core.dependencies.log.error(
            {},
            `${pool.id} is not stopped: ${reasonOf(thrown)}`,
          ),
        );
    }
  }

  /** What had not flipped has failed; the slot it had filled is empty again. */
  #interrupt(): void {
    const deployer = this.#deployer;
    const before = deployer.state;
    const { deployment } = before;
    if (inProgress(deployment)) {
      const error = { code: 'INTERRUPTED', message: 'Pointsman was restarted before the flip.' };
      const at = deployer.at();
      this.#durable = deployer.note((state) => end(state, deployment.id, 'failed', error, at));
      const ended = deployer.state.deployment;
      deployer.tell();
      if (ended !== null) deployer.core.append(ended);
    }
    const standby = standbyPool(deployer.state);
    if (deployer.state.intent !== null || (standby !== null && !wasLive(standby))) {
      this.#durable = deployer.note(cleared);
    }
    const kept = new Set(colors.map((color) => deployer.state.pools[color]?.id));
    this.#dropped = colors.flatMap((color) => {
      const pool = before.pools[color];
      return pool === null || kept.has(pool.id) ? [] : [pool];
    });
  }

  async #run(color: Color, live: boolean): Promise<void> {
    const deployer = this.#deployer;
    const pool = deployer.state.pools[color];
    if (pool === null) return;
    const running = deployer.pools.add(pool, color, true);
    const known = healthIn(this.#stats, pool.id);
    const assumed = (id: string): boolean => (known === null ? live : (known.get(id) ?? false));
    const named = { poolId: pool.id, service: deployer.name, color };
    deployer.core.prober.watch(named, deployer.config.health, false, assumed);
    const served = servedBy(this.#stats, pool.id);
    if (served.length > 0) deployer.pools.targets(running, served);
    await deployer.pools.ensure(running, deployer.state.generation);
  }

  async #forward(plan: Extract<Plan, { kind: 'forward' }>): Promise<void> {
    const deployer = this.#deployer;
    const before = deployer.state;
    const fence = { service: deployer.name, generation: plan.generation };
    const arrived = async (): Promise<boolean> => {
      const said = statsOf(await deployer.core.stats(), deployer.name);
      return said.every((service) => service.generation >= plan.generation);
    };
    const flipped = await flipForward(this.#barrier(), fence, arrived, forwardTries);
    const pool = before.pools[plan.live];
    const intended = before.intent?.generation === plan.generation ? before.deployment : null;
    const receipt = receiptOf(
      deployer.name,
      plan.generation,
      intended?.direction ?? 'deploy',
      intended?.from ?? null,
      intended?.to ?? { color: plan.live, release: pool?.release.name ?? '' },
      flipped,
    );
    // As it happened where the record has it already.
    const recorded = before.deployment?.receipt;
    const told = recorded?.generation === plan.generation ? recorded : receipt;
    this.#durable = deployer.note((state) => record(state, intended?.id ?? null, told));
    deployer.moving(null);
    deployer.core.publisher.touch();
    deployer.tell();
    const { direction } = told;
    deployer.core.dependencies.events.emit({
      type: 'flip',
      service: deployer.name,
      direction,
      receipt: told,
    });
  }

  /** A drain that was under way is counted on; a pool that stays warm keeps its time and size. */
  async #recount(): Promise<void> {
    const deployer = this.#deployer;
    const { deployment } = deployer.state;
    const standby = standbyPool(deployer.state);
    if (deployment?.phase === 'draining') {
      deployer.standby.flipped(deployment, standby?.id ?? null);
      return;
    }
    if (standby !== null) deployer.standby.warm(standby.id);
    if (deployment === null || deployment.endedAt === null) return;
    const { store } = deployer.core.dependencies;
    const kept = await store
      .history({ service: deployer.name, limit: 5 })
      .catch(() => ({ deployments: [deployment] }));
    const known = kept.deployments.some((one) => one.id === deployment.id);
    if (!known) deployer.core.append(deployment);
  }

  #barrier(): Barrier {
    const { dependencies, publisher } = this.#deployer.core;
    return { ...dependencies, publisher };
  }
}

/** No flip is under way and no slot is half filled. */
function cleared(state: ServiceState): ServiceState {
  const color = otherColor(state.live);
  const standby = state.pools[color];
  const keep = standby === null || wasLive(standby);
  return { ...state, intent: null, pools: keep ? state.pools : { ...state.pools, [color]: null } };
}

/** The targets of a pool as the workers reach them now. */
function servedBy(stats: readonly WorkerStats[], poolId: string): readonly RunningTarget[] {
  for (const pool of statsOfPool(stats, poolId)) {
    const targets = pool.targets.flatMap(({ id, host, port }) => {
      if (host === undefined || port === undefined) return [];
      return [{ id, host, port, state: 'running' as const, detail: 'as the workers know it' }];
    });
    if (targets.length > 0) return targets;
  }
  return [];
}
