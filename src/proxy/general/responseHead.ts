/**
 * What the general lane takes for the head of an answer, behind Node's parser.
 *
 * The rule this file keeps: what the express lane refuses for its words is refused here too, as far
 * as the parser tells them; so which lane carries a request is nothing that its client sees.
 */
import { headBytes, interimBytes, interimBytesMax } from '../answerLimits.ts';
import type { Loss } from '../failurePolicy.ts';
import { responseHeaders } from '../headers.ts';
import type { TargetAnswer, TargetInterim } from './targetSide.ts';

/** Why a head that Node's parser let through is none for us; null: it is one. */
export function lossIn(answer: TargetAnswer, headBytesMax: number): Loss | null {
  if (!wellFormed(answer)) return 'malformed';
  const { statusMessage = '', rawHeaders } = answer;
  return headBytes(statusMessage, rawHeaders) > headBytesMax ? 'oversized' : null;
}

/** What Node's parser gave up for; null: it is the connection that failed. */
export function lossOf(error: NodeJS.ErrnoException): Loss | null {
  if (error.code === 'HPE_HEADER_OVERFLOW') return 'oversized';
  return error.code?.startsWith('HPE_') ? 'malformed' : null;
}

/**
 * What Node's parser lets through of a head and the express lane does not: another version, a
 * status outside of 100 to 599, a reason or a framing that others read in another way.
 */
function wellFormed(answer: TargetAnswer): boolean {
  const { httpVersionMajor: major, httpVersionMinor: minor, statusCode = 0, headers } = answer;
  if (answer.onStream !== true && (major !== 1 || minor > 1)) return false;
  if (statusCode < 100 || statusCode > 599) return false;
  if (unclean.test(answer.statusMessage ?? '')) return false;
  const encoding = headers['transfer-encoding'];
  if (encoding !== undefined && (encoding.toLowerCase() !== 'chunked' || minor === 0)) return false;
  const length = headers['content-length'];
  return length === undefined || /^(?:0|[1-9]\d{0,14})$/.test(length);
}

/** What may not stand in a reason phrase (RFC 9112 section 4). */
const unclean = /[^\t\x20-\x7e\x80-\xff]/;

/** The interim answers to one request: bounded together, since each lets the client wait longer. */
export class InterimAnswers {
  #bytes = 0;

  /** None has come: nothing of an answer is known to the client. */
  get none(): boolean {
    return this.#bytes === 0;
  }

  /**
   * @param headBytesMax what one head may have.
   * @returns the next as the client gets it, or why it gets none.
   */
  take(info: TargetInterim, headBytesMax: number): InterimHead | Loss {
    this.#bytes += interimBytes(info.rawHeaders);
    if (headBytes(info.statusMessage, info.rawHeaders) > headBytesMax) return 'oversized';
    if (this.#bytes > interimBytesMax) return 'endless';
    return interimHead(info);
  }
}

export interface InterimHead {
  readonly status: number;
  readonly reason: string;
  /** Names and values in turn. */
  readonly headers: readonly string[];
}

function interimHead(info: TargetInterim): InterimHead | Loss {
  const { httpVersionMajor: major, httpVersionMinor: minor, statusCode: status } = info;
  // More is to come on this connection.
  const closes = /(?:^|,)[ \t]*close[ \t]*(?:,|$)/i.test(String(info.headers.connection ?? ''));
  if (info.onStream !== true && (major !== 1 || minor !== 1 || closes)) return 'malformed';
  const departure = { status, chunked: false, connection: null, hstsSeconds: 0, edits: null };
  const headers = responseHeaders(info.rawHeaders, info.onStream ? '2.0' : '1.1', departure);
  return { status, reason: info.statusMessage.replaceAll(uncleanAll, ''), headers };
}

const uncleanAll = new RegExp(unclean, 'g');
