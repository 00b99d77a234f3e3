/**
 * The answer on a stream of HTTP/2, in the shape of one of HTTP/1.
 *
 * The rule this file keeps: the head goes out with what comes behind it, or as the end of the
 * stream where nothing does; and behind a reset nothing is written.
 */
import type { ServerHttp2Stream } from 'node:http2';
import type { ResponseSide } from '../general/clientSide.ts';
import { type Http2Fields, http2Fields } from '../streams/http2Fields.ts';

export class StreamResponse implements ResponseSide {
  sendDate = false;
  shouldKeepAlive = true;
  readonly #stream: ServerHttp2Stream;
  /** To be sent with what comes next. */
  #head: Http2Fields | null = null;
  #headed = false;
  #trailers: Http2Fields = {};
  #ended = false;

  constructor(stream: ServerHttp2Stream) {
    this.#stream = stream;
  }

  get headersSent(): boolean {
    return this.#headed;
  }

  get writableEnded(): boolean {
    return this.#ended;
  }

  get writableFinished(): boolean {
    return this.#ended && this.#stream.writableFinished;
  }

  get writableNeedDrain(): boolean {
    return this.#stream.writableNeedDrain;
  }

  get writableLength(): number {
    return this.#stream.writableLength;
  }

  removeHeader(): void {}

  detachSocket(): void {}

  /** The reason has no place in HTTP/2. */
  writeHead(status: number, _reason: string, headers: readonly string[]): void {
    const fields = http2Fields(headers);
    // It has no body (RFC 9110 section 15.3.6), and Node does not send one.
    if (status === 205) delete fields['content-length'];
    this.#head = { ':status': String(status), ...fields };
    this.#headed = true;
  }

  writeContinue(): void {
    this.interim(100, []);
  }

  interim(status: number, headers: readonly string[]): void {
    if (this.#open && !this.#headed) {
      this.#stream.additionalHeaders({ ':status': status, ...http2Fields(headers) });
    }
  }

  addTrailers(pairs: readonly [string, string][]): void {
    this.#trailers = http2Fields(pairs.flat());
  }

  write(chunk: Uint8Array): boolean {
    this.#flush(false);
    if (chunk.length === 0 || !this.#open) return true;
    return this.#stream.write(chunk);
  }

  end(last?: Uint8Array | string, encoding?: 'latin1'): void {
    if (this.#ended) return;
    this.#ended = true;
    const empty = last === undefined || last.length === 0;
    this.#flush(empty && Object.keys(this.#trailers).length === 0);
    if (!this.#open || this.#stream.writableEnded) return;
    if (empty) this.#stream.end();
    else if (typeof last === 'string') this.#stream.end(last, encoding ?? 'latin1');
    else this.#stream.end(last);
  }

  on(event: 'error', listener: () => void): void {
    this.#stream.on(event, listener);
  }

  /** It is closed once all of it has gone out: the client may send on for a while. */
  once(event: 'close' | 'drain' | 'finish', listener: () => void): void {
    if (event !== 'close') {
      this.#stream.once(event, listener);
      return;
    }
    const heard = (): void => {
      this.#stream.off('finish', finished);
      this.#stream.off('close', heard);
      listener();
    };
    // Node finishes a stream that was reset as well.
    const finished = (): void => {
      if (this.#ended) heard();
    };
    this.#stream.on('finish', finished);
    this.#stream.on('close', heard);
  }

  get #open(): boolean {
    return !this.#stream.destroyed && !this.#stream.closed;
  }

  /** @param ends nothing comes behind it. */
  #flush(ends: boolean): void {
    const head = this.#head;
    this.#head = null;
    if (head === null || !this.#open) return;
    // Trailers have no other time to be known than the end of a body whose length is not.
    const waitForTrailers = !ends && head['content-length'] === undefined;
    if (waitForTrailers) this.#stream.once('wantTrailers', () => this.#sendTrailers());
    this.#stream.respond(head, { endStream: ends, waitForTrailers });
  }

  /** Without any, the end of the stream. */
  #sendTrailers(): void {
    if (this.#open) this.#stream.sendTrailers(this.#trailers);
  }
}
