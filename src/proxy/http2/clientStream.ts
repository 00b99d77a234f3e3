/**
 * The client of one stream: what the general lane asks of a connection, done for the stream alone.
 *
 * The rule this file keeps: nothing that is done for one stream is felt by the others of its
 * connection.
 */
import { constants, type ServerHttp2Stream } from 'node:http2';
import type { Duplex } from 'node:stream';
import type { FaultCode } from '../../errors.ts';
import { discardMs } from '../connectionLimits.ts';
import { Deadline } from '../deadlines.ts';
import type { ClientSide } from '../general/clientSide.ts';
import type { LaneContext } from '../general/laneContext.ts';
import { ProxiedRequest } from '../general/proxiedRequest.ts';
import type { InterimHead } from '../general/responseHead.ts';
import type { ValidRequest } from '../validateRequest.ts';
import type { StreamHead } from './streamHead.ts';
import type { StreamRequest } from './streamRequest.ts';
import { StreamResponse } from './streamResponse.ts';

export class ClientStream implements ClientSide {
  readonly lane = 'http2';
  readonly proto = 'https';
  readonly asksNoMore = false;
  /** Each stream is measured by what waits on it. */
  readonly waitingBytes = 0;
  readonly socket: Duplex;
  readonly client: string;
  /** We have reset it ourselves. */
  aborted = false;
  readonly #around: LaneContext;
  readonly #stream: ServerHttp2Stream;
  readonly #vetted: ValidRequest | FaultCode;
  readonly #res: StreamResponse;

  /** @param of the session's: the socket beneath it. */
  constructor(
    around: LaneContext,
    of: { readonly socket: Duplex; readonly client: string },
    stream: ServerHttp2Stream,
    head: StreamHead,
    req: StreamRequest,
  ) {
    this.#around = around;
    this.socket = of.socket;
    this.client = of.client;
    this.#stream = stream;
    this.#vetted = head.vetted;
    this.#res = new StreamResponse(stream);
    const call = new ProxiedRequest(around, this, req, this.#res, null);
    // Nobody reads a body of no bytes; its end has to be heard all the same.
    if (call.body === 'none' && !req.complete) stream.resume();
    call.begin();
  }

  versionOf(): '2.0' {
    return '2.0';
  }

  vet(): ValidRequest | FaultCode {
    return this.#vetted;
  }

  interim({ status, headers }: InterimHead): void {
    this.#res.interim(status, headers);
  }

  abort(): void {
    this.aborted = true;
    // Not `close`, which would end the stream well before it resets it.
    this.#stream.destroy(new Error('cut'));
  }

  lingerAfterAnswer(): void {}

  discard(req: StreamRequest): void {
    const stream = this.#stream;
    if (stream.destroyed) return;
    const { deadlines } = this.#around;
    // RFC 9113 section 8.1: the answer is whole, and the rest is not wanted.
    const deadline = new Deadline({ expired: () => stream.close(constants.NGHTTP2_NO_ERROR) });
    deadlines.arm(deadline, discardMs);
    stream.once('close', () => deadlines.disarm(deadline));
    req.resume();
  }

  over(): void {}
}
