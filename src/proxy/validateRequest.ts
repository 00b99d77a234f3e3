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
  /** In origin form. */
  readonly target: string;
  /** Names and values in turn; of the absolute form, with the Host that it names. */
  readonly raw: readonly string[];
  /** Of the target or else of the Host header; '' where an HTTP/1.0 client named none. */
  readonly host: string;
  /** Of the body; 0: there is none; null: it comes in chunks. */
  readonly bodyBytes: number | null;
  /** Request line and header lines, as far as they count for the limit. */
  readonly headBytes: number;
  readonly expectsContinue: boolean;
  /** The client's own X-Request-Id. */
  readonly id: string | undefined;
  /** Of all its Via fields together; '' where there is none. */
  readonly via: string;
  readonly accept: string;
}

/** Visible ASCII, except the fragment, which has no place in a request. */
const targetForm = /^\/[\x21\x22\x24-\x7e]*$/;
/** A name, an IPv4 or a bracketed IPv6 address, with or without a port. */
const hostForm = /^(?:[A-Za-z0-9_.~-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/;
const lengthForm = /^\d{1,15}$/;
/** `http://host[:port]` before a path or a query; a userinfo is no host, and is refused. */
const absoluteForm = /^(https?):\/\/([^/?#]+)(.*)$/i;
/** Codings of RFC 9112 section 7, chunked last: well-formed, and not read here. */
const coding = '(?:(?:x-)?(?:gzip|compress)|deflate)[ \\t]*,[ \\t]*';
const codingsForm = new RegExp(`^(?:${coding})+chunked$`, 'i');
/** Bytes that a line costs besides name and value: colon, space, CR, LF. */
const lineBytes = 4;

/**
 * @param target the request target, as it came.
 * @param version `1.1`, `1.0`, or something that is refused.
 * @param raw names and values in turn.
 * @param proto how the client's connection is secured.
 * @returns the code of the fault to answer with, or what was learned.
 */
export function validateRequest(
  method: string,
  target: string,
  version: string,
  raw: readonly string[],
  proto: 'http' | 'https' = 'http',
): ValidRequest | FaultCode {
  if (method === 'CONNECT' || method === 'TRACE') return 'METHOD_REFUSED';
  if (version !== '1.1' && version !== '1.0') return 'VERSION_UNKNOWN';
  const absolute = absoluteForm.exec(target);
  const path = absolute === null ? target : originForm(absolute[3] ?? '');
  // Authority form and `*` name no resource behind a gateway.
  if (!targetForm.test(path)) return 'REQUEST_INVALID';
  let hosts = 0;
  let host = '';
  let length: string | null = null;
  let encoding: string | null = null;
  let expect: string | null = null;
  let id: string | undefined;
  let accept = '';
  let via = '';
  let headBytes = method.length + target.length + 12;
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at] ?? '';
    const value = raw[at + 1] ?? '';
    headBytes += name.length + value.length + lineBytes;
    switch (name.length) {
      case 3:
        if (name.toLowerCase() === 'via') via += `${value},`;
        break;
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
  let sent = raw;
  if (absolute !== null) {
    // RFC 9112 section 3.2.2: its host wins, and a gateway replaces Host by it.
    host = absolute[2] ?? '';
    if (!hostForm.test(host)) return 'REQUEST_INVALID';
    // RFC 9110 section 7.4: not on a connection that is not secured.
    if (absolute[1]?.toLowerCase() === 'https' && proto !== 'https') return 'REQUEST_MISDIRECTED';
    sent = withHost(raw, host);
  }
  const bodyBytes = framing(length, encoding, version);
  if (typeof bodyBytes === 'string') return bodyBytes;
  // RFC 9110 section 10.1.1: an expectation in HTTP/1.0 is ignored.
  const expects = expect !== null && version === '1.1';
  if (expects && expect?.toLowerCase() !== '100-continue') return 'EXPECTATION_FAILED';
  return {
    target: path,
    raw: sent,
    host,
    bodyBytes,
    headBytes,
    expectsContinue: expects,
    id,
    via,
    accept,
  };
}

/** What stands behind the authority: an empty path is `/` (RFC 9110 section 4.2.3). */
function originForm(rest: string): string {
  return rest.startsWith('/') ? rest : `/${rest}`;
}

function withHost(raw: readonly string[], host: string): string[] {
  const sent = ['Host', host];
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at] ?? '';
    if (name.toLowerCase() !== 'host') sent.push(name, raw[at + 1] ?? '');
  }
  return sent;
}

function framing(
  length: string | null,
  encoding: string | null,
  version: string,
): number | null | FaultCode {
  if (encoding !== null) {
    if (length !== null || version === '1.0') return 'REQUEST_INVALID';
    if (encoding.toLowerCase() === 'chunked') return null;
    // RFC 9112 section 6.1: 501 for a coding that is not understood.
    return codingsForm.test(encoding) ? 'CODING_UNKNOWN' : 'REQUEST_INVALID';
  }
  if (length === null) return 0;
  return lengthForm.test(length) ? Number(length) : 'REQUEST_INVALID';
}
