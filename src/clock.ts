/**
 * Time as an argument: everything that waits, measures or stamps takes a `Clock`.
 *
 * The rule this file keeps: deadlines and durations come from the monotonic clock, so a wall clock
 * that jumps two days back moves none of them; the wall clock is only ever printed.
 */
export interface Clock {
  /**
   * Monotonic milliseconds since some fixed moment; fractions count. For deadlines and durations.
   */
  now(): number;
  /** Wall time, for people: logs, receipts, history. Never compared. */
  date(): Date;
  /**
   * Calls `wake` once, `delayMs` from now.
   *
   * @param delayMs 0 to 2_147_483_647 (Node's limit for a timer).
   * @returns takes the call back; does nothing once it was made.
   */
  after(delayMs: number, wake: () => void): () => void;
}

/** The clock of the machine. Its timers do not keep a process alive that has nothing else to do. */
export const systemClock: Clock = {
  now: () => performance.now(),
  date: () => new Date(),
  after(delayMs, wake) {
    const timer = setTimeout(wake, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/**
 * Resolves `delayMs` from now, or at once when `signal` aborts (the caller looks at the signal).
 */
export function pause(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const woken = (): void => {
      signal?.removeEventListener('abort', aborted);
      resolve();
    };
    const cancel = clock.after(delayMs, woken);
    const aborted = (): void => {
      cancel();
      resolve();
    };
    signal?.addEventListener('abort', aborted, { once: true });
  });
}
