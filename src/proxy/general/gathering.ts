/**
 * A small body on its way into memory, before its request has a place in a pool.
 *
 * The rule this file keeps: it ends exactly once: with all of the body, or because nothing more of
 * it comes.
 */
import type { FaultCode } from '../../errors.ts';
import type { Exchange } from '../accounting/exchange.ts';
import { Deadline, type Deadlines, type Waiter } from '../deadlines.ts';
import type { SmallBody } from '../smallBodies.ts';
import type { RequestSide } from './clientSide.ts';

/** The request whose body it is, told how it went. */
export interface GatheredRequest {
  readonly exchange: Exchange;
  /** All of it has come. */
  gathered(bytes: Buffer): void;
  /** Answers ourselves. */
  answer(code: FaultCode): void;
}

export class Gathering implements Waiter {
  readonly #req: RequestSide;
  readonly #small: SmallBody;
  readonly #deadlines: Deadlines;
  readonly #idleMs: number;
  readonly #request: GatheredRequest;
  readonly #deadline = new Deadline(this);

  constructor(
    req: RequestSide,
    small: SmallBody,
    deadlines: Deadlines,
    idleMs: number,
    request: GatheredRequest,
  ) {
    this.#req = req;
    this.#small = small;
    this.#deadlines = deadlines;
    this.#idleMs = idleMs;
    this.#request = request;
    req.on('data', this.#came);
    req.on('end', this.#ended);
    deadlines.arm(this.#deadline, idleMs);
  }

  /** The request is over: nothing is heard any more. May be called again. */
  drop(): void {
    this.#stop();
    this.#small.drop();
  }

  expired(): void {
    this.drop();
    this.#request.answer('REQUEST_TIMEOUT');
  }

  readonly #came = (chunk: Buffer): void => {
    this.#request.exchange.bytesIn += chunk.length;
    this.#small.add(chunk);
    this.#deadlines.arm(this.#deadline, this.#idleMs);
  };

  readonly #ended = (): void => {
    this.#stop();
    this.#request.gathered(this.#small.take());
  };

  #stop(): void {
    this.#req.off('data', this.#came);
    this.#req.off('end', this.#ended);
    this.#deadlines.disarm(this.#deadline);
  }
}
