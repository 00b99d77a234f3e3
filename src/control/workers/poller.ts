/**
 * The poller asks the workers how they are: every second for the status that is shown, and whenever
 * somebody has to know now.
 *
 * The rule this file keeps: one question at a time. An answer is as long as there are services, and
 * everything that drains asks.
 */
import type { Clock } from '../../clock.ts';
import { reasonOf } from '../../errors.ts';
import type { Log } from '../../log.ts';
import type { WorkerStats } from '../../wire.ts';
import type { DataPlane } from './dataPlane.ts';

const everyMs = 1_000;

export class Poller {
  readonly #plane: DataPlane;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #answered: (stats: readonly WorkerStats[]) => void;
  #last: readonly WorkerStats[] = [];
  /** The question that is on its way, and the one that is put after it. */
  #asking: Promise<readonly WorkerStats[]> | null = null;
  #next: Promise<readonly WorkerStats[]> | null = null;
  #closed = false;

  /** @param answered is told of every answer. */
  constructor(
    plane: DataPlane,
    clock: Clock,
    log: Log,
    answered: (stats: readonly WorkerStats[]) => void,
  ) {
    this.#plane = plane;
    this.#clock = clock;
    this.#log = log;
    this.#answered = answered;
  }

  /** What the workers last said. */
  get last(): readonly WorkerStats[] {
    return this.#last;
  }

  /**
   * Asks now. Who comes while a question is on its way shares the next, whose answer has seen all
   * that happened before. Never rejects.
   *
   * @returns what those say that answer in time.
   */
  ask(): Promise<readonly WorkerStats[]> {
    if (this.#asking === null) {
      this.#asking = this.#ask().finally(() => {
        this.#asking = null;
      });
      return this.#asking;
    }
    this.#next ??= this.#asking.then(() => {
      this.#next = null;
      return this.ask();
    });
    return this.#next;
  }

  keepAsking(): void {
    this.#clock.after(everyMs, () => {
      if (this.#closed) return;
      void this.ask().finally(() => this.keepAsking());
    });
  }

  close(): void {
    this.#closed = true;
  }

  async #ask(): Promise<readonly WorkerStats[]> {
    try {
      this.#last = await this.#plane.stats();
      this.#answered(this.#last);
      return this.#last;
    } catch (thrown) {
      this.#log.warn({}, `The workers do not say how they are: ${reasonOf(thrown)}`);
      return [];
    }
  }
}
