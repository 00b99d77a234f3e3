/**
 * Whether a request head is one that may be passed on at all.
 *
 * The rule this file keeps: what could be read in two ways by two readers is refused, never
 * repaired. Node's parser has refused most of it before; what stands here is what it lets through
 * (and, of the framing, all of it once more, because smuggling is what it would cost to be wrong).
 */
import type { FaultCode } from '../errors.ts';

/** What the vetting learned of a request on its way. */
export interface ValidRequest {
  /** As in the Host header; '' where an HTTP/1.0 client sent none. */
  readonly host: string;
  /** Of the body; 0: there is none; null: it comes in chunks. */
  readonly bodyBytes: number | null;
  /** Request line and header lines, as far as they count for the limit. */
  readonly headBytes: number;
  readonly expectsContinue: boolean;
  /** The client's own X-Request-Id. */
  readonly id: string | undefined;
  readonly accept: string;
}

/** Visible ASCII, except the fragment, which has no place in a request. */
const targetForm = /^\/[\x21\x22\x24-\x7e]*$/;
/** A name, an IPv4 or a bracketed IPv6 address, with or without a port. */
const hostForm = /^(?:[A-Za-z0-9_.~-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/;
const lengthForm = /^\d{1,15}$/;
/** Bytes that a line costs besides name and value: colon, space, CR, LF. */
const lineBytes = 4;

/**
 * @param target the request target, as it came.
 * @param version `1.1`, `1.0`, or something that is refused.
 * @param raw names and values in turn.
 * @returns the code of the fault to answer with, or what was learned.
 */
export function validateRequest(
  method: string,
  target: string,
  version: string,
  raw: readonly string[],
): ValidRequest | FaultCode {
  if (method === 'CONNECT' || method === 'TRACE') return 'METHOD_REFUSED';
  if (version !== '1.1' && version !== '1.0') return 'REQUEST_INVALID';
  // Absolute form, authority form and `*` have another meaning for a proxy than for an origin.
  if (!targetForm.test(target)) return 'REQUEST_INVALID';
  let hosts = 0;
  let host = '';
  let length: string | null = null;
  let encoding: string | null = null;
  let expect: string | null = null;
  let id: string | undefined;
  let accept = '';
  let headBytes = method.length + target.length + 12;
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at] ?? '';
    const value = raw[at + 1] ?? '';
    headBytes += name.length + value.length + lineBytes;
    switch (name.length) {
      case 4:
        if (name.toLowerCase() !== 'host') break;
        hosts++;
        host = value;
        break;
      case 6: {
        const lower = name.toLowerCase();
        if (lower === 'expect') expect = expect === null ? value : 'twice';
        else if (lower === 'accept') accept = value;
        break;
      }
      case 12:
        if (name.toLowerCase() === 'x-request-id') id = value;
        break;
      case 14:
        if (name.toLowerCase() !== 'content-length') break;
        if (length !== null) return 'REQUEST_INVALID';
        length = value;
        break;
      case 17:
        if (name.toLowerCase() !== 'transfer-encoding') break;
        if (encoding !== null) return 'REQUEST_INVALID';
        encoding = value;
        break;
    }
  }
  if (hosts > 1 || (hosts === 0 && version === '1.1')) return 'REQUEST_INVALID';
  if (hosts === 1 && !hostForm.test(host)) return 'REQUEST_INVALID';
  const bodyBytes = framing(length, encoding, version);
  if (bodyBytes === undefined) return 'REQUEST_INVALID';
  // RFC 9110 section 10.1.1: an expectation in HTTP/1.0 is ignored.
  const expects = expect !== null && version === '1.1';
  if (expects && expect?.toLowerCase() !== '100-continue') return 'EXPECTATION_FAILED';
  return { host, bodyBytes, headBytes, expectsContinue: expects, id, accept };
}

function framing(
  length: string | null,
  encoding: string | null,
  version: string,
): number | null | undefined {
  if (encoding !== null) {
    if (length !== null || version === '1.0') return undefined;
    return encoding.toLowerCase() === 'chunked' ? null : undefined;
  }
  if (length === null) return 0;
  return lengthForm.test(length) ? Number(length) : undefined;
}
