/**
 * One client's connection of HTTP/2: how long it stands, and how much it may ask of us.
 *
 * The rule this file keeps: a connection is ended by what its client does, never by what a target
 * does; and however it ends, its socket is gone soon after.
 *
 * Decisions:
 * - A stream begins in the turn behind the read that brought it: one that was reset in the same
 *   read has cost some objects, and neither a place nor a connection to a target.
 * - Streams that a client resets, and those that it makes us reset (rapid reset, CVE-2023-44487;
 *   MadeYouReset, CVE-2025-8671), are counted together, where the answer was not whole. A browser
 *   that reloads a page of a hundred files several times over stays within the burst.
 * - A stop is told in one GOAWAY, which names the last stream that is served: what was on its way
 *   was not begun, and its client may ask again. The two of RFC 9113 section 6.8 are not to be had:
 *   Node has no shutdown notice, and behind any other GOAWAY nghttp2 takes no stream, be its last
 *   one 2^31-1 (seen on Node 20, 22, 24 and 26).
 */
import {
  constants,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Socket } from 'node:net';
import { headMsMax, keepAliveMs, lingerMs } from '../connectionLimits.ts';
import { Deadline, type Waiter } from '../deadlines.ts';
import { clientAddress } from '../edge/trustedProxies.ts';
import type { LaneContext } from '../general/laneContext.ts';
import { type Allowance, Budget } from './budget.ts';
import { ClientStream } from './clientStream.ts';
import { type StreamHead, streamHead } from './streamHead.ts';
import { StreamRequest } from './streamRequest.ts';

/** As many as nghttp2 allows for those of the client. */
export const resets: Allowance = { burst: 1_000, perSecond: 33 };
/** gRPC measures its line by them, some each second. */
export const pings: Allowance = { burst: 500, perSecond: 50 };
/** Sent once, and hardly ever again. */
export const settings: Allowance = { burst: 50, perSecond: 1 };

/**
 * What still comes of a client that is about to be told to calm down: the system hands over some
 * MiB at a time, and all of it would be read before the next turn.
 */
const beyondMax = 100;

/** So many streams of one connection begin in one turn. */
const begunMax = 32;

interface Coming {
  readonly stream: ServerHttp2Stream;
  readonly head: StreamHead;
  readonly req: StreamRequest;
}

export class ClientSession implements Waiter {
  readonly socket: Socket;
  readonly client: string;
  readonly #around: LaneContext;
  readonly #session: ServerHttp2Session;
  readonly #deadline = new Deadline(this);
  readonly #resets: Budget;
  #streams = 0;
  /** Those that have come and are not begun, in order. */
  readonly #coming: Coming[] = [];
  #overdrawn = false;
  #beyond = 0;

  constructor(around: LaneContext, session: ServerHttp2Session, socket: Socket) {
    this.#around = around;
    this.#session = session;
    this.socket = socket;
    this.client = clientAddress(socket);
    const { clock } = around.plane;
    this.#resets = new Budget(clock, resets);
    const pinged = new Budget(clock, pings);
    const set = new Budget(clock, settings);
    session.on('error', ignore);
    session.on('ping', () => this.#charge(pinged));
    session.on('remoteSettings', () => this.#charge(set));
    session.on('goaway', () => this.#rest());
    const take = (
      stream: ServerHttp2Stream,
      headers: IncomingHttpHeaders,
      _flags: number,
      fields: string[],
    ): void => this.#take(stream, headers, fields);
    session.on('stream', take as () => void);
    socket.once('close', () => around.deadlines.disarm(this.#deadline));
    around.deadlines.arm(this.#deadline, headMsMax);
  }

  /** No new stream any more; those that are open go on. */
  drain(): void {
    if (this.#session.closed || this.#session.destroyed) return;
    this.#session.close();
    this.#rest();
  }

  /** Nothing came for as long as it may, or what was to close is still there. */
  expired(): void {
    // Timers come before reads: what came while the process stood still is read first.
    setImmediate(() => this.#end());
  }

  #end(): void {
    // It has come to life meanwhile, or has been given another term.
    if (this.#streams > 0 || this.#deadline.dueMs !== 0) return;
    if (this.#session.closed || this.#session.destroyed) {
      this.socket.destroy();
      return;
    }
    this.drain();
  }

  #take(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, fields: string[]): void {
    this.#streams++;
    this.#around.deadlines.disarm(this.#deadline);
    stream.on('error', ignore);
    stream.once('close', () => {
      this.#streams--;
      this.#rest();
    });
    if (this.#overdrawn) {
      stream.destroy();
      this.#goesOn();
      return;
    }
    const head = streamHead(fields, stream.endAfterHeaders);
    this.#coming.push({ stream, head, req: new StreamRequest(stream, head, headers) });
    if (this.#coming.length === 1) setImmediate(() => this.#begin());
  }

  /** Some of what has come; the others of this worker are not to wait for all of it. */
  #begin(): void {
    for (const { stream, head, req } of this.#coming.splice(0, begunMax)) {
      if (stream.closed || stream.destroyed) this.#charge(this.#resets);
      else if (this.#overdrawn) stream.destroy();
      else this.#serve(stream, head, req);
    }
    if (this.#coming.length > 0) setImmediate(() => this.#begin());
    // What came with it is served as well; then it is told, as HTTP/1.1 is with its answer.
    else if (this.#around.plane.closing) this.drain();
  }

  #serve(stream: ServerHttp2Stream, head: StreamHead, req: StreamRequest): void {
    let served: ClientStream | null = null;
    stream.once('aborted', () => {
      if (served?.aborted !== true) this.#charge(this.#resets);
      // Where it was reset without an error Node waits for somebody to read what had come.
      stream.destroy();
    });
    served = new ClientStream(this.#around, this, stream, head, req);
  }

  /** Nothing is open: it may stay for a while, unless it is about to end. */
  #rest(): void {
    if (this.#streams > 0 || this.socket.destroyed) return;
    const ends = this.#session.closed || this.#session.destroyed;
    this.#around.deadlines.arm(this.#deadline, ends ? lingerMs : keepAliveMs);
  }

  #charge(budget: Budget): void {
    const session = this.#session;
    if (this.#overdrawn) {
      this.#goesOn();
      return;
    }
    if (session.destroyed || budget.spend()) return;
    this.#overdrawn = true;
    // Not in the middle of what nghttp2 reads: the client would not be told why.
    setImmediate(() => {
      if (!session.destroyed) {
        session.destroy(constants.NGHTTP2_ENHANCE_YOUR_CALM as unknown as Error);
      }
      this.#around.deadlines.arm(this.#deadline, lingerMs);
    });
  }

  /** It was to be sent away, and one read brought more: it is not told any more, but cut. */
  #goesOn(): void {
    if (++this.#beyond > beyondMax) this.socket.destroy();
  }
}

function ignore(): void {}
