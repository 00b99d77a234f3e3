/**
 * A request to a target on a stream of HTTP/2, and its answer, in the shapes of HTTP/1.
 *
 * The rule this file keeps: of a stream it is told once how it failed, or that an answer has begun;
 * from there on the answer says how it ended.
 */
import { STATUS_CODES } from 'node:http';
import {
  type ClientHttp2Stream,
  constants,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
} from 'node:http2';
import type { Target } from '../balancing/target.ts';
import type { BodyState, Loss } from '../failurePolicy.ts';
import { type Http2Fields, http2Fields } from '../streams/http2Fields.ts';
import { IncomingStream } from '../streams/incomingStream.ts';
import { isBadHeader } from './forwarder.ts';
import type { TargetSession, TargetSessions } from './targetSessions.ts';
import type { TargetAnswer, TargetInterim, TargetRequest } from './targetSide.ts';
import { type HeadedRequest, streamFields } from './upstreamHeaders.ts';

/** Who sends it, as it hears of what happens. */
export interface StreamSender {
  /** Nothing of it is heard any more. */
  readonly over: boolean;
  opened(stream: TargetRequest): void;
  /** A field may not be written as it is. */
  unsendable(): void;
  interim(head: TargetInterim): void;
  answered(answer: TargetAnswer): void;
  /** @param known how it was lost; null: as a connection of its own would be. */
  failed(error: NodeJS.ErrnoException, known: Loss | null): void;
}

/** What is sent, as far as a stream asks. */
export interface StreamedRequest extends HeadedRequest {
  readonly body: BodyState;
  /** In origin form. */
  readonly targetPath: string;
}

/** Sends the head of a request once there is a connection; until then it can go elsewhere. */
export function openStream(
  sessions: TargetSessions,
  call: StreamedRequest,
  target: Target,
  sender: StreamSender,
): void {
  const session = sessions.to(target);
  const ready = (): void => {
    if (sender.over) return;
    let stream: TargetStream;
    try {
      const fields = streamFields(call, target, call.targetPath);
      stream = new TargetStream(session, fields, call.body === 'none', sender);
    } catch (thrown) {
      if (!isBadField(thrown)) throw thrown;
      sender.unsendable();
      return;
    }
    sender.opened(stream);
  };
  session.whenReady(ready, (error, loss) => sender.failed(error, loss));
}

/** Node refuses a field that its parser let through. */
function isBadField(thrown: unknown): boolean {
  const code = String((thrown as NodeJS.ErrnoException).code);
  return isBadHeader(thrown) || /^ERR_HTTP2_(?:HEADER|INVALID)/.test(code);
}

export class TargetStream implements TargetRequest {
  readonly reusedSocket: boolean;
  readonly #session: TargetSession;
  readonly #stream: ClientHttp2Stream;
  #trailers: Http2Fields = {};

  /**
   * Sends the head.
   *
   * @param session is ready.
   * @param ends nothing follows it.
   * @throws what Node throws of a field that may not be written.
   */
  constructor(session: TargetSession, fields: Http2Fields, ends: boolean, sender: StreamSender) {
    const stream = session.begin(fields, ends);
    this.#session = session;
    this.#stream = stream;
    this.reusedSocket = session.reused;
    stream.on('wantTrailers', () => {
      if (!stream.destroyed) stream.sendTrailers(this.#trailers);
    });
    const interim = (head: IncomingHttpHeaders, _: number, raw: string[]): void => {
      const statusCode = Number(head[':status']);
      sender.interim({ ...version, statusCode, ...textOf(statusCode), ...fieldsOf(head, raw) });
    };
    stream.on('headers', interim as () => void);
    const response = (head: Head, flags: number, raw: string[]): void => {
      answered = true;
      sender.answered(new StreamAnswer(stream, head, flags, raw));
    };
    let answered = false;
    stream.once('response', response as () => void);
    let failure: Error | null = null;
    stream.on('error', (error) => {
      failure ??= error;
    });
    stream.once('close', () => {
      if (answered) return;
      // RFC 9113 section 8.7: nothing was done with it.
      const untouched = stream.rstCode === constants.NGHTTP2_REFUSED_STREAM;
      sender.failed(failure ?? new Error('closed'), untouched ? 'connect' : null);
    });
  }

  get writableFinished(): boolean {
    return this.#stream.writableFinished;
  }

  get writableNeedDrain(): boolean {
    return this.#stream.writableNeedDrain;
  }

  /** It went out with the stream. */
  flushHeaders(): void {}

  write(chunk: Buffer): boolean {
    return this.#open ? this.#stream.write(chunk) : true;
  }

  addTrailers(pairs: [string, string][]): void {
    this.#trailers = http2Fields(pairs.flat());
  }

  end(last?: Buffer): void {
    if (!this.#open || this.#stream.writableEnded) return;
    if (last === undefined) this.#stream.end();
    else this.#stream.end(last);
  }

  on(event: 'drain', listener: () => void): void {
    this.#stream.on(event, listener);
  }

  destroy(): void {
    this.#stream.close(constants.NGHTTP2_CANCEL);
  }

  /** Nothing else is begun on its connection. */
  doubt(): void {
    this.#session.retire();
  }

  get #open(): boolean {
    return !this.#stream.destroyed && !this.#stream.closed;
  }
}

type Head = IncomingHttpHeaders & IncomingHttpStatusHeader;

const version = { onStream: true, httpVersionMajor: 2, httpVersionMinor: 0 } as const;

class StreamAnswer extends IncomingStream implements TargetAnswer {
  readonly onStream = version.onStream;
  readonly httpVersionMajor = version.httpVersionMajor;
  readonly httpVersionMinor = version.httpVersionMinor;
  readonly statusCode: number;
  readonly statusMessage: string;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: string[];
  readonly #stream: ClientHttp2Stream;

  constructor(stream: ClientHttp2Stream, head: Head, flags: number, raw: string[]) {
    super(stream, (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0);
    this.#stream = stream;
    const { headers, rawHeaders } = fieldsOf(head, raw);
    this.statusCode = Number(head[':status']);
    this.statusMessage = textOf(this.statusCode).statusMessage;
    this.headers = headers;
    this.rawHeaders = rawHeaders;
  }

  override on(event: 'data' | 'end' | 'close', listener: (chunk: Buffer) => void): void {
    if (event === 'close') this.#stream.on('close', listener as () => void);
    else super.on(event, listener);
  }

  destroy(): void {
    this.#stream.close(constants.NGHTTP2_CANCEL);
  }
}

/** HTTP/2 has no reason phrase, and clients of HTTP/1 are told one. */
function textOf(status: number): { readonly statusMessage: string } {
  return { statusMessage: STATUS_CODES[status] ?? '' };
}

/** Without the status, which is no field. */
function fieldsOf(headers: IncomingHttpHeaders, raw: readonly string[]) {
  const rawHeaders: string[] = [];
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at] ?? '';
    if (!name.startsWith(':')) rawHeaders.push(name, raw[at + 1] ?? '');
  }
  return { headers, rawHeaders };
}
