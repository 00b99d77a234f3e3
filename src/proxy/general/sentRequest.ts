/**
 * The request of a client, as one try of it on one target sees it.
 *
 * The rule this file keeps: it is the sum of what the parts of a try ask for, and nothing else.
 */
import type { FaultCode } from '../../errors.ts';
import type { Destination } from '../destinations/destination.ts';
import type { Loss } from '../failurePolicy.ts';
import type { LaneContext } from './laneContext.ts';
import type { AnsweredRequest } from './responseRelay.ts';
import type { TunneledRequest } from './tunnel.ts';
import type { UploadedRequest } from './upload.ts';
import type { HeadedRequest } from './upstreamHeaders.ts';

export interface SentRequest
  extends AnsweredRequest,
    TunneledRequest,
    UploadedRequest,
    HeadedRequest {
  readonly around: LaneContext;
  readonly connection: AnsweredRequest['connection'];
  readonly service: Destination;
  /** In origin form, as the target is asked for it. */
  readonly targetPath: string;
  /** A 100 Continue is owed before the body comes. */
  owesContinue: boolean;
  /** Bytes of the request may still come. */
  readonly unread: boolean;
  /** Answers ourselves. */
  answer(code: FaultCode): void;
  /** The try lost its target before the client got anything. */
  lost(loss: Loss): void;
}
