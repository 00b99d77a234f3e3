/**
 * The lines of an answer as its client gets them: the head, interim heads, trailers.
 *
 * The rule this file keeps: a head that a target repeats is made once. It is kept only for a
 * connection that goes on, so what it says of the connection is the same each time: nothing.
 */
import type { HeaderEdits } from '../edge/headerEdits.ts';
import { responseHeaders } from '../headers.ts';
import { trailerPairs } from '../trailers.ts';
import { flat, withLines } from './headText.ts';
import type { ResponseHead } from './response.ts';
import type { ResponseHeadCache } from './responseHeadCache.ts';

/**
 * @param heads keeps what is made of this head; null: it is none that comes again.
 * @param close the client's connection ends with this answer.
 * @param hstsSeconds 0: nothing is said of HTTPS.
 * @param date what Date says where the target said none (RFC 9110 section 6.6.1); null: it did.
 * @param edits what the config of the service says of the header; null: nothing.
 * @param cookie what Set-Cookie says of the target, for this client alone; '': nothing.
 */
export function linesForClient(
  head: ResponseHead,
  heads: ResponseHeadCache | null,
  close: boolean,
  hstsSeconds: number,
  date: string | null,
  edits: HeaderEdits | null,
  cookie: string,
): string {
  if (close || heads === null || cookie !== '') {
    return linesOf(head, close, hstsSeconds, date, edits, cookie);
  }
  const same =
    heads.passedHstsSeconds === hstsSeconds &&
    heads.passedDate === date &&
    heads.passedEdits === edits;
  if (heads.passed === '' || !same) {
    heads.passed = flat(linesOf(head, false, hstsSeconds, date, edits, ''));
    heads.passedHstsSeconds = hstsSeconds;
    heads.passedDate = date;
    heads.passedEdits = edits;
  }
  return heads.passed;
}

export function interimLines({ status, reason, version, raw }: ResponseHead): string {
  const departure = { status, chunked: false, connection: null, hstsSeconds: 0, edits: null };
  const headers = responseHeaders(raw, version, departure);
  return withLines(`HTTP/1.1 ${status} ${reason}\r\n`, headers);
}

/** What stands behind the last chunk. @param raw names and values in turn. */
export function trailerLines(raw: readonly string[]): string {
  let text = '';
  for (const [name, value] of trailerPairs(raw)) text += `${name}: ${value}\r\n`;
  return `${text}\r\n`;
}

function linesOf(
  { status, reason, version, raw, framing }: ResponseHead,
  close: boolean,
  hstsSeconds: number,
  date: string | null,
  edits: HeaderEdits | null,
  cookie: string,
): string {
  const chunked = framing === 'chunked' || framing === 'untilClose';
  const headers = responseHeaders(raw, version, {
    status,
    chunked,
    // HTTP/1.1 keeps a connection where nothing is said.
    connection: close ? 'close' : null,
    hstsSeconds,
    edits,
  });
  if (chunked) headers.push('Transfer-Encoding', 'chunked');
  if (date !== null) headers.push('Date', date);
  if (cookie !== '') headers.push('Set-Cookie', cookie);
  return withLines(`HTTP/1.1 ${status} ${reason}\r\n`, headers);
}
