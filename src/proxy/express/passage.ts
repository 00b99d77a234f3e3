/**
 * One request's way to a target and back.
 *
 * The rule this file keeps: the client gets exactly one answer, whole, or sees its connection break off;
 * and the exchange is finished exactly once, when the client's side is over. Until the first byte of an
 * answer is passed on, everything that goes wrong is tried again by the shared rule, or answered.
 */

import { Fault, type FaultCode } from '../../errors.ts';
import { ownAnswer } from '../answers.ts';
import type { RetryReason } from '../counts.ts';
import { Deadline } from '../deadlines.ts';
import type { Exchange } from '../exchange.ts';
import { requestHeaders, responseHeaders, trailerPairs } from '../headers.ts';
import type { Cut, Ending, Lease } from '../lease.ts';
import type { Service } from '../service.ts';
import type { Target } from '../target.ts';
import type { Connection } from './connection.ts';
import { BodyFollower } from './framing.ts';
import type { RequestHead } from './request.ts';
import {
  emptyResponseHead,
  parseResponse,
  type ResponseHead,
  responseHeadBytesMax,
} from './response.ts';
import type { Receiver, Upstream } from './upstream.ts';

/**
 * waiting: for a place; connecting; asked: the request is on its way, no answer has come; answering: its
 * head was passed on; flushing: all of it was, and the client has not taken all; over.
 */
type Phase = 'waiting' | 'connecting' | 'asked' | 'answering' | 'flushing' | 'over';

/** Bodies up to there are joined to the head as text: one small write is cheaper than a gathered one. */
const joinBytesMax = 4096;
/** A first look for the end of a head takes so much; most are shorter. */
const headGuessBytes = 2048;
const interimMax = 16;
/** A client that shut its side is asked so often whether it is still there. */
const probeAfterMs = 250;
const probeEveryMs = 1_000;
const noBytes = Buffer.alloc(0);

export class Passage implements Receiver {
  readonly #connection: Connection;
  readonly #exchange: Exchange;
  readonly #service: Service;
  readonly #method: string;
  readonly #target: string;
  readonly #raw: readonly string[];
  readonly #hasBody: boolean;
  readonly #clientCloses: boolean;
  #phase: Phase = 'waiting';
  #upstream: Upstream | null = null;
  #cancelWait: (() => void) | null = null;
  /** Body that came before it could be sent. */
  #held: Buffer | null = null;
  #paused = false;
  /** What has come of a head that is not whole. */
  #partial: Buffer | null = null;
  #interims = 0;
  #keepsForMs = 0;
  #upstreamKeeps = false;
  #follower: BodyFollower | null = null;
  #chunks = false;
  #close = false;
  #probe: Deadline | null = null;
  /** What waited for the client when it was last looked at. */
  #waitingBytes = -1;

  constructor(connection: Connection, exchange: Exchange, service: Service, head: RequestHead) {
    this.#connection = connection;
    this.#exchange = exchange;
    this.#service = service;
    this.#method = head.method;
    this.#target = head.target;
    this.#raw = head.raw;
    this.#hasBody = head.bodyBytes > 0;
    this.#clientCloses = head.close;
  }

  /** @param body what came of it together with the head. */
  start(body: Buffer | null): void {
    this.#held = body;
    this.#claim(undefined);
  }

  /** More of the request's body. */
  body(bytes: Buffer): void {
    this.#exchange.bytesIn += bytes.length;
    if (this.#phase === 'waiting' || this.#phase === 'connecting') {
      this.#held = this.#held === null ? bytes : Buffer.concat([this.#held, bytes]);
      this.#pauseClient();
      return;
    }
    const upstream = this.#upstream;
    if (upstream === null) return;
    upstream.writeBody(bytes);
    if (upstream.full) this.#pauseClient();
    this.#armForAnswer();
  }

  /** The client's connection is gone. */
  clientGone(): void {
    this.#over('clientAborted', false);
  }

  /** The client has shut its side, behind a whole request; it may still want the answer. */
  clientEnded(): void {
    if (this.#exchange.lease?.kind === 'sse') {
      // An event stream has no end to wait for: who shuts a side has left.
      this.#connection.destroy();
    } else if (this.#unanswered) {
      this.#probe = new Deadline({ expired: () => this.#ask() });
      this.#connection.lane.deadlines.arm(this.#probe, probeAfterMs);
    }
  }

  clientDrained(): void {
    if (this.#phase === 'flushing') {
      this.#flushed();
    } else if (this.#phase === 'answering') {
      this.#moved();
      this.#upstream?.resume();
    }
  }

  /**
   * Something moved: silence begins anew. An event stream may be silent for as long as it likes, but its
   * client may not leave it unread.
   */
  #moved(): void {
    const { deadline, lane, socket } = this.#connection;
    const free = this.#exchange.lease?.kind === 'sse' && socket.writableLength === 0;
    if (free) lane.deadlines.disarm(deadline);
    else lane.deadlines.arm(deadline, this.#service.policy.idleMs);
  }

  /** A deadline passed: which one, the phase says. */
  expired(): void {
    if (this.#phase === 'connecting') {
      this.#lost('connect');
    } else if (this.#phase === 'asked') {
      const clientsTurn = this.#connection.bodyLeft > 0 && this.#upstream?.full !== true;
      if (!clientsTurn) this.#exchange.failed();
      this.#fail(clientsTurn ? 'REQUEST_TIMEOUT' : 'UPSTREAM_TIMEOUT');
    } else if (this.#phase === 'answering' || this.#phase === 'flushing') {
      this.#stalled();
    }
  }

  /** Nothing moved for as long as it may: it is the target's fault, or the client's. */
  #stalled(): void {
    const waiting = this.#connection.socket.writableLength;
    if (waiting > 0) {
      const moves = waiting !== this.#waitingBytes;
      this.#waitingBytes = waiting;
      // The client took some of it since the last look, or this is the first.
      if (moves) this.#moved();
      else this.#connection.destroy();
      return;
    }
    this.#exchange.failed();
    this.#breakOff('UPSTREAM_TIMEOUT');
  }

  connected(): void {
    this.#send();
  }

  received(bytes: Buffer, length: number): boolean {
    if (this.#phase === 'answering') return this.#receivedBody(bytes, 0, length, '');
    if (this.#phase !== 'asked') return false;
    if (this.#partial === null) return this.#receivedHead(bytes, length);
    const joined = Buffer.concat([this.#partial, bytes.subarray(0, length)]);
    this.#partial = null;
    return this.#receivedHead(joined, joined.length);
  }

  drained(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#connection.socket.resume();
  }

  ended(): void {
    if (this.#phase === 'answering' && this.#follower?.endsWithConnection) {
      this.#messageEnded(this.#chunks ? '0\r\n\r\n' : '', false);
    } else {
      this.#upstream?.break();
    }
  }

  closed(_error: Error | null): void {
    const upstream = this.#upstream;
    this.#upstream = null;
    if (upstream === null) return;
    if (this.#phase === 'connecting') {
      this.#lost('connect');
    } else if (this.#phase === 'asked') {
      const untouched = this.#partial === null && this.#interims === 0;
      this.#lost(untouched ? (upstream.reused ? 'stale' : 'reset') : 'broken');
    } else if (this.#phase === 'answering') {
      this.#exchange.failed();
      this.#breakOff('UPSTREAM_RESET');
    }
  }

  #claim(avoid: Target | undefined): void {
    const lease = this.#service.claim(avoid);
    if (lease !== null) {
      this.#claimed(lease);
      return;
    }
    this.#phase = 'waiting';
    // The queue has a time limit of its own.
    this.#connection.lane.deadlines.disarm(this.#connection.deadline);
    const cancel = this.#service.wait((got) => {
      this.#cancelWait = null;
      if (got instanceof Fault) this.#fail(got.code);
      else this.#claimed(got);
    });
    if (this.#phase === 'waiting') this.#cancelWait = cancel;
  }

  #claimed(lease: Lease): void {
    const { lane } = this.#connection;
    this.#exchange.sent(lease);
    lease.onCut((why) => this.#cut(why));
    if (this.#phase === 'over') return;
    const upstreams = lane.upstreamsOf(lease.pool);
    // A request that comes again gets a connection of its own: another kept one may be as stale.
    const kept = this.#exchange.retries === 0 ? upstreams.take(lease.target, this) : undefined;
    if (kept !== undefined) {
      this.#upstream = kept;
      this.#send();
      return;
    }
    this.#phase = 'connecting';
    this.#connection.arm(this.#service.policy.connectMs);
    this.#upstream = upstreams.connect(lease.target, this);
  }

  #send(): void {
    const upstream = this.#upstream;
    if (upstream === null) return;
    const { proto, trusted } = this.#connection;
    const { host, client, id } = this.#exchange;
    const headers = requestHeaders(this.#raw, {
      client,
      trusted,
      proto,
      host,
      id,
      version: '1.1',
      chunked: false,
      upgrade: false,
    });
    const held = this.#held;
    this.#held = null;
    this.#phase = 'asked';
    const start = `${this.#method} ${this.#target} HTTP/1.1\r\n`;
    upstream.write(withLines(start, headers), held);
    if (!upstream.full && this.#paused) this.drained();
    this.#armForAnswer();
  }

  /** While the body comes, silence counts; from its end on, the wait for an answer. */
  #armForAnswer(): void {
    if (this.#phase !== 'asked') return;
    const { idleMs, responseMs } = this.#service.policy;
    this.#connection.arm(this.#connection.bodyLeft > 0 ? idleMs : responseMs);
  }

  #receivedHead(bytes: Buffer, length: number): boolean {
    const head = responseHead;
    let at = 0;
    for (;;) {
      const verdict = readHead(bytes, at, length, this.#method, head);
      if (verdict === 'partial' && length - at <= responseHeadBytesMax) {
        this.#partial = Buffer.from(bytes.subarray(at, length));
        return true;
      }
      // Nobody asked for another protocol.
      if (verdict !== 'whole' || head.status === 101) return this.#malformed();
      at += head.headBytes;
      if (head.status >= 200) break;
      if (++this.#interims > interimMax) return this.#malformed();
      this.#interim(head);
      if (at === length) return true;
    }
    return this.#answer(head, bytes, at, length);
  }

  #malformed(): boolean {
    this.#exchange.failed();
    this.#fail('UPSTREAM_MALFORMED');
    return false;
  }

  /** 103 is passed on. 100 answers an expectation nobody had; 102 says nothing to a client that waits anyway. */
  #interim(head: ResponseHead): void {
    if (head.status !== 103) return;
    const headers = responseHeaders(head.raw, head.version, {
      status: head.status,
      chunked: false,
      connection: null,
    });
    const text = withLines(`HTTP/1.1 ${head.status} ${head.reason}\r\n`, headers);
    this.#connection.socket.write(text, 'latin1');
  }

  #answer(head: ResponseHead, bytes: Buffer, at: number, length: number): boolean {
    const exchange = this.#exchange;
    const { status, framing } = head;
    exchange.answered();
    exchange.status = status;
    if (head.eventStream) exchange.lease?.become('sse');
    this.#phase = 'answering';
    this.#keepsForMs = head.keepsForMs;
    this.#upstreamKeeps = head.keeps;
    this.#chunks = framing === 'untilClose';
    this.#close = this.#mustClose();
    const chunked = framing === 'chunked' || framing === 'untilClose';
    const headers = responseHeaders(head.raw, head.version, {
      status,
      chunked,
      // HTTP/1.1 keeps a connection where nothing is said.
      connection: this.#close ? 'close' : null,
    });
    if (chunked) headers.push('Transfer-Encoding', 'chunked');
    const text = withLines(`HTTP/1.1 ${status} ${head.reason}\r\n`, headers);
    if (framing === 'none' || (framing === 'length' && head.bodyBytes === 0)) {
      return this.#messageEnded(text, at === length);
    }
    this.#follower = new BodyFollower();
    this.#follower.begin(framing, head.bodyBytes);
    return this.#receivedBody(bytes, at, length, text);
  }

  /** @param before text that goes out in front: the head, or nothing. */
  #receivedBody(bytes: Buffer, from: number, to: number, before: string): boolean {
    const follower = this.#follower;
    if (follower === null) return false;
    const followed = follower.follow(bytes, from, to);
    if (followed === 'malformed') {
      if (before !== '') this.#connection.socket.write(before, 'latin1');
      this.#exchange.failed();
      this.#breakOff('UPSTREAM_MALFORMED');
      return false;
    }
    const { passable } = follower;
    this.#exchange.bytesOut += passable;
    if (this.#chunks) this.#passChunk(before, bytes, from, passable);
    else this.#pass(before, bytes, from, passable);
    if (followed === 'ended') {
      const { trailers } = follower;
      const tail = trailers === null ? '' : trailerLines(trailers);
      return this.#messageEnded(tail, from + follower.taken === to);
    }
    this.#moved();
    const { socket } = this.#connection;
    return !(socket.writableLength > 0 && socket.writableNeedDrain);
  }

  /** A body that ends with its connection goes on in chunks: the client's connection may live on. */
  #passChunk(before: string, bytes: Buffer, from: number, length: number): void {
    if (length === 0) {
      if (before !== '') this.#connection.socket.write(before, 'latin1');
      return;
    }
    const { socket } = this.#connection;
    socket.cork();
    this.#pass(`${before}${length.toString(16)}\r\n`, bytes, from, length);
    socket.write('\r\n', 'latin1');
    socket.uncork();
    if (socket.writableLength > 0) this.#upstream?.keepBuffer();
  }

  #pass(before: string, bytes: Buffer, from: number, length: number): void {
    const { socket } = this.#connection;
    if (length === 0) {
      if (before !== '') socket.write(before, 'latin1');
      return;
    }
    if (before !== '' && length <= joinBytesMax) {
      socket.write(before + bytes.toString('latin1', from, from + length), 'latin1');
      return;
    }
    const part = bytes.subarray(from, from + length);
    if (before === '') {
      socket.write(part);
    } else {
      socket.cork();
      socket.write(before, 'latin1');
      socket.write(part);
      socket.uncork();
    }
    // Where the kernel did not take all, what is left is read from this very buffer later.
    if (socket.writableLength > 0) this.#upstream?.keepBuffer();
  }

  /**
   * The answer is whole.
   *
   * @param tail what is still to be written.
   * @param exact nothing followed it.
   */
  #messageEnded(tail: string, exact: boolean): boolean {
    const { socket, bodyLeft } = this.#connection;
    const upstream = this.#upstream;
    this.#upstream = null;
    this.#phase = 'flushing';
    if (tail !== '') socket.write(tail, 'latin1');
    const clean = exact && this.#upstreamKeeps && bodyLeft === 0 && upstream?.backlogBytes === 0;
    // What answered a second try is not kept: where one kept connection broke, this one may, too.
    if (clean && this.#exchange.retries === 0) upstream.giveBack(this.#keepsForMs);
    else upstream?.destroy();
    if (socket.writableLength === 0) {
      this.#flushed();
    } else {
      this.#connection.arm(this.#service.policy.idleMs);
      // 'drain' comes only behind a write that was told to wait; this one is called in any case.
      if (!socket.writableNeedDrain) socket.write(noBytes, () => this.#flushed());
    }
    return clean;
  }

  #flushed(): void {
    if (this.#phase === 'flushing') this.#over('finished', !this.#close);
  }

  /** The connection to the target is lost, or was never made, before an answer. */
  #lost(reason: RetryReason | 'broken'): void {
    const exchange = this.#exchange;
    this.#dropUpstream();
    if (reason !== 'stale') exchange.failed();
    const body = !this.#hasBody ? 'none' : reason === 'connect' ? 'unread' : 'read';
    if (reason !== 'broken' && exchange.mayRetry(reason, body)) {
      this.#claim(exchange.retry(reason));
    } else if (reason === 'connect') {
      this.#fail(exchange.lease?.panic ? 'NO_HEALTHY_TARGET' : 'UPSTREAM_UNREACHABLE');
    } else {
      this.#fail('UPSTREAM_RESET');
    }
  }

  /** Nothing of an answer was passed on. */
  get #unanswered(): boolean {
    return this.#phase === 'waiting' || this.#phase === 'connecting' || this.#phase === 'asked';
  }

  /** An interim answer is harmless to a client that waits, and is answered with a reset where nobody is. */
  #ask(): void {
    if (this.#probe === null || !this.#unanswered) return;
    this.#connection.socket.write('HTTP/1.1 100 Continue\r\n\r\n', 'latin1');
    this.#connection.lane.deadlines.arm(this.#probe, probeEveryMs);
  }

  /** Answers for the target. Only where nothing of an answer was passed on. */
  #fail(code: FaultCode): void {
    const exchange = this.#exchange;
    const connection = this.#connection;
    this.#dropUpstream();
    this.#close = this.#mustClose() || connection.bodyLeft > 0;
    const answer = ownAnswer(code, {
      id: exchange.id,
      accept: this.#accept(),
      retryAfterSeconds: this.#service.policy.retryAfterSeconds,
      close: this.#close,
      date: exchange.plane.clock.date(),
    });
    exchange.status = answer.status;
    exchange.fault = code;
    const text = withLines(`HTTP/1.1 ${answer.status} ${answer.reason}\r\n`, answer.headers);
    if (this.#method === 'HEAD') {
      this.#messageEnded(text, true);
    } else {
      exchange.bytesOut += answer.body.length;
      this.#messageEnded(text + answer.body, true);
    }
  }

  #cut(why: Cut): void {
    if (this.#phase === 'over') return;
    if (this.#unanswered) {
      this.#fail(why === 'shutdown' ? 'SHUTTING_DOWN' : 'UPSTREAM_TIMEOUT');
    } else if (this.#mayEndHere) {
      this.#messageEnded('0\r\n\r\n', false);
    } else {
      this.#connection.destroy();
      this.#over('cut', false);
    }
  }

  /** An event stream has no end of its own, so any event may be its last. */
  get #mayEndHere(): boolean {
    if (this.#phase !== 'answering' || this.#exchange.lease?.kind !== 'sse') return false;
    return this.#chunks || this.#follower?.betweenChunks === true;
  }

  /** The client has part of an answer, and must see that the rest will not come. */
  #breakOff(code: FaultCode): void {
    this.#exchange.fault = code;
    this.#connection.destroy();
    this.#over('finished', false);
  }

  #over(ending: Ending, keep: boolean): void {
    if (this.#phase === 'over') return;
    this.#phase = 'over';
    this.#cancelWait?.();
    this.#dropUpstream();
    if (this.#probe !== null) this.#connection.lane.deadlines.disarm(this.#probe);
    if (this.#paused) this.#connection.socket.resume();
    this.#exchange.finish(ending);
    this.#connection.done(keep);
  }

  #dropUpstream(): void {
    const upstream = this.#upstream;
    this.#upstream = null;
    upstream?.destroy();
  }

  #pauseClient(): void {
    this.#paused = true;
    this.#connection.socket.pause();
  }

  #mustClose(): boolean {
    return this.#clientCloses || this.#connection.ended || this.#exchange.plane.closing;
  }

  #accept(): string {
    for (let at = this.#raw.length - 2; at >= 0; at -= 2) {
      if (this.#raw[at]?.toLowerCase() === 'accept') return this.#raw[at + 1] ?? '';
    }
    return '';
  }
}

/** One for all passages: a head is read and used up in one turn. */
const responseHead = emptyResponseHead();

function readHead(
  bytes: Buffer,
  from: number,
  to: number,
  method: string,
  head: ResponseHead,
): 'whole' | 'partial' | 'malformed' {
  const guess = Math.min(to, from + headGuessBytes);
  const verdict = parseResponse(bytes.toString('latin1', from, guess), method, head);
  if (verdict !== 'partial' || guess === to) return verdict;
  const most = Math.min(to, from + responseHeadBytesMax + 1);
  return parseResponse(bytes.toString('latin1', from, most), method, head);
}

function withLines(start: string, headers: readonly string[]): string {
  let text = start;
  for (let at = 0; at < headers.length; at += 2) text += `${headers[at]}: ${headers[at + 1]}\r\n`;
  return `${text}\r\n`;
}

function trailerLines(raw: readonly string[]): string {
  let text = '';
  for (const [name, value] of trailerPairs(raw)) text += `${name}: ${value}\r\n`;
  return `${text}\r\n`;
}
