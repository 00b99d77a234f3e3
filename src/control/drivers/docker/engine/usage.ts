/**
 * What containers cost: memory now, and CPU since the last time somebody asked.
 *
 * The rule this file keeps: asking costs nothing that waits. The engine is asked for one sample and
 * not for the two, a second apart, that `docker stats` wants; the first sample of a container
 * therefore says nothing of its CPU. What a busy engine, or one far away, says too late for whoever
 * asked is there for the next one.
 */
import { type Clock, pause } from '../../../../clock.ts';
import type { Cost } from '../../driver.ts';
import type { Engine } from './engine.ts';

/** A status page that many watch must not ask the engine for each of them. */
const freshMs = 1_000;
/** Nobody waits longer, and the engine has so long. */
const waitMs = 2_000;
const limitMs = 30_000;

interface Sample {
  readonly at: number;
  readonly cost: Cost;
  /** Nanoseconds of CPU, and when the engine read them, in ms. */
  readonly cpuNs: number;
  readonly readMs: number;
}

interface Answer {
  readonly read?: string;
  readonly cpu_stats?: { readonly cpu_usage?: { readonly total_usage?: number } };
  readonly memory_stats?: {
    readonly usage?: number;
    readonly stats?: { readonly inactive_file?: number; readonly total_inactive_file?: number };
  };
}

/** Remembers one sample for each container that still runs. */
export class UsageReader {
  readonly #samples = new Map<string, Sample>();
  /** Those that the engine is being asked for. */
  readonly #asked = new Map<string, Promise<void>>();
  readonly #engine: Engine;
  readonly #clock: Clock;

  constructor(engine: Engine, clock: Clock) {
    this.#engine = engine;
    this.#clock = clock;
  }

  /** @returns {} where the engine cannot tell, or has not told in time. */
  async of(id: string): Promise<Cost> {
    if (!this.#knows(id, freshMs)) {
      const asked = this.#asked.get(id) ?? this.#ask(id).finally(() => this.#asked.delete(id));
      this.#asked.set(id, asked);
      const over = new AbortController();
      void asked.then(() => over.abort());
      await pause(this.#clock, waitMs, over.signal);
    }
    return this.#knows(id, limitMs) ? (this.#samples.get(id)?.cost ?? {}) : {};
  }

  /** Forgets every container but these. */
  keep(ids: ReadonlySet<string>): void {
    for (const id of this.#samples.keys()) if (!ids.has(id)) this.#samples.delete(id);
  }

  #knows(id: string, forMs: number): boolean {
    const sample = this.#samples.get(id);
    return sample !== undefined && this.#clock.now() - sample.at < forMs;
  }

  async #ask(id: string): Promise<void> {
    const query = { stream: 'false', 'one-shot': 'true' };
    const path = `/containers/${id}/stats`;
    try {
      const answer = await this.#engine.call({ method: 'GET', path, query, limitMs });
      const sample = sampleOf(answer as Answer, this.#clock.now(), this.#samples.get(id));
      this.#samples.set(id, sample);
    } catch {
      // It ended meanwhile, or the engine has no cgroups to read: the status does without.
      this.#samples.delete(id);
    }
  }
}

function sampleOf(answer: Answer, at: number, before: Sample | undefined): Sample {
  const memory = answer.memory_stats ?? {};
  // As `docker stats` counts: file pages that the kernel can take back are no cost.
  const cached = memory.stats?.total_inactive_file ?? memory.stats?.inactive_file ?? 0;
  const cpuNs = answer.cpu_stats?.cpu_usage?.total_usage ?? 0;
  const readMs = Date.parse(answer.read ?? '') || 0;
  const passedMs = before === undefined ? 0 : readMs - before.readMs;
  const cpu =
    before !== undefined && passedMs > 0 && cpuNs >= before.cpuNs
      ? { cpuPercent: Math.round((cpuNs - before.cpuNs) / (passedMs * 1e3)) / 10 }
      : {};
  const used =
    memory.usage === undefined ? {} : { memoryBytes: Math.max(0, memory.usage - cached) };
  return { at, cost: { ...used, ...cpu }, cpuNs, readMs };
}
