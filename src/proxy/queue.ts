/**
 * The requests of one service that wait for a place, in one worker.
 *
 * The rule this file keeps: they are let in in order, up to a number and up to a time. Those whose
 * body has not come whole wait for a share of the places, so they never stand before one that is;
 * and they never have more than half of the queue.
 */
import type { Clock } from '../clock.ts';
import type { Fault } from '../errors.ts';
import type { Lease } from './balancing/lease.ts';

/** What a request waits for, and for how long. */
export interface Wait {
  /** The mark of the target it was on before; '': any. */
  readonly stay: string;
  /** Its body has not come whole. */
  readonly uploading: boolean;
  readonly limitMs: number;
  readonly late: () => Fault;
}

interface Ticket {
  readonly since: number;
  readonly stay: string;
  readonly taken: (got: Lease | Fault) => void;
  readonly cancelTimeout: () => void;
}

/** Each may hold one read of its body: 64 MiB in all. */
const uploadsMax = 1_000;

export class Queue {
  readonly #clock: Clock;
  readonly #whole = new Set<Ticket>();
  readonly #uploads = new Set<Ticket>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#whole.size + this.#uploads.size;
  }

  /** Whether somebody waits whom a request that comes now may not overtake. */
  before(uploading: boolean): boolean {
    return this.#whole.size > 0 || (uploading && this.#uploads.size > 0);
  }

  /** @param max of all that wait. */
  full(uploading: boolean, max: number): boolean {
    if (this.size >= max) return true;
    return uploading && this.#uploads.size >= Math.min(Math.ceil(max / 2), uploadsMax);
  }

  /**
   * @param taken called once: with a lease, with what `close` says, or with `late` after `limitMs`.
   * @returns gives the ticket back.
   */
  add(taken: (got: Lease | Fault) => void, { stay, uploading, limitMs, late }: Wait): () => void {
    const queue = uploading ? this.#uploads : this.#whole;
    const timedOut = (): void => {
      queue.delete(ticket);
      taken(late());
    };
    const ticket: Ticket = {
      since: this.#clock.now(),
      stay,
      taken,
      cancelTimeout: this.#clock.after(limitMs, timedOut),
    };
    queue.add(ticket);
    return () => {
      queue.delete(ticket);
      ticket.cancelTimeout();
    };
  }

  /** Lets in whoever gets a place. */
  admit(claim: (stay: string, uploading: boolean) => Lease | null): void {
    for (;;) {
      const [whole] = this.#whole;
      const [upload] = this.#uploads;
      const uploadFirst =
        upload !== undefined && (whole === undefined || upload.since < whole.since);
      if (uploadFirst && this.#admitOne(upload, true, claim)) continue;
      // Where a whole request gets no place, none whose body still comes does.
      if (whole === undefined || !this.#admitOne(whole, false, claim)) return;
    }
  }

  /** How many have waited since then, and the longest wait of theirs. */
  waitedSince(since: number): { readonly waited: number; readonly waitedMsMax: number } {
    const now = this.#clock.now();
    const waits = [...this.#whole, ...this.#uploads]
      .filter((ticket) => ticket.since >= since)
      .map((ticket) => now - ticket.since);
    return { waited: waits.length, waitedMsMax: waits.reduce((most, ms) => Math.max(most, ms), 0) };
  }

  /** Whoever waits is let in no more. */
  close(why: () => Fault): void {
    const all = [...this.#whole, ...this.#uploads];
    this.#whole.clear();
    this.#uploads.clear();
    for (const ticket of all) {
      ticket.cancelTimeout();
      ticket.taken(why());
    }
  }

  #admitOne(
    ticket: Ticket,
    uploading: boolean,
    claim: (stay: string, uploading: boolean) => Lease | null,
  ): boolean {
    const lease = claim(ticket.stay, uploading);
    if (lease === null) return false;
    (uploading ? this.#uploads : this.#whole).delete(ticket);
    ticket.cancelTimeout();
    ticket.taken(lease);
    return true;
  }
}
