/**
 * The body of the present request of one client's connection, on its way to a target.
 *
 * The rule this file keeps: of a body that cannot be sent yet no more is held than what one read
 * brought, and a client that was told to wait is read on when it can be, or when its request is
 * over.
 */
import type { Duplex } from 'node:stream';

/** One a connection, used for each of its requests in turn: a request costs none. */
export class Upload {
  readonly #socket: Duplex;
  /** Bytes that have not come. */
  left = 0;
  /** What came before it could be sent. */
  #held: Buffer | null = null;
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

  /** These bytes cannot be sent yet. */
  hold(bytes: Buffer): void {
    this.#held = this.#held === null ? bytes : Buffer.concat([this.#held, bytes]);
    this.pause();
  }

  /** What was held: it is sent now. */
  take(): Buffer | null {
    const held = this.#held;
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
    this.#held = null;
    this.resume();
  }
}
