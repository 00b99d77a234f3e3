/**
 * The publisher builds the table from how things stand, and hands it to the workers.
 *
 * The rule this file keeps: a table is built in the turn in which it is sent, and they are sent one
 * after another. So no older view follows a newer one; and a service in mid-flip, whose view is the
 * staged one until its commit, is staged in every table of that time.
 */
import type { Clock } from '../../clock.ts';
import type { Config } from '../../config/config.ts';
import { Fault, reasonOf } from '../../errors.ts';
import type { Log } from '../../log.ts';
import type { ServiceEntry, Table } from '../../wire.ts';
import type { DataPlane } from './dataPlane.ts';

/** Changes so close together make one table. */
const coalesceMs = 5;
/**
 * A worker that has not taken a table by then is left behind: its orders reach it in order all the
 * same.
 */
const stageMsMax = 5_000;

/** Between the tables of one controller and the next: more than one can have had in flight. */
const versionGap = 1_000;

/** What the publisher asks for each time it builds. */
export interface View {
  edge(): Config['edge'];
  entries(): readonly ServiceEntry[];
}

export class Publisher {
  readonly #plane: DataPlane;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #view: View;
  #version = 0;
  #open = false;
  #sending = false;
  #due: (() => void) | null = null;
  /** Those who asked for the next table. */
  #waiting: ((taken: Promise<void>) => void)[] = [];
  #problem: string | null = null;

  constructor(plane: DataPlane, clock: Clock, log: Log, view: View) {
    this.#plane = plane;
    this.#clock = clock;
    this.#log = log;
    this.#view = view;
  }

  /** Why the workers may not have the last table; null: they have it. */
  get problem(): string | null {
    return this.#problem;
  }

  /**
   * Tables may be sent from now on; `version` is the last that any worker has. Before, nothing is.
   */
  begin(version: number): void {
    this.#version = version + versionGap;
    this.#open = true;
  }

  /**
   * A worker has a table of that version. One that did not answer when this controller started may
   * have a later one than was thought, and would ignore all of ours.
   */
  seen(version: number): void {
    if (!this.#open || version <= this.#version) return;
    this.#version = version + versionGap;
    this.touch();
  }

  /** Something has changed: a table goes out soon, with all that changes until then. */
  touch(): void {
    if (!this.#open || this.#due !== null) return;
    this.#due = this.#clock.after(coalesceMs, () => {
      this.#due = null;
      this.publish().catch(() => undefined);
    });
  }

  /**
   * Sends how things stand now.
   *
   * @returns when every worker has it.
   * @throws Fault HOLD_TIMEOUT where they did not take it in time, or what the data plane threw.
   */
  publish(): Promise<void> {
    return this.publishAnd(async () => {});
  }

  /**
   * Sends how things stand now, and in the same turn what `order` orders: every worker carries that
   * out next, and nobody waits for the answers to the table in between.
   *
   * @returns what `order` came to, when every worker has the table too.
   * @throws as `publish`, or what `order` threw; whichever is first.
   */
  publishAnd<T>(order: () => Promise<T>): Promise<T> {
    if (!this.#open) return order();
    const done = new Promise<T>((resolve, reject) => {
      this.#waiting.push((taken) => {
        Promise.all([order(), taken]).then(([ordered]) => resolve(ordered), reject);
      });
    });
    if (!this.#sending) void this.#send();
    return done;
  }

  close(): void {
    this.#open = false;
    this.#due?.();
    this.#due = null;
  }

  async #send(): Promise<void> {
    this.#sending = true;
    while (this.#waiting.length > 0) {
      const waiting = this.#waiting;
      this.#waiting = [];
      const taken = this.#stage();
      for (const sent of waiting) sent(taken);
      try {
        await taken;
        this.#problem = null;
      } catch (thrown) {
        this.#problem = `The workers did not take the last table: ${reasonOf(thrown)}`;
        this.#log.error({}, this.#problem);
        this.#again();
      }
    }
    this.#sending = false;
  }

  /** A table that was not taken is offered again, so that the workers do not stay behind. */
  #again(): void {
    if (!this.#open || this.#due !== null) return;
    this.#due = this.#clock.after(1000, () => {
      this.#due = null;
      this.publish().catch(() => undefined);
    });
  }

  #build(): Table {
    this.#version += 1;
    return { version: this.#version, edge: this.#view.edge(), services: this.#view.entries() };
  }

  async #stage(): Promise<void> {
    const table = this.#build();
    await within(this.#clock, stageMsMax, this.#plane.stage(table), () => {
      const text = `A worker did not take table ${table.version} within ${stageMsMax / 1000} s.`;
      return new Fault('HOLD_TIMEOUT', text, { version: table.version });
    });
  }
}

/** @returns what `work` comes to; rejects with `late()` where that takes longer than `limitMs`. */
export function within<T>(
  clock: Clock,
  limitMs: number,
  work: Promise<T>,
  late: () => Error,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const cancel = clock.after(limitMs, () => reject(late()));
    work.then(resolve, reject).finally(cancel);
  });
}
