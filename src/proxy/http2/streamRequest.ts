/**
 * The request on a stream of HTTP/2, in the shape of one of HTTP/1.
 *
 * The rule this file keeps: a body that did not come whole never seems to end. Node ends a stream
 * that was reset as it ends one that is over, so the end is believed only of one that still stands.
 */
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { RequestSide } from '../general/clientSide.ts';
import type { StreamHead } from './streamHead.ts';

export class StreamRequest implements RequestSide {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: string[];
  rawTrailers: string[] = [];
  complete: boolean;
  readonly #stream: ServerHttp2Stream;
  readonly #ended = new Set<() => void>();

  /** Made in the turn in which the stream comes: what follows at once is heard. */
  constructor(
    stream: ServerHttp2Stream,
    { method, path, raw }: StreamHead,
    headers: IncomingHttpHeaders,
  ) {
    this.#stream = stream;
    this.method = method;
    this.url = path;
    this.rawHeaders = raw;
    this.headers = { ...headers, host: raw[1] };
    this.complete = stream.endAfterHeaders;
    if (this.complete) return;
    const trailers = (_fields: object, _flags: number, raw: string[]): void => {
      this.rawTrailers = raw;
    };
    stream.once('trailers', trailers as () => void);
    stream.once('end', () => {
      if (stream.aborted || stream.destroyed || stream.rstCode !== 0) return;
      // We have not ended our side, so it was not closed but by a reset.
      if (stream.closed && !stream.writableEnded) return;
      this.complete = true;
      for (const listener of this.#ended) listener();
    });
  }

  on(event: 'data' | 'end', listener: (chunk: Buffer) => void): void {
    if (event === 'data') {
      this.#stream.on('data', listener);
      return;
    }
    const ended = listener as () => void;
    this.#ended.add(ended);
    // Node ends a stream on which no DATA came without being read: that may have been long ago.
    if (this.complete) {
      process.nextTick(() => {
        if (this.#ended.has(ended)) ended();
      });
    }
  }

  off(event: 'data' | 'end', listener: (chunk: Buffer) => void): void {
    if (event === 'data') this.#stream.off('data', listener);
    else this.#ended.delete(listener as () => void);
  }

  once(event: 'close', listener: () => void): void {
    this.#stream.once(event, listener);
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }
}
