/**
 * How often a client may do something that costs us more than it costs the client.
 *
 * The rule this file keeps: a bucket that fills by the clock: a burst is nothing, going on is.
 */
import type { Clock } from '../../clock.ts';

export interface Allowance {
  /** So many at once. */
  readonly burst: number;
  readonly perSecond: number;
}

export class Budget {
  readonly #clock: Clock;
  readonly #allowance: Allowance;
  #left: number;
  #countedMs: number;

  constructor(clock: Clock, allowance: Allowance) {
    this.#clock = clock;
    this.#allowance = allowance;
    this.#left = allowance.burst;
    this.#countedMs = clock.now();
  }

  /** @returns false: there is nothing left to spend. */
  spend(): boolean {
    const { burst, perSecond } = this.#allowance;
    const now = this.#clock.now();
    this.#left = Math.min(burst, this.#left + ((now - this.#countedMs) / 1000) * perSecond) - 1;
    this.#countedMs = now;
    return this.#left >= 0;
  }
}
