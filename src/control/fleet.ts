/**
 * The fleet is all services together: what they share, how they start, and how a reload changes
 * them.
 *
 * The rule this file keeps: each service stands alone. One whose platform, record or first release
 * is broken says so in its status, and no other waits for it longer than `restoreMs`.
 */
import { pause } from '../clock.ts';
import type { Config, Run, ServiceConfig } from '../config/config.ts';
import { Fault, reasonOf } from '../errors.ts';
import type { ServiceEntry, WorkerStats } from '../wire.ts';
import { Boot } from './boot.ts';
import type { Call, DeployOrder, Reloaded, ServiceStatus } from './control.ts';
import type { Core } from './core.ts';
import { Deployer } from './deployer.ts';
import { livePool } from './deployment.ts';
import type { Driver, DriverEvent } from './drivers/driver.ts';
import { Journal } from './journal.ts';
import { Ledger } from './ledger.ts';
import { Prober } from './prober.ts';
import type { Seams } from './seams.ts';
import type { Deployment } from './state.ts';
import { Publisher } from './table.ts';
import { Turnstile } from './turnstile.ts';

/**
 * So long the first table waits for the addresses of live pools; who comes later joins the next
 * one.
 */
const restoreMs = 2_000;
/** How often the workers are asked for the status that is shown. */
const lookMs = 1_000;
/**
 * What runs without a record is looked for at the start and then so often: a platform may finish
 * late.
 */
const sweepMs = 30_000;
/**
 * Flips of services that are under way at a time. Each holds for as long as the orders of the
 * others stand before its own: with a thousand at once, all would be held too long, and undone.
 */
const flipsAtOnce = 32;
/** How often the first release of a service is deployed where workers do not hold in time. */
const firstTries = 5;

export class Fleet {
  readonly #seams: Seams;
  readonly #deployers = new Map<string, Deployer>();
  readonly #leaving = new Set<Deployer>();
  /** Services whose first release is about to be deployed, and is on no record yet. */
  readonly #beginning = new Set<string>();
  readonly #drivers = new Map<Run['kind'], Driver>();
  readonly #away = new Map<Run['kind'], string>();
  readonly #watches: (() => void)[] = [];
  readonly #core: Core;
  readonly #journal: Journal;
  #config: Config;
  #stats: readonly WorkerStats[] = [];
  /** The question to the workers that is on its way, and the one that is put after it. */
  #looking: Promise<readonly WorkerStats[]> | null = null;
  #lookingNext: Promise<readonly WorkerStats[]> | null = null;
  #closed = false;
  #booted = false;

  private constructor(seams: Seams, config: Config, ledger: Ledger) {
    this.#seams = seams;
    this.#config = config;
    this.#journal = new Journal(seams);
    this.#core = {
      seams,
      ledger,
      publisher: new Publisher(seams.plane, seams.clock, seams.log, {
        edge: () => this.#config.edge,
        entries: () => this.#entries(),
      }),
      flips: new Turnstile(flipsAtOnce),
      prober: new Prober(seams.clock, seams.random, seams.probe, {
        changed: (pool, view, why) => {
          const { service, color, poolId } = pool;
          const target = view.target.id;
          const { healthy } = view;
          seams.events.emit({ type: 'target', service, color, target, healthy, why });
          this.#deployers.get(service)?.healthChanged(poolId, view, why);
        },
        probed: ({ service, color }, { target, last, healthy, passes }, rise) => {
          if (last === null) return;
          const about = { service, color, target: target.id, result: last };
          seams.events.emit({ type: 'probe', ...about, healthy, passes, rise });
        },
      }),
      stats: () => this.#look(),
      lastStats: () => this.#stats,
      driver: (kind) => this.#driver(kind),
      away: (kind) => this.#away.get(kind) ?? null,
      append: (deployment) => this.#journal.append(deployment),
    };
  }

  /**
   * Reads the state and brings every service back to where it was.
   *
   * @returns once the workers have their first table.
   * @throws Fault STATE_UNREADABLE: nothing was touched then.
   */
  static async start(seams: Seams, config: Config): Promise<Fleet> {
    const ledger = await Ledger.open(seams.store, seams.clock, seams.log);
    const fleet = new Fleet(seams, config, ledger);
    await fleet.#start();
    return fleet;
  }

  /** Services whose first release is on its way: they serve nothing before it is live. */
  beginning(): readonly string[] {
    const all = [...this.#deployers.values()];
    return all
      .filter(({ name, state: { generation, deployment } }) => {
        return generation === 0 && (deployment?.endedAt === null || this.#beginning.has(name));
      })
      .map(({ name }) => name);
  }

  services(): readonly ServiceStatus[] {
    return [...this.#deployers.values()].map((deployer) => deployer.status());
  }

  /** @throws Fault SERVICE_UNKNOWN */
  service(name: string): ServiceStatus {
    return this.#deployer(name).status();
  }

  async deploy(service: string, order: DeployOrder, call: Call): Promise<Deployment> {
    return this.#deployer(service).deploy(order, call);
  }

  async flip(service: string, call: Call): Promise<Deployment> {
    return this.#deployer(service).flip(call);
  }

  async rollback(service: string, to: string | null, call: Call): Promise<Deployment> {
    return this.#deployer(service).rollback(to, call);
  }

  async abort(id: string, call: Call): Promise<Deployment> {
    for (const deployer of this.#deployers.values()) {
      if (deployer.state.deployment?.id === id) return deployer.abort(id, call);
    }
    const ended = await this.deployment(id);
    throw new Fault('ABORT_TOO_LATE', `Deployment ${id} has ended (${ended.phase}).`, { id });
  }

  async retire(service: string, call: Call): Promise<ServiceStatus> {
    return this.#deployer(service).retire(call);
  }

  async wake(service: string, call: Call): Promise<ServiceStatus> {
    return this.#deployer(service).wake(call);
  }

  async pause(service: string, call: Call): Promise<ServiceStatus> {
    return this.#deployer(service).pauseTraffic(true, call);
  }

  async resume(service: string, call: Call): Promise<ServiceStatus> {
    return this.#deployer(service).pauseTraffic(false, call);
  }

  /** See `Control.deployments`. */
  async deployments(query: {
    readonly service?: string;
    readonly limit: number;
  }): Promise<readonly Deployment[]> {
    const current = [...this.#deployers.values()]
      .filter(({ name }) => query.service === undefined || name === query.service)
      .flatMap(({ state }) => state.deployment ?? []);
    return this.#journal.read(query, current);
  }

  /** @throws Fault DEPLOYMENT_UNKNOWN */
  async deployment(id: string): Promise<Deployment> {
    for (const { state } of this.#deployers.values()) {
      if (state.deployment?.id === id) return state.deployment;
    }
    const service = /^(.+)-\d+$/.exec(id)?.[1];
    const query = service === undefined ? { limit: 1000 } : { service, limit: 1000 };
    const found = (await this.#journal.read(query, [])).find((one) => one.id === id);
    if (found !== undefined) return found;
    throw new Fault('DEPLOYMENT_UNKNOWN', `There is no deployment ${id.slice(0, 200)}.`, { id });
  }

  /**
   * Makes another config the active one: services are added, removed or changed; health, live
   * colors and what runs stay as they are.
   */
  async reload(config: Config): Promise<Reloaded> {
    const before = this.#config;
    this.#config = config;
    const named = new Map(config.services.map((service) => [service.name, service]));
    const old = new Map(before.services.map((service) => [service.name, service]));
    const removed = [...this.#deployers.keys()].filter((name) => !named.has(name));
    const added = config.services.filter(({ name }) => !this.#deployers.has(name));
    const changed: string[] = [];
    for (const service of config.services) {
      const deployer = this.#deployers.get(service.name);
      if (deployer === undefined) continue;
      if (JSON.stringify(old.get(service.name)) !== JSON.stringify(service)) {
        changed.push(service.name);
        deployer.configure(service);
      }
    }
    for (const name of removed) this.#remove(name);
    await this.#restore(added, []);
    this.#core.publisher.touch();
    return {
      added: added.map(({ name }) => name),
      removed,
      changed,
      needsRestart: stiff(before, config),
    };
  }

  /** What the workers last said of themselves. */
  stats(): readonly WorkerStats[] {
    return this.#stats;
  }

  /** Why the fleet as a whole is not as it should be, one sentence each. */
  problems(): readonly string[] {
    const { ledger, publisher } = this.#core;
    return [ledger.problem, publisher.problem, this.#journal.problem].filter((one) => one !== null);
  }

  /** Ends all work and stops nothing: pools run on, workers serve on. */
  close(): void {
    this.#closed = true;
    for (const deployer of [...this.#deployers.values(), ...this.#leaving]) deployer.close();
    for (const end of this.#watches) end();
    const { prober, publisher, ledger } = this.#core;
    prober.close();
    publisher.close();
    ledger.close();
    this.#journal.close();
  }

  async #start(): Promise<void> {
    const { publisher, ledger } = this.#core;
    const stats = await this.#look();
    publisher.begin(Math.max(0, ...stats.map((one) => one.tableVersion)));
    await this.#restore(this.#config.services, stats);
    const named = new Set(this.#config.services.map(({ name }) => name));
    for (const name of ledger.names()) {
      if (named.has(name) || livePool(ledger.service(name) ?? emptyPools) === null) continue;
      this.#seams.log('warn', `Service ${name} is on record but not in the config: left alone.`);
    }
    this.#booted = true;
    this.#keepLooking();
    this.#keepSweeping();
  }

  /** Brings services to where their record says, then serves them. */
  async #restore(services: readonly ServiceConfig[], stats: readonly WorkerStats[]): Promise<void> {
    const { clock } = this.#seams;
    const boots: { readonly deployer: Deployer; readonly boot: Boot }[] = [];
    const known: Promise<void>[] = [];
    for (const service of services) {
      const deployer = new Deployer(service, this.#core);
      this.#deployers.set(service.name, deployer);
      const boot = new Boot(deployer, stats, this.#config.workers);
      boots.push({ deployer, boot });
      known.push(boot.decide().catch((thrown: unknown) => deployer.trouble(reasonOf(thrown))));
    }
    await Promise.race([Promise.all(known), pause(clock, restoreMs)]);
    if (this.#closed) return;
    await this.#core.publisher.publish().catch(() => undefined);
    await Promise.all(
      boots.map(({ deployer, boot }) => {
        return boot.finish().catch((thrown: unknown) => deployer.trouble(reasonOf(thrown)));
      }),
    );
    if (this.#closed) return;
    for (const { deployer } of boots) void this.#first(deployer);
    this.#sweepAll();
  }

  #sweepAll(): void {
    if (this.#closed) return;
    const used = [...this.#deployers.values()].map(({ config }) => config.run.kind);
    for (const kind of new Set([...this.#drivers.keys(), ...used])) {
      if (!this.#away.has(kind)) void this.#sweep(kind);
    }
  }

  /**
   * A service that never had a release gets the one its config names. Nobody is there who would try
   * again where a worker was too busy to hold.
   */
  async #first(deployer: Deployer): Promise<void> {
    const { first } = deployer.config;
    if (first === null || livePool(deployer.state) !== null) return;
    const { release, image, targets } = first;
    const order: DeployOrder = { release, image, targets, flip: 'auto', dryRun: false };
    const call = { by: 'pointsman', why: 'the first release, from the config', generation: null };
    this.#beginning.add(deployer.name);
    try {
      for (let left = firstTries; left > 0 && !this.#closed; left--) {
        await deployer.deploy(order, call);
        await deployer.settled();
        if (deployer.state.deployment?.error?.code !== 'HOLD_TIMEOUT') break;
      }
    } catch (thrown) {
      deployer.trouble(`The first release cannot be deployed: ${reasonOf(thrown)}`);
      this.#seams.log('error', `${deployer.name}: ${reasonOf(thrown)}`);
    } finally {
      this.#beginning.delete(deployer.name);
    }
  }

  #remove(name: string): void {
    const deployer = this.#deployers.get(name);
    if (deployer === undefined) return;
    this.#leaving.add(deployer);
    const gone = (): void => {
      if (this.#deployers.get(name) === deployer) this.#deployers.delete(name);
      this.#core.publisher.touch();
    };
    void deployer.leave(gone).finally(() => this.#leaving.delete(deployer));
  }

  /**
   * A worker that was hung while a flip was undone by a controller that then died still holds.
   * Nobody else would tell it: no flip is under way.
   */
  #letGo(): void {
    for (const { services } of this.#stats) {
      for (const { name, staged } of services) {
        const deployer = this.#deployers.get(name);
        if (staged === null || deployer === undefined || deployer.flipping) continue;
        // It has been switched since it said so.
        if (deployer.state.generation >= staged) continue;
        const fence = { service: name, generation: staged };
        this.#seams.log('warn', `A worker held ${name} for a flip that is over.`, fence);
        this.#seams.plane.commit(fence, false).catch(() => undefined);
      }
    }
  }

  /** Stops what runs for a service of ours under a name that no record knows. */
  async #sweep(kind: Run['kind']): Promise<void> {
    const driver = this.#driver(kind);
    try {
      for (const pool of await driver.list()) {
        const deployer = this.#deployers.get(pool.service);
        if (this.#closed || deployer?.lost(pool.poolId) !== true) continue;
        this.#seams.log('warn', `Pool ${pool.poolId} is on no record; it is stopped.`);
        await driver.stop(pool.poolId);
      }
    } catch (thrown) {
      this.#seams.log('warn', `What runs could not be looked through: ${reasonOf(thrown)}`);
    }
  }

  #driver(kind: Run['kind']): Driver {
    const made = this.#drivers.get(kind);
    if (made !== undefined) return made;
    const driver = this.#seams.drivers[kind]();
    this.#drivers.set(kind, driver);
    this.#watches.push(driver.watch((event) => this.#heard(kind, event)));
    return driver;
  }

  #heard(kind: Run['kind'], event: DriverEvent): void {
    if (this.#closed) return;
    if (event.kind !== 'platform') {
      const service = /^(.+)\.(?:blue|green)\.\d+$/.exec(event.poolId)?.[1];
      if (service !== undefined) this.#deployers.get(service)?.driverEvent(event);
      return;
    }
    if (!event.available) {
      this.#away.set(kind, event.reason);
      return;
    }
    this.#away.delete(kind);
    for (const deployer of this.#deployers.values()) {
      if (deployer.config.run.kind === kind) deployer.platformBack();
    }
    void this.#sweep(kind);
  }

  /**
   * One look at a time: an answer is as long as there are services, and everything that drains
   * asks. Who comes while one is on its way shares the next, which sees all that happened before.
   */
  #look(): Promise<readonly WorkerStats[]> {
    if (this.#looking === null) {
      this.#looking = this.#ask().finally(() => {
        this.#looking = null;
      });
      return this.#looking;
    }
    this.#lookingNext ??= this.#looking.then(() => {
      this.#lookingNext = null;
      return this.#look();
    });
    return this.#lookingNext;
  }

  async #ask(): Promise<readonly WorkerStats[]> {
    try {
      this.#stats = await this.#seams.plane.stats();
      this.#core.publisher.seen(Math.max(0, ...this.#stats.map((one) => one.tableVersion)));
      if (this.#booted) this.#letGo();
      return this.#stats;
    } catch (thrown) {
      this.#seams.log('warn', `The workers do not say how they are: ${reasonOf(thrown)}`);
      return [];
    }
  }

  #keepLooking(): void {
    this.#seams.clock.after(lookMs, () => {
      if (this.#closed) return;
      void this.#look().finally(() => this.#keepLooking());
    });
  }

  #keepSweeping(): void {
    this.#seams.clock.after(sweepMs, () => {
      this.#sweepAll();
      if (!this.#closed) this.#keepSweeping();
    });
  }

  #entries(): readonly ServiceEntry[] {
    return [...this.#deployers.values()].map((deployer) => deployer.entry());
  }

  #deployer(name: string): Deployer {
    const deployer = this.#deployers.get(name);
    if (deployer !== undefined) return deployer;
    const known = [...this.#deployers.keys()].slice(0, 20).join(', ') || 'none';
    const text = `There is no service ${JSON.stringify(name.slice(0, 100))}; there are: ${known}.`;
    throw new Fault('SERVICE_UNKNOWN', text, { service: name.slice(0, 100) });
  }
}

const emptyPools = { live: 'blue', pools: { blue: null, green: null } } as Parameters<
  typeof livePool
>[0];

/** What of a config a running process cannot change, one sentence each. */
function stiff(before: Config, now: Config): readonly string[] {
  const parts = [
    ['listen', before.listen, now.listen],
    ['workers', before.workers, now.workers],
    ['state', before.stateDir, now.stateDir],
    ['admin', before.admin, now.admin],
  ] as const;
  return parts
    .filter(([, was, is]) => JSON.stringify(was) !== JSON.stringify(is))
    .map(([key]) => `\`${key}\` has changed; it takes a restart to become true.`);
}
