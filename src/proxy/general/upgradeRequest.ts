/**
 * A request that asks for a tunnel and has a body before it, as `docker exec` does: before Node 26,
 * which gives such a body as any other, its bytes are the first of the tunnel.
 *
 * The rule this file keeps: the tunnel begins with the byte behind the body, whatever reads it came
 * in.
 */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { Readable } from 'node:stream';
import type { RequestSide } from './clientSide.ts';

export class UpgradeRequest extends Readable implements RequestSide {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly httpVersion: string;
  readonly httpVersionMinor: number;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: string[];
  readonly rawTrailers: string[] = [];
  complete = false;
  readonly #socket: Duplex;
  #left: number;

  /**
   * @param socket nobody else reads it meanwhile. Behind the body it is paused, and keeps the rest.
   * @param head what came of the body, and behind it.
   * @param bytes of the body; at least 1.
   */
  constructor(req: IncomingMessage, socket: Duplex, head: Buffer, bytes: number) {
    super();
    this.method = req.method;
    this.url = req.url;
    this.httpVersion = req.httpVersion;
    this.httpVersionMinor = req.httpVersionMinor;
    this.headers = req.headers;
    this.rawHeaders = req.rawHeaders;
    this.#socket = socket;
    this.#left = bytes;
    socket.pause();
    socket.on('data', this.#take);
    if (head.length > 0) this.#take(head);
  }

  override _read(): void {
    if (!this.complete) this.#socket.resume();
  }

  readonly #take = (bytes: Buffer): void => {
    const part = bytes.subarray(0, this.#left);
    this.#left -= part.length;
    const more = this.push(part);
    if (this.#left > 0) {
      if (!more) this.#socket.pause();
      return;
    }
    this.complete = true;
    this.#socket.off('data', this.#take);
    this.#socket.pause();
    if (part.length < bytes.length) this.#socket.unshift(bytes.subarray(part.length));
    this.push(null);
  };
}
