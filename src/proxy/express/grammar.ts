/**
 * The characters that the express lane lets stand in a message head, one table look-up a character.
 *
 * The rule this file keeps: each table is at most what RFC 9110 and RFC 3986 allow, never more.
 * What is legal but seldom (octets above 0x7e in values, `"` in a path) is left to the general
 * lane.
 */

export const CR = 0x0d;
export const LF = 0x0a;
export const SP = 0x20;
export const HTAB = 0x09;
export const COLON = 0x3a;

/** `tchar` of RFC 9110 section 5.6.2: names of headers. */
export const tokenChars = tableOf("!#$%&'*+-.^_`|~", true);

/** What a path and query may be made of: RFC 3986 section 3.3 and 3.4. No fragment. */
export const targetChars = tableOf("-._~:@!$&'()*+,;=/?%[]|", true);

/** Header values of requests: visible ASCII, space and tab. */
export const valueChars = rangeTable(SP, 0x7e, HTAB);

/** Header values of answers: as above, and the octets above ASCII, which answers do carry. */
export const wideValueChars = rangeTable(SP, 0xff, HTAB, 0x7f);

/** Values of hexadecimal digits; 255 for anything else. */
export const hexValues = hexTable();

/** The name of a host as clients write it, with or without a port; IPv6 in brackets. */
export const hostForm =
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/;

/** A length without signs, blanks or leading zeros, small enough to be exact. */
export const lengthForm = /^(?:0|[1-9]\d{0,14})$/;

function tableOf(chars: string, alphanumeric: boolean): Uint8Array {
  const table = new Uint8Array(256);
  for (const char of chars) table[char.charCodeAt(0)] = 1;
  if (!alphanumeric) return table;
  for (let code = 0x30; code <= 0x39; code++) table[code] = 1;
  for (let code = 0x41; code <= 0x5a; code++) table[code] = table[code + 0x20] = 1;
  return table;
}

function rangeTable(from: number, to: number, also: number, but = -1): Uint8Array {
  const table = new Uint8Array(256);
  for (let code = from; code <= to; code++) table[code] = 1;
  table[also] = 1;
  if (but !== -1) table[but] = 0;
  return table;
}

function hexTable(): Uint8Array {
  const table = new Uint8Array(256).fill(255);
  for (const [value, char] of [...'0123456789abcdef'].entries()) {
    table[char.charCodeAt(0)] = value;
    table[char.toUpperCase().charCodeAt(0)] = value;
  }
  return table;
}
