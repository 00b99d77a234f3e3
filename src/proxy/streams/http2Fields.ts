/**
 * Header fields as HTTP/2 has them, in both directions.
 *
 * The rule this file keeps: a message of HTTP/2 has no field of a connection (RFC 9113 section
 * 8.2.2), and each name once, but for those of which no list can be made.
 */
import { validateHeaderName, validateHeaderValue } from 'node:http';

/** TE is one as well, but that a request may say `trailers`. */
export const connectionFields: ReadonlySet<string> = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
]);

/** Of several lines of these no list can be made (RFC 9110 section 5.3). */
const separateFields = new Set(['set-cookie', 'www-authenticate', 'proxy-authenticate']);

export type Http2Fields = Record<string, string | string[]>;

/**
 * @param headers names and values in turn.
 * @throws what Node throws of fields that may not be written.
 */
export function http2Fields(headers: readonly string[]): Http2Fields {
  const fields: Http2Fields = {};
  for (let at = 0; at < headers.length; at += 2) {
    const name = (headers[at] ?? '').toLowerCase();
    const value = headers[at + 1] ?? '';
    if (name === 'te' || connectionFields.has(name)) continue;
    validateHeaderName(name);
    validateHeaderValue(name, value);
    const before = fields[name];
    if (before === undefined) fields[name] = value;
    else if (!separateFields.has(name)) fields[name] = `${before}${joint(name)}${value}`;
    else if (typeof before === 'string') fields[name] = [before, value];
    else before.push(value);
  }
  return fields;
}

/** RFC 9113 section 8.2.3: cookies are joined in a way of their own. */
function joint(name: string): string {
  return name === 'cookie' ? '; ' : ', ';
}
