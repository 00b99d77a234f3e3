/**
 * The live figures of the page: their shapes, not how they are made.
 *
 * The rule this file keeps: all of it is numbers that a browser draws as they are.
 */
import type { Color } from '../../wire.ts';

/** What `Control` offers of it. */
export interface SampleFeed {
  /** Oldest first, at most `samplesKept`; empty for a service without traffic. */
  recent(service: string): readonly SamplePoint[];
  /** Calls `listener` for each new sample. @returns ends it. */
  subscribe(listener: (sample: Sample) => void): () => void;
}

/** One look at all services. A service that nothing happened in is left out. */
export interface Sample {
  /** Wall time, ms since 1970. */
  readonly atMs: number;
  readonly services: Readonly<Record<string, ServiceSample>>;
}

export type ServiceSample = Readonly<Record<Color, ColorSample | null>>;

export type SamplePoint = ServiceSample & { readonly atMs: number };

export interface ColorSample {
  /** Requests answered per second, and of these the ones answered 5xx. */
  readonly requests: number;
  readonly errors: number;
  /** Milliseconds, interpolated within the histogram's buckets; null where nothing was answered. */
  readonly p50: number | null;
  readonly p99: number | null;
  /** Requests of every kind in flight now. */
  readonly inside: number;
}
