/**
 * What comes on a stream of HTTP/2, whichever side opened it, in the way a message of HTTP/1 comes.
 *
 * The rule this file keeps: a message that did not come whole never seems to end. Node ends a
 * stream that was reset as it ends one that is over, so the end is believed only of one that still
 * stands.
 */
import type { Http2Stream, IncomingHttpHeaders } from 'node:http2';

export class IncomingStream {
  rawTrailers: string[] = [];
  /** All of it has come. */
  complete: boolean;
  readonly #stream: Http2Stream;
  readonly #ended = new Set<() => void>();

  /**
   * Made in the turn in which the head comes: what follows at once is heard.
   *
   * @param ends nothing follows the head.
   */
  constructor(stream: Http2Stream, ends: boolean) {
    this.#stream = stream;
    this.complete = ends;
    if (ends) return;
    let trailed = false;
    const trailers = (_: IncomingHttpHeaders, __: number, raw: string[]): void => {
      trailed = true;
      this.rawTrailers = raw;
    };
    stream.once('trailers', trailers as () => void);
    stream.once('end', () => {
      if (stream.aborted || stream.destroyed || stream.rstCode !== 0) return;
      // We have not ended our side, so it was not closed but by a reset; behind trailers nothing
      // is missing.
      if (stream.closed && !stream.writableEnded && !trailed) return;
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

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }
}
