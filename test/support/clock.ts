/**
 * A clock that stands still until a test lets time pass.
 *
 * The rule this file keeps: timers fire in the order they are due, those of one moment in the order
 * they were set, and `now()` inside a timer is the moment it was due.
 */
import type { Clock } from '../../src/clock.ts';

export interface FakeClock extends Clock {
  /** Lets `ms` pass and fires what falls due, timers set meanwhile included. */
  pass(ms: number): void;
  /** The same, letting promises and sockets settle after every timer and at the end. */
  passAsync(ms: number): Promise<void>;
  /** How many timers wait. */
  readonly pending: number;
}

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly wake: () => void;
}

/** @param startMs what `now()` begins with; the wall clock begins at 2026-01-01T00:00:00Z. */
export function fakeClock(startMs = 1_000): FakeClock {
  let now = startMs;
  let order = 0;
  const timers = new Set<Timer>();

  const fireNext = (until: number): boolean => {
    let next: Timer | undefined;
    for (const timer of timers) {
      if (timer.at > until) continue;
      if (!next || timer.at < next.at || (timer.at === next.at && timer.order < next.order)) {
        next = timer;
      }
    }
    if (!next) return false;
    timers.delete(next);
    now = Math.max(now, next.at);
    next.wake();
    return true;
  };

  return {
    now: () => now,
    date: () => new Date(Date.UTC(2026, 0, 1) + now - startMs),
    after(delayMs, wake) {
      const timer = { at: now + delayMs, order: order++, wake };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    pass(ms) {
      const until = now + ms;
      while (fireNext(until));
      now = until;
    },
    async passAsync(ms) {
      const until = now + ms;
      await settled();
      while (fireNext(until)) await settled();
      now = until;
      await settled();
    },
    get pending() {
      return timers.size;
    },
  };
}

/** Lets what is ready to run, run: promises, then a few turns of the event loop. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}
