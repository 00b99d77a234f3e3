/**
 * Deadlines of exchanges, on a wheel of coarse ticks: setting one costs a few assignments, not a
 * timer.
 *
 * The rule this file keeps: a deadline never fires early, and at most `tickMs` late (as far as the
 * event loop turns). While nothing is set, nothing ticks.
 */
import type { Clock } from '../clock.ts';

/** Fine enough for timeouts that are told in tenths of seconds. */
const defaultTickMs = 100;
/** One turn of the wheel is 51.2 s; what is due later goes round again. */
const slotCount = 512;

/** Whoever waits for a deadline. */
export interface Waiter {
  /** The deadline passed; it is not set any more, and may be set again from here. */
  expired(): void;
}

/** One deadline of one waiter, set and taken back as often as needed. */
export class Deadline {
  readonly waiter: Waiter;
  /** Monotonic; 0 where it is not set. */
  dueMs = 0;
  /** For `Deadlines` alone. */
  slot = -1;
  before: Deadline | null = null;
  after: Deadline | null = null;

  constructor(waiter: Waiter) {
    this.waiter = waiter;
  }
}

export class Deadlines {
  readonly #clock: Clock;
  readonly #tickMs: number;
  readonly #slots: (Deadline | null)[] = new Array(slotCount).fill(null);
  #set = 0;
  /** The last tick whose slot was emptied. */
  #tick = 0;
  #ticking = false;

  constructor(clock: Clock, tickMs: number = defaultTickMs) {
    this.#clock = clock;
    this.#tickMs = tickMs;
  }

  /** How many are set. */
  get size(): number {
    return this.#set;
  }

  /** Sets or moves a deadline to `delayMs` from now. */
  arm(deadline: Deadline, delayMs: number): void {
    const now = this.#clock.now();
    if (!this.#ticking) this.#start(now);
    deadline.dueMs = now + delayMs;
    // A later deadline stays where it is: its slot sends it on when it comes round.
    if (deadline.slot === -1) {
      this.#set++;
    } else {
      if (this.#ahead(deadline.slot) <= this.#tickOf(deadline.dueMs) - this.#tick) return;
      this.#unlink(deadline);
    }
    this.#link(deadline);
  }

  disarm(deadline: Deadline): void {
    deadline.dueMs = 0;
    if (deadline.slot === -1) return;
    this.#unlink(deadline);
    this.#set--;
  }

  /** The first tick at which something due at `dueMs` is due. */
  #tickOf(dueMs: number): number {
    return Math.ceil(dueMs / this.#tickMs);
  }

  /** In how many ticks a slot comes round: 1 to slotCount. */
  #ahead(slot: number): number {
    const ticks = (slot - (this.#tick % slotCount) + slotCount) % slotCount;
    return ticks === 0 ? slotCount : ticks;
  }

  #start(now: number): void {
    this.#ticking = true;
    this.#tick = Math.floor(now / this.#tickMs);
    this.#wait(now);
  }

  /** Ticks fall on multiples of their length, so that nothing waits for two. */
  #wait(now: number): void {
    const delayMs = (Math.floor(now / this.#tickMs) + 1) * this.#tickMs - now;
    this.#clock.after(delayMs, () => this.#turn());
  }

  #turn(): void {
    const until = Math.floor(this.#clock.now() / this.#tickMs);
    // After a long stop of the event loop one whole turn sees every slot.
    if (until - this.#tick > slotCount) this.#tick = until - slotCount;
    while (this.#tick < until) {
      this.#tick++;
      this.#empty(this.#tick % slotCount);
    }
    if (this.#set === 0) {
      this.#ticking = false;
      return;
    }
    this.#wait(this.#clock.now());
  }

  #empty(slot: number): void {
    let next = this.#slots[slot] ?? null;
    this.#slots[slot] = null;
    const due: Deadline[] = [];
    while (next !== null) {
      const deadline: Deadline = next;
      next = deadline.after;
      deadline.slot = -1;
      deadline.before = null;
      deadline.after = null;
      if (this.#tickOf(deadline.dueMs) <= this.#tick) due.push(deadline);
      else this.#link(deadline);
    }
    this.#set -= due.length;
    // Called only when the lists are whole again: a waiter may set and take back any deadline.
    for (const deadline of due) {
      if (deadline.slot !== -1 || deadline.dueMs === 0) continue;
      deadline.dueMs = 0;
      deadline.waiter.expired();
    }
  }

  #link(deadline: Deadline): void {
    const tick = Math.max(this.#tickOf(deadline.dueMs), this.#tick + 1);
    const slot = tick % slotCount;
    const first = this.#slots[slot] ?? null;
    deadline.slot = slot;
    deadline.before = null;
    deadline.after = first;
    if (first !== null) first.before = deadline;
    this.#slots[slot] = deadline;
  }

  #unlink(deadline: Deadline): void {
    const { before, after, slot } = deadline;
    if (before === null) this.#slots[slot] = after;
    else before.after = after;
    if (after !== null) after.before = before;
    deadline.slot = -1;
    deadline.before = null;
    deadline.after = null;
  }
}
