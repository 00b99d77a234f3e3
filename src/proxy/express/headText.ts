/**
 * Message heads as text.
 *
 * The rule this file keeps: what is written here was read by the strict grammar or made by us, so
 * nothing in it is checked again.
 */

/** A head: `start` is its first line, `headers` are names and values in turn. */
export function withLines(start: string, headers: readonly string[]): string {
  let text = start;
  for (let at = 0; at < headers.length; at += 2) text += `${headers[at]}: ${headers[at + 1]}\r\n`;
  return `${text}\r\n`;
}

/** The same text in one piece of its own: it is written often, and keeps nothing else in memory. */
export function flat(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}

/** A first look for the end of a head takes so much; most are shorter, and what is behind is body. */
export const headGuessBytes = 2048;

/** What a head that begins at `from` is looked for in first. */
export function headText(bytes: Buffer, from: number, to: number): string {
  return bytes.toString('latin1', from, Math.min(to, from + headGuessBytes));
}
