/**
 * How much of an answer's heads either lane takes: the final one, and the interim ones before it.
 *
 * The rule this file keeps: numbers that both lanes count by, in one way, so that neither passes
 * what the other refuses.
 */

/** Longest head of an answer that either lane takes; applications set many cookies at a sign-in. */
export const responseHeadBytesMax = 64 * 1024;
/**
 * All interim answers to one request together, as `interimBytes` counts them: a 102 every second
 * for an hour is less, and an endless row of them is no answer.
 */
export const interimBytesMax = 256 * 1024;
const interimLineBytes = 32;

/** What an interim answer counts for: its fields, and a sum for its first line. */
export function interimBytes(raw: readonly string[]): number {
  let bytes = interimLineBytes;
  for (let at = 0; at < raw.length; at += 2) {
    bytes += (raw[at]?.length ?? 0) + (raw[at + 1]?.length ?? 0) + 4;
  }
  return bytes;
}
