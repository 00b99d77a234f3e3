/**
 * All services together: what they share, how they start, and how a reload changes
 * them.
 *
 * The rule this file keeps: each service stands alone. One whose platform, record or first release
 * is broken says so in its status, and no other waits for it longer than `restoreMs`.
 */
import { isDeepStrictEqual } from 'node:util';
import { pause } from '../clock.ts';
import { describeChange, type ServiceChange } from '../config/change.ts';
import type { Config, ServiceConfig } from '../config/config.ts';
import { listens, refusalOf } from '../config/targets.ts';
import { Fault, reasonOf } from '../errors.ts';
import type { ServiceEntry, WorkerStats } from '../wire.ts';
import { Platforms } from './drivers/platforms.ts';
import type { Naming } from './health/namedTarget.ts';
import { Prober } from './health/prober.ts';
import { Names } from './names/names.ts';
import { Journal } from './record/journal.ts';
import { Ledger } from './record/ledger.ts';
import type { ControlContext } from './service/context.ts';
import type { Dependencies } from './service/dependencies.ts';
import { Deployer } from './service/deployer.ts';
import { livePool } from './service/deployment.ts';
import { Semaphore } from './service/semaphore.ts';
import { Poller } from './workers/poller.ts';
import { Publisher } from './workers/publisher.ts';

/**
 * So long the first table waits for the addresses of live pools; who comes later joins the next
 * one.
 */
const restoreMs = 2_000;
/**
 * Flips of services that are under way at a time. Each holds for as long as the orders of the
 * others stand before its own: with a thousand at once, all would be held too long, and undone.
 */
const flipsAtOnce = 32;

export class Services {
  readonly #dependencies: Dependencies;
  readonly #deployers = new Map<string, Deployer>();
  /** Those that have left the config, until nothing of them runs, with that moment. */
  readonly #leaving = new Map<Deployer, Promise<void>>();
  readonly #platforms: Platforms;
  readonly #poller: Poller;
  readonly #context: ControlContext;
  readonly #journal: Journal;
  #config: Config;
  #closed = false;
  #started = false;

  private constructor(dependencies: Dependencies, config: Config, ledger: Ledger) {
    this.#dependencies = dependencies;
    this.#config = config;
    this.#journal = new Journal(dependencies.store, dependencies.clock);
    this.#platforms = new Platforms(dependencies, {
      kinds: () => [...this.#deployers.values()].map((deployer) => deployer.config.run.kind),
      poolChanged: (service, event) => this.#deployers.get(service)?.driverEvent(event),
      available: (kind) => {
        for (const deployer of this.#deployers.values()) {
          if (deployer.config.run.kind === kind) deployer.platformBack();
        }
      },
      unrecorded: (service, poolId) => this.#lost(service, poolId),
    });
    this.#poller = new Poller(dependencies.plane, dependencies.clock, dependencies.log, (stats) => {
      this.#context.publisher.seen(versionOf(stats));
      for (const deployer of this.#deployers.values()) deployer.heardOf(stats);
      if (this.#started) this.#letGo(stats);
    });
    const { clock, lookup, log } = dependencies;
    const names = new Names(clock, lookup, log, (name) => this.#context.prober.renamed(name));
    const naming: Naming = {
      names,
      moved: () => this.#context.publisher.touch(),
      refusal: (service, { port, scheme }, host) => {
        const run = this.#deployers.get(service)?.config.run;
        const linkLocal = run?.kind !== 'static' || run.linkLocal;
        const at = { host, port, ...(scheme !== undefined && { scheme }) };
        return refusalOf(at, { own: this.#context.own(), linkLocal });
      },
    };
    this.#context = {
      dependencies,
      ledger,
      publisher: new Publisher(dependencies.plane, dependencies.clock, dependencies.log, {
        edge: () => this.#config.edge,
        entries: () => this.#entries(),
      }),
      flips: new Semaphore(flipsAtOnce),
      own: () => listens(this.#config).map(([, listen]) => listen),
      names,
      prober: new Prober(dependencies.clock, dependencies.random, dependencies.probe, naming, {
        changed: (pool, view, why) => {
          const { service, color, poolId } = pool;
          const target = view.target.id;
          const { healthy } = view;
          dependencies.events.emit({ type: 'target', service, color, target, healthy, why });
          this.#deployers.get(service)?.healthChanged(poolId, view, why);
        },
        probed: ({ service, color }, { target, last, healthy, passes }, rise) => {
          if (last === null) return;
          const about = { service, color, target: target.id, result: last };
          dependencies.events.emit({ type: 'probe', ...about, healthy, passes, rise });
        },
      }),
      stats: () => this.#poller.ask(),
      lastStats: () => this.#poller.last,
      platforms: this.#platforms,
      append: (deployment) => this.#journal.append(deployment),
    };
  }

  /**
   * Reads the state and brings every service back to where it was.
   *
   * @returns once the workers have their first table.
   * @throws Fault STATE_UNREADABLE: nothing was touched then.
   */
  static async start(dependencies: Dependencies, config: Config): Promise<Services> {
    const ledger = await Ledger.open(dependencies.store, dependencies.clock, dependencies.log);
    const services = new Services(dependencies, config, ledger);
    await services.#start();
    return services;
  }

  /** Services whose first release is on its way: they serve nothing before it is live. */
  beginning(): readonly string[] {
    return this.all()
      .filter(({ beginning }) => beginning)
      .map(({ name }) => name);
  }

  all(): readonly Deployer[] {
    return [...this.#deployers.values()];
  }

  find(name: string): Deployer | undefined {
    return this.#deployers.get(name);
  }

  /** @throws Fault SERVICE_UNKNOWN */
  deployer(name: string): Deployer {
    const deployer = this.find(name);
    if (deployer !== undefined) return deployer;
    const known = [...this.#deployers.keys()].slice(0, 20).join(', ') || 'none';
    const text = `There is no service ${JSON.stringify(name.slice(0, 100))}; there are: ${known}.`;
    throw new Fault('SERVICE_UNKNOWN', text, { service: name.slice(0, 100) });
  }

  /** Ended deployments, whether or not the disk has taken them. */
  get journal(): Journal {
    return this.#journal;
  }

  /**
   * Makes another config the active one: services are added, removed or changed; health, live
   * colors and what runs stay as they are.
   */
  async reload(config: Config): Promise<ServiceChange> {
    const before = this.#config;
    this.#config = config;
    const change = describeChange(before, config);
    const added = new Set(change.added);
    const old = new Map(before.services.map((service) => [service.name, service]));
    for (const service of config.services) {
      if (added.has(service.name)) this.#putBack(service);
      else if (!isDeepStrictEqual(old.get(service.name), service)) {
        this.#deployers.get(service.name)?.configure(service);
      }
    }
    const fresh = config.services.filter(
      ({ name }) => added.has(name) && !this.#deployers.has(name),
    );
    for (const name of change.removed) this.#remove(name);
    await this.#restore(fresh, []);
    this.#context.publisher.touch();
    return change;
  }

  /** What the workers last said of themselves. */
  stats(): readonly WorkerStats[] {
    return this.#poller.last;
  }

  /** What is wrong with all of them at once, one sentence each. */
  problems(): readonly string[] {
    const { ledger, publisher } = this.#context;
    return [ledger.problem, publisher.problem, this.#journal.problem].filter((one) => one !== null);
  }

  /** Ends all work and stops nothing: pools run on, workers serve on. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const deployer of [...this.#deployers.values(), ...this.#leaving.keys()]) deployer.close();
    this.#platforms.close();
    this.#poller.close();
    const { prober, names, publisher, ledger, dependencies } = this.#context;
    prober.close();
    names.close();
    publisher.close();
    ledger.close();
    this.#journal.close();
    await dependencies.gates.close();
  }

  async #start(): Promise<void> {
    const { publisher, ledger } = this.#context;
    const stats = await this.#poller.ask();
    publisher.begin(versionOf(stats));
    await this.#restore(this.#config.services, stats);
    const named = new Set(this.#config.services.map(({ name }) => name));
    for (const name of ledger.names()) {
      if (named.has(name) || livePool(ledger.service(name) ?? emptyPools) === null) continue;
      this.#dependencies.log.warn(
        {},
        `Service ${name} is on record but not in the config: left alone.`,
      );
    }
    this.#started = true;
    this.#poller.keepAsking();
    this.#platforms.keepLooking();
  }

  /** Brings services to where their record says, then serves them. */
  async #restore(services: readonly ServiceConfig[], stats: readonly WorkerStats[]): Promise<void> {
    const { clock } = this.#dependencies;
    const restoring = services.map((service) => {
      const deployer = new Deployer(service, this.#context);
      this.#deployers.set(service.name, deployer);
      return { deployer, restore: deployer.restore(stats, this.#config.workers) };
    });
    const known = restoring.map(async ({ deployer, restore }) => {
      await restore.decide().catch((thrown) => deployer.setProblem(reasonOf(thrown)));
    });
    await Promise.race([Promise.all(known), pause(clock, restoreMs)]);
    if (this.#closed) return;
    await this.#context.publisher.publish().catch(() => undefined);
    await Promise.all(
      restoring.map(async ({ deployer, restore }) => {
        await restore.finish().catch((thrown) => deployer.setProblem(reasonOf(thrown)));
      }),
    );
    if (this.#closed) return;
    for (const { deployer } of restoring) void deployer.deployFirst();
    void this.#platforms.look();
  }

  #remove(name: string): void {
    const deployer = this.#deployers.get(name);
    if (deployer === undefined) return;
    const gone = (): void => {
      this.#deployers.delete(name);
      this.#context.publisher.touch();
    };
    const left = deployer.leave(gone).finally(() => {
      // It may have been put back, and taken out again.
      if (this.#leaving.get(deployer) === left) this.#leaving.delete(deployer);
    });
    this.#leaving.set(deployer, left);
  }

  /**
   * A service that was taken out while its flip was under way, and is not gone yet, stays. One that
   * is gone begins anew, beside the pools that drain.
   */
  #putBack(service: ServiceConfig): void {
    const deployer = this.#deployers.get(service.name);
    if (deployer === undefined) return;
    this.#leaving.delete(deployer);
    deployer.configure(service);
    deployer.stay();
  }

  /** Whether a pool is on no record, and nobody is emptying it. */
  #lost(service: string, poolId: string): boolean {
    if (this.#deployers.get(service)?.lost(poolId) !== true) return false;
    return [...this.#leaving.keys()].every((one) => one.name !== service || one.lost(poolId));
  }

  /**
   * A worker that was hung while a flip was undone by a controller that then died still holds.
   * Nobody else would tell it: no flip is under way.
   */
  #letGo(stats: readonly WorkerStats[]): void {
    for (const { services } of stats) {
      for (const { name, staged } of services) {
        const deployer = this.#deployers.get(name);
        if (staged === null || deployer === undefined || deployer.flipping) continue;
        // It has been switched since it said so.
        if (deployer.state.generation >= staged) continue;
        const fence = { service: name, generation: staged };
        this.#dependencies.log.warn(fence, `A worker held ${name} for a flip that is over.`);
        this.#dependencies.plane.commit(fence, false).catch(() => undefined);
      }
    }
  }

  #entries(): readonly ServiceEntry[] {
    return [...this.#deployers.values()].map((deployer) => deployer.entry());
  }
}

const emptyPools = { live: 'blue', pools: { blue: null, green: null } } as Parameters<
  typeof livePool
>[0];

/** The last table that any worker has; 0: none has one. */
function versionOf(stats: readonly WorkerStats[]): number {
  return Math.max(0, ...stats.map((one) => one.tableVersion));
}
