/**
 * Reads the head of an answer out of the bytes that a connection to a target brought.
 *
 * The rule this file keeps: no more of the bytes is made text than a head takes, and mostly that is
 * little: what stands behind a head is body, and is passed on as it is.
 */
import { headGuessBytes, headText } from './headText.ts';
import { parseResponse, type ResponseHead } from './response.ts';

/** @param head is filled where it is whole. */
export function readHead(
  bytes: Buffer,
  from: number,
  to: number,
  method: string,
  headBytesMax: number,
  head: ResponseHead,
): 'whole' | 'partial' | 'malformed' {
  const verdict = parseResponse(headText(bytes, from, to), method, head);
  if (verdict !== 'partial' || to - from <= headGuessBytes) return verdict;
  const most = Math.min(to, from + headBytesMax + 1);
  return parseResponse(bytes.toString('latin1', from, most), method, head);
}
