/**
 * Who gets the CPU first, where there is too little of it: the processes that carry and move
 * traffic, before whatever else runs beside them.
 *
 * The rule this file keeps: it asks, and a system that refuses is no fault. What Pointsman starts
 * for somebody else gets the priority that Pointsman was given itself, not the one it took.
 */
import { getPriority, setPriority } from 'node:os';

/** So much nicer to us than to others: about three times the share of a busy neighbour. */
const step = 5;

/** What this process was given; null: it took no other. */
let given: number | null = null;

/** @returns whether the system allowed it. */
export function raisePriority(): boolean {
  try {
    const before = getPriority();
    setPriority(Math.max(before - step, -20));
    given = before;
    return true;
  } catch {
    return false;
  }
}

/**
 * Does something that begins another process, which inherits what we have in that moment.
 *
 * @param begin returns as soon as the process has begun.
 */
export function asGiven<T>(begin: () => T): T {
  if (given === null) return begin();
  const raised = getPriority();
  setPriority(given);
  try {
    return begin();
  } finally {
    restore(raised);
  }
}

function restore(raised: number): void {
  try {
    setPriority(raised);
  } catch {
    // It was taken away meanwhile; then it is gone.
  }
}
