/**
 * Asks a client that shut its side, and waits for its answer, whether it is still there.
 *
 * The rule this file keeps: an interim answer is harmless to a client that waits, and is answered
 * with a reset where nobody is; so it is sent again and again until the answer begins.
 */
import { halfCloseProbeAfterMs, halfCloseProbeEveryMs } from './connectionLimits.ts';
import { Deadline, type Deadlines, type Waiter } from './deadlines.ts';

export class HalfCloseProbe implements Waiter {
  readonly #deadlines: Deadlines;
  readonly #ask: () => boolean;
  readonly #deadline = new Deadline(this);

  /** @param ask sends a 100; @returns false where there is nothing to ask any more. */
  constructor(deadlines: Deadlines, ask: () => boolean) {
    this.#deadlines = deadlines;
    this.#ask = ask;
    deadlines.arm(this.#deadline, halfCloseProbeAfterMs);
  }

  expired(): void {
    if (this.#ask()) this.#deadlines.arm(this.#deadline, halfCloseProbeEveryMs);
  }

  end(): void {
    this.#deadlines.disarm(this.#deadline);
  }
}
