/**
 * The platforms that services run on: a driver for each kind, made when it is first asked for.
 *
 * The rule this file keeps: what a driver tells goes to the service it concerns; what runs for a
 * service under a name that no record knows is stopped, and nothing else is.
 */
import type { Run } from '../config/config.ts';
import { reasonOf } from '../errors.ts';
import type { Driver, DriverEvent } from './drivers/driver.ts';
import type { Seams } from './seams.ts';

/**
 * What runs without a record is looked for at the start and then so often: a platform may finish
 * late.
 */
const sweepMs = 30_000;

type PoolEvent = Exclude<DriverEvent, { kind: 'platform' }>;

/** What a platform has to know of the services. */
export interface Tenants {
  /** The kinds that some service is to run on. */
  kinds(): readonly Run['kind'][];
  /** A driver tells of a pool of a service. */
  told(service: string, event: PoolEvent): void;
  /** A platform is there again. */
  back(kind: Run['kind']): void;
  /** Whether a pool of a service is one of ours that is on no record. */
  lost(service: string, poolId: string): boolean;
}

export class Platforms {
  readonly #seams: Seams;
  readonly #tenants: Tenants;
  readonly #drivers = new Map<Run['kind'], Driver>();
  readonly #away = new Map<Run['kind'], string>();
  readonly #watches: (() => void)[] = [];
  #closed = false;

  constructor(seams: Seams, tenants: Tenants) {
    this.#seams = seams;
    this.#tenants = tenants;
  }

  driver(kind: Run['kind']): Driver {
    const made = this.#drivers.get(kind);
    if (made !== undefined) return made;
    const driver = this.#seams.drivers[kind]();
    this.#drivers.set(kind, driver);
    this.#watches.push(driver.watch((event) => this.#heard(kind, event)));
    return driver;
  }

  /** Why a platform is away, as its driver said; null: it is there. */
  away(kind: Run['kind']): string | null {
    return this.#away.get(kind) ?? null;
  }

  /** Looks through every platform that is there, now. */
  sweep(): void {
    if (this.#closed) return;
    for (const kind of new Set([...this.#drivers.keys(), ...this.#tenants.kinds()])) {
      if (!this.#away.has(kind)) void this.#sweep(kind);
    }
  }

  keepSweeping(): void {
    this.#seams.clock.after(sweepMs, () => {
      this.sweep();
      if (!this.#closed) this.keepSweeping();
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
      if (service !== undefined) this.#tenants.told(service, event);
      return;
    }
    if (!event.available) {
      this.#away.set(kind, event.reason);
      return;
    }
    this.#away.delete(kind);
    this.#tenants.back(kind);
    void this.#sweep(kind);
  }

  async #sweep(kind: Run['kind']): Promise<void> {
    const driver = this.driver(kind);
    try {
      for (const pool of await driver.list()) {
        if (this.#closed || !this.#tenants.lost(pool.service, pool.poolId)) continue;
        this.#seams.log('warn', `Pool ${pool.poolId} is on no record; it is stopped.`);
        await driver.stop(pool.poolId);
      }
    } catch (thrown) {
      this.#seams.log('warn', `What runs could not be looked through: ${reasonOf(thrown)}`);
    }
  }
}
