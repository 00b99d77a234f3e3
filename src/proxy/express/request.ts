/**
 * The strict grammar of requests: what the express lane serves, and why it leaves the rest.
 *
 * The rule this file keeps: whatever passes has exactly one reading. A known method, a path,
 * HTTP/1.1, one Host, at most one Content-Length and only where a body belongs, no
 * Transfer-Encoding. Anything else, right or wrong, is named by a reason and left to the general
 * lane, which is the reference.
 */
import type { RequestRules } from '../headers.ts';
import {
  COLON,
  CR,
  HTAB,
  hostForm,
  LF,
  lengthForm,
  SP,
  targetChars,
  tokenChars,
  valueChars,
} from './grammar.ts';

/** Why a head is not served here. */
export type HeadReason =
  | 'method'
  | 'target'
  | 'version'
  | 'grammar'
  | 'host'
  | 'framing'
  | 'connection'
  | 'expect'
  | 'upgrade'
  | 'size';

/** A request head that passed; reused from request to request, so take what you keep. */
export interface RequestHead {
  method: string;
  /** Origin form, byte for byte as it came. */
  target: string;
  /** Names and values in turn, as they came, blanks around the values removed. */
  raw: string[];
  host: string;
  /** The client's own X-Request-Id. */
  id: string | undefined;
  /** Of all its Via fields together; '' where there is none. */
  via: string;
  /** Of the body; 0: there is none. */
  bodyBytes: number;
  /** The client said `Connection: close`. */
  close: boolean;
  /** Bytes of the head, its empty line included. */
  headBytes: number;
  /** What of them counts for the limit of a service; the same sum as in `vet`. */
  countedBytes: number;
  /** Where its header lines are those of a request before, byte for byte: what is known of them. */
  known: RequestHeadCache | null;
}

/**
 * Header lines of a request without a body, the empty line included, and what was read in them.
 * Clients that keep a connection repeat them in request after request.
 */
export class RequestHeadCache {
  readonly lines: string;
  readonly raw: string[];
  readonly host: string;
  readonly id: string | undefined;
  readonly via: string;
  readonly close: boolean;
  readonly countedBytes: number;
  /**
   * What a target is sent for them, without the request's id: made when they come a second time.
   */
  sent: SentLines | null = null;

  /** Use `knownLines`. */
  constructor(text: string, head: RequestHead) {
    const { raw, host, id, via, close, method, target } = head;
    const lineBytes = method.length + target.length + lineRestBytes;
    this.lines = text.slice(lineBytes);
    this.raw = raw;
    this.host = host;
    this.id = id;
    this.via = via;
    this.close = close;
    this.countedBytes = head.countedBytes - lineBytes;
  }
}

/** Header lines as a target gets them, in two parts: the id of the request stands between. */
export interface SentLines {
  readonly before: string;
  readonly behind: string;
  /** For a peer whose forwarded headers are believed. */
  readonly trusted: boolean;
  /** For a service that does this at its edge. */
  readonly rules: RequestRules | null;
  /** For a path from which this was taken. */
  readonly prefix: string;
  /** Of the service, in Via. */
  readonly mark: string;
}

/** Of a request line besides method and target: two blanks, the version, CR and LF. */
const lineRestBytes = 12;

/** More lines than that are left to the general lane; browsers send about 20. */
const linesMax = 100;

/** Bytes that a line costs besides name and value: colon, space, CR, LF. */
const lineBytes = 4;

/** Methods served here, and whether a request of that method comes with a body. */
const withBody = new Map([
  ['GET', false],
  ['HEAD', false],
  ['POST', true],
  ['PUT', true],
  ['PATCH', true],
  ['DELETE', false],
  ['OPTIONS', false],
]);

export function emptyRequestHead(): RequestHead {
  return {
    method: '',
    target: '',
    raw: [],
    host: '',
    id: undefined,
    via: '',
    bodyBytes: 0,
    close: false,
    headBytes: 0,
    countedBytes: 0,
    known: null,
  };
}

/**
 * Reads the head at the beginning of `text`.
 *
 * @param text bytes as latin1, one character each.
 * @param head is filled in; whole only where the answer is `whole`.
 * @param known header lines that may come again.
 * @returns `partial` where all so far is right and the empty line has not come.
 */
export function parseRequest(
  text: string,
  head: RequestHead,
  known: RequestHeadCache | null = null,
): 'whole' | 'partial' | HeadReason {
  const methodEnd = text.indexOf(' ');
  if (methodEnd === -1) return text.length < 8 && startsLikeMethod(text) ? 'partial' : 'method';
  const method = text.slice(0, methodEnd);
  const bodyBelongs = withBody.get(method);
  if (bodyBelongs === undefined) return 'method';

  const targetStart = methodEnd + 1;
  let at = targetStart;
  while (at < text.length && targetChars[text.charCodeAt(at)] === 1) at++;
  if (at > targetStart && text.charCodeAt(targetStart) !== 0x2f) return 'target';
  if (at === text.length) return 'partial';
  if (at === targetStart || text.charCodeAt(at) !== SP) return 'target';
  const target = text.slice(targetStart, at);
  if (!text.startsWith(version, at)) {
    return version.startsWith(text.slice(at)) ? 'partial' : 'version';
  }
  head.method = method;
  head.target = target;
  const start = at + version.length;
  if (known !== null && !bodyBelongs && text.length - start === known.lines.length) {
    if (text.endsWith(known.lines)) return recall(text, known, head);
  }
  head.known = null;
  head.raw = [];
  head.host = '';
  head.id = undefined;
  head.via = '';
  head.close = false;
  head.bodyBytes = -1;
  head.countedBytes = method.length + target.length + lineRestBytes;
  const verdict = parseFields(text, start, head);
  if (verdict !== 'whole') return verdict;
  if (head.host === '') return 'host';
  // A body where none is usual, or none where one is: legal, and read in two ways by too many.
  if (bodyBelongs !== (head.bodyBytes !== -1)) return 'framing';
  if (!bodyBelongs) head.bodyBytes = 0;
  return 'whole';
}

const version = ' HTTP/1.1\r\n';

/**
 * @param head just read from `text`.
 * @returns its lines, to be known again; null where they may not be: a body belongs to that method,
 *   so they speak of its length, which is read anew each time.
 */
export function knownLines(text: string, head: RequestHead): RequestHeadCache | null {
  if (withBody.get(head.method) !== false || head.headBytes !== text.length) return null;
  return new RequestHeadCache(text, head);
}

function recall(text: string, known: RequestHeadCache, head: RequestHead): 'whole' {
  head.known = known;
  head.raw = known.raw;
  head.host = known.host;
  head.id = known.id;
  head.via = known.via;
  head.close = known.close;
  head.bodyBytes = 0;
  head.headBytes = text.length;
  head.countedBytes = head.method.length + head.target.length + lineRestBytes + known.countedBytes;
  return 'whole';
}

function startsLikeMethod(text: string): boolean {
  for (const method of withBody.keys()) {
    if (method.startsWith(text)) return true;
  }
  return false;
}

function parseFields(
  text: string,
  start: number,
  head: RequestHead,
): 'whole' | 'partial' | HeadReason {
  const { raw } = head;
  const { length } = text;
  let at = start;
  for (;;) {
    const nameStart = at;
    while (at < length && tokenChars[text.charCodeAt(at)] === 1) at++;
    if (at === length) return 'partial';
    if (at === nameStart) {
      if (text.charCodeAt(at) !== CR) return 'grammar';
      if (at + 1 === length) return 'partial';
      if (text.charCodeAt(at + 1) !== LF) return 'grammar';
      head.headBytes = at + 2;
      return 'whole';
    }
    if (text.charCodeAt(at) !== COLON) return 'grammar';
    const nameEnd = at++;
    while (at < length && (text.charCodeAt(at) === SP || text.charCodeAt(at) === HTAB)) at++;
    const valueStart = at;
    while (at < length && valueChars[text.charCodeAt(at)] === 1) at++;
    if (at === length) return 'partial';
    if (text.charCodeAt(at) !== CR) return 'grammar';
    if (at + 1 === length) return 'partial';
    if (text.charCodeAt(at + 1) !== LF) return 'grammar';
    let valueEnd = at;
    while (valueEnd > valueStart && text.charCodeAt(valueEnd - 1) === SP) valueEnd--;
    // Legal, seldom, and a Content-Length with it is refused by some, Node among them.
    if (text.charCodeAt(valueEnd - 1) === HTAB) return 'grammar';
    at += 2;
    const name = text.slice(nameStart, nameEnd);
    const value = text.slice(valueStart, valueEnd);
    const reason = weigh(name, value, head);
    if (reason !== null) return reason;
    raw.push(name, value);
    head.countedBytes += name.length + value.length + lineBytes;
    if (raw.length > linesMax * 2) return 'size';
  }
}

/** Takes from a header what the lane has to know. @returns why the request is left; null: go on. */
function weigh(name: string, value: string, head: RequestHead): HeadReason | null {
  switch (name.length) {
    case 2:
      return name.toLowerCase() === 'te' ? 'connection' : null;
    case 3:
      if (name.toLowerCase() === 'via') head.via += `${value},`;
      return null;
    case 4:
      if (name.toLowerCase() !== 'host') return null;
      if (head.host !== '' || !hostForm.test(value)) return 'host';
      head.host = value;
      return null;
    case 6:
      return name.toLowerCase() === 'expect' ? 'expect' : null;
    case 7: {
      const lower = name.toLowerCase();
      if (lower === 'upgrade') return 'upgrade';
      return lower === 'trailer' ? 'framing' : null;
    }
    case 10:
      return name.toLowerCase() === 'connection' ? weighConnection(value, head) : null;
    case 12:
      if (name.toLowerCase() !== 'x-request-id') return null;
      if (head.id !== undefined) return 'grammar';
      head.id = value;
      return null;
    case 14: {
      const lower = name.toLowerCase();
      if (lower === 'http2-settings') return 'upgrade';
      if (lower !== 'content-length') return null;
      if (head.bodyBytes !== -1 || !lengthForm.test(value)) return 'framing';
      head.bodyBytes = Number(value);
      return null;
    }
    case 16:
      return name.toLowerCase() === 'proxy-connection' ? 'connection' : null;
    case 17:
      return name.toLowerCase() === 'transfer-encoding' ? 'framing' : null;
    default:
      return null;
  }
}

/** Nothing but one of the two plain wishes: a ClientConnection that nominates headers is left. */
function weighConnection(value: string, head: RequestHead): HeadReason | null {
  const lower = value.toLowerCase();
  if (lower === 'close') head.close = true;
  else if (lower !== 'keep-alive' || head.close) return 'connection';
  return null;
}
