/**
 * A deployer moves one service from release to release, and answers for it.
 *
 * The rule this file keeps: a call looks and reserves in one turn of the event loop, so that of two
 * calls at the same moment one is refused; and whoever comes back from a wait asks whether it is
 * still its turn. The live pool is never started anew, stopped or changed by a deployment: only a
 * flip makes it something else, and only the retirement of a standby stops anything.
 *
 * It is put together from parts that do not know it: the record below everything, the pools, the
 * standby that keeps what was live, and the rollout that takes its place.
 */
import type { ServiceConfig } from '../../config/config.ts';
import { Fault } from '../../errors.ts';
import type { ServiceEntry, WorkerStats } from '../../wire.ts';
import type { DriverEvent } from '../drivers/driver.ts';
import type { TargetView } from '../health/prober.ts';
import type { Call, DeployOrder, ServiceStatus } from '../model/api.ts';
import type { Deployment, ServiceState } from '../model/state.ts';
import { Afterwards } from './afterwards.ts';
import { Attempt } from './attempt.ts';
import { AutoRollback } from './autoRollback.ts';
import { isFillingOf } from './candidate.ts';
import type { ControlContext } from './context.ts';
import { begin, nextDeployment, removed } from './deployment.ts';
import { entryOf } from './entry.ts';
import { deployFirst } from './firstRelease.ts';
import { leaveMs, Pools } from './pools.ts';
import { ServiceRecord } from './record.ts';
import {
  abortable,
  flippable,
  refuseConfirming,
  refuseDeploying,
  refuseNoWayBack,
  refuseRetiring,
  refuseStale,
  refuseToggle,
} from './refusals.ts';
import { releaseOf } from './release.ts';
import { Restore } from './restore.ts';
import { Rollout } from './rollout.ts';
import { acknowledge, setTraffic, type Traffic } from './settings.ts';
import { Standby } from './standby.ts';
import { type Standing, standingOf, statusOf } from './status.ts';
import { refuseTargets } from './targets.ts';
import { WayBack } from './wayBack.ts';

export class Deployer {
  readonly name: string;
  readonly #context: ControlContext;
  readonly #record: ServiceRecord;
  readonly #pools: Pools;
  readonly #standby: Standby;
  readonly #rollout: Rollout;
  readonly #wayBack: WayBack;
  readonly #autoRollback: AutoRollback;
  readonly #afterwards: Afterwards;
  /** The leave that is in force; null: the service is in the config. */
  #leave: symbol | null = null;
  /** The first release is about to be deployed, and may be on no record yet. */
  #beginning = false;

  constructor(config: ServiceConfig, context: ControlContext) {
    this.name = config.name;
    this.#context = context;
    this.#record = new ServiceRecord(config, context);
    this.#pools = new Pools(config.name, context);
    const busy = (): boolean => this.#rollout.attempt !== null || this.#autoRollback.active;
    this.#standby = new Standby(this.#record, this.#pools, context, busy);
    this.#autoRollback = new AutoRollback(this.#record, context, {
      goBack: (cause, why) => this.#wayBack.goBack(cause, why),
    });
    this.#afterwards = new Afterwards(this.#record, context);
    this.#rollout = new Rollout(...this.#parts);
    this.#wayBack = new WayBack(this.#record, this.#rollout, this.#standby, () => this.#standing());
  }

  get state(): ServiceState {
    return this.#record.state;
  }

  get config(): ServiceConfig {
    return this.#record.config;
  }

  /** Whether a flip of the service is under way, or being finished after a restart. */
  get flipping(): boolean {
    return this.#record.tableOverride !== null || this.#rollout.attempt?.flipping === true;
  }

  /** Whether the first release is on its way: the service serves nothing before it is live. */
  get beginning(): boolean {
    const { generation, deployment } = this.state;
    return generation === 0 && (this.#beginning || deployment?.endedAt === null);
  }

  /** Changes hosts, policy and checks from now on; `run` from the next deployment on. */
  configure(config: ServiceConfig): void {
    this.#record.configure(config);
    for (const { id } of this.#pools.all()) this.#context.prober.configure(id, config.health);
    this.#context.publisher.touch();
  }

  /** The service as the next table shows it. */
  entry(): ServiceEntry {
    return entryOf(this.#record, this.#pools);
  }

  status(stats: readonly WorkerStats[] = this.#context.lastStats()): ServiceStatus {
    return statusOf(this.#standing(), stats);
  }

  /**
   * How the service comes back when the controller starts, or the service joins.
   *
   * @param stats of every worker that answered.
   * @param workers how many there should be.
   */
  restore(stats: readonly WorkerStats[], workers: number): Restore {
    return new Restore(...this.#parts, stats, workers);
  }

  /** See `Control.deploy`. */
  async deploy(order: DeployOrder, call: Call): Promise<Deployment> {
    this.#refuseLeaving();
    refuseStale(this.state, this.name, call.generation);
    this.#refuseDeploying(order.release);
    const release = releaseOf(this.name, this.config.run, this.state, order);
    await refuseTargets(release, this.config.run, this.#context);
    await this.#pools.refuseAway(this.config.run.kind, order.dryRun);
    // The look at the platform took time: what was true before it may not be true now.
    this.#refuseLeaving();
    refuseStale(this.state, this.name, call.generation);
    this.#refuseDeploying(order.release);
    const origin = this.#record.origin(call);
    refuseNoWayBack(this.state, this.name, order.confirmWithinMs);
    const begun = (state: ServiceState) => begin(state, origin, release.name, order);
    const { deployment: planned } = begun(this.state);
    if (order.dryRun && planned !== null) return planned;
    const mode = order.flip ?? this.config.deploy.flip;
    const attempt = new Attempt(nextDeployment(this.state, this.name), release, mode);
    await this.#rollout.reserve(attempt, begun);
    void this.#rollout.run(attempt);
    return this.#record.deployment;
  }

  /** A service that never had a release gets the one its config names. */
  async deployFirst(): Promise<void> {
    this.#beginning = true;
    const deploy = async (order: DeployOrder, call: Call): Promise<void> => {
      if (this.#leave !== null) return;
      await this.deploy(order, call);
      await this.#rollout.settled();
    };
    await deployFirst(this.#record, this.#context.dependencies.log, deploy);
    this.#beginning = false;
  }

  /** See `Control.flip`. */
  async flip(call: Call): Promise<Deployment> {
    refuseStale(this.state, this.name, call.generation);
    const { attempt } = this.#rollout;
    return this.#rollout.flip(flippable(this.state, this.name, this.config.freeze, attempt));
  }

  /** See `Control.rollback`. */
  async rollback(to: string | null, call: Call, unsafe?: string): Promise<Deployment> {
    this.#refuseLeaving();
    refuseToggle(to, call.generation);
    refuseStale(this.state, this.name, call.generation);
    return this.#wayBack.rollback(to, call, unsafe);
  }

  /** See `Control.acknowledge`. */
  async acknowledge(call: Call): Promise<ServiceStatus> {
    await acknowledge(this.#record, call);
    return this.status();
  }

  /** See `Control.confirm`. */
  async confirm(withinMs: number | null, call: Call): Promise<ServiceStatus> {
    const beginning = this.#rollout.attempt?.id ?? null;
    refuseConfirming(this.state, this.name, call.generation, withinMs, beginning);
    await this.#autoRollback.confirmation.confirm(call, withinMs);
    return this.status();
  }

  /** See `Control.abort`. */
  async abort(id: string, call: Call): Promise<Deployment> {
    refuseStale(this.state, this.name, call.generation);
    const attempt = abortable(this.state, this.name, id, this.#rollout.attempt);
    const why = call.why === '' ? '' : `: ${call.why}`;
    const fault = new Fault('ABORTED', `Aborted by ${call.by}${why}`);
    return this.#rollout.end(attempt, 'aborted', fault);
  }

  /** See `Control.retire`. */
  async retire(call: Call): Promise<ServiceStatus> {
    refuseStale(this.state, this.name, call.generation);
    refuseRetiring(this.state, this.name);
    const pool = this.#standby.retirable(this.#rollout.attempt);
    await this.#standby.retire(pool, `retired by ${call.by}`);
    return this.status();
  }

  /** See `Control.wake`. */
  async wake(call: Call): Promise<ServiceStatus> {
    refuseStale(this.state, this.name, call.generation);
    if (this.#standby.wake()) this.#record.changed(`the warm pool is woken by ${call.by}`);
    return this.status();
  }

  /** See `Control.pause` and `resume`. */
  async setTraffic(traffic: Traffic, call: Call): Promise<ServiceStatus> {
    await setTraffic(this.#record, this.#context, traffic, call);
    return this.status();
  }

  /** A target of this service changed its health. */
  healthChanged(poolId: string, view: TargetView, why: string): void {
    this.#context.publisher.touch();
    this.#rollout.healthChanged(poolId, view, why);
  }

  /** What the workers said of all services. */
  heardOf(stats: readonly WorkerStats[]): void {
    this.#autoRollback.see(stats);
  }

  /** The driver tells of a pool of this service. */
  driverEvent(event: Exclude<DriverEvent, { kind: 'platform' }>): void {
    if (event.kind === 'output') {
      this.#rollout.heard(event.poolId, event.target, event.line);
      return;
    }
    const pool = this.#pools.get(event.poolId);
    if (pool === undefined || pool.emptying !== null || !pool.known) return;
    this.#pools.targets(pool, event.targets);
    this.#rollout.targetsChanged(event.poolId);
  }

  /** The platform is back: what should run on it is looked at again. */
  platformBack(): void {
    this.#pools.ensureAll(this.#rollout.attempt?.poolId ?? null, this.state.generation);
  }

  /**
   * The service has left the config: its requests may end, then all of it is stopped. `gone` is
   * called where there is no way back: it is in no table from then on.
   */
  async leave(gone: () => void): Promise<void> {
    const leave = Symbol(this.name);
    this.#leave = leave;
    // What is on its way to the record can be ended on it only once it is there.
    await this.#rollout.attempt?.reserved;
    const { attempt } = this.#rollout;
    if (this.#leave === leave && attempt !== null && !attempt.flipping) {
      const fault = new Fault('ABORTED', 'The service has left the config.');
      this.#rollout.end(attempt, 'aborted', fault);
    }
    await this.#rollout.settled();
    if (this.#leave !== leave) return;
    gone();
    this.#standby.close();
    this.#autoRollback.close();
    this.#afterwards.giveUp('the service left the config');
    const durable = this.#record.note(removed);
    const limitMs = leaveMs(this.config);
    await Promise.all(this.#pools.all().map(({ id }) => this.#pools.empty(id, durable, limitMs)));
  }

  /** The service is in the config again before it was gone. */
  stay(): void {
    this.#leave = null;
    void this.#rollout.settled().then(() => this.deployFirst());
  }

  /** Forgets everything and stops nothing: the process ends. */
  close(): void {
    this.#leave = Symbol('closed');
    this.#rollout.close();
    this.#standby.close();
    this.#autoRollback.close();
    this.#pools.close();
  }

  /** Whether a pool is a filling of ours that is on no record, nor on its way in or out. */
  lost(poolId: string): boolean {
    return isFillingOf(this.state, poolId) && this.#pools.get(poolId) === undefined;
  }

  /** Says what keeps the service from being as it should, until it is said to be over. */
  setProblem(problem: string | null): void {
    this.#record.setProblem(problem);
  }

  get #parts() {
    const first = [this.#record, this.#pools, this.#context, this.#standby] as const;
    return [...first, this.#autoRollback, this.#afterwards] as const;
  }

  #standing(): Standing {
    const until = this.#rollout.attempt?.until ?? null;
    const { figures } = this.#autoRollback.watch;
    const now = { draining: this.#standby.draining, until, figures };
    return standingOf(this.#record, this.#pools, this.#context, now);
  }

  #refuseDeploying(release: string): void {
    const beginning = this.#rollout.attempt?.id ?? null;
    refuseDeploying(this.state, this.name, this.config.freeze, beginning, release);
  }

  #refuseLeaving(): void {
    if (this.#leave === null) return;
    throw new Fault('SERVICE_UNKNOWN', `${this.name} is leaving the config.`);
  }
}
