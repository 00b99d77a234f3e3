/**
 * The requests of one service that wait for a place, in one worker.
 *
 * The rule this file keeps: they are let in in order, up to a number, up to a time, and up to the
 * memory that all of a worker's may take. Those whose body has not come whole wait for a share of
 * the places, so they never stand before one that is; and they never have more than half of the
 * queue.
 */
import type { Clock } from '../clock.ts';
import type { Fault } from '../errors.ts';
import type { Lease } from './balancing/lease.ts';
import type { Waiting } from './destinations/destination.ts';

interface Wait extends Omit<Waiting, 'raw'> {
  readonly bytes: number;
  readonly limitMs: number;
  readonly late: () => Fault;
}

interface Ticket {
  readonly since: number;
  readonly bytes: number;
  readonly stay: string;
  readonly taken: (got: Lease | Fault) => void;
  readonly cancelTimeout: () => void;
}

/** Each may hold one read of its body: 64 MiB in all. */
const uploadsMax = 1_000;

/** What all that wait in one worker may hold: 16,384 requests with nothing but a request line. */
export const waitingBytesMax = 64 * 1024 * 1024;
/** A request, its connection and its ticket. */
const eachBytes = 4 * 1024;

/** What the requests that wait in one worker hold, for whichever service. */
export class WaitingBytes {
  #held = 0;

  get held(): number {
    return this.#held;
  }

  /** @param bytes as `bytesOf` says; below 0: given back. */
  add(bytes: number): void {
    this.#held += bytes;
  }

  fits(bytes: number): boolean {
    return this.#held + bytes <= waitingBytesMax;
  }
}

/** What a request holds while it waits. */
export function bytesOf({ raw }: Waiting): number {
  return raw.reduce((sum, { length }) => sum + length, eachBytes);
}

export class Queue {
  readonly #clock: Clock;
  readonly #bytes: WaitingBytes;
  readonly #whole = new Set<Ticket>();
  readonly #uploads = new Set<Ticket>();

  constructor(clock: Clock, bytes: WaitingBytes) {
    this.#clock = clock;
    this.#bytes = bytes;
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
  add(taken: (got: Lease | Fault) => void, wait: Wait): () => void {
    const { bytes, stay, uploading, limitMs, late } = wait;
    const ticket: Ticket = {
      since: this.#clock.now(),
      bytes,
      stay,
      taken,
      cancelTimeout: this.#clock.after(limitMs, () => {
        if (this.#leaves(ticket)) taken(late());
      }),
    };
    (uploading ? this.#uploads : this.#whole).add(ticket);
    this.#bytes.add(bytes);
    return () => this.#leaves(ticket);
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
    const all = [...this.#whole, ...this.#uploads].filter((ticket) => this.#leaves(ticket));
    for (const ticket of all) ticket.taken(why());
  }

  #admitOne(
    ticket: Ticket,
    uploading: boolean,
    claim: (stay: string, uploading: boolean) => Lease | null,
  ): boolean {
    const lease = claim(ticket.stay, uploading);
    if (lease === null) return false;
    this.#leaves(ticket);
    ticket.taken(lease);
    return true;
  }

  /** @returns false: it waited no more. */
  #leaves(ticket: Ticket): boolean {
    if (!this.#whole.delete(ticket) && !this.#uploads.delete(ticket)) return false;
    ticket.cancelTimeout();
    this.#bytes.add(-ticket.bytes);
    return true;
  }
}
