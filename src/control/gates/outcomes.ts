/**
 * How requests ended that were sent to one filling of a color: what all workers told of it, over
 * their lives, and how it went in the last minutes.
 *
 * The rule this file keeps: what a worker had told when it ended is kept, so figures never fall;
 * and of the past a fixed number of points is kept, however long a release is live.
 */
import type { OutcomeCounts, WorkerStats } from '../../wire.ts';
import type { Figures } from '../model/state.ts';
import { statsOfPool } from '../workers/stats.ts';
import type { ReleaseFigures } from './evidence.ts';

/** How far back a release that is left is looked at, and in which steps. */
export const baselineMs = 5 * 60_000;
const stepMs = 5_000;
/** Where its last moments were worse than that, these count: what fails now fails for both. */
const recentMs = 30_000;
const recentMin = 50;

interface Told {
  readonly pid: number;
  readonly counts: OutcomeCounts;
}

interface Point extends Figures {
  readonly atMs: number;
}

export class PoolOutcomes {
  readonly poolId: string;
  /** The last word of each worker, by its place; who takes the place of another begins anew. */
  readonly #told = new Map<number, Told>();
  #ended: OutcomeCounts = none;
  #points: Point[] = [];

  constructor(poolId: string) {
    this.poolId = poolId;
  }

  /** @param nowMs monotonic. */
  see(stats: readonly WorkerStats[], nowMs: number): void {
    for (const one of stats) {
      const counts = statsOfPool([one], this.poolId)[0]?.outcomes;
      if (counts === undefined) continue;
      const before = this.#told.get(one.worker);
      if (before !== undefined && before.pid !== one.pid) {
        this.#ended = sum([this.#ended, before.counts]);
      }
      this.#told.set(one.worker, { pid: one.pid, counts });
    }
    const last = this.#points.at(-1);
    if (last !== undefined && nowMs - last.atMs < stepMs) return;
    const { sent, failed } = this.figures();
    this.#points.push({ atMs: nowMs, sent, failed });
    // One point from before the time that is looked at: there it begins.
    while ((this.#points[1]?.atMs ?? nowMs) <= nowMs - baselineMs) this.#points.shift();
  }

  /** Since the pool was filled. */
  figures(): ReleaseFigures {
    return sum([this.#ended, ...[...this.#told.values()].map(({ counts }) => counts)]);
  }

  /** Of the last five minutes, or of the last half minute where that was worse. */
  lately(nowMs: number): Figures {
    const all = this.#since(nowMs - baselineMs);
    const recent = this.#since(nowMs - recentMs);
    if (recent.sent < recentMin) return all;
    return recent.failed * all.sent > all.failed * recent.sent ? recent : all;
  }

  #since(fromMs: number): Figures {
    const now = this.figures();
    const then = this.#points.findLast(({ atMs }) => atMs <= fromMs) ?? this.#points[0];
    if (then === undefined) return { sent: now.sent, failed: now.failed };
    // The first look found what came before it: a controller that has just started knows no better.
    const from = then === this.#points[0] && then.atMs > fromMs ? none : then;
    return { sent: now.sent - from.sent, failed: now.failed - from.failed };
  }
}

const none: OutcomeCounts = { sent: 0, failed: 0, clients: {} };

function sum(all: readonly OutcomeCounts[]): OutcomeCounts {
  const clients: Record<string, number> = {};
  let sent = 0;
  let failed = 0;
  for (const counts of all) {
    sent += counts.sent;
    failed += counts.failed;
    for (const [client, count] of Object.entries(counts.clients)) {
      clients[client] = (clients[client] ?? 0) + count;
    }
  }
  return { sent, failed, clients };
}
