/**
 * Judges the records of many clients by the flip contract: who may have answered whom.
 *
 * The rule this file keeps: it knows only what a client can know. A flip has happened by the time
 * the API said so, or by the time any client had read an answer of the new release, whichever was
 * first; it cannot have happened before it was asked for.
 */
import type { Exchange } from './clients.ts';

/** One flip, in the order in which they were asked for; the first is where it all began. */
export interface FlipSeen {
  readonly to: string;
  /** `performance.now()` just before it was asked for, and just after the answer was read. */
  readonly asked: number;
  readonly answered: number;
}

/** @returns one sentence for each exchange that was answered by a release that must not have it. */
export function strays(flips: readonly FlipSeen[], exchanges: readonly Exchange[]): string[] {
  const answered = exchanges.filter(({ by }) => by !== '').sort((a, b) => a.start - b.start);
  const known = knownFrom(flips, answered);
  return answered.flatMap((one) => {
    const first = last(known, (at) => at < one.start);
    const latest = last(flips, ({ asked }) => asked <= one.head);
    const allowed = flips.slice(first, latest + 1).map(({ to }) => to);
    if (allowed.includes(one.by)) return [];
    const since = (one.start - (known[first] ?? 0)).toFixed(2);
    return [`client ${one.client}: ${one.by}, ${since} ms after it was known: ${allowed}`];
  });
}

/** When each flip was known to a client at the latest. */
function knownFrom(flips: readonly FlipSeen[], exchanges: readonly Exchange[]): readonly number[] {
  const known: number[] = [];
  for (const [at, flip] of flips.entries()) {
    const before = known.at(-1) ?? Number.NEGATIVE_INFINITY;
    const next = flips[at + 1]?.asked ?? Number.POSITIVE_INFINITY;
    let first = flip.answered;
    if (flips[at - 1]?.to !== flip.to) {
      // It started when the former flip was known, so it is no answer to an older one.
      for (const one of exchanges) {
        if (one.by !== flip.to || one.start <= before || one.head >= next) continue;
        if (one.head < first && one.head >= flip.asked) first = one.head;
      }
    }
    known.push(first);
  }
  return known;
}

function last<T>(list: readonly T[], holds: (one: T) => boolean): number {
  for (let at = list.length - 1; at > 0; at--) {
    const one = list[at];
    if (one !== undefined && holds(one)) return at;
  }
  return 0;
}
