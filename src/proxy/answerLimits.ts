/**
 * How much of an answer's heads either lane takes: the final one, and the interim ones before it.
 *
 * The rule this file keeps: both lanes count in one way, so that neither passes what the other
 * refuses. What a head may have is the service's to say (`limits.responseHeader`).
 */

/**
 * All interim answers to one request together, as `interimBytes` counts them: a 102 every second
 * for an hour is less, and an endless row of them is no answer.
 */
export const interimBytesMax = 256 * 1024;
const interimLineBytes = 32;
/** Bytes that a line costs besides name and value: colon, space, CR, LF. */
const lineBytes = 4;
/** Of a status line besides its reason, with its CR and LF and those behind the last line. */
const statusLineBytes = 17;

/** What a head counts for, however its lines were written. */
export function headBytes(reason: string, raw: readonly string[]): number {
  return statusLineBytes + reason.length + fieldBytes(raw);
}

/** What an interim answer counts for: its fields, and a sum for its first line. */
export function interimBytes(raw: readonly string[]): number {
  return interimLineBytes + fieldBytes(raw);
}

function fieldBytes(raw: readonly string[]): number {
  let bytes = 0;
  for (let at = 0; at < raw.length; at += 2) {
    bytes += (raw[at]?.length ?? 0) + (raw[at + 1]?.length ?? 0) + lineBytes;
  }
  return bytes;
}
