/**
 * What a failure leads to: tried again, answered, ended or broken off. Both lanes ask here, and
 * only carry out what they are told.
 *
 * The rule this file keeps: pure functions on plain values, which allocate nothing. An answer that
 * did not arrive whole never ends cleanly, a request never runs twice without leave, and nothing is
 * held against a target that is not its fault.
 */
import type { FaultCode } from '../errors.ts';
import type { RetryReason } from './accounting/counters.ts';
import type { Cut, Kind } from './balancing/lease.ts';
import type { ClientVersion } from './headers.ts';

/**
 * How a target was lost before the client got anything of its answer.
 *
 * `connect`: no connection was made; `unverified`: none was, because of the certificate that the
 * target showed; `stale`: a kept connection was closed as we wrote; `reset`: a
 * new one was closed before anything came; `broken`: something had come, and then no more;
 * `malformed`: what came is no answer; `oversized`: its head is longer than we take; `endless`:
 * so many interim answers came that no other is to be expected; `silent`: nothing came in time.
 */
export type Loss = RetryReason | 'broken' | 'malformed' | 'oversized' | 'endless' | 'silent';

/** How much of a request's body was read from the client and is kept nowhere. */
export type BodyState = 'none' | 'unread' | 'read';

/** What decides on a retry, as an exchange says it. */
export interface Tried {
  readonly method: string;
  readonly retries: number;
  /** What the last of them was for; null: there was none. */
  readonly retryReason: RetryReason | null;
  /** What the client got; 0: nothing yet. */
  readonly status: number;
}

/** Methods that may be sent again where nothing came back: RFC 9110 section 9.2.2. */
const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);

/**
 * Once, and only where the request cannot run twice: nothing of it was sent (the connection was
 * never made), or it has no body, its method is idempotent, and nothing of an answer came back.
 * A stale connection is nobody's failure, so the one retry is still to be had behind it: where a
 * container was killed its kept connections break first, and new ones fail next.
 */
export function mayRetry(loss: Loss, tried: Tried, body: BodyState): loss is RetryReason {
  if (tried.status !== 0 || tried.retries > 1) return false;
  if (tried.retries === 1 && (tried.retryReason !== 'stale' || loss === 'stale')) return false;
  if (loss === 'connect' || loss === 'unverified') return body !== 'read';
  if (loss !== 'stale' && loss !== 'reset') return false;
  return body === 'none' && idempotent.has(tried.method);
}

/** Whether another try goes to another target: that a kept connection was closed is no failure. */
export function avoidsTarget(reason: RetryReason): boolean {
  return reason !== 'stale';
}

/** Whether it counts among the errors of the target. */
export function blamesTarget(loss: Loss): boolean {
  return loss !== 'stale';
}

/** What a request is answered with that is not tried again. @param panic see `Lease`. */
export function answerToLoss(loss: Loss, panic: boolean): FaultCode {
  switch (loss) {
    case 'connect':
      return panic ? 'NO_HEALTHY_TARGET' : 'UPSTREAM_UNREACHABLE';
    case 'unverified':
      return 'UPSTREAM_UNVERIFIED';
    case 'malformed':
      return 'UPSTREAM_MALFORMED';
    case 'oversized':
      return 'UPSTREAM_HEADER_TOO_LARGE';
    case 'endless':
      return 'UPSTREAM_INTERIM_ENDLESS';
    case 'silent':
      return 'UPSTREAM_TIMEOUT';
    default:
      return 'UPSTREAM_RESET';
  }
}

/**
 * Nothing moved before an answer began: the target is lost, or the client is answered.
 *
 * @param bodyComing the client has not sent all of the request.
 * @param targetFull what it sent waits for the target.
 */
export function afterSilence(
  bodyComing: boolean,
  targetFull: boolean,
): 'silent' | 'REQUEST_TIMEOUT' {
  return bodyComing && !targetFull ? 'REQUEST_TIMEOUT' : 'silent';
}

/**
 * Nothing moved in mid-answer. `wait`: once more; `break`: the client does not read, so its
 * connection ends; else the target is at fault, and the client's connection breaks off.
 *
 * @param clientHolds part of the answer waits for the client.
 * @param clientMoved it took some since the last look, or this is the first.
 */
export function afterStall(
  clientHolds: boolean,
  clientMoved: boolean,
): 'wait' | 'break' | 'UPSTREAM_TIMEOUT' {
  if (!clientHolds) return 'UPSTREAM_TIMEOUT';
  return clientMoved ? 'wait' : 'break';
}

/**
 * How far an exchange is. `endable`: in mid-answer, where the answer may end as well as anywhere:
 * an event stream between two events; `tunnel`: it was upgraded.
 */
export type Progress = 'unanswered' | 'answering' | 'endable' | 'tunnel';

/**
 * The lease was cut. `end`: the stream ends in the way of its protocol; `break`: the client's
 * connection breaks off, so that it does not take what it got for the whole; else the request is
 * answered.
 */
export function afterCut(why: Cut, progress: Progress): 'end' | 'break' | FaultCode {
  if (why === 'slow' || why === 'crowding') {
    if (progress !== 'unanswered') return 'break';
    return why === 'slow' ? 'REQUEST_TOO_SLOW' : 'SLOW_REQUESTS_TOO_MANY';
  }
  if (progress === 'answering') return 'break';
  if (progress !== 'unanswered') return 'end';
  return why === 'shutdown' ? 'SHUTTING_DOWN' : 'UPSTREAM_TIMEOUT';
}

/**
 * The client shut its side behind a whole request. `break`: it has left; `probe`: it may still want
 * the answer, and is asked whether it is there; `wait`: writing the answer will tell.
 *
 * @param kind null: it waits for a place.
 * @param version a client of HTTP/1.0 knows no interim answers, so it cannot be asked.
 */
export function afterHalfClose(
  kind: Kind | null,
  answered: boolean,
  version: ClientVersion,
): 'break' | 'probe' | 'wait' {
  // An event stream has no end to wait for: who shuts a side has left.
  if (kind === 'sse') return 'break';
  return answered || version === '1.0' ? 'wait' : 'probe';
}
