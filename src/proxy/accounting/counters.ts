/**
 * The counters of one color of one service, in one worker.
 *
 * The rule this file keeps: what is counted per request costs a few additions, label values are
 * bounded, and nothing is ever reset: the controller sums over workers and over their lives.
 */
import { type Color, type ColorCounts, durationBounds, type HistogramCounts } from '../../wire.ts';

const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** Why a request was sent a second time. */
export type RetryReason = 'connect' | 'unverified' | 'stale' | 'reset';

export class Counters {
  readonly #color: Color;
  readonly #requests = new Map<string, number>();
  readonly #retries = new Map<string, number>();
  readonly duration = new Histogram();
  readonly upstream = new Histogram();
  clientAborts = 0;
  panics = 0;

  constructor(color: Color) {
    this.#color = color;
  }

  /** Nothing was counted yet. */
  get untouched(): boolean {
    const events = this.#requests.size + this.#retries.size + this.clientAborts + this.panics;
    return events === 0;
  }

  /** @param status what the client got; 0 where it left before an answer, counted as 499. */
  request(method: string, status: number): void {
    const label = methods.has(method) ? method : 'OTHER';
    const key = `${label} ${status === 0 ? 499 : status}`;
    this.#requests.set(key, (this.#requests.get(key) ?? 0) + 1);
  }

  retry(reason: RetryReason): void {
    this.#retries.set(reason, (this.#retries.get(reason) ?? 0) + 1);
  }

  stats(): ColorCounts {
    return {
      color: this.#color,
      requests: Object.fromEntries(this.#requests),
      duration: this.duration.stats(),
      upstream: this.upstream.stats(),
      clientAborts: this.clientAborts,
      retries: Object.fromEntries(this.#retries),
      panics: this.panics,
    };
  }
}

/** Durations in the buckets of `durationBounds`. */
export class Histogram {
  readonly #buckets: number[] = new Array(durationBounds.length + 1).fill(0);
  #sum = 0;
  #empty = true;

  observe(ms: number): void {
    const seconds = ms / 1000;
    let at = 0;
    while (at < durationBounds.length && seconds > (durationBounds[at] ?? 0)) at++;
    this.#buckets[at] = (this.#buckets[at] ?? 0) + 1;
    this.#sum += seconds;
    this.#empty = false;
  }

  stats(): HistogramCounts {
    return { buckets: this.#empty ? [] : [...this.#buckets], sum: this.#sum };
  }
}
