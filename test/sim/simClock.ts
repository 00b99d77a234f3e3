/**
 * A clock for simulations: like the fake clock of the stories, but quick with many timers.
 *
 * The rule this file keeps: timers fire in the order they are due, those of one moment in the order
 * they were set; between two of them promises get some turns, not all they might want. A schedule
 * in which a continuation comes a timer later is a schedule that can happen.
 */
import type { FakeClock } from '../support/clock.ts';

interface Timer {
  readonly at: number;
  readonly order: number;
  wake: (() => void) | null;
}

/** Turns of the microtask queue between two timers. */
const turns = 12;

export interface SimClock extends FakeClock {
  /** Sets the wall clock; what measures durations goes on as before. */
  jump(ms: number): void;
}

export function simClock(): SimClock {
  let now = 1_000;
  let wall = Date.UTC(2026, 0, 1);
  let order = 0;
  const heap: Timer[] = [];

  const before = (a: Timer, b: Timer): boolean =>
    a.at < b.at || (a.at === b.at && a.order < b.order);

  const push = (timer: Timer): void => {
    let at = heap.push(timer) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up] as Timer;
      if (!before(timer, parent)) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = timer;
  };

  const pop = (): void => {
    const last = heap.pop() as Timer;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= heap.length) break;
      const right = heap[down + 1];
      if (right !== undefined && before(right, heap[down] as Timer)) down++;
      const child = heap[down] as Timer;
      if (!before(child, last)) break;
      heap[at] = child;
      at = down;
    }
    heap[at] = last;
  };

  const fireNext = (until: number): boolean => {
    for (let next = heap[0]; next !== undefined && next.at <= until; next = heap[0]) {
      pop();
      if (next.wake === null) continue;
      now = Math.max(now, next.at);
      next.wake();
      return true;
    }
    return false;
  };

  return {
    now: () => now,
    date: () => new Date(wall + now),
    jump(ms) {
      wall += ms;
    },
    after(delayMs, wake) {
      const timer: Timer = { at: now + delayMs, order: order++, wake };
      push(timer);
      return () => {
        timer.wake = null;
      };
    },
    pass(ms) {
      const until = now + ms;
      while (fireNext(until));
      now = until;
    },
    async passAsync(ms) {
      const until = now + ms;
      for (let turn = 0; turn < turns; turn++) await undefined;
      while (fireNext(until)) for (let turn = 0; turn < turns; turn++) await undefined;
      now = until;
      await new Promise((resolve) => setImmediate(resolve));
    },
    get pending() {
      return heap.length;
    },
  };
}
