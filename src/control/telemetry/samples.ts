/**
 * The live figures of the page: what the workers counted since the last look, as rates and
 * quantiles.
 *
 * The rule this file keeps: counters are compared worker by worker, never as sums. A worker that
 * was replaced begins at zero again, and a sum over all of them would then read as negative
 * traffic. And it keeps a fixed amount: `samplesKept` looks, of at most `servicesKept` services,
 * however long it runs.
 */

import type { ServiceStats, WorkerStats } from '../../wire.ts';
import { type Color, type ColorCounts, colors, durationBounds } from '../../wire.ts';
import type {
  ColorSample,
  Sample,
  SampleFeed,
  SamplePoint,
  ServiceSample,
} from '../model/samples.ts';

/** A quarter of an hour at one look a second. */
export const samplesKept = 900;

/** Series are kept for so many services, the first that had traffic: 32 KB each. */
export const servicesKept = 500;

/** requests, errors, p50, p99, inside */
const fields = 5;
const width = fields * colors.length;

export class Sampler implements SampleFeed {
  #before: Look | null = null;
  readonly #times = new Float64Array(samplesKept);
  readonly #series = new Map<string, Float32Array>();
  readonly #listeners = new Set<(sample: Sample) => void>();
  #taken = 0;

  /**
   * Takes one look. The first has nothing to compare with, and gives rates of zero.
   *
   * @param date wall time, for the chart.
   * @param nowMs monotonic, for the rates.
   * @param workers what `DataPlane.stats` gave.
   */
  take(date: Date, nowMs: number, workers: readonly WorkerStats[]): Sample {
    const before = this.#before;
    const seconds = before ? Math.max(0.001, (nowMs - before.atMs) / 1000) : null;
    const grown = new Map<string, Record<Color, Growth>>();
    const now: Look = { atMs: nowMs, workers: new Map() };
    for (const worker of workers) {
      const id = `${worker.worker}:${worker.pid}`;
      now.workers.set(id, new Map(worker.services.map((service) => [service.name, service])));
      for (const service of worker.services) {
        const growth = grown.get(service.name) ?? { blue: noGrowth(), green: noGrowth() };
        grown.set(service.name, growth);
        add(growth, service, before?.workers.get(id)?.get(service.name));
      }
    }
    this.#before = now;
    const services: Record<string, ServiceSample> = {};
    for (const [name, growth] of grown) {
      const blue = colorSample(growth.blue, seconds);
      const green = colorSample(growth.green, seconds);
      if (blue || green) services[name] = { blue, green };
    }
    const sample = { atMs: date.getTime(), services };
    this.#keep(sample);
    for (const listener of this.#listeners) listener(sample);
    return sample;
  }

  recent(service: string): readonly SamplePoint[] {
    const series = this.#series.get(service);
    if (!series) return [];
    const points: SamplePoint[] = [];
    const count = Math.min(this.#taken, samplesKept);
    for (let back = count; back > 0; back--) {
      const slot = (this.#taken - back) % samplesKept;
      const at = slot * width;
      const blue = unpack(series, at);
      const green = unpack(series, at + fields);
      points.push({ atMs: this.#times[slot] ?? 0, blue, green });
    }
    return points;
  }

  subscribe(listener: (sample: Sample) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** How many listen now: looks may be rarer while nobody does. */
  get watched(): number {
    return this.#listeners.size;
  }

  /** Forgets services that are gone from the config. */
  keepOnly(names: ReadonlySet<string>): void {
    for (const name of this.#series.keys()) if (!names.has(name)) this.#series.delete(name);
  }

  #keep(sample: Sample): void {
    const slot = this.#taken % samplesKept;
    this.#taken += 1;
    this.#times[slot] = sample.atMs;
    for (const series of this.#series.values()) {
      series.fill(Number.NaN, slot * width, (slot + 1) * width);
    }
    for (const [name, service] of Object.entries(sample.services)) {
      let series = this.#series.get(name);
      if (!series) {
        if (this.#series.size >= servicesKept) continue;
        series = new Float32Array(samplesKept * width).fill(Number.NaN);
        this.#series.set(name, series);
      }
      pack(series, slot * width, service.blue);
      pack(series, slot * width + fields, service.green);
    }
  }
}

/**
 * A quantile of what fell into the buckets, in ms, linear within a bucket as Prometheus does it; in
 * the last bucket, which has no bound, the bound below it. null where nothing fell.
 *
 * @param q 0 to 1
 */
export function quantileMs(buckets: readonly number[], q: number): number | null {
  const total = buckets.reduce((sum, count) => sum + count, 0);
  if (total <= 0) return null;
  const rank = q * total;
  let below = 0;
  for (const [index, count] of buckets.entries()) {
    if (count > 0 && below + count >= rank) {
      const from = index === 0 ? 0 : (durationBounds[index - 1] ?? 0);
      const to = durationBounds[index];
      return 1000 * (to === undefined ? from : from + (to - from) * ((rank - below) / count));
    }
    below += count;
  }
  return 1000 * (durationBounds.at(-1) ?? 0);
}

interface Look {
  readonly atMs: number;
  /** By slot and pid, then by service. */
  readonly workers: Map<string, ReadonlyMap<string, ServiceStats>>;
}

interface Growth {
  requests: number;
  errors: number;
  readonly buckets: number[];
  inside: number;
}

function noGrowth(): Growth {
  return { requests: 0, errors: 0, buckets: [], inside: 0 };
}

function add(growth: Record<Color, Growth>, now: ServiceStats, before?: ServiceStats): void {
  for (const pool of now.pools) {
    const { http, sse, upgrade } = pool.inside;
    growth[pool.color].inside += http + sse + upgrade;
  }
  for (const counts of now.counts) {
    const old = before?.counts.find((one) => one.color === counts.color);
    addCounts(growth[counts.color], counts, old);
  }
}

function addCounts(growth: Growth, now: ColorCounts, before: ColorCounts | undefined): void {
  for (const [key, count] of Object.entries(now.requests)) {
    const more = Math.max(0, count - (before?.requests[key] ?? 0));
    growth.requests += more;
    if (key.slice(key.lastIndexOf(' ') + 1).startsWith('5')) growth.errors += more;
  }
  for (const [index, count] of now.duration.buckets.entries()) {
    const more = Math.max(0, count - (before?.duration.buckets[index] ?? 0));
    growth.buckets[index] = (growth.buckets[index] ?? 0) + more;
  }
}

function colorSample(growth: Growth, seconds: number | null): ColorSample | null {
  if (seconds === null) {
    if (growth.inside === 0) return null;
    return { requests: 0, errors: 0, p50: null, p99: null, inside: growth.inside };
  }
  if (growth.requests === 0 && growth.inside === 0) return null;
  return {
    requests: round(growth.requests / seconds),
    errors: round(growth.errors / seconds),
    p50: roundOrNull(quantileMs(growth.buckets, 0.5)),
    p99: roundOrNull(quantileMs(growth.buckets, 0.99)),
    inside: growth.inside,
  };
}

function pack(series: Float32Array, at: number, sample: ColorSample | null): void {
  if (!sample) return;
  const { requests, errors, p50, p99, inside } = sample;
  series.set([requests, errors, p50 ?? Number.NaN, p99 ?? Number.NaN, inside], at);
}

function unpack(series: Float32Array, at: number): ColorSample | null {
  const value = (field: number): number => series[at + field] ?? Number.NaN;
  if (Number.isNaN(value(0))) return null;
  return {
    requests: round(value(0)),
    errors: round(value(1)),
    p50: roundOrNull(Number.isNaN(value(2)) ? null : value(2)),
    p99: roundOrNull(Number.isNaN(value(3)) ? null : value(3)),
    inside: value(4),
  };
}

/** Two decimals: what travels each second is read by people. */
function round(value: number): number {
  return Math.round(value * 100) / 100;
}

function roundOrNull(value: number | null): number | null {
  return value === null ? null : round(value);
}
