/**
 * Calls that were made once, so that the same call again is answered and not done again.
 *
 * The rule this file keeps: only what was done is remembered. A refusal changed nothing, so the
 * same call may be tried again under the same key, and may then succeed. While the first still
 * runs, the second waits and gets the same answer, whichever it is.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import { Fault } from '../../errors.ts';

export const keysMax = 1000;
export const keptMs = 24 * 3_600_000;

interface Entry<A> {
  readonly call: string;
  readonly since: number;
  readonly answer: Promise<A>;
  done: boolean;
}

export class Idempotency<A> {
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry<A>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * @param key null: the call has none, and is simply made.
   * @param call whatever makes two calls the same: method, path, precondition, body.
   * @throws Fault IDEMPOTENCY_MISMATCH, RATE_LIMITED when all keys are of calls that still run;
   *   and whatever `make` throws.
   */
  once(key: string | null, call: readonly unknown[], make: () => Promise<A>): Promise<A> {
    if (key === null) return make();
    this.#forgetOld();
    const digest = createHash('sha256').update(JSON.stringify(call)).digest('hex');
    const known = this.#entries.get(key);
    if (known) {
      if (known.call === digest) return known.answer;
      throw new Fault(
        'IDEMPOTENCY_MISMATCH',
        'This Idempotency-Key came with another call. Make a new key for every new call.',
      );
    }
    this.#makeRoom();
    const entry: Entry<A> = { call: digest, since: this.#clock.now(), answer: make(), done: false };
    this.#entries.set(key, entry);
    entry.answer.then(
      () => {
        entry.done = true;
      },
      () => this.#entries.delete(key),
    );
    return entry.answer;
  }

  #forgetOld(): void {
    const before = this.#clock.now() - keptMs;
    for (const [key, entry] of this.#entries) {
      if (entry.since > before) return;
      if (entry.done) this.#entries.delete(key);
    }
  }

  #makeRoom(): void {
    if (this.#entries.size < keysMax) return;
    for (const [key, entry] of this.#entries) {
      if (!entry.done) continue;
      this.#entries.delete(key);
      return;
    }
    throw new Fault('RATE_LIMITED', `${keysMax} calls are running. Try again in a moment.`);
  }
}
