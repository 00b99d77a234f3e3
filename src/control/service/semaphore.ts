/**
 * A semaphore lets a few in at a time; the others wait in the order in which they came, behind
 * those that are urgent.
 *
 * The rule this file keeps: who is in leaves, whatever becomes of its work, and then the next goes
 * in.
 */
export class Semaphore {
  readonly #most: number;
  #inside = 0;
  readonly #urgent: (() => void)[] = [];
  readonly #waiting: (() => void)[] = [];

  /** @param most 1 or more: so many are in at a time. */
  constructor(most: number) {
    this.#most = most;
  }

  /** @returns what `work` comes to, begun when its turn has come. */
  async pass<T>(work: () => Promise<T>, urgent = false): Promise<T> {
    const queue = urgent ? this.#urgent : this.#waiting;
    if (this.#inside < this.#most) this.#inside++;
    else await new Promise<void>((enter) => queue.push(enter));
    try {
      return await work();
    } finally {
      const next = this.#urgent.shift() ?? this.#waiting.shift();
      // The place goes from one to the next, so that nobody slips in between.
      if (next === undefined) this.#inside--;
      else next();
    }
  }
}
