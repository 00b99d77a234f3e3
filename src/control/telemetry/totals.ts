/**
 * Counters of all workers, summed over workers and over their lives.
 *
 * The rule this file keeps: a total never falls while the controller lives. What a worker had
 * counted when it ended is kept; one that did not answer in time counts with what it said last.
 */
import {
  type Color,
  type ColorCounts,
  durationBounds,
  type HistogramCounts,
  type WorkerStats,
} from '../../wire.ts';

export interface ColorTotals {
  readonly service: string;
  readonly color: Color;
  readonly requests: Readonly<Record<string, number>>;
  readonly duration: HistogramCounts;
  readonly upstream: HistogramCounts;
  readonly clientAborts: number;
  readonly retries: Readonly<Record<string, number>>;
  readonly panics: number;
}

export interface GlobalTotals {
  /** By service. */
  readonly held: Readonly<Record<string, number>>;
  /** Requests for what was being proved, by service. */
  readonly previewed: Readonly<Record<string, number>>;
  readonly unrouted: Readonly<Record<string, number>>;
  readonly logLinesDropped: number;
  readonly lanes: Readonly<Record<string, number>>;
  readonly handovers: Readonly<Record<string, number>>;
  /** By how they ended. */
  readonly handshakes: Readonly<Record<string, number>>;
}

export class Totals {
  /**
   * The last word of every worker process, by pid; those of ended ones stay until they are folded.
   */
  readonly #last = new Map<number, WorkerStats>();
  readonly #ended: Sum = emptySum();
  #summed: Sum | null = null;

  /** Takes in what the workers say now. */
  update(stats: readonly WorkerStats[]): void {
    for (const worker of stats) this.#last.set(worker.pid, worker);
    this.#summed = null;
  }

  /** A worker process has ended: its counts are kept, and its place is freed. */
  ended(pid: number): void {
    const last = this.#last.get(pid);
    if (last === undefined) return;
    this.#last.delete(pid);
    add(this.#ended, last);
    this.#summed = null;
  }

  colors(): readonly ColorTotals[] {
    return [...this.#sum().colors.values()];
  }

  /** @returns undefined: nothing was counted for that color. */
  color(service: string, color: Color): ColorTotals | undefined {
    return this.#sum().colors.get(`${service} ${color}`);
  }

  globals(): GlobalTotals {
    const sum = this.#sum();
    const { held, previewed, unrouted, logLinesDropped, lanes, handovers, handshakes } = sum;
    return { held, previewed, unrouted, logLinesDropped, lanes, handovers, handshakes };
  }

  /** Made once for all that a scrape reads: with a thousand services it is long. */
  #sum(): Sum {
    if (this.#summed === null) {
      this.#summed = structuredClone(this.#ended);
      for (const worker of this.#last.values()) add(this.#summed, worker);
    }
    return this.#summed;
  }
}

interface Sum {
  readonly colors: Map<string, { -readonly [key in keyof ColorTotals]: ColorTotals[key] }>;
  readonly held: Record<string, number>;
  readonly previewed: Record<string, number>;
  readonly unrouted: Record<string, number>;
  readonly lanes: Record<string, number>;
  readonly handovers: Record<string, number>;
  readonly handshakes: Record<string, number>;
  logLinesDropped: number;
}

function emptySum(): Sum {
  return {
    colors: new Map(),
    held: {},
    previewed: {},
    unrouted: {},
    lanes: {},
    handovers: {},
    handshakes: {},
    logLinesDropped: 0,
  };
}

function add(sum: Sum, worker: WorkerStats): void {
  sum.logLinesDropped += worker.logLinesDropped;
  addAll(sum.unrouted, worker.unrouted);
  addAll(sum.lanes, worker.lanes);
  addAll(sum.handovers, worker.handovers);
  addAll(sum.handshakes, worker.handshakes);
  for (const service of worker.services) {
    sum.held[service.name] = (sum.held[service.name] ?? 0) + service.held;
    const { previewed = 0 } = service;
    sum.previewed[service.name] = (sum.previewed[service.name] ?? 0) + previewed;
    for (const counts of service.counts) addColor(sum, service.name, counts);
  }
}

function addColor(sum: Sum, service: string, counts: ColorCounts): void {
  const key = `${service} ${counts.color}`;
  const total = sum.colors.get(key);
  if (total === undefined) {
    const { requests, retries, duration, upstream } = counts;
    sum.colors.set(key, {
      ...counts,
      service,
      requests: { ...requests },
      retries: { ...retries },
      duration: { buckets: [...duration.buckets], sum: duration.sum },
      upstream: { buckets: [...upstream.buckets], sum: upstream.sum },
    });
    return;
  }
  addAll(total.requests as Record<string, number>, counts.requests);
  addAll(total.retries as Record<string, number>, counts.retries);
  total.duration = addHistogram(total.duration, counts.duration);
  total.upstream = addHistogram(total.upstream, counts.upstream);
  total.clientAborts += counts.clientAborts;
  total.panics += counts.panics;
}

function addHistogram(one: HistogramCounts, other: HistogramCounts): HistogramCounts {
  if (other.buckets.length === 0) return one;
  const buckets = Array.from(
    { length: durationBounds.length + 1 },
    (_, at) => (one.buckets[at] ?? 0) + (other.buckets[at] ?? 0),
  );
  return { buckets, sum: one.sum + other.sum };
}

function addAll(into: Record<string, number>, from: Readonly<Record<string, number>>): void {
  for (const [key, count] of Object.entries(from)) into[key] = (into[key] ?? 0) + count;
}
