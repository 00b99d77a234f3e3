/**
 * The pools of a service in one worker: those that its table names, and those that leave.
 *
 * The rule this file keeps: a pool is known by its id, wherever it stands. What was a candidate is
 * the same pool once it has a color, with all that is inside it; and what has no place any more is
 * retired by itself, so that nobody waits for that.
 */
import type { Clock } from '../../clock.ts';
import { type Color, otherColor, type PoolEntry, type ServiceEntry } from '../../wire.ts';
import { Pool } from './pool.ts';

export class Places {
  #blue: Pool | null = null;
  #green: Pool | null = null;
  #candidate: Pool | null = null;
  /** Retired, with requests still inside. */
  readonly #leaving = new Set<Pool>();
  readonly #clock: Clock;
  readonly #released: () => void;

  /** @param released see `Pool`. */
  constructor(clock: Clock, released: () => void) {
    this.#clock = clock;
    this.#released = released;
  }

  at(color: Color): Pool | null {
    return color === 'blue' ? this.#blue : this.#green;
  }

  /** Those that the table names. */
  named(): readonly Pool[] {
    return [this.#blue, this.#green, this.#candidate].filter((pool) => pool !== null);
  }

  /** Those that leave too. */
  all(): readonly Pool[] {
    return [...this.named(), ...this.#leaving];
  }

  get idle(): boolean {
    return this.#leaving.size === 0 && this.named().every((pool) => pool.empty);
  }

  /** @returns those that have no place any more: to be retired. */
  fill({ pools, live, candidate = null }: ServiceEntry): readonly Pool[] {
    const before = this.named();
    this.#blue = this.#poolOf('blue', pools.blue, before);
    this.#green = this.#poolOf('green', pools.green, before);
    this.#candidate = this.#poolOf(otherColor(live), candidate, before);
    const now = this.named();
    return before.filter((pool) => !now.includes(pool));
  }

  retire(pools: readonly Pool[]): void {
    for (const pool of pools) {
      pool.retire();
      if (!pool.empty) this.#leaving.add(pool);
    }
  }

  #poolOf(color: Color, entry: PoolEntry | null, before: readonly Pool[]): Pool | null {
    if (entry === null) return null;
    const kept = before.find(({ id }) => id === entry.id);
    if (kept === undefined) return new Pool(color, entry, this.#clock, () => this.#left());
    kept.update(entry);
    return kept;
  }

  #left(): void {
    for (const pool of this.#leaving) {
      if (pool.empty) this.#leaving.delete(pool);
    }
    this.#released();
  }
}
