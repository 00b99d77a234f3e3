/**
 * The head of a request of HTTP/2, in the words of HTTP/1.1 (RFC 9113 section 8.3).
 *
 * The rule this file keeps: what could become another request in HTTP/1.1 is refused, never
 * repaired. nghttp2 has refused most of it with a reset before it comes here (it leaves out fields
 * whose value has a character that no field has); all that would be smuggling is looked at again.
 */
import { METHODS } from 'node:http';
import type { FaultCode } from '../../errors.ts';
import { connectionFields } from '../streams/http2Fields.ts';
import { type ValidRequest, validateRequest } from '../validateRequest.ts';

export interface StreamHead {
  readonly method: string;
  readonly path: string;
  /** Names and values in turn, with the Host and the framing that HTTP/1.1 would have. */
  readonly raw: string[];
  readonly vetted: ValidRequest | FaultCode;
}

const methods = new Set(METHODS);
const hasCapital = /[A-Z]/;

/**
 * @param fields names and values in turn, pseudo-header fields included.
 * @param ends nothing follows on the stream.
 */
export function streamHead(fields: readonly string[], ends: boolean): StreamHead {
  let method = '';
  let path = '';
  let scheme = '';
  let authority: string | null = null;
  let host: string | null = null;
  let cookie = '';
  let measured = false;
  let wrong = false;
  const raw: string[] = ['Host', ''];
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at] ?? '';
    const value = fields[at + 1] ?? '';
    if (name === ':method') method = value;
    else if (name === ':path') path = value;
    else if (name === ':scheme') scheme = value;
    else if (name === ':authority') authority = value;
    else if (name === 'host') {
      wrong ||= host !== null;
      host = value;
    } else if (name === 'cookie') {
      // RFC 9113 section 8.2.3: its crumbs are one field where HTTP/2 ends.
      cookie = cookie === '' ? value : `${cookie}; ${value}`;
    } else {
      wrong ||= name.startsWith(':') || connectionFields.has(name) || hasCapital.test(name);
      wrong ||= name === 'te' && value.toLowerCase() !== 'trailers';
      measured ||= name === 'content-length';
      raw.push(name, value);
    }
  }
  if (cookie !== '') raw.push('Cookie', cookie);
  // RFC 9113 section 8.3.1: the two may not say different things.
  wrong ||= host !== null && authority !== null && host.toLowerCase() !== authority.toLowerCase();
  // The absolute form, which HTTP/1.1 has, is none here.
  wrong ||= method !== 'CONNECT' && !path.startsWith('/') && path !== '*';
  raw[1] = authority ?? host ?? '';
  if (!measured && !ends) raw.push('transfer-encoding', 'chunked');
  return { method, path, raw, vetted: wrong ? 'REQUEST_INVALID' : vet(method, path, raw, scheme) };
}

function vet(
  method: string,
  path: string,
  raw: string[],
  scheme: string,
): ValidRequest | FaultCode {
  if (!methods.has(method)) return 'METHOD_UNKNOWN';
  // There is no way here but by TLS, and nobody may say otherwise.
  if (method !== 'CONNECT' && scheme !== 'https') return 'REQUEST_MISDIRECTED';
  return validateRequest(method, path, '1.1', raw, 'https');
}
