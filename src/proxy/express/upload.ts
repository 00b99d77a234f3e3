/**
 * The body of the present request of one client's connection, on its way to a target.
 *
 * The rule this file keeps: of a body that cannot be sent yet no more is held than what one read
 * brought, or a small body whole; and a client that was told to wait is read on when it can be, or
 * when its request is over.
 */
import type { Duplex } from 'node:stream';
import type { SmallBodies, SmallBody } from '../smallBodies.ts';

/** One a connection, used for each of its requests in turn: a request costs none. */
export class Upload {
  readonly #socket: Duplex;
  /** Bytes that have not come. */
  left = 0;
  /** What came before it could be sent. */
  #held: Buffer | null = null;
  #small: SmallBody | null = null;
  #paused = false;

  constructor(socket: Duplex) {
    this.#socket = socket;
  }

  /**
   * @param first what came of it together with the head.
   * @param left bytes behind that.
   */
  begin(first: Buffer | null, left: number): void {
    this.#held = first;
    this.left = left;
  }

  /** Takes a small body whole before it is sent. @returns false: it passes as it comes. */
  gather(bodies: SmallBodies): boolean {
    if (this.left === 0) return false;
    this.#small = bodies.begin(this.left + (this.#held?.length ?? 0));
    if (this.#small === null) return false;
    if (this.#held !== null) this.#small.add(this.#held);
    this.#held = null;
    return true;
  }

  /** These bytes cannot be sent yet. */
  hold(bytes: Buffer): void {
    if (this.#small !== null) {
      this.#small.add(bytes);
      return;
    }
    this.#held = this.#held === null ? bytes : Buffer.concat([this.#held, bytes]);
    this.pause();
  }

  /** What was held: it is sent now. */
  take(): Buffer | null {
    const held = this.#small?.take() ?? this.#held;
    this.#small = null;
    this.#held = null;
    return held;
  }

  /** The client is not read until `resume`. */
  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#socket.resume();
  }

  /** The request is over; what is still to come of it is for nobody. */
  over(): void {
    this.#small?.drop();
    this.#small = null;
    this.#held = null;
    this.resume();
  }
}
