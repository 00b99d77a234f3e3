/** Randomness that can be had again: the same seed, the same numbers. */

/** @returns numbers from 0 to below 1, uniform (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/**
 * Of everything that tests make up: the same in every run, so that a change is judged by what it
 * does. `npm run fuzz` takes another each time; `SEED=n` plays that one again.
 */
export const seed = Number(process.env.SEED ?? 1);
