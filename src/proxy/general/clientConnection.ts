/**
 * One client connection of the general lane: whose turn it is on it.
 *
 * The rule this file keeps: requests of one connection are carried one after the other. Of those
 * that a client sends ahead, none is claimed before the one in front of it is over, so their order
 * holds and one connection never has more than one place in a pool.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { FaultCode } from '../../errors.ts';
import { discardMs, lingerMs } from '../connectionLimits.ts';
import { Deadline, type Deadlines } from '../deadlines.ts';
import { clientAddress } from '../edge/trustedProxies.ts';
import { type ValidRequest, validateRequest } from '../validateRequest.ts';
import type { ClientSide } from './clientSide.ts';
import type { InterimHead } from './responseHead.ts';

/** What is under way on a connection. */
export interface Underway {
  begin(): void;
  /**
   * What the client sends is not HTTP, or does not come.
   *
   * @param gone it stopped in the middle.
   * @returns whether that was the body of this request, and is dealt with.
   */
  spoiled(code: FaultCode, gone: boolean): boolean;
  /** The client shut its side; it may still want the answer. */
  clientEnded(): void;
}

export class ClientConnection implements ClientSide {
  readonly lane = 'general';
  readonly socket: Duplex;
  readonly client: string;
  readonly proto: 'http' | 'https';
  active: Underway | null = null;
  /** Sent ahead, in order. */
  readonly #ahead: Underway[] = [];
  readonly #deadlines: Deadlines;
  /** What was wrong with what came behind the active request. */
  #spoiled: (() => void) | null = null;
  #ending = false;

  constructor(socket: Duplex, deadlines: Deadlines) {
    this.socket = socket;
    this.#deadlines = deadlines;
    const known = socket as Duplex & { remoteAddress?: string; encrypted?: boolean };
    this.client = clientAddress(known);
    this.proto = known.encrypted === true ? 'https' : 'http';
  }

  versionOf(req: IncomingMessage): '1.0' | '1.1' {
    return req.httpVersionMinor === 0 ? '1.0' : '1.1';
  }

  vet({
    method = '',
    url = '',
    httpVersion,
    rawHeaders,
  }: IncomingMessage): ValidRequest | FaultCode {
    return validateRequest(method, url, httpVersion, rawHeaders, this.proto);
  }

  get waitingBytes(): number {
    return this.socket.writableLength;
  }

  interim({ status, reason, headers }: InterimHead): void {
    let text = `HTTP/1.1 ${status} ${reason}\r\n`;
    for (let at = 0; at < headers.length; at += 2) {
      text += `${headers[at]}: ${headers[at + 1]}\r\n`;
    }
    this.socket.write(`${text}\r\n`, 'latin1');
  }

  abort(): void {
    this.socket.destroy();
  }

  /** A request has come: it begins now, or when those before it are over. */
  take(next: Underway): void {
    // Behind a last answer nothing is carried out: its own answer could not be told.
    if (this.#last) return;
    if (this.active !== null) {
      this.#ahead.push(next);
      // Nobody reads on while requests wait; what one read brought is the bound of what waits.
      this.socket.pause();
      return;
    }
    this.active = next;
    next.begin();
  }

  /** The active request is over. */
  over(): void {
    this.active = null;
    if (this.#last) {
      this.#ahead.length = 0;
      return;
    }
    const next = this.#ahead.shift();
    if (next !== undefined) {
      this.active = next;
      next.begin();
      return;
    }
    if (this.#spoiled !== null) this.#spoiled();
    // A client that shut its side asks for nothing more. Node forgets it where Connection is not
    // sent.
    else if (this.socket.readableEnded) this.linger();
    else if (this.socket.isPaused()) this.socket.resume();
  }

  /**
   * The parser gave up on this connection. An answer in progress is let finish.
   *
   * @param gone the client stopped in the middle of a request.
   * @param answer writes the answer to what could not be read; called when its turn comes, at most
   *   once.
   */
  spoil(code: FaultCode, gone: boolean, answer: () => void): void {
    if (this.#spoiled !== null || this.#ending) return;
    if (this.active?.spoiled(code, gone)) return;
    this.#spoiled = answer;
    if (this.active === null) answer();
  }

  /** Writes the last bytes and ends the connection so that the client can read them. */
  endWith(bytes: string): void {
    this.socket.write(bytes, 'latin1');
    this.linger();
  }

  /**
   * Ends our side now and the connection soon. Were it closed while bytes of the client are unread,
   * the system would answer them with a reset, and the client would lose the answer it was sent.
   */
  linger(): void {
    if (this.#ending) return;
    this.#ending = true;
    const { socket } = this;
    const deadline = new Deadline({ expired: () => socket.destroy() });
    this.#deadlines.arm(deadline, lingerMs);
    socket.once('close', () => this.#deadlines.disarm(deadline));
    socket.end();
    socket.resume();
  }

  /**
   * An answer is complete and its request is not: what still comes is read and dropped, for a
   * while.
   */
  discard(req: IncomingMessage): void {
    const { socket } = this;
    if (socket.destroyed) return;
    const deadline = new Deadline({ expired: () => socket.destroy() });
    this.#deadlines.arm(deadline, discardMs);
    const over = (): void => this.#deadlines.disarm(deadline);
    req.once('close', over);
    socket.once('close', over);
    req.resume();
  }

  /** Our side has ended, or the whole connection. */
  get #last(): boolean {
    return this.socket.destroyed || this.socket.writableEnded;
  }

  /** The client shut its side, and nothing that it sent waits: the answer under way is the last. */
  get asksNoMore(): boolean {
    return this.socket.readableEnded && this.#ahead.length === 0 && this.#spoiled === null;
  }

  /** Has Node end the connection that way too, after the answer now written. */
  lingerAfterAnswer(): void {
    (this.socket as Duplex & { destroySoon?: () => void }).destroySoon = () => this.linger();
  }
}
