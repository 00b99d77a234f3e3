/**
 * One simulated life of Pointsman: what a seed says happens, and what must hold whatever happens.
 *
 * The rule this file keeps: a broken promise throws at the moment it is broken, with what led to
 * it; and nothing here knows how the control core works, only what it promised.
 */
import { type Clock, pause } from '../../src/clock.ts';
import type { ServiceConfig } from '../../src/config/config.ts';
import type { Gates, Subject } from '../../src/control/gates/gate.ts';
import {
  type Call,
  type PointsmanEvent,
  provedIn,
  type ServiceStatus,
  sidesOf,
} from '../../src/control/model/api.ts';
import type { Confirm, Deployment, Receipt, State } from '../../src/control/model/state.ts';
import { recordedPools } from '../../src/control/service/candidate.ts';
import { Fault } from '../../src/errors.ts';
import { type Color, colors } from '../../src/wire.ts';
import type { Claim, FakeWorker } from '../support/fakeDataPlane.ts';
import { smoke } from '../support/fakeGates.ts';
import { memoryStore } from '../support/memoryStore.ts';
import { seeded } from '../support/random.ts';
import { me, order, serviceConfig, World } from '../support/services.ts';
import { type SimClock, simClock } from './simClock.ts';

/** What happened over many schedules, to see that all of it does happen. */
export type Tally = Map<string, number>;

const service = 'shop';
/** How far somebody sets the wall clock. */
const jumpsMs = [-2 * 86_400_000, -60_000, -8_000, 8_000, 60_000, 365 * 86_400_000];

export class Schedule {
  readonly #random: () => number;
  readonly #clock: SimClock = simClock();
  readonly #world: World;
  readonly #tally: Tally;
  readonly #trace: string[] = [];
  readonly #flipped = new Set<string>();
  /** How deployments ended that did not flip. */
  readonly #ends = new Map<string, string>();
  readonly #failed = new Map<string, string>();
  /** Releases whose requests fail, those that were taken back, and what is not acknowledged. */
  readonly #bad = new Set<string>();
  readonly #takenBack = new Set<string>();
  #latched: string | null = null;
  /** What is to be confirmed, as it was last seen on record; and what may have been confirmed. */
  #unconfirmed: Confirm | null = null;
  readonly #confirmed = new Set<number>();
  /** Why what was deployed last to a color is not to be gone back from; absent: it may be. */
  readonly #unsafe: Partial<Record<Color, string>> = {};
  readonly #claimedPools = new Map<string, Set<string>>();
  /** The wall clock was set: what is told in its words is not what passed. */
  #jumped = false;
  #newest = 0;
  #releases = 1;
  #broken: Error | null = null;
  #quiet = false;
  #booting = false;
  /** Whether the config names the service, and the reloads that are to make it so. */
  #configured = true;
  #reloading: Promise<unknown> = Promise.resolve();
  /** Those of them that put it back: what a dead controller decided is carried out, gate or not. */
  #restoring: Promise<unknown> | null = null;
  /** A service that was taken out has nothing live when it comes back, up to this generation. */
  #emptyUpTo = 0;
  readonly #config: ServiceConfig;
  #refuseSaves = 0;
  #poolOf = new Map<string, string>();
  /** Passes in a row of each port, as the probes went. */
  readonly #passes = new Map<number, number>();
  /** When a probe of each port failed last, and when the check of a deployment that passed began. */
  readonly #failedAt = new Map<number, number>();
  readonly #proved = new Map<string, number>();

  constructor(seed: number, tally: Tally) {
    const random = seeded(seed);
    this.#random = random;
    this.#tally = tally;
    const workers = 1 + Math.floor(random() * 3);
    const manual = random() < 0.4;
    const warmMs = random() < 0.2 ? 20_000 : null;
    const small = random() < 0.2 ? 1 : null;
    const freeze = random() < 0.2;
    const watches = random() < 0.4;
    const hooked = random() < 0.3;
    const checks = hooked ? [smoke('/')] : [];
    const until = random() < 0.8 ? ('flip' as const) : ('deploy' as const);
    const base = serviceConfig(service);
    const config = {
      ...base,
      health: { ...base.health, intervalMs: 5_000 },
      deploy: { timeoutMs: 30_000, flip: manual ? ('manual' as const) : ('auto' as const) },
      warm: { forMs: warmMs, replicas: small, freeze, until },
      protect: watches ? { windowMs: 20_000, requestsMin: 20, clientsMin: 2 } : null,
      policy: { ...base.policy, drainMs: 5_000 },
      hooks: { beforeFlip: checks, afterFlip: checks, afterRollback: checks, onFailure: checks },
    };
    this.#config = config;
    const slowOrders = random() < 0.7;
    const slowDisk = random() < 0.5;
    const slowStart = random() < 0.5;
    this.#world = new World({
      services: [config],
      workers,
      clock: this.#clock,
      random,
      store: memoryStore({ onSave: () => this.#fate(), onAppend: () => this.#fate() }),
      orderMs: () => (slowOrders ? Math.floor(random() * 20) : 0),
      saveMs: () => (slowDisk ? Math.floor(random() * 30) : 0),
      platform: {
        startMs: () => (slowStart ? Math.floor(random() * 3_000) : 0),
        onStart: () => {
          if (random() > 0.05) return undefined;
          throw new Fault('START_FAILED', 'the simulation said no');
        },
        onStop: (poolId) => this.#stopping(poolId),
      },
      claimed: (claim) => this.#claimed(claim),
      event: (event) => this.#event(event),
      dependencies: (dependencies) => ({
        ...dependencies,
        probe: async (target, health, signal) => {
          const result = await dependencies.probe(target, health, signal);
          const passes = result.passed ? (this.#passes.get(target.port) ?? 0) + 1 : 0;
          if (!result.passed) this.#failedAt.set(target.port, this.#world.clock.now());
          this.#passes.set(target.port, passes);
          return result;
        },
        gates: this.#gates(dependencies.clock),
        plane: {
          stage: (table) => dependencies.plane.stage(table),
          stats: () => dependencies.plane.stats(),
          hold: (fence, limitMs) => dependencies.plane.hold(fence, limitMs),
          commit: (fence, go) => {
            if (go) this.#committing(fence.generation);
            return dependencies.plane.commit(fence, go);
          },
        },
      }),
    });
  }

  /** Runs it. @throws Error on the first broken promise. */
  async run(): Promise<void> {
    await this.#boot();
    await this.#pass(12_000);
    const steps = 6 + Math.floor(this.#random() * 14);
    for (let step = 0; step < steps; step++) {
      await this.#step();
      if (!this.#world.running) await this.#boot();
      this.#load();
      this.#check();
    }
    this.#quiet = true;
    if (!this.#configured) this.#reconfigure(true);
    for (let tries = 0; !this.#world.running && tries < 20; tries++) await this.#boot();
    await this.#calm();
    this.#checkQuiet();
    this.#world.kill();
  }

  /** Checks that take their time, and fail now and then. */
  #gates(clock: Clock): Gates {
    const check = async ({ deployment, moment }: Subject, signal: AbortSignal) => {
      const began = this.#world.clock.now();
      await pause(clock, Math.floor(this.#random() * 8_000), signal);
      const passed = !signal.aborted && this.#random() > 0.15;
      this.#count(`${moment} ${signal.aborted ? 'given up' : passed ? 'passed' : 'failed'}`);
      if (passed && moment === 'beforeFlip') this.#proved.set(deployment, began);
      return { passed, result: 'as the seed says' };
    };
    return {
      of: (hooks) => hooks.map(() => ({ name: 'GET /', check })),
      sweep: async (deployment) => this.#say(`${deployment} is swept`),
      close: async () => {},
    };
  }

  #count(what: string): void {
    this.#tally.set(what, (this.#tally.get(what) ?? 0) + 1);
  }

  #say(what: string): void {
    this.#trace.push(`${this.#world.clock.now()} ${what}`);
  }

  #break(what: string): void {
    const last = this.#trace.slice(-60).join('\n  ');
    this.#broken ??= new Error(`${what}\n  ${last}`);
  }

  async #boot(): Promise<void> {
    if (!this.#booting) {
      this.#say('boot');
      this.#booting = true;
      const world = this.#world;
      const { config } = world;
      // A reload that is asked for meanwhile comes after it.
      this.#reloading = world.boot().then(() => {
        if (!world.running || world.config === config) return undefined;
        return world.services.reload(world.config);
      });
      this.#reloading.catch((thrown: unknown) => this.#break(`boot failed: ${String(thrown)}`));
      this.#restores(this.#reloading);
    }
    await this.#pass(1 + Math.floor(this.#random() * 4_000));
  }

  async #pass(ms: number): Promise<void> {
    // Requests come while time passes, not only between steps.
    const parts = 3;
    for (let part = 0; part < parts; part++) {
      await this.#world.clock.passAsync(ms / parts);
      this.#load();
    }
    this.#check();
  }

  async #step(): Promise<void> {
    const roll = this.#random();
    if (roll < 0.41) this.#operate();
    else if (roll < 0.44) this.#reconfigure(!this.#configured);
    else if (roll < 0.5) this.#sicken();
    else if (roll < 0.56) this.#workerFault();
    else if (roll < 0.63) await this.#crash();
    else if (roll < 0.69) this.#refuseSaves = 1 + Math.floor(this.#random() * 3);
    else if (roll < 0.73) this.#setWallClock();
    else this.#say('time');
    const quick = this.#random() < 0.45;
    await this.#pass(Math.floor(this.#random() * (quick ? 60 : 9_000)));
  }

  #setWallClock(): void {
    const ms = jumpsMs[Math.floor(this.#random() * jumpsMs.length)] ?? 0;
    this.#clock.jump(ms);
    this.#jumped = true;
    this.#say(`the wall clock is set by ${ms} ms`);
    this.#count(`wall clock set while ${this.#status()?.deployment?.phase ?? 'down'}`);
  }

  /** The service as it is shown; null: no controller runs, or it is in the config no more. */
  #status(): ServiceStatus | null {
    if (!this.#world.running) return null;
    return this.#world.control.services().find(({ name }) => name === service) ?? null;
  }

  /** Takes the service out of the config, or puts it back; often both, one after the other. */
  #reconfigure(configured: boolean): void {
    this.#configured = configured;
    const world = this.#world;
    world.config = { ...world.config, services: configured ? [this.#config] : [] };
    this.#say(configured ? 'put back' : 'taken out');
    if (configured) this.#count(`put back ${this.#whereabouts()}`);
    else this.#takingOut();
    if (!world.running) return;
    const { services, config } = world;
    this.#reloading = this.#reloading.then(() => services.reload(config));
    this.#reloading.catch((thrown: unknown) => this.#break(`a reload threw ${String(thrown)}`));
    if (configured) this.#restores(this.#reloading);
    if (configured || this.#random() < 0.4) return;
    world.clock.after(Math.floor(this.#random() * 200), () => {
      if (!this.#configured) this.#reconfigure(true);
    });
  }

  #restores(reload: Promise<unknown>): void {
    this.#restoring = reload;
    const over = (): void => {
      if (this.#restoring === reload) this.#restoring = null;
    };
    reload.then(over, over);
  }

  /** How far a service that was taken out has gone. */
  #whereabouts(): string {
    if (this.#status() !== null) return 'before it was gone';
    const workers = [...this.#world.cluster.workers.values()];
    return workers.some(({ leaving }) => leaving.size > 0) ? 'while it drained' : 'after all';
  }

  #takingOut(): void {
    const status = this.#status();
    const phase = status?.deployment?.phase ?? 'gone';
    this.#count(`taken out while ${phase}`);
    const known = status?.generation ?? this.#world.store.stored?.services[service]?.generation;
    this.#emptyUpTo = Math.max(this.#emptyUpTo, this.#newest, (known ?? 0) + 1);
  }

  #operate(): void {
    const status = this.#status();
    if (status === null) return;
    const before = status.deployment;
    const roll = this.#random() < 0.5 ? this.#sensible(status) : this.#random();
    const if_ = this.#random() < 0.5 ? status.generation : null;
    const call = { ...me, generation: if_ };
    if (roll < 0.42) {
      const known = this.#random() < 0.2 && this.#releases > 2;
      const name = known
        ? `v${Math.ceil(this.#random() * this.#releases)}`
        : `v${++this.#releases}`;
      const flip = this.#random() < 0.3 ? ('auto' as const) : null;
      const confirmWithinMs = 5_000 + Math.floor(this.#random() * 25_000);
      const more = {
        flip,
        ...(this.#random() < 0.25 && { confirmWithinMs }),
        ...(this.#random() < 0.15 && { rollbackUnsafe: `${name} leaves the old schema behind` }),
      };
      this.#ask(
        `deploy ${name}`,
        this.#world.control.deploy(service, order(name, more), call),
        () => {
          if (this.#latched !== null) {
            this.#break(`${name} was accepted while ${this.#latched} is not acknowledged`);
          }
          if (
            status.confirm !== null &&
            this.#status()?.confirm?.generation === status.generation
          ) {
            this.#break(`${name} was accepted while ${status.confirm.release} is not confirmed`);
          }
          const busy =
            before !== null && ['starting', 'probing', 'ready', 'flipping'].includes(before.phase);
          if (busy && this.#status()?.deployment?.id === before.id) {
            this.#break(`${name} was accepted while ${before.id} was ${before.phase}`);
          }
        },
      );
    } else if (roll < 0.6) {
      this.#ask('flip', this.#world.control.flip(service, call));
    } else if (roll < 0.82) {
      const to = status.rollback.to?.release ?? 'v1';
      this.#rollBack(status, to, call);
      if (this.#random() < 0.3) {
        this.#ask(`rollback ${to} again`, this.#world.control.rollback(service, to, call));
      }
    } else if (roll < 0.9) {
      if (before !== null) this.#ask('abort', this.#world.control.abort(before.id, call));
    } else if (roll < 0.92 && status.latch !== null) {
      // It may be on disk before a controller that dies has answered.
      this.#latched = null;
      this.#ask('acknowledge', this.#world.control.acknowledge(service, call));
    } else if (roll < 0.92 && status.confirm !== null) {
      const withinMs = this.#random() < 0.3 ? 5_000 + Math.floor(this.#random() * 10_000) : null;
      // It may be on disk before a controller that dies has answered.
      if (withinMs === null) this.#confirmed.add(status.generation);
      const named = { ...me, generation: status.generation };
      this.#ask('confirm', this.#world.control.confirm(service, withinMs, named));
    } else if (roll < 0.96) {
      this.#ask('retire', this.#world.control.retire(service, call), () => {
        if (status.confirm === null || this.#status()?.generation !== status.generation) return;
        if (!this.#confirmed.has(status.generation)) {
          this.#break(`the way back from ${status.confirm.release} was retired, unconfirmed`);
        }
      });
    } else {
      const paused = status.paused;
      const asked = paused
        ? this.#world.control.resume(service, call)
        : this.#world.control.pause(service, false, call);
      this.#ask(paused ? 'resume' : 'pause', asked);
    }
  }

  /** What is not to be gone back from is left by who repeats why, and by nobody else. */
  #rollBack(status: ServiceStatus, to: string, call: Call): void {
    const { rollback, deployment: before, generation } = status;
    const { unsafe } = rollback;
    const repeated = unsafe !== null && this.#random() < 0.5 ? [unsafe] : [];
    const asked = this.#world.control.rollback(service, to, call, ...repeated);
    this.#ask(`rollback ${to}`, asked, () => {
      if (before !== null && ['starting', 'probing', 'ready'].includes(before.phase)) {
        this.#count('rollback during a deployment');
        const ended = this.#ends.get(before.id);
        if (ended !== 'aborted') this.#break(`${before.id} is ${ended} behind a rollback`);
      }
      if (before?.phase === 'flipping' && this.#status()?.generation === generation + 1) {
        this.#break(`a rollback was accepted while ${before.id} was flipping`);
      }
      if (unsafe === null) return;
      this.#count('rollback although unsafe');
      if (repeated.length === 0) this.#break(`a rollback was accepted although: ${unsafe}`);
    });
  }

  /** A roll that leads to what could be accepted now: else most calls would be refused. */
  #sensible(status: ServiceStatus): number {
    if (status.paused) return 0.97;
    if (status.latch !== null) return this.#random() < 0.6 ? 0.91 : 0;
    if (status.confirm !== null && this.#random() < 0.4) return 0.91;
    const back = status.rollback.ready;
    if (status.deployment?.phase === 'ready') return back && this.#random() < 0.4 ? 0.7 : 0.5;
    if (back && this.#random() < 0.06) return 0.94;
    if (status.rollback.ready && this.#random() < 0.6) return 0.7;
    return 0;
  }

  /** The worst moments for a fault are those of a flip. */
  #disturb(): void {
    if (this.#quiet || this.#random() > 0.35) return;
    this.#world.clock.after(Math.floor(this.#random() * 80), () => {
      if (this.#quiet || !this.#world.running) return;
      const roll = this.#random();
      if (roll < 0.45) this.#workerFault();
      else if (roll < 0.6) this.#sicken();
      else if (roll < 0.7) this.#refuseSaves = 1 + Math.floor(this.#random() * 3);
      else if (roll < 0.78) this.#reconfigure(!this.#configured);
      else this.#die(roll > 0.88);
    });
  }

  #ask(what: string, asked: Promise<unknown>, accepted: () => void = () => {}): void {
    this.#say(what);
    const kind = what.split(' ')[0] ?? what;
    asked.then(
      () => {
        this.#say(`${what}: accepted`);
        this.#count(`${kind} accepted`);
        if (this.#world.running) accepted();
      },
      (thrown: unknown) => {
        if (!(thrown instanceof Fault)) return this.#break(`${what} threw ${String(thrown)}`);
        this.#say(`${what}: ${thrown.code}`);
        this.#count(`${kind} ${thrown.code}`);
      },
    );
  }

  #sicken(): void {
    const { platform } = this.#world;
    const ids = [...platform.pools.keys()];
    const id = ids[Math.floor(this.#random() * ids.length)];
    if (id === undefined) return;
    const ports = platform.ports(id);
    const at = Math.floor(this.#random() * ports.length);
    const port = ports[at] ?? 0;
    const roll = this.#random();
    this.#say(`health of ${id} ${at}: ${roll.toFixed(2)}`);
    if (roll < 0.3) platform.sick.add(port);
    else if (roll < 0.55) platform.sick.clear();
    else if (roll < 0.7) platform.become(id, at, 'down');
    else if (roll < 0.8) for (const each of ports.keys()) platform.become(id, each, 'down');
    else platform.become(id, at, 'running', this.#random() < 0.4);
  }

  #workerFault(): void {
    const { cluster } = this.#world;
    const slots = [...cluster.workers.keys()];
    const slot = slots[Math.floor(this.#random() * slots.length)];
    if (slot === undefined) return;
    const roll = this.#random();
    if (roll < 0.45) {
      this.#say(`kill worker ${slot}`);
      this.#count('worker killed');
      cluster.kill(slot);
      const backMs = Math.floor(this.#random() * 200);
      this.#world.clock.after(backMs, () => cluster.workers.has(slot) || cluster.start(slot));
    } else {
      this.#say(`hang worker ${slot}`);
      this.#count('worker hung');
      cluster.hang(slot);
      const worker = cluster.worker(slot);
      this.#world.clock.after(Math.floor(this.#random() * 2_000), () => {
        if (cluster.workers.get(slot) === worker) cluster.wake(slot);
      });
    }
  }

  async #crash(): Promise<void> {
    this.#die(this.#random() < 0.4);
    await this.#pass(Math.floor(this.#random() * 500));
    await this.#boot();
  }

  #die(all: boolean): void {
    const status = this.#status();
    if (status?.candidate) this.#count('killed beside a candidate');
    this.#say(all ? 'everything killed' : 'controller killed');
    this.#count(all ? 'everything killed' : 'controller killed');
    this.#booting = false;
    if (all) this.#world.killAll();
    else this.#world.kill();
  }

  #fate(): 'keep' | 'refuse' {
    if (this.#refuseSaves === 0) return 'keep';
    this.#refuseSaves--;
    this.#say('the disk refuses');
    this.#count('save refused');
    return 'refuse';
  }

  /** Requests arrive at every worker, and some of those inside end. */
  #load(): void {
    for (const worker of this.#world.cluster.workers.values()) {
      const was = worker.request(service);
      const generation = worker.services.get(service)?.entry.generation ?? 0;
      if (was === 'empty' && this.#newest > 0 && generation > this.#emptyUpTo)
        this.#break('a request met a service without a live pool');
      if (this.#config.protect !== null) this.#crowd(worker);
      if (this.#random() < 0.1) worker.upgrade(service);
      for (const color of colors) {
        if (this.#random() < 0.5) worker.finish(service, color, 'http', 'finished');
        if (this.#random() < 0.1) worker.finish(service, color, 'http', 'clientAborted');
        if (this.#random() < 0.02) worker.finish(service, color, 'upgrade', 'finished');
      }
    }
  }

  /** Enough requests to judge a release by. */
  #crowd(worker: FakeWorker): void {
    const shown = worker.services.get(service);
    const release = shown?.pools[shown.entry.live]?.entry.release;
    if (release === undefined) return;
    const bad = this.#bad.has(release);
    for (let one = 0; one < 12; one++) {
      if (bad) worker.fail(service, `10.0.0.${one % 3}`);
      else if (worker.request(service) === 'claimed' && shown !== undefined) {
        worker.finish(service, shown.entry.live, 'http', 'finished');
      }
    }
  }

  #claimed(claim: Claim): void {
    if (claim.generation < this.#newest) {
      this.#break(
        `contract a: worker ${claim.worker} claimed ${claim.release} of generation ` +
          `${claim.generation} after a claim of generation ${this.#newest}`,
      );
    }
    this.#newest = Math.max(this.#newest, claim.generation);
    if (!this.#world.platform.pools.has(claim.pool)) {
      this.#break(`worker ${claim.worker} claimed from ${claim.pool}, which does not run`);
    }
    const failed = this.#failed.get(claim.pool);
    if (failed !== undefined) this.#break(`${claim.pool} of ${failed}, which failed, was served`);
    const pools = this.#claimedPools.get(claim.release) ?? new Set();
    pools.add(claim.pool);
    this.#claimedPools.set(claim.release, pools);
    for (const other of this.#world.cluster.workers.values()) {
      const entry = other.services.get(service)?.entry;
      if (entry === undefined || entry.generation !== claim.generation) continue;
      if (entry.live !== claim.color)
        this.#break(`generation ${claim.generation} has two live colors`);
    }
  }

  #stopping(poolId: string): void {
    const recorded = this.#world.store.stored?.services[service];
    if (recorded !== undefined && recordedPools(recorded).some(({ id }) => id === poolId)) {
      this.#break(`${poolId} is stopped while it is on record`);
    }
    for (const worker of this.#world.cluster.workers.values()) {
      const shown = worker.services.get(service);
      const live = shown?.pools[shown.entry.live];
      if (worker.hung) continue;
      this.#leavingInside(worker, poolId);
      if (live?.entry.id === poolId) {
        this.#break(`${poolId} is stopped while worker ${worker.slot} serves it`);
      }
      const shownPools = [shown?.pools.blue, shown?.pools.green, shown?.candidate];
      const named = shownPools.some((pool) => pool?.entry.id === poolId);
      const answers = worker.inbox.length === 0 && this.#world.running;
      if (named && answers) {
        this.#break(`${poolId} is stopped while worker ${worker.slot} has it in its table`);
      }
    }
  }

  /** What was inside a service when it was taken out may end, up to the drain limit. */
  #leavingInside(worker: FakeWorker, poolId: string): void {
    for (const { pools } of worker.leaving) {
      const pool = colors.map((color) => pools[color]).find((one) => one?.entry.id === poolId);
      if (!pool || pool.inside.http === 0 || worker.wokenMs > this.#world.clock.now() - 10_000)
        continue;
      this.#break(
        `${poolId} is stopped while ${pool.inside.http} are inside worker ${worker.slot}`,
      );
    }
  }

  #committing(generation: number): void {
    this.#count('committed');
    const status = this.#status();
    if (status === null || this.#restoring !== null || status.generation >= generation) return;
    if (status.deployment?.phase !== 'flipping') return;
    const pool = status.candidate ?? status.pools[status.deployment.to.color];
    const size = 2;
    if (pool === null || pool.healthy < size || pool.targets.length < size) {
      this.#break(`a flip to a pool with ${pool?.healthy ?? 0} of ${size} healthy targets`);
    }
    if (status.deployment.direction === 'rollback') return;
    for (const port of this.#world.platform.ports(pool?.id ?? '')) {
      const passes = this.#passes.get(port) ?? 0;
      if (passes < 2) this.#break(`a flip to port ${port} after ${passes} passes in a row`);
      this.#checkProof(status.deployment, port);
    }
  }

  /** What has passed before a flip has passed for targets that were healthy ever since. */
  #checkProof({ id, checks = [] }: Deployment, port: number): void {
    if (this.#config.hooks.beforeFlip.length === 0) return;
    const began = this.#proved.get(id);
    const phase = checks.find(({ moment }) => moment === 'beforeFlip')?.phase;
    if (began === undefined || phase !== 'passed') this.#break(`${id} flips, its check ${phase}`);
    else if ((this.#failedAt.get(port) ?? 0) > began) {
      this.#break(`${id} flips, and port ${port} was lost after its check began`);
    }
  }

  #event(event: PointsmanEvent): void {
    if (event.type === 'watch') this.#count(`watch ${event.watch.phase}`);
    if (event.type !== 'deployment') {
      this.#awaited();
      return;
    }
    const { deployment } = event;
    this.#say(`${deployment.id} ${deployment.phase} ${deployment.error?.code ?? ''}`);
    this.#count(`phase ${deployment.phase}`);
    if (deployment.receipt !== null) this.#receipt(deployment.receipt);
    this.#returned(deployment);
    this.#awaited();
    this.#remember(deployment);
    if (['starting', 'ready', 'flipping', 'draining'].includes(deployment.phase)) {
      if (deployment.phase === 'flipping' || this.#random() < 0.2) this.#disturb();
    }
  }

  /** What goes back by itself does so once, and to a release that was live before. */
  #returned({ id, cause, phase, direction, from, to, rollbackUnsafe }: Deployment): void {
    if (phase === 'draining' && direction === 'deploy') {
      if (rollbackUnsafe === undefined) delete this.#unsafe[to.color];
      else this.#unsafe[to.color] = rollbackUnsafe;
    }
    if (phase === 'starting' && this.#random() < 0.3) this.#bad.add(to.release);
    if (cause === undefined || phase !== 'draining') return;
    if (direction !== 'rollback') this.#break(`${id} went forward by itself`);
    const unsafe = from === null ? undefined : this.#unsafe[from.color];
    if (unsafe !== undefined) this.#break(`${id} went back by itself although: ${unsafe}`);
    if (cause.kind === 'unconfirmed') {
      this.#overdue(id, cause.release);
      return;
    }
    if (this.#config.protect === null) this.#break(`${id} went back, and nothing is watched`);
    if (cause.kind === 'errors' && !this.#bad.has(cause.release)) {
      this.#break(`${cause.release} was taken back though it fails nothing`);
    }
    // Told again after a restart: it may be acknowledged by then.
    if (this.#takenBack.has(id)) return;
    this.#count(`taken back for ${cause.kind}`);
    this.#takenBack.add(id);
    this.#latched = cause.release;
    const status = this.#status();
    if (status !== null && status.latch?.release !== cause.release) {
      this.#break(`${cause.release} was taken back, and deployments are let in`);
    }
  }

  /** What nobody confirmed goes back at its deadline, not before it, and once. */
  #overdue(id: string, release: string): void {
    if (this.#takenBack.has(id)) return;
    this.#takenBack.add(id);
    this.#count('taken back unconfirmed');
    const seen = this.#unconfirmed;
    if (seen?.release !== release) {
      this.#break(`${id} left ${release}, and ${seen?.release} was to be confirmed`);
    }
    if (seen === null) return;
    this.#unconfirmed = null;
    const now = this.#world.clock.date().getTime();
    if (!this.#jumped && now < Date.parse(seen.until))
      this.#break(`${id} left ${release} before ${seen.until}`);
    const { generation } = this.#status() ?? { generation: 0 };
    if (generation > seen.generation + 1) this.#break(`${id} left a generation that was gone`);
  }

  /**
   * The pool of a deployment that failed may never be served; its name is known while it is filled.
   */
  #remember(deployment: Deployment): void {
    if (deployment.direction === 'rollback') return;
    const { id, phase } = deployment;
    if (phase === 'probing' || phase === 'ready' || phase === 'flipping') {
      const status = this.#status();
      const pool = status && provedIn(status);
      if (pool !== null) this.#poolOf.set(id, pool.id);
      if (status?.candidate) this.#count('candidate');
    }
    if (phase === 'failed' || phase === 'aborted') {
      this.#ends.set(id, phase);
      const pool = this.#poolOf.get(id);
      if (this.#flipped.has(id)) this.#break(`${id} flipped, and then was ${phase}`);
      // Told as undone while the disk still refuses to let go of it: a restart may yet go there.
      if (pool !== undefined && this.#world.store.stored?.services[service]?.intent === null) {
        this.#failed.set(pool, id);
      }
    }
    if (deployment.receipt !== null) this.#flipped.add(id);
  }

  #receipt(receipt: Receipt): void {
    if ((receipt.attempts ?? 1) > 1) this.#count('flip tried again');
    const { drained } = receipt;
    if (drained === null) return;
    const all = drained.inflight.http + drained.inflight.sse + drained.inflight.upgrade;
    const { finished, clientAborted, cut, stillOpen } = drained;
    if (all !== finished + clientAborted + cut + stillOpen || cut < 0 || stillOpen < 0) {
      this.#break(`a receipt does not add up: ${JSON.stringify(drained)}`);
    }
  }

  #check(): void {
    if (this.#broken !== null) throw this.#broken;
    this.#awaited();
    if (this.#random() > 0.2) return;
    const stored = this.#world.store.stored?.services[service];
    if (
      stored !== undefined &&
      stored.generation > this.#emptyUpTo &&
      stored.pools[stored.live] === null
    ) {
      throw this.#failure('the state has a live color without a pool');
    }
  }

  /** Looks at what is to be confirmed: it may be ended by a word or by another flip alone. */
  #awaited(): void {
    const status = this.#status();
    if (status === null || status.generation === 0) return;
    const before = this.#unconfirmed;
    const now = status.confirm;
    if (before !== null && now === null && status.generation === before.generation) {
      const gone = before.generation <= this.#emptyUpTo;
      if (!this.#confirmed.has(before.generation) && !gone) {
        this.#break(`${before.release} is confirmed, and nobody said so`);
      }
    }
    if (now?.phase === 'held') {
      this.#count('unconfirmed held');
      if (status.rollback.unsafe !== null) this.#count('unconfirmed held for its unsafe way back');
    }
    this.#unconfirmed = now;
  }

  #failure(what: string): Error {
    this.#break(what);
    return this.#broken ?? new Error(what);
  }

  /** Everything is well again, and nobody asks for anything. */
  async #calm(): Promise<void> {
    const { cluster, platform, clock } = this.#world;
    this.#say('calm');
    this.#refuseSaves = 0;
    platform.sick.clear();
    for (const id of platform.pools.keys()) {
      for (const at of platform.ports(id).keys()) platform.become(id, at, 'running');
    }
    for (const slot of cluster.workers.keys()) cluster.wake(slot);
    for (let part = 0; part < 6; part++) {
      await clock.passAsync(6_000);
      this.#load();
    }
    const running = this.#world.control.service(service);
    const deployment = running.deployment;
    if (deployment?.phase === 'ready')
      this.#ask('abort', this.#world.control.abort(deployment.id, me));
    if (running.paused) this.#ask('resume', this.#world.control.resume(service, me));
    await clock.passAsync(35_000);
    for (const worker of cluster.workers.values()) worker.request(service);
    this.#check();
  }

  #checkQuiet(): void {
    const { store, cluster, platform, control } = this.#world;
    const state: State = store.stored ?? { services: {} };
    const record = state.services[service];
    if (record === undefined) throw this.#failure('no state was ever written');
    if (record.intent !== null) throw this.#failure('an intent outlived its flip');
    const phase = record.deployment?.phase ?? 'live';
    if (!['live', 'failed', 'aborted'].includes(phase)) throw this.#failure(`it rests in ${phase}`);
    const unsafe = record.pools[record.live]?.rollbackUnsafe !== undefined;
    if (record.confirm && !unsafe)
      throw this.#failure(`${record.confirm.release} is ${record.confirm.phase}`);
    if (record.watch?.phase === 'watching') throw this.#failure('a watch outlived its time');
    if (this.#latched !== null && record.latch?.release !== this.#latched) {
      throw this.#failure(`nobody acknowledged ${this.#latched}`);
    }
    if (record.candidate) throw this.#failure(`${record.candidate.id} outlived its deployment`);
    const kept = colors.flatMap((color: Color) => record.pools[color]?.id ?? []);
    for (const worker of cluster.workers.values()) {
      const shown = worker.stats().services[0];
      if (shown === undefined) throw this.#failure(`worker ${worker.slot} serves nothing`);
      const { generation, live, staged, holding, waiting } = shown;
      const text = JSON.stringify({ generation, live, staged, holding, waiting });
      if (generation !== record.generation || live !== record.live) {
        throw this.#failure(
          `worker ${worker.slot} is at ${text}, the state says ${record.generation} ${record.live}`,
        );
      }
      // Before a first release requests wait for it; so they do after one was taken out, put back and refused.
      const serves = record.pools[record.live] !== null;
      if (staged !== null || holding || (waiting > 0 && serves)) {
        throw this.#failure(`worker ${worker.slot} rests at ${text}`);
      }
    }
    const runs = [...platform.pools.keys()].sort();
    if (runs.join() !== [...kept].sort().join()) {
      throw this.#failure(`runs: ${runs.join()}; on record: ${kept.join()}`);
    }
    const status = control.service(service);
    const first = status.problem?.startsWith('The first release') === true;
    if (status.problem !== null && record.generation > 0 && !first) {
      throw this.#failure(`a problem outlived its cause: ${status.problem}`);
    }
    const { live } = sidesOf(status);
    // What was put back has nothing live where the disk refused its first release, and says so.
    if (live === null && phase === 'live' && !first)
      throw this.#failure('nothing is live after a deployment');
    if (live !== null && live.healthy !== live.targets.length) {
      throw this.#failure('the live pool is not healthy, though everything is well');
    }
  }
}
