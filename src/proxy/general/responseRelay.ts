/**
 * A target's answer on its way to the client.
 *
 * The rule this file keeps: an answer that did not arrive whole never ends cleanly, and of one that
 * the client does not take, no more is kept than what one write holds.
 */
import type { Policy } from '../../wire.ts';
import type { Exchange } from '../accounting/exchange.ts';
import type { HeaderEdits } from '../edge/headerEdits.ts';
import { afterStall } from '../failurePolicy.ts';
import { type ClientVersion, responseHeaders } from '../headers.ts';
import type { HttpDate } from '../httpDate.ts';
import { trailerPairs } from '../trailers.ts';
import type { ClientSide, RequestSide, ResponseSide } from './clientSide.ts';
import type { TargetAnswer } from './targetSide.ts';

/** The request that is answered, as the relay of its answer sees it. */
export interface AnsweredRequest {
  readonly around: { readonly plane: { readonly closing: boolean; readonly httpDate: HttpDate } };
  readonly connection: Pick<
    ClientSide,
    'socket' | 'proto' | 'asksNoMore' | 'waitingBytes' | 'interim'
  >;
  readonly service: {
    readonly policy: Pick<Policy, 'hstsSeconds'>;
    readonly rules: { readonly response: HeaderEdits | null } | null;
  };
  readonly req: RequestSide;
  readonly res: ResponseSide;
  readonly version: ClientVersion;
  /** Not null: the request asked for a tunnel, and its connection is not kept. */
  readonly tunnelHead: Buffer | null;
  readonly exchange: Exchange;
  /** Adds what HTTP/1.0 has to be told where the connection is kept. */
  keepAlive(headers: string[]): void;
  /** Ends the client's connection at once: it must not take what it got for the whole. */
  abort(): void;
  /** What came is no answer; the client got nothing of it. */
  lost(loss: 'malformed'): void;
}

/** The try whose answer it is: it watches over silence, and ends the connection to the target. */
export interface AnsweredTry {
  /** @param onClient it is the client that has to move now. */
  moved(onClient?: boolean): void;
  drop(): void;
}

/** A body of so many bytes is copied rather than written by itself. */
const inlineBytesMax = 4096;

export class ResponseRelay {
  readonly #call: AnsweredRequest;
  readonly #attempt: AnsweredTry;
  readonly #answer: TargetAnswer;
  readonly #bodyless: boolean;
  #chunked = false;
  /** Of the body, where the target said it; -1: it did not. */
  #length = -1;
  #ended = false;
  /** What waited for the client when it was last looked at. */
  #waitingBytes = -1;

  constructor(call: AnsweredRequest, attempt: AnsweredTry, answer: TargetAnswer) {
    this.#call = call;
    this.#attempt = attempt;
    this.#answer = answer;
    const { statusCode } = answer;
    this.#bodyless = call.req.method === 'HEAD' || statusCode === 204 || statusCode === 304;
  }

  /** The target's answer came whole. */
  get complete(): boolean {
    return this.#answer.complete;
  }

  /** An event stream has no end of its own, so any event may be its last. */
  get mayEndHere(): boolean {
    return this.#call.exchange.lease?.kind === 'sse' && this.#chunked;
  }

  start(): void {
    const answer = this.#answer;
    const { exchange, res } = this.#call;
    const status = answer.statusCode ?? 0;
    const type = answer.headers['content-type'];
    if (type?.toLowerCase().startsWith('text/event-stream')) exchange.lease?.become('sse');
    if (!this.#writeHead(status)) return;
    exchange.status = status;
    this.#attempt.moved();
    // A head that is the end of its stream stays one: trailers alone, as gRPC has them.
    if (this.#bodyless || this.#length === 0 || answer.complete) {
      answer.resume();
      this.end();
      return;
    }
    if (this.#length === -1) answer.on('end', () => this.end());
    answer.on('close', () => this.#closed());
    answer.on('data', (chunk: Buffer) => {
      if (this.#ended) return;
      exchange.bytesOut += chunk.length;
      if (exchange.bytesOut === this.#length) {
        this.end(chunk);
        return;
      }
      const taken = res.write(chunk);
      this.#attempt.moved(!taken);
      if (!taken) this.#waitForClient();
    });
    // What came with the head is written in this turn; a head that came alone must not wait for
    // more.
    process.nextTick(flushAlone, this.#call);
  }

  #waitForClient(): void {
    this.#answer.pause();
    this.#call.res.once('drain', () => {
      this.#attempt.moved();
      this.#answer.resume();
    });
  }

  /** @param last what is left of the body, where its end is known by its length. */
  end(last?: Buffer): void {
    if (this.#ended) return;
    this.#ended = true;
    const { res } = this.#call;
    const { rawTrailers } = this.#answer;
    if (this.#chunked && rawTrailers.length > 0) {
      try {
        res.addTrailers(trailerPairs(rawTrailers));
      } catch {
        // A trailer that Node does not write is left out: the body is whole without it.
      }
    }
    if (last === undefined) res.end();
    // As a string it goes out in one piece with the head: half the price for small answers.
    else if (last.length <= inlineBytesMax) res.end(last.toString('latin1'), 'latin1');
    else res.end(last);
    this.#attempt.moved(true);
  }

  /** Nothing moved for as long as it may: it is the target's fault, or the client's. */
  stalled(): void {
    const { res, connection, exchange } = this.#call;
    const waiting = res.writableLength + connection.waitingBytes;
    const next = afterStall(this.#ended || res.writableNeedDrain, waiting !== this.#waitingBytes);
    this.#waitingBytes = waiting;
    if (next === 'wait') {
      this.#attempt.moved(true);
      return;
    }
    if (next !== 'break') {
      exchange.fault = next;
      exchange.failed();
    }
    this.#call.abort();
  }

  #closed(): void {
    if (this.#ended || this.#answer.complete) return;
    const { exchange } = this.#call;
    exchange.fault ??= 'UPSTREAM_RESET';
    exchange.failed();
    this.#ended = true;
    this.#call.abort();
  }

  #writeHead(status: number): boolean {
    const call = this.#call;
    const { res, version } = call;
    const answer = this.#answer;
    const length = answer.headers['content-length'];
    const measured = this.#bodyless || length !== undefined;
    if (length !== undefined) this.#length = Number(length);
    this.#chunked = !measured && version !== '1.0';
    const close =
      call.tunnelHead !== null ||
      call.around.plane.closing ||
      call.connection.asksNoMore ||
      !res.shouldKeepAlive ||
      (!measured && version === '1.0');
    const headers = responseHeaders(answer.rawHeaders, versionOf(answer), {
      status,
      chunked: this.#chunked,
      connection: close ? 'close' : null,
      hstsSeconds: call.connection.proto === 'https' ? call.service.policy.hstsSeconds : 0,
      edits: call.service.rules?.response ?? null,
    });
    if (!close) call.keepAlive(headers);
    // RFC 9110 section 6.6.1; as the express lane says it.
    if (answer.headers.date === undefined) headers.push('Date', call.around.plane.httpDate.text);
    const { cookie } = call.exchange;
    if (cookie !== '') headers.push('Set-Cookie', cookie);
    res.sendDate = false;
    try {
      res.writeHead(status, (answer.statusMessage ?? '').replace(unclean, ''), headers);
      return true;
    } catch {
      this.#ended = true;
      this.#attempt.drop();
      call.lost('malformed');
      return false;
    }
  }
}

function versionOf({ onStream = false, httpVersionMinor }: TargetAnswer): ClientVersion {
  if (onStream) return '2.0';
  return httpVersionMinor === 0 ? '1.0' : '1.1';
}

/** What may not stand in a reason phrase (RFC 9112 section 4). */
const unclean = /[^\t\x20-\x7e\x80-\xff]/g;

const noBytes = Buffer.alloc(0);

function flushAlone(call: AnsweredRequest): void {
  // Not `flushHeaders`, which writes octets above ASCII as UTF-8.
  if (call.exchange.bytesOut === 0 && !call.res.writableEnded) call.res.write(noBytes);
}
