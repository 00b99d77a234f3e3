/**
 * What happened, kept for a while and told to whoever listens.
 *
 * The rule this file keeps: telling costs the teller nothing. The ring is bounded, a listener that
 * throws is put off, and whoever is slow reads the ring again from where it was (`Last-Event-ID`).
 *
 * Ids grow by one. They begin at the wall clock's milliseconds times a thousand: far above any id
 * of an earlier run, unless that had told a million events a second.
 */
import type { Clock } from '../../clock.ts';
import { reasonOf } from '../../errors.ts';
import type { Log } from '../../log.ts';
import type { EventBody, Events, PointsmanEvent } from '../model/api.ts';

/** Enough for an hour of deployments, little enough to be nothing in memory. */
export const eventsKept = 1000;
/** Pages and terminals that are open at once; more are refused by the admin API's own limits. */
export const listenersMax = 1000;

export class EventRing implements Events {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #kept: PointsmanEvent[] = [];
  readonly #listeners = new Set<(event: PointsmanEvent) => void>();
  #id: number;

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
    this.#id = clock.date().getTime() * 1000;
  }

  /** How many listen now. */
  get listeners(): number {
    return this.#listeners.size;
  }

  emit(body: EventBody): PointsmanEvent {
    this.#id += 1;
    const event = { ...body, id: this.#id, at: this.#clock.date().toISOString() };
    this.#kept.push(event);
    if (this.#kept.length > eventsKept) this.#kept.shift();
    for (const listener of [...this.#listeners]) this.#tell(listener, event);
    return event;
  }

  subscribe(after: number, listener: (event: PointsmanEvent) => void): () => void {
    if (this.#listeners.size >= listenersMax) {
      throw new RangeError(`At most ${listenersMax} may listen to events.`);
    }
    this.#listeners.add(listener);
    for (const event of [...this.#kept]) {
      if (event.id > after && this.#listeners.has(listener)) this.#tell(listener, event);
    }
    return () => {
      this.#listeners.delete(listener);
    };
  }

  #tell(listener: (event: PointsmanEvent) => void, event: PointsmanEvent): void {
    try {
      listener(event);
    } catch (thrown) {
      this.#listeners.delete(listener);
      this.#log.warn({}, `A listener of events was put off: ${reasonOf(thrown)}`);
    }
  }
}
