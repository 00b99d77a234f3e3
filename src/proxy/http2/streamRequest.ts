/**
 * The request on a stream of HTTP/2, in the shape of one of HTTP/1.
 *
 * The rule this file keeps: its head is the one that was vetted, and not what Node made of it.
 */
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { RequestSide } from '../general/clientSide.ts';
import { IncomingStream } from '../streams/incomingStream.ts';
import type { StreamHead } from './streamHead.ts';

export class StreamRequest extends IncomingStream implements RequestSide {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: string[];
  readonly #stream: ServerHttp2Stream;

  constructor(
    stream: ServerHttp2Stream,
    { method, path, raw }: StreamHead,
    headers: IncomingHttpHeaders,
  ) {
    super(stream, stream.endAfterHeaders);
    this.#stream = stream;
    this.method = method;
    this.url = path;
    this.rawHeaders = raw;
    this.headers = { ...headers, host: raw[1] };
  }

  once(event: 'close', listener: () => void): void {
    this.#stream.once(event, listener);
  }
}
