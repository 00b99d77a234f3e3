/**
 * What somebody probably meant who misspelt a word.
 *
 * The rule this file keeps: one guess or none. A wrong guess costs more time than silence.
 */

/**
 * @param word as written.
 * @param known what it could have been.
 * @returns the nearest, where a third of its letters at most are wrong; case, `-` and `_` do not
 *   count.
 */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const written = bare(word.slice(0, 64));
  let best: string | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const candidate of known) {
    const away = distance(written, bare(candidate));
    if (away < least && away <= Math.max(1, Math.floor(candidate.length / 3))) {
      best = candidate;
      least = away;
    }
  }
  return best;
}

/**
 * Letters to insert, delete, replace or swap with a neighbour, so that one word becomes the other.
 */
export function distance(from: string, to: string): number {
  let before: number[] = [];
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= to.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1];
      const swap = swapped ? (before[j - 2] ?? 0) + 1 : replaced;
      next.push(Math.min(replaced, swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    before = row;
    row = next;
  }
  return row[to.length] ?? 0;
}

function bare(word: string): string {
  return word.toLowerCase().replaceAll(/[-_]/g, '');
}
