/**
 * A deployer moves one service from release to release, and answers for it.
 *
 * The rule this file keeps: a call looks and reserves in one turn of the event loop, so that of two
 * calls at the same moment one is refused; and whoever comes back from a wait asks whether it is
 * still its turn. The live pool is never started anew, stopped or changed by a deployment: only a
 * flip makes it something else, and only the retirement of a standby stops anything.
 */
import type { ServiceConfig } from '../../config/config.ts';
import { Fault } from '../../errors.ts';
import type { Color, ServiceEntry, WorkerStats } from '../../wire.ts';
import type { DriverEvent } from '../drivers/driver.ts';
import type { TargetView } from '../health/prober.ts';
import type { Call, DeployOrder, ServiceStatus } from '../model/api.ts';
import type { Deployment, ServiceState } from '../model/state.ts';
import { Attempt } from './attempt.ts';
import type { ControlContext } from './context.ts';
import {
  begin,
  emptyService,
  intendRollback,
  livePool,
  nextDeployment,
  type Origin,
  refuseFlip,
  refuseLateAbort,
  refuseSecond,
  refuseStale,
  refuseToggle,
  removed,
  standbyPool,
  wasLive,
} from './deployment.ts';
import { leaveMs, Pools } from './pools.ts';
import { releaseOf } from './release.ts';
import { currentDeployment, Rollout, toFault } from './rollout.ts';
import { Standby } from './standby.ts';
import { rollbackReason, type Standing, statusOf } from './status.ts';

export class Deployer {
  readonly name: string;
  readonly pools: Pools;
  readonly core: ControlContext;
  readonly #empty: ServiceState;
  readonly #standby: Standby;
  readonly #course: Rollout;
  #config: ServiceConfig;
  /** What the table says of the service between the stage and the record of a flip. */
  #moving: { readonly generation: number; readonly live: Color } | null = null;
  #problem: string | null = null;
  #leaving = false;

  constructor(config: ServiceConfig, core: ControlContext) {
    this.name = config.name;
    this.core = core;
    this.#config = config;
    this.#empty = emptyService(config.first?.color ?? 'blue');
    this.pools = new Pools(config.name, core);
    this.#standby = new Standby(this);
    this.#course = new Rollout(this);
  }

  get state(): ServiceState {
    return this.core.ledger.service(this.name) ?? this.#empty;
  }

  get config(): ServiceConfig {
    return this.#config;
  }

  get standby(): Standby {
    return this.#standby;
  }

  /** Whether a deployment or a rollback has the service to itself now. */
  get busy(): boolean {
    return this.#course.attempt !== null;
  }

  /** Whether a flip of the service is under way, or being finished after a restart. */
  get flipping(): boolean {
    return this.#moving !== null;
  }

  get leaving(): boolean {
    return this.#leaving;
  }

  /**
   * Changes hosts, policy and checks from now on; `run` from the next deployment on. Resets
   * nothing.
   */
  configure(config: ServiceConfig): void {
    this.#config = config;
    for (const running of this.pools.all()) this.core.prober.configure(running.id, config.health);
    this.core.publisher.touch();
  }

  /** The service as the next table shows it. */
  entry(): ServiceEntry {
    const { state } = this;
    const { generation, live } = this.#moving ?? state;
    const pool = (color: Color) => {
      const filled = state.pools[color];
      return filled === null ? null : this.pools.entry(filled.id);
    };
    return {
      name: this.name,
      hosts: this.#config.hosts,
      paths: this.#config.paths,
      generation,
      live,
      pools: { blue: pool('blue'), green: pool('green') },
      policy: this.#config.policy,
      paused: state.paused,
    };
  }

  status(stats: readonly WorkerStats[] = this.core.lastStats()): ServiceStatus {
    return statusOf(this.#standing(), stats);
  }

  /** See `Control.deploy`. @param flip null: as the order or the config says. */
  async deploy(order: DeployOrder, call: Call): Promise<Deployment> {
    this.#refuseLeaving();
    refuseStale(this.state, this.name, call.generation);
    this.#refuseSecond();
    const { run, deploy } = this.#config;
    const release = releaseOf(this.name, run, this.state, order);
    await this.#refuseAway(order.dryRun);
    // The look at the platform took time: what was true before it may not be true now.
    this.#refuseSecond();
    refuseStale(this.state, this.name, call.generation);
    const origin = this.origin(call);
    if (order.dryRun) return currentDeployment(begin(this.state, origin, release.name));

    const mode = order.flip ?? deploy.flip;
    const attempt = new Attempt(nextDeployment(this.state, this.name), release, mode);
    await this.#course.reserve(attempt, (state) => begin(state, origin, release.name));
    void this.#course.run(attempt);
    return currentDeployment(this.state);
  }

  /** See `Control.flip`. */
  async flip(call: Call): Promise<Deployment> {
    refuseStale(this.state, this.name, call.generation);
    refuseFlip(this.state, this.name);
    const attempt = this.#course.attempt;
    if (attempt === null || attempt.flipping) {
      throw new Fault('FLIP_NOT_READY', `${this.name} is being flipped already.`);
    }
    return this.#course.flip(attempt);
  }

  /** See `Control.rollback`. */
  async rollback(to: string | null, call: Call): Promise<Deployment> {
    this.#refuseLeaving();
    refuseToggle(to, call.generation);
    refuseStale(this.state, this.name, call.generation);
    this.#refuseSecond();
    const reason = this.#rollbackRefusal(to);
    if (reason !== null) {
      this.#standby.wake();
      throw new Fault('ROLLBACK_NOT_READY', reason, { service: this.name, to });
    }
    const pool = standbyPool(this.state);
    if (pool === null) throw new Error('A rollback without a pool was not refused.');
    const id = nextDeployment(this.state, this.name);
    const attempt = new Attempt(id, pool.release, 'auto');
    attempt.poolId = pool.id;
    attempt.flipping = true;
    const origin = this.origin(call);
    await this.#course.reserve(attempt, (state) => intendRollback(state, origin));
    try {
      return await this.#course.switchOver(attempt);
    } catch (thrown) {
      this.#course.end(attempt, 'failed', toFault(thrown));
      throw thrown;
    }
  }

  /** See `Control.abort`. */
  async abort(id: string, call: Call): Promise<Deployment> {
    refuseStale(this.state, this.name, call.generation);
    const deployment = this.state.deployment;
    if (deployment?.id !== id) {
      throw new Fault('DEPLOYMENT_UNKNOWN', `${this.name} has no deployment ${id}.`, { id });
    }
    refuseLateAbort(deployment);
    const attempt = this.#course.attempt;
    if (attempt === null || attempt.id !== id || attempt.flipping) {
      throw new Fault('ABORT_TOO_LATE', `Deployment ${id} is past the point of an abort.`, { id });
    }
    const why = call.why === '' ? '' : `: ${call.why}`;
    return this.#course.end(
      attempt,
      'aborted',
      new Fault('ABORTED', `Aborted by ${call.by}${why}`),
    );
  }

  /** See `Control.retire`. */
  async retire(call: Call): Promise<ServiceStatus> {
    refuseStale(this.state, this.name, call.generation);
    const pool = standbyPool(this.state);
    const refuse = (why: string): Fault => new Fault('RETIRE_REFUSED', `${this.name}: ${why}.`);
    if (this.#course.attempt !== null) {
      throw refuse(`deployment ${this.#course.attempt.id} runs; abort it, or wait for its end`);
    }
    if (pool === null || this.pools.get(pool.id) === undefined)
      throw refuse('the standby is empty');
    if (this.#standby.draining === pool.id) {
      throw refuse('requests of before the flip are still inside the standby; wait for its drain');
    }
    await this.#standby.retire(pool.id, `retired by ${call.by}`);
    return this.status();
  }

  /** See `Control.wake`. */
  async wake(call: Call): Promise<ServiceStatus> {
    refuseStale(this.state, this.name, call.generation);
    if (this.#standby.wake()) this.changed(`the warm pool is woken by ${call.by}`);
    return this.status();
  }

  /** See `Control.pause` and `resume`. */
  async pauseTraffic(paused: boolean, call: Call): Promise<ServiceStatus> {
    refuseStale(this.state, this.name, call.generation);
    if (this.state.paused !== paused) {
      await this.save((state) => ({ ...state, paused }));
      // It is on record: workers that do not take this table get the next one.
      await this.core.publisher.publish().catch(() => undefined);
      this.changed(`${paused ? 'paused' : 'resumed'} by ${call.by}`);
    }
    return this.status();
  }

  /** A target of this service changed its health. */
  healthChanged(poolId: string, view: TargetView, why: string): void {
    this.core.publisher.touch();
    this.#course.healthChanged(poolId, view, why);
  }

  /** The driver tells of a pool of this service. */
  driverEvent(event: Exclude<DriverEvent, { kind: 'platform' }>): void {
    if (event.kind === 'output') {
      this.#course.heard(event.poolId, event.target, event.line);
      return;
    }
    const running = this.pools.get(event.poolId);
    if (running === undefined || running.emptying !== null || !running.known) return;
    this.pools.targets(running, event.targets);
    this.#course.targetsChanged(event.poolId);
  }

  /** The platform is back: what should run on it is looked at again. */
  platformBack(): void {
    for (const running of this.pools.all()) {
      if (running.emptying !== null || running.id === this.#course.attempt?.poolId) continue;
      void this.pools.ensure(running, this.state.generation);
    }
  }

  /** Resolves when no deployment is on its way to a flip. */
  async settled(): Promise<void> {
    while (this.#course.attempt !== null) await this.#course.attempt.ended;
  }

  /** The service has left the config: its requests may end, then all of it is stopped. */
  async leave(gone: () => void): Promise<void> {
    this.#leaving = true;
    const attempt = this.#course.attempt;
    if (attempt !== null && !attempt.flipping) {
      this.#course.end(
        attempt,
        'aborted',
        new Fault('ABORTED', 'The service has left the config.'),
      );
    }
    await this.settled();
    gone();
    this.#standby.close();
    const durable = this.note(removed);
    const limitMs = leaveMs(this.#config);
    await Promise.all(this.pools.all().map(({ id }) => this.pools.empty(id, durable, limitMs)));
  }

  /** Forgets everything and stops nothing: the process ends. */
  close(): void {
    this.#leaving = true;
    this.#course.close();
    this.#standby.close();
    this.pools.close();
  }

  /** Whether a pool is a filling of ours that is on no record, nor on its way in or out. */
  lost(poolId: string): boolean {
    const { fills, pools } = this.state;
    const fill = Number(/\.(\d+)$/.exec(poolId)?.[1] ?? Number.NaN);
    const known = pools.blue?.id === poolId || pools.green?.id === poolId;
    return fill <= fills && !known && this.pools.get(poolId) === undefined;
  }

  // What the parts of a deployer (aftermath, boot) ask of it.

  save(change: (state: ServiceState) => ServiceState): Promise<ServiceState> {
    return this.core.ledger.save(this.name, this.#empty, change);
  }

  note(change: (state: ServiceState) => ServiceState): Promise<void> {
    return this.core.ledger.note(this.name, this.#empty, change);
  }

  /** While a restart finishes a flip, the table shows where it leads. */
  moving(to: { readonly generation: number; readonly live: Color } | null): void {
    this.#moving = to;
  }

  origin(call: Pick<Call, 'by' | 'why'>): Origin {
    return { service: this.name, by: call.by, why: call.why, at: this.at() };
  }

  at(): string {
    return this.core.dependencies.clock.date().toISOString();
  }

  tell(deployment: Deployment | null = this.state.deployment): void {
    if (deployment === null) return;
    this.core.dependencies.events.emit({ type: 'deployment', service: this.name, deployment });
  }

  changed(what: string): void {
    this.core.dependencies.events.emit({ type: 'service', service: this.name, what });
  }

  progress(deployment: string, line: string): void {
    this.core.dependencies.events.emit({ type: 'progress', service: this.name, deployment, line });
  }

  #rollbackRefusal(to: string | null): string | null {
    const { state } = this;
    const pool = standbyPool(state);
    if (to !== null && livePool(state)?.release.name === to && pool?.release.name !== to) {
      return `${to} is live already, on ${state.live} at generation ${state.generation}.`;
    }
    if (to !== null && pool !== null && wasLive(pool) && pool.release.name !== to) {
      return `The warm pool holds ${pool.release.name}, not ${to}; deploy ${to} to go there.`;
    }
    return rollbackReason(this.#standing());
  }

  #standing(): Standing {
    const live = livePool(this.state);
    const running = live === null ? undefined : this.pools.get(live.id);
    const { platforms } = this.core;
    const away = platforms.away(this.#config.run.kind);
    return {
      config: this.#config,
      state: this.state,
      pools: this.pools,
      prober: this.core.prober,
      draining: this.#standby.draining,
      cost: (poolId, target) => {
        const kind = this.pools.get(poolId)?.release.run.kind;
        return kind === undefined ? {} : platforms.cost(kind, poolId, target);
      },
      problem:
        running?.problem ??
        this.#problem ??
        away ??
        this.core.ledger.problem ??
        this.core.publisher.problem,
    };
  }

  /** Says what keeps the service from being as it should, until it is said to be over. */
  trouble(problem: string | null): void {
    this.#problem = problem;
  }

  #refuseSecond(): void {
    refuseSecond(this.state);
    if (this.#course.attempt === null) return;
    throw new Fault(
      'DEPLOYMENT_IN_PROGRESS',
      `Deployment ${this.#course.attempt.id} of ${this.name} is beginning. Wait for its end, or abort it.`,
      { deployment: this.#course.attempt.id },
    );
  }

  #refuseLeaving(): void {
    if (!this.#leaving) return;
    throw new Fault('SERVICE_UNKNOWN', `${this.name} is leaving the config.`);
  }

  async #refuseAway(look: boolean): Promise<void> {
    const { kind } = this.#config.run;
    const away = this.core.platforms.away(kind);
    if (away !== null) throw new Fault('DRIVER_UNAVAILABLE', `${this.name}: ${away}`);
    if (look) await this.core.platforms.driver(kind).list();
  }
}
