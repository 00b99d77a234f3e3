/**
 * An answer on its way to the client: read strictly, passed on as it comes, ended where it ends.
 *
 * The rule this file keeps: an answer that did not arrive whole never ends cleanly, and of one that
 * the client does not take, no more is kept than what one read brought.
 */
import type { Exchange } from '../accounting/exchange.ts';
import { headBytes, interimBytes, interimBytesMax } from '../answerLimits.ts';
import type { HeaderEdits } from '../edge/headerEdits.ts';
import { afterStall } from '../failurePolicy.ts';
import type {
  AnsweredClient,
  AnsweringService,
  AnswerSource,
  NoAnswer,
  Recipient,
} from './answerParties.ts';
import { BodyScanner } from './bodyScanner.ts';
import { tellWhenTaken, writeChunk, writePart } from './bodyWriter.ts';
import { headText } from './headText.ts';
import { emptyResponseHead, type ResponseHead } from './response.ts';
import type { ResponseHeadCache } from './responseHeadCache.ts';
import { readHead } from './responseHeadReader.ts';
import { interimLines, linesForClient, trailerLines } from './responseLines.ts';

/** awaiting: no head has come; answering: it was passed on; flushing: all of it was; over. */
type State = 'awaiting' | 'answering' | 'flushing' | 'over';

export class ResponseRelay {
  readonly #connection: AnsweredClient;
  readonly #exchange: Exchange;
  readonly #recipient: Recipient;
  readonly #source: AnswerSource;
  readonly #idleMs: number;
  readonly #headBytesMax: number;
  readonly #hstsSeconds: number;
  readonly #edits: HeaderEdits | null;
  #state: State = 'awaiting';
  /** What has come of a head that is not whole. */
  #partial: Buffer | null = null;
  /** Of all interim answers so far. */
  #interimBytes = 0;
  #keepsForMs = 0;
  #keeps = false;
  #follower: BodyScanner | null = null;
  #chunks = false;
  /** What waited for the client when it was last looked at. */
  #waitingBytes = -1;
  /** The client's connection ends with this answer. */
  close = false;

  constructor(
    connection: AnsweredClient,
    exchange: Exchange,
    recipient: Recipient,
    source: AnswerSource,
    { policy, rules }: AnsweringService,
  ) {
    this.#connection = connection;
    this.#exchange = exchange;
    this.#recipient = recipient;
    this.#source = source;
    this.#idleMs = policy.idleMs;
    this.#headBytesMax = policy.responseHeaderBytesMax;
    this.#edits = rules?.response ?? null;
    // Over plain HTTP nothing may be said of it (RFC 6797 section 7.2).
    this.#hstsSeconds = connection.proto === 'https' ? policy.hstsSeconds : 0;
  }

  get state(): State {
    return this.#state;
  }

  /** Nothing at all has come from the target. */
  get untouched(): boolean {
    return this.#state === 'awaiting' && this.#partial === null && this.#interimBytes === 0;
  }

  /** The body ends where the target's connection does. */
  get endsWithConnection(): boolean {
    return this.#state === 'answering' && this.#follower?.endsWithConnection === true;
  }

  /** An event stream has no end of its own, so any event may be its last. */
  get mayEndHere(): boolean {
    if (this.#state !== 'answering' || this.#exchange.lease?.kind !== 'sse') return false;
    return this.#chunks || this.#follower?.betweenChunks === true;
  }

  /**
   * @param bytes valid during the call only.
   * @param heads what is known of heads on this connection.
   * @returns false: no more, until the client has taken some.
   */
  received(bytes: Buffer, length: number, heads: ResponseHeadCache): boolean {
    if (this.#state === 'answering') return this.#receivedBody(bytes, 0, length, '');
    if (this.#state !== 'awaiting') return false;
    if (this.#partial === null) return this.#receivedHead(bytes, length, heads);
    const joined = Buffer.concat([this.#partial, bytes.subarray(0, length)]);
    this.#partial = null;
    return this.#receivedHead(joined, joined.length, heads);
  }

  /** The answer ends here: with its connection, or because an event stream is cut. */
  endHere(): void {
    this.#messageEnded(this.#chunks || this.mayEndHere ? '0\r\n\r\n' : '', false);
  }

  /** An answer of our own, whole. */
  write(text: string): void {
    this.#messageEnded(text, false);
  }

  clientDrained(): void {
    if (this.#state === 'flushing') this.#flushed();
    else this.moved();
  }

  /**
   * Something moved: silence begins anew. An event stream may be silent for as long as it likes,
   * but its client may not leave it unread.
   */
  moved(): void {
    const connection = this.#connection;
    const free = this.#exchange.lease?.kind === 'sse' && connection.socket.writableLength === 0;
    if (free) connection.disarm();
    else connection.arm(this.#idleMs);
  }

  /** Nothing moved for as long as it may: it is the target's fault, or the client's. */
  stalled(): void {
    const waiting = this.#connection.socket.writableLength;
    const next = afterStall(waiting > 0, waiting !== this.#waitingBytes);
    this.#waitingBytes = waiting;
    if (next === 'wait') {
      this.moved();
    } else if (next === 'break') {
      this.#connection.destroy();
    } else {
      this.#exchange.failed();
      this.#recipient.broken(next);
    }
  }

  /** Nothing more is to be done. */
  abandon(): void {
    this.#state = 'over';
  }

  #receivedHead(bytes: Buffer, length: number, heads: ResponseHeadCache): boolean {
    const { method } = this.#exchange;
    const text = headText(bytes, 0, length);
    const known = heads.recall(text, method);
    if (known !== null) {
      if (this.#oversized(known)) return this.#malformed('oversized');
      return this.#answer(known, bytes, known.headBytes, length, heads);
    }
    const head = responseHead;
    let at = 0;
    for (;;) {
      const verdict = readHead(bytes, at, length, method, this.#headBytesMax, head);
      if (verdict === 'partial' && length - at <= this.#headBytesMax) {
        this.#partial = Buffer.from(bytes.subarray(at, length));
        return true;
      }
      if (verdict === 'partial') return this.#malformed('oversized');
      // Nobody asked for another protocol.
      if (verdict !== 'whole' || head.status === 101) return this.#malformed();
      if (this.#oversized(head)) return this.#malformed('oversized');
      at += head.headBytes;
      if (head.status >= 200) break;
      this.#interimBytes += interimBytes(head.raw);
      if (this.#interimBytes > interimBytesMax) return this.#malformed('endless');
      this.#interim(head);
      if (at === length) return true;
    }
    // Of those behind interim answers nothing is remembered: what came first would have to come
    // again.
    if (at === head.headBytes) heads.remember(text, method, head);
    return this.#answer(head, bytes, at, length, null);
  }

  /** Counted only where it may matter: no line counts for more than a byte above what it has. */
  #oversized({ headBytes: wireBytes, reason, raw }: ResponseHead): boolean {
    const most = this.#headBytesMax;
    return wireBytes + raw.length + 1 > most && headBytes(reason, raw) > most;
  }

  #malformed(loss: NoAnswer = 'malformed'): boolean {
    this.#recipient.lost(loss);
    return false;
  }

  /** Every one is passed on (RFC 9110 section 15.2), but 100: it answers what nobody asked. */
  #interim(head: ResponseHead): void {
    this.#recipient.awaitAnswer();
    if (head.status === 100) return;
    this.#connection.socket.write(interimLines(head), 'latin1');
  }

  /** @param heads knows this head; null: it was just read. */
  #answer(
    head: ResponseHead,
    bytes: Buffer,
    at: number,
    length: number,
    heads: ResponseHeadCache | null,
  ): boolean {
    const exchange = this.#exchange;
    const { status, framing } = head;
    exchange.answered();
    exchange.status = status;
    if (head.eventStream) exchange.lease?.become('sse');
    this.#state = 'answering';
    this.#keepsForMs = head.keepsForMs;
    this.#keeps = head.keeps;
    this.#chunks = framing === 'untilClose';
    this.close = this.#recipient.mustClose();
    const date = head.dated ? null : this.#recipient.date();
    const { close } = this;
    const hsts = this.#hstsSeconds;
    const text = linesForClient(head, heads, close, hsts, date, this.#edits, exchange.cookie);
    if (framing === 'none' || (framing === 'length' && head.bodyBytes === 0)) {
      return this.#messageEnded(text, at === length);
    }
    const end = at + head.bodyBytes;
    if (framing === 'length' && end <= length) {
      // All of it came at once, as it mostly does.
      exchange.bytesOut += head.bodyBytes;
      this.#pass(text, bytes, at, head.bodyBytes);
      return this.#messageEnded('', end === length);
    }
    this.#follower = new BodyScanner();
    this.#follower.begin(framing, head.bodyBytes);
    return this.#receivedBody(bytes, at, length, text);
  }

  /** @param before text that goes out in front: the head, or nothing. */
  #receivedBody(bytes: Buffer, from: number, to: number, before: string): boolean {
    const follower = this.#follower;
    if (follower === null) return false;
    const { socket } = this.#connection;
    const followed = follower.follow(bytes, from, to);
    if (followed === 'malformed') {
      if (before !== '') socket.write(before, 'latin1');
      this.#exchange.failed();
      this.#recipient.broken('UPSTREAM_MALFORMED');
      return false;
    }
    const { passable } = follower;
    this.#exchange.bytesOut += passable;
    this.#pass(before, bytes, from, passable);
    if (followed === 'ended') {
      const { trailers } = follower;
      const tail = trailers === null ? '' : trailerLines(trailers);
      return this.#messageEnded(tail, from + follower.taken === to);
    }
    this.moved();
    return !(socket.writableLength > 0 && socket.writableNeedDrain);
  }

  /** Passes bytes on; where the system did not take them at once, they are read again later. */
  #pass(before: string, bytes: Buffer, from: number, length: number): void {
    const { socket } = this.#connection;
    const writing =
      this.#chunks && length > 0
        ? writeChunk(socket, before, bytes, from, length)
        : writePart(socket, before, bytes, from, length);
    if (writing) this.#source.keepBuffer();
  }

  /**
   * The answer is whole.
   *
   * @param tail what is still to be written.
   * @param exact nothing followed it.
   */
  #messageEnded(tail: string, exact: boolean): boolean {
    const { socket } = this.#connection;
    this.#state = 'flushing';
    if (tail !== '') socket.write(tail, 'latin1');
    this.#source.complete(exact && this.#keeps, this.#keepsForMs);
    if (socket.writableLength === 0) {
      this.#flushed();
    } else {
      this.#connection.arm(this.#idleMs);
      if (!socket.writableNeedDrain) tellWhenTaken(socket, () => this.#flushed());
    }
    return exact;
  }

  #flushed(): void {
    if (this.#state !== 'flushing') return;
    this.#state = 'over';
    this.#recipient.taken();
  }
}

/** One for all: a head is read and used up in one turn. */
const responseHead = emptyResponseHead();
