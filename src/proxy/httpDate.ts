/**
 * The time as a Date field has it, for answers of targets that say none.
 *
 * The rule this file keeps: RFC 9110 section 6.6.1 has whoever passes such an answer on add the
 * time it came. The text is made once a second, not once an answer.
 */
import type { Clock } from '../clock.ts';

const secondMs = 1_000;

export class HttpDate {
  readonly #clock: Clock;
  /** '': to be made anew. */
  #text = '';

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** In the form of RFC 9110 section 5.6.7. */
  get text(): string {
    if (this.#text === '') {
      const date = this.#clock.date();
      this.#text = date.toUTCString();
      this.#clock.after(secondMs - (date.getTime() % secondMs), () => {
        this.#text = '';
      });
    }
    return this.#text;
  }
}
