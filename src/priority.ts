/**
 * Who gets the CPU first, where there is too little of it: the processes that carry and move
 * traffic, before whatever else runs beside them.
 *
 * The rule this file keeps: it asks, and a system that refuses is no fault. What Pointsman starts
 * for somebody else gets the priority that Pointsman was given itself, not the one it took.
 */
import { readdirSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';

/** So much nicer to us than to others: about three times the share of a busy neighbour. */
const step = 5;

/** What this process was given; null: it took no other. */
let given: number | null = null;

/** @returns whether the system allowed it. */
export function raisePriority(): boolean {
  try {
    const before = getPriority();
    const raised = Math.max(before - step, -20);
    setPriority(raised);
    given = before;
    for (const thread of threads()) take(raised, thread);
    return true;
  } catch {
    return false;
  }
}

/**
 * On Linux each thread has a priority of its own, and those that read and write files have been
 * started by the time anybody asks: at the old one a flip waits for them behind its own workers.
 */
function threads(): readonly number[] {
  try {
    return readdirSync('/proc/self/task').map(Number);
  } catch {
    return [];
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
    take(raised);
  }
}

function take(raised: number, thread = 0): void {
  try {
    setPriority(thread, raised);
  } catch {
    // It was taken away meanwhile, or the thread has ended; then it is gone.
  }
}
