/**
 * The platforms that services run on: a driver for each kind, made when it is first asked for.
 *
 * The rule this file keeps: what a driver tells goes to the service it concerns; what runs for a
 * service under a name that no record knows (a platform may finish late) is stopped, and nothing
 * else is. What a status shows of costs was looked up before: nobody waits for it.
 */
import type { Clock } from '../../clock.ts';
import type { Run } from '../../config/config.ts';
import { reasonOf } from '../../errors.ts';
import type { Log } from '../../log.ts';
import type { Cost, Driver, DriverEvent, RunningPool } from './driver.ts';

/**
 * The rest between two looks at what runs and what it costs. A platform that takes long to tell is
 * asked less often: so many times as long as it took.
 */
const restMsMin = 5_000;
const restPerLook = 5;

type PoolEvent = Exclude<DriverEvent, { kind: 'platform' }>;

interface PlatformsDependencies {
  readonly clock: Clock;
  readonly log: Log;
  /** Each called at most once, and only where a service runs that way. */
  readonly drivers: Readonly<Record<Run['kind'], () => Driver>>;
}

/** What a platform has to know of the services. */
export interface Tenants {
  /** The kinds that some service is to run on. */
  kinds(): readonly Run['kind'][];
  /** A driver tells of a pool of a service. */
  poolChanged(service: string, event: PoolEvent): void;
  /** A platform is there again. */
  available(kind: Run['kind']): void;
  /** Whether a pool of a service is one of ours that is on no record. */
  unrecorded(service: string, poolId: string): boolean;
}

export class Platforms {
  readonly #dependencies: PlatformsDependencies;
  readonly #tenants: Tenants;
  readonly #drivers = new Map<Run['kind'], Driver>();
  readonly #away = new Map<Run['kind'], string>();
  readonly #watches: (() => void)[] = [];
  /** What ran at the last look, by kind and then by id. */
  readonly #ran = new Map<Run['kind'], ReadonlyMap<string, RunningPool>>();
  /**
   * Pools that were on no record at the last look. One that is so twice is: while a platform tells
   * what runs, a pool may be stopped and forgotten.
   */
  readonly #lost = new Map<Run['kind'], ReadonlySet<string>>();
  #closed = false;

  constructor(dependencies: PlatformsDependencies, tenants: Tenants) {
    this.#dependencies = dependencies;
    this.#tenants = tenants;
  }

  driver(kind: Run['kind']): Driver {
    const made = this.#drivers.get(kind);
    if (made !== undefined) return made;
    const driver = this.#dependencies.drivers[kind]();
    this.#drivers.set(kind, driver);
    this.#watches.push(driver.watch((event) => this.#heard(kind, event)));
    return driver;
  }

  /** Why a platform is away, as its driver said; null: it is there. */
  away(kind: Run['kind']): string | null {
    return this.#away.get(kind) ?? null;
  }

  /** What a target of a pool cost at the last look. */
  cost(kind: Run['kind'], poolId: string, target: string): Cost {
    const targets = this.#ran.get(kind)?.get(poolId)?.targets;
    const { memoryBytes, cpuPercent } = targets?.find(({ id }) => id === target) ?? {};
    return {
      ...(memoryBytes !== undefined && { memoryBytes }),
      ...(cpuPercent !== undefined && { cpuPercent }),
    };
  }

  /** Looks through every platform that is there. */
  async look(): Promise<void> {
    if (this.#closed) return;
    const kinds = new Set([...this.#drivers.keys(), ...this.#tenants.kinds()]);
    const there = [...kinds].filter((kind) => !this.#away.has(kind));
    await Promise.all(there.map((kind) => this.#look(kind)));
  }

  keepLooking(restMs = restMsMin): void {
    const { clock } = this.#dependencies;
    clock.after(restMs, async () => {
      const begun = clock.now();
      await this.look();
      const tookMs = clock.now() - begun;
      if (!this.#closed) this.keepLooking(Math.max(restMsMin, tookMs * restPerLook));
    });
  }

  /** Listens no more; what runs, runs on. */
  close(): void {
    this.#closed = true;
    for (const end of this.#watches) end();
  }

  #heard(kind: Run['kind'], event: DriverEvent): void {
    if (this.#closed) return;
    if (event.kind !== 'platform') {
      const service = /^(.+)\.(?:blue|green)\.\d+$/.exec(event.poolId)?.[1];
      if (service !== undefined) this.#tenants.poolChanged(service, event);
      return;
    }
    if (!event.available) {
      this.#away.set(kind, event.reason);
      return;
    }
    this.#away.delete(kind);
    this.#tenants.available(kind);
    void this.#look(kind);
  }

  async #look(kind: Run['kind']): Promise<void> {
    const driver = this.driver(kind);
    try {
      const pools = await driver.list();
      this.#ran.set(kind, new Map(pools.map((pool) => [pool.poolId, pool])));
      const lost = pools.filter(({ service, poolId }) => this.#tenants.unrecorded(service, poolId));
      const before = this.#lost.get(kind);
      this.#lost.set(kind, new Set(lost.map(({ poolId }) => poolId)));
      for (const { poolId } of lost) {
        if (this.#closed || !before?.has(poolId)) continue;
        this.#dependencies.log.warn({}, `Pool ${poolId} is on no record; it is stopped.`);
        await driver.stop(poolId);
      }
    } catch (thrown) {
      this.#dependencies.log.warn({}, `What runs could not be looked through: ${reasonOf(thrown)}`);
    }
  }
}
