/**
 * A deployer moves one service from release to release, and answers for it.
 *
 * The rule this file keeps: a call looks and reserves in one turn of the event loop, so that of two calls
 * at the same moment one is refused; and whoever comes back from a wait asks whether it is still its turn.
 * The live pool is never started anew, stopped or changed by a deployment: only a flip makes it something
 * else, and only the retirement of a standby stops anything.
 */
import type { ServiceConfig } from '../config/config.ts';
import { Fault, reasonOf } from '../errors.ts';
import { type Color, otherColor, type ServiceEntry, type WorkerStats } from '../wire.ts';
import { Aftermath } from './aftermath.ts';
import { Attempt, gateTimeout, startFault, wordsOn } from './attempt.ts';
import type { Call, DeployOrder, ServiceStatus } from './control.ts';
import type { Core } from './core.ts';
import {
  advance,
  begin,
  emptyService,
  end,
  fill,
  intend,
  intendRollback,
  livePool,
  nextDeployment,
  type Origin,
  pin,
  record,
  refuseFlip,
  refuseLateAbort,
  refuseSecond,
  refuseStale,
  removed,
  standbyPool,
  wasLive,
  withdraw,
} from './deployment.ts';
import type { DriverEvent } from './drivers/driver.ts';
import { flipOver, receiptOf } from './flip.ts';
import type { TargetView } from './prober.ts';
import { releaseOf } from './release.ts';
import { leaveMs, Pools } from './running.ts';
import type { Deployment, Phase, Receipt, ServiceState } from './state.ts';
import { rollbackReason, type Standing, statusOf } from './status.ts';

export class Deployer {
  readonly name: string;
  readonly pools: Pools;
  readonly core: Core;
  readonly #empty: ServiceState;
  readonly #aftermath: Aftermath;
  #config: ServiceConfig;
  #attempt: Attempt | null = null;
  /** What the table says of the service between the stage and the record of a flip. */
  #moving: { readonly generation: number; readonly live: Color } | null = null;
  #problem: string | null = null;
  #leaving = false;

  constructor(config: ServiceConfig, core: Core) {
    this.name = config.name;
    this.core = core;
    this.#config = config;
    this.#empty = emptyService(config.first?.color ?? 'blue');
    this.pools = new Pools(config.name, core);
    this.#aftermath = new Aftermath(this);
  }

  get state(): ServiceState {
    return this.core.ledger.service(this.name) ?? this.#empty;
  }

  get config(): ServiceConfig {
    return this.#config;
  }

  get aftermath(): Aftermath {
    return this.#aftermath;
  }

  /** Whether a deployment or a rollback has the service to itself now. */
  get busy(): boolean {
    return this.#attempt !== null;
  }

  get leaving(): boolean {
    return this.#leaving;
  }

  /** Changes hosts, policy and checks from now on; `run` from the next deployment on. Resets nothing. */
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
    if (order.dryRun) return told(begin(this.state, origin, release.name));

    const mode = order.flip ?? deploy.flip;
    const attempt = new Attempt(nextDeployment(this.state, this.name), release, mode);
    this.#attempt = attempt;
    try {
      await this.save((state) => begin(state, origin, release.name));
    } catch (thrown) {
      this.#attempt = null;
      attempt.finish();
      throw thrown;
    }
    this.#aftermath.displaced();
    this.tell();
    void this.#run(attempt);
    return told(this.state);
  }

  /** See `Control.flip`. */
  async flip(call: Call): Promise<Deployment> {
    refuseStale(this.state, this.name, call.generation);
    refuseFlip(this.state, this.name);
    const attempt = this.#attempt;
    if (attempt === null || attempt.flipping) {
      throw new Fault('FLIP_NOT_READY', `${this.name} is being flipped already.`);
    }
    return this.#flip(attempt);
  }

  /** See `Control.rollback`. */
  async rollback(to: string | null, call: Call): Promise<Deployment> {
    this.#refuseLeaving();
    if (to === null && call.generation === null) {
      throw new Fault(
        'BODY_INVALID',
        'A rollback names where it goes: the release, or the generation you look at (If-Match). ' +
          'It is no toggle, so that asking twice is not going there and back.',
      );
    }
    refuseStale(this.state, this.name, call.generation);
    this.#refuseSecond();
    const reason = this.#rollbackRefusal(to);
    if (reason !== null) {
      this.#aftermath.grow();
      throw new Fault('ROLLBACK_NOT_READY', reason, { service: this.name, to });
    }
    const pool = standbyPool(this.state);
    if (pool === null) throw new Error('A rollback without a pool was not refused.');
    const id = nextDeployment(this.state, this.name);
    const attempt = new Attempt(id, pool.release, 'auto');
    attempt.poolId = pool.id;
    attempt.flipping = true;
    this.#attempt = attempt;
    const origin = this.origin(call);
    try {
      await this.save((state) => intendRollback(state, origin));
    } catch (thrown) {
      this.#attempt = null;
      throw thrown;
    }
    this.#aftermath.displaced();
    this.tell();
    try {
      return await this.#switch(attempt);
    } catch (thrown) {
      this.#ended(attempt, 'failed', asFault(thrown));
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
    const attempt = this.#attempt;
    if (attempt === null || attempt.id !== id || attempt.flipping) {
      throw new Fault('ABORT_TOO_LATE', `Deployment ${id} is past the point of an abort.`, { id });
    }
    const why = call.why === '' ? '' : `: ${call.why}`;
    return this.#ended(attempt, 'aborted', new Fault('ABORTED', `Aborted by ${call.by}${why}`));
  }

  /** See `Control.retire`. */
  async retire(call: Call): Promise<ServiceStatus> {
    refuseStale(this.state, this.name, call.generation);
    const pool = standbyPool(this.state);
    const refuse = (why: string): Fault => new Fault('RETIRE_REFUSED', `${this.name}: ${why}.`);
    if (this.#attempt !== null) {
      throw refuse(`deployment ${this.#attempt.id} runs; abort it, or wait for its end`);
    }
    if (pool === null || this.pools.get(pool.id) === undefined)
      throw refuse('the standby is empty');
    if (this.#aftermath.draining === pool.id) {
      throw refuse('requests of before the flip are still inside the standby; wait for its drain');
    }
    await this.#aftermath.retire(pool.id, `retired by ${call.by}`);
    return this.status();
  }

  /** See `Control.pause` and `resume`. */
  async pauseTraffic(paused: boolean, call: Call): Promise<ServiceStatus> {
    refuseStale(this.state, this.name, call.generation);
    if (this.state.paused !== paused) {
      await this.save((state) => ({ ...state, paused }));
      await this.core.publisher.publish();
      this.changed(`${paused ? 'paused' : 'resumed'} by ${call.by}`);
    }
    return this.status();
  }

  /** A target of this service changed its health. */
  healthChanged(poolId: string, view: TargetView, why: string): void {
    this.core.publisher.touch();
    const attempt = this.#attempt;
    if (attempt === null || attempt.poolId !== poolId || attempt.flipping) return;
    if (!view.healthy) {
      this.core.prober.again(poolId);
      this.progress(attempt.id, `The gate starts again: ${view.target.id} was lost: ${why}`);
    }
    this.#weigh(attempt);
  }

  /** The driver tells of a pool of this service. */
  driverEvent(event: Exclude<DriverEvent, { kind: 'platform' }>): void {
    const running = this.pools.get(event.poolId);
    const attempt = this.#attempt;
    if (event.kind === 'output') {
      if (attempt === null || attempt.poolId !== event.poolId || inRecordOnly(attempt)) return;
      attempt.heard(event.target, event.line);
      this.progress(attempt.id, `${event.target}: ${event.line}`);
      return;
    }
    if (running === undefined || running.emptying !== null || !running.known) return;
    this.pools.targets(running, event.targets);
    if (attempt?.poolId === event.poolId) this.#weigh(attempt);
  }

  /** The platform is back: what should run on it is looked at again. */
  platformBack(): void {
    for (const running of this.pools.all()) {
      if (running.emptying !== null || running.id === this.#attempt?.poolId) continue;
      void this.pools.ensure(running, this.state.generation);
    }
  }

  /** The service has left the config: its requests may end, then all of it is stopped. */
  async leave(gone: () => void): Promise<void> {
    this.#leaving = true;
    const attempt = this.#attempt;
    if (attempt !== null && !attempt.flipping) {
      this.#ended(attempt, 'aborted', new Fault('ABORTED', 'The service has left the config.'));
    }
    while (this.#attempt !== null) await this.#attempt.ended;
    gone();
    this.#aftermath.close();
    const durable = this.note(removed);
    const limitMs = leaveMs(this.#config);
    await Promise.all(this.pools.all().map(({ id }) => this.pools.empty(id, durable, limitMs)));
  }

  /** Forgets everything and stops nothing: the process ends. */
  close(): void {
    this.#leaving = true;
    this.#attempt?.finish();
    this.#attempt = null;
    this.#aftermath.close();
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
    return this.core.seams.clock.date().toISOString();
  }

  tell(deployment: Deployment | null = this.state.deployment): void {
    if (deployment === null) return;
    this.core.seams.events.emit({ type: 'deployment', service: this.name, deployment });
  }

  changed(what: string): void {
    this.core.seams.events.emit({ type: 'service', service: this.name, what });
  }

  progress(deployment: string, line: string): void {
    this.core.seams.events.emit({ type: 'progress', service: this.name, deployment, line });
  }

  async #run(attempt: Attempt): Promise<void> {
    try {
      await this.#takeSlot(attempt);
      if (!attempt.over) await this.#start(attempt);
    } catch (thrown) {
      if (attempt.over) return;
      this.#ended(attempt, 'failed', startFault(attempt, this.name, thrown));
    }
  }

  /** Waits until nothing is inside the standby any more, then takes its place. */
  async #takeSlot(attempt: Attempt): Promise<void> {
    if (this.#aftermath.draining !== null) {
      this.progress(attempt.id, 'Waiting for the drain of the standby to end');
      await Promise.race([this.#aftermath.drainEnded, attempt.ended]);
    }
    await this.#aftermath.quiet;
    if (attempt.over) return;
    const old = standbyPool(this.state);
    const at = this.at();
    await this.save((state) => fill(state, attempt.id, attempt.release, at));
    if (attempt.over) return;
    this.#aftermath.forget();
    const pool = standbyPool(this.state);
    if (pool === null) throw new Error(`Deployment ${attempt.id} has no slot.`);
    attempt.poolId = pool.id;
    this.pools.add(pool, otherColor(this.state.live), false);
    if (old !== null) {
      this.progress(attempt.id, `Retiring ${old.release.name} on ${otherColor(this.state.live)}`);
      void this.pools.empty(old.id, Promise.resolve());
    }
    await Promise.race([this.pools.emptied(), attempt.ended]);
  }

  async #start(attempt: Attempt): Promise<void> {
    const running = attempt.poolId === null ? undefined : this.pools.get(attempt.poolId);
    if (running === undefined) return;
    this.#deadline(attempt);
    const { prober } = this.core;
    const named = { poolId: running.id, service: this.name, color: running.color };
    prober.watch(named, this.#config.health, true, () => false);
    const progress = (line: string): void => {
      if (!attempt.over) this.progress(attempt.id, line);
    };
    const generation = this.state.generation + 1;
    const started = await this.pools.start(running, generation, null, attempt.signal, progress);
    if (attempt.over) return;
    running.release = started.release;
    void this.note((state) => pin(state, running.id, started.release));
    running.shown = true;
    this.#phase(attempt, 'probing');
    this.pools.targets(running, started.targets);
    this.#weigh(attempt);
  }

  /** Looks whether the gate holds, and goes where that leads. */
  #weigh(attempt: Attempt): void {
    if (attempt.over || attempt.flipping || attempt.poolId === null) return;
    const phase = this.state.deployment?.phase;
    if (phase !== 'probing' && phase !== 'ready') return;
    const gap = this.pools.gap(attempt.poolId, wordsOn);
    if (gap !== null && phase === 'ready') this.#backToProbing(attempt);
    if (gap !== null || phase !== 'probing') return;
    attempt.rest();
    this.#phase(attempt, 'ready');
    if (attempt.mode === 'auto') this.#flip(attempt).catch(() => undefined);
  }

  #backToProbing(attempt: Attempt): void {
    this.#phase(attempt, 'probing');
    this.#deadline(attempt);
  }

  #deadline(attempt: Attempt): void {
    const { timeoutMs } = this.#config.deploy;
    attempt.deadline(this.core.seams.clock, timeoutMs, () => {
      const targets = attempt.poolId === null ? [] : this.core.prober.view(attempt.poolId);
      this.#ended(attempt, 'failed', gateTimeout(attempt, this.name, timeoutMs, targets));
    });
  }

  /** Flips a deployment that is ready. A disk that refuses leaves it ready where a person asked. */
  async #flip(attempt: Attempt): Promise<Deployment> {
    attempt.flipping = true;
    attempt.rest();
    try {
      await this.save((state) => intend(state, attempt.id));
    } catch (thrown) {
      attempt.flipping = false;
      if (attempt.mode === 'auto') this.#ended(attempt, 'failed', asFault(thrown));
      else this.#weigh(attempt);
      throw thrown;
    }
    this.tell();
    try {
      return await this.#switch(attempt);
    } catch (thrown) {
      if (thrown instanceof Fault && thrown.code === 'FLIP_NOT_READY') {
        attempt.flipping = false;
        if (attempt.poolId !== null) this.core.prober.again(attempt.poolId);
        void this.note((state) => withdraw(state, attempt.id, 'probing'));
        this.#deadline(attempt);
        this.tell();
        // All of it may have passed again while the order was undone.
        this.#weigh(attempt);
      } else {
        this.#ended(attempt, 'failed', asFault(thrown));
      }
      throw thrown;
    }
  }

  /** The one way traffic moves: the barrier, then the record and the receipt. */
  async #switch(attempt: Attempt): Promise<Deployment> {
    const before = this.state;
    const { intent, deployment } = before;
    if (intent === null || deployment === null) throw new Error('A flip has no intent on record.');
    const { seams, publisher } = this.core;
    const barrier = { ...seams, publish: () => publisher.publish() };
    const flipped = await flipOver(barrier, {
      fence: { service: this.name, generation: intent.generation },
      begun: () => this.moving(intent),
      undone: () => this.moving(null),
      refusal: () => this.#lost(attempt, deployment),
    });
    const { from, to, direction } = deployment;
    const receipt = receiptOf(this.name, intent.generation, direction, from, to, flipped);
    return this.#flipped(attempt, livePool(before)?.id ?? null, receipt);
  }

  #flipped(attempt: Attempt, left: string | null, receipt: Receipt): Deployment {
    // True from here on, whatever the disk says: the intent on it leads to the same place.
    void this.note((state) => record(state, attempt.id, receipt));
    this.moving(null);
    this.#attempt = null;
    this.#problem = null;
    attempt.finish();
    if (attempt.poolId !== null) this.core.prober.calm(attempt.poolId);
    const { direction } = receipt;
    this.core.publisher.touch();
    this.tell();
    this.core.seams.events.emit({ type: 'flip', service: this.name, direction, receipt });
    const deployment = told(this.state);
    this.#aftermath.flipped(deployment, left);
    return deployment;
  }

  /** Asked in the turn of the commit: the last moment in which health counts. */
  #lost(attempt: Attempt, deployment: Deployment): Fault | null {
    const gap = attempt.poolId === null ? null : this.pools.gap(attempt.poolId, wordsOn);
    if (gap === null) return null;
    const code = deployment.direction === 'deploy' ? 'FLIP_NOT_READY' : 'ROLLBACK_NOT_READY';
    const text = `${deployment.to.release} was lost just before the flip, which was undone: ${gap}.`;
    return new Fault(code, text, { deployment: deployment.id });
  }

  /** The one way a deployment ends before its flip. */
  #ended(attempt: Attempt, phase: 'failed' | 'aborted', fault: Fault): Deployment {
    if (this.#attempt !== attempt) return told(this.state);
    const rollback = this.state.deployment?.direction === 'rollback';
    this.#attempt = null;
    attempt.finish();
    const { code, message, detail } = fault;
    const at = this.at();
    const durable = this.note((state) =>
      end(state, attempt.id, phase, { code, message, detail }, at),
    );
    const deployment = told(this.state);
    this.tell(deployment);
    this.core.append(deployment);
    this.core.publisher.touch();
    // Until the disk has let go of the intent, a restart may lead to that pool: it is kept so long.
    if (attempt.poolId !== null && !rollback) void this.pools.empty(attempt.poolId, durable);
    return deployment;
  }

  #phase(attempt: Attempt, phase: Phase): void {
    void this.note((state) => advance(state, attempt.id, phase));
    this.tell();
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
    const away = this.core.away(this.#config.run.kind);
    return {
      config: this.#config,
      state: this.state,
      pools: this.pools,
      prober: this.core.prober,
      draining: this.#aftermath.draining,
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
    if (this.#attempt === null) return;
    throw new Fault(
      'DEPLOYMENT_IN_PROGRESS',
      `Deployment ${this.#attempt.id} of ${this.name} is beginning. Wait for its end, or abort it.`,
      { deployment: this.#attempt.id },
    );
  }

  #refuseLeaving(): void {
    if (!this.#leaving) return;
    throw new Fault('SERVICE_UNKNOWN', `${this.name} is leaving the config.`);
  }

  async #refuseAway(look: boolean): Promise<void> {
    const { kind } = this.#config.run;
    const away = this.core.away(kind);
    if (away !== null) throw new Fault('DRIVER_UNAVAILABLE', `${this.name}: ${away}`);
    if (look) await this.core.driver(kind).list();
  }
}

/** A rollback starts nothing, so what its pool prints is not about it. */
function inRecordOnly(attempt: Attempt): boolean {
  return attempt.flipping;
}

function told(state: ServiceState): Deployment {
  if (state.deployment === null) throw new Error('There is no deployment to tell of.');
  return state.deployment;
}

function asFault(thrown: unknown): Fault {
  if (thrown instanceof Fault) return thrown;
  return new Fault('START_FAILED', reasonOf(thrown), { cause: thrown });
}
