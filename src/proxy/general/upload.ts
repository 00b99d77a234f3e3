/**
 * The body of a request on its way to a target.
 *
 * The rule this file keeps: no more of it is held than what one write takes, or a small body whole,
 * and never more bytes pass than the service allows, whatever the client said of its length.
 */
import type { Policy } from '../../wire.ts';
import type { Exchange } from '../accounting/exchange.ts';
import type { BodyState } from '../failurePolicy.ts';
import { trailerPairs } from '../trailers.ts';
import type { RequestSide } from './clientSide.ts';
import type { TargetRequest } from './targetSide.ts';

/** The request whose body it is. */
export interface UploadedRequest {
  readonly req: RequestSide;
  readonly exchange: Exchange;
  readonly service: { readonly policy: Policy };
  /** The body comes in chunks. */
  readonly chunked: boolean;
  body: BodyState;
  /** All of it, where it was taken beforehand; null: it is read now. */
  readonly beforehand: Buffer | null;
}

/** The try that sends it, as it hears of it. */
export interface UploadingTry {
  /** Nothing more is to be sent. */
  readonly over: boolean;
  moved(): void;
  bodyTooLarge(): void;
  /** All of it was written. */
  uploaded(): void;
}

export function uploadBody(from: UploadedRequest, to: TargetRequest, attempt: UploadingTry): void {
  const { req, exchange, service, beforehand } = from;
  from.body = 'read';
  if (beforehand !== null) {
    to.end(beforehand);
    attempt.uploaded();
    return;
  }
  to.on('drain', () => {
    attempt.moved();
    req.resume();
  });
  req.on('data', (chunk: Buffer) => {
    if (attempt.over) return;
    exchange.bytesIn += chunk.length;
    if (exchange.bytesIn > service.policy.bodyBytesMax) {
      attempt.bodyTooLarge();
      return;
    }
    if (!to.write(chunk)) req.pause();
    attempt.moved();
  });
  req.on('end', () => {
    if (attempt.over) return;
    if (from.chunked && req.rawTrailers.length > 0) to.addTrailers(trailerPairs(req.rawTrailers));
    to.end();
    attempt.uploaded();
  });
}
