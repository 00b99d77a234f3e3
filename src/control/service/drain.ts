/**
 * How the requests ended that were inside a pool when it stopped being live: summed over the
 * workers.
 *
 * The rule this file keeps: the sum is right at every moment: inflight = finished + clientAborted +
 * cut + stillOpen. What a worker had inside when it died was cut. A worker that is slow to answer
 * is not dead: it is believed to be as it last said, for some polls.
 */
import type { Drained, Inside, WorkerStats } from '../../wire.ts';
import { statsOfPool } from '../workers/stats.ts';
import { addInside, countOf, nobody } from './flip.ts';

/** A worker that was silent for so many polls in a row is counted as gone. */
const silentPollsMax = 5;

interface Known {
  drained: Drained;
  silent: number;
  gone: boolean;
}

export class DrainTally {
  readonly #poolId: string;
  readonly #inflight: Inside;
  readonly #known = new Map<string, Known>();
  #unknownPolls = 0;

  /** @param inflight as the flip's receipt has it. */
  constructor(poolId: string, inflight: Inside) {
    this.#poolId = poolId;
    this.#inflight = inflight;
  }

  /** Takes in one poll. */
  update(stats: readonly WorkerStats[]): Drained {
    const seen = new Set<string>();
    const slots = new Map(stats.map((one) => [one.worker, one.pid]));
    for (const one of stats) {
      const key = `${one.worker}:${one.pid}`;
      seen.add(key);
      const [pool] = statsOfPool([one], this.#poolId);
      const known = this.#known.get(key);
      if (pool?.drained) {
        this.#known.set(key, { drained: pool.drained, silent: 0, gone: false });
      } else if (known !== undefined && pool === undefined) {
        known.gone = true;
      }
      // A pool that is there and drains no more is live again: what was inside lives on unharmed.
    }
    for (const [key, known] of this.#known) {
      if (seen.has(key)) continue;
      known.silent += 1;
      const slot = Number(key.split(':')[0]);
      const replaced = slots.has(slot);
      if (replaced || known.silent >= silentPollsMax) known.gone = true;
    }
    return this.#sum();
  }

  /** The time for draining is over: whatever is not known to have ended was cut. */
  close(): Drained {
    for (const known of this.#known.values()) {
      if (!known.drained.done) known.gone = true;
    }
    this.#unknownPolls = silentPollsMax;
    return { ...this.#sum(), done: true };
  }

  #sum(): Drained {
    let reported: Inside = nobody;
    let finished = 0;
    let clientAborted = 0;
    let cut = 0;
    let stillOpen = 0;
    let done = true;
    for (const { drained, gone } of this.#known.values()) {
      reported = addInside(reported, drained.inflight);
      finished += drained.finished;
      clientAborted += drained.clientAborted;
      cut += drained.cut;
      const open =
        countOf(drained.inflight) - drained.finished - drained.clientAborted - drained.cut;
      if (gone) cut += open;
      else stillOpen += open;
      done &&= gone || drained.done;
    }
    const inflight: Inside = {
      http: Math.max(reported.http, this.#inflight.http),
      sse: Math.max(reported.sse, this.#inflight.sse),
      upgrade: Math.max(reported.upgrade, this.#inflight.upgrade),
    };
    // Inside a worker that has not spoken since the flip: slow at first, then gone.
    const unknown = countOf(inflight) - countOf(reported);
    if (unknown > 0 && this.#unknownPolls < silentPollsMax) {
      this.#unknownPolls += 1;
      stillOpen += unknown;
      done = false;
    } else {
      cut += unknown;
    }
    return { inflight, finished, clientAborted, cut, stillOpen, done };
  }
}

/** What is inside a pool now, over all workers. */
export function insideOf(stats: readonly WorkerStats[], poolId: string): Inside {
  return statsOfPool(stats, poolId).reduce((sum, pool) => addInside(sum, pool.inside), nobody);
}
