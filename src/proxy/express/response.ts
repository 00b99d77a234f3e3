/**
 * The strict grammar of answers: their head, and the framing that follows from it.
 *
 * The rule this file keeps: an answer that could be read in two ways is `malformed`, is answered
 * with 502, and its connection is closed. Nothing is repaired: what a lenient reader behind us
 * would see is what we saw (RFC 9112 section 6.3).
 */
import { COLON, CR, HTAB, LF, lengthForm, SP, tokenChars, wideValueChars } from './grammar.ts';

/** How the end of a body is known. */
export type Framing = 'none' | 'length' | 'chunked' | 'untilClose';

/** An answer's head that passed; reused from answer to answer, so take what you keep. */
export interface ResponseHead {
  /** 100 to 599 */
  status: number;
  reason: string;
  version: '1.0' | '1.1';
  raw: string[];
  framing: Framing;
  /** Of the body, where the framing is `length`. */
  bodyBytes: number;
  /** The upstream keeps the connection open after this answer. */
  keeps: boolean;
  /** What `Keep-Alive: timeout=` promises, in ms; 0: nothing was said. */
  keepsForMs: number;
  /** A Content-Type of text/event-stream. */
  eventStream: boolean;
  /** It says when it was made. */
  dated: boolean;
  headBytes: number;
}

export function emptyResponseHead(): ResponseHead {
  return {
    status: 0,
    reason: '',
    version: '1.1',
    raw: [],
    framing: 'none',
    bodyBytes: 0,
    keeps: true,
    keepsForMs: 0,
    eventStream: false,
    dated: false,
    headBytes: 0,
  };
}

/** What the fields of a head say of its framing, before it is weighed as a whole. */
interface Said {
  type: string | null;
  length: string | null;
  coding: string | null;
  close: boolean;
  keepAlive: boolean;
}

const said: Said = { type: null, length: null, coding: null, close: false, keepAlive: false };

/**
 * Reads the head at the beginning of `text`.
 *
 * @param text bytes as latin1, one character each.
 * @param method of the request that is answered: an answer to HEAD has no body.
 * @param head is filled in; whole only where the answer is `whole`.
 */
export function parseResponse(
  text: string,
  method: string,
  head: ResponseHead,
): 'whole' | 'partial' | 'malformed' {
  if (text.length < 13) {
    return statusLineBegins(text) ? 'partial' : 'malformed';
  }
  const http11 = text.startsWith('HTTP/1.1 ');
  if (!http11 && !text.startsWith('HTTP/1.0 ')) return 'malformed';
  const status = digit(text, 9) * 100 + digit(text, 10) * 10 + digit(text, 11);
  // NaN where one of them is no digit.
  if (!(status >= 100 && status <= 599)) return 'malformed';
  let at = 12;
  if (text.charCodeAt(at) === SP) at++;
  else if (text.charCodeAt(at) !== CR) return 'malformed';
  const reasonStart = at;
  while (at < text.length && wideValueChars[text.charCodeAt(at)] === 1) at++;
  if (at + 1 >= text.length) {
    return at === text.length || text.charCodeAt(at) === CR ? 'partial' : 'malformed';
  }
  if (text.charCodeAt(at) !== CR || text.charCodeAt(at + 1) !== LF) return 'malformed';
  head.status = status;
  head.version = http11 ? '1.1' : '1.0';
  head.reason = text.slice(reasonStart, at);
  head.raw = [];
  head.keepsForMs = 0;
  head.eventStream = false;
  head.dated = false;
  said.type = null;
  said.length = null;
  said.coding = null;
  said.close = false;
  said.keepAlive = false;
  const verdict = parseFields(text, at + 2, head);
  return verdict === 'whole' ? weighFraming(http11, method, head) : verdict;
}

function statusLineBegins(text: string): boolean {
  const begin = text.slice(0, 9);
  if (!'HTTP/1.1 '.startsWith(begin) && !'HTTP/1.0 '.startsWith(begin)) return false;
  return /^\d*$/.test(text.slice(9, 12));
}

function digit(text: string, at: number): number {
  const value = text.charCodeAt(at) - 0x30;
  return value >= 0 && value <= 9 ? value : Number.NaN;
}

/**
 * Reads header lines up to and with the empty line; trailers are of the same shape. How many they
 * are is bounded by the bytes of both, as in Node.
 *
 * @returns where the text behind the empty line begins; -1: it has not come; -2: malformed.
 */
export function parseLines(text: string, start: number, raw: string[]): number {
  const { length } = text;
  let at = start;
  for (;;) {
    const nameStart = at;
    while (at < length && tokenChars[text.charCodeAt(at)] === 1) at++;
    if (at === length) return -1;
    if (at === nameStart) {
      if (text.charCodeAt(at) !== CR) return -2;
      if (at + 1 === length) return -1;
      return text.charCodeAt(at + 1) === LF ? at + 2 : -2;
    }
    if (text.charCodeAt(at) !== COLON) return -2;
    const nameEnd = at++;
    while (at < length && isBlank(text.charCodeAt(at))) at++;
    const valueStart = at;
    while (at < length && wideValueChars[text.charCodeAt(at)] === 1) at++;
    if (at === length) return -1;
    if (text.charCodeAt(at) !== CR) return -2;
    if (at + 1 === length) return -1;
    if (text.charCodeAt(at + 1) !== LF) return -2;
    let valueEnd = at;
    while (valueEnd > valueStart && isBlank(text.charCodeAt(valueEnd - 1))) valueEnd--;
    const name = text.slice(nameStart, nameEnd);
    // Node and others refuse a tab behind a length; what some refuse and some take is no framing.
    if (valueEnd !== at && framingField.test(name) && text.charCodeAt(at - 1) === HTAB) return -2;
    at += 2;
    raw.push(name, text.slice(valueStart, valueEnd));
  }
}

/** The fields that say where a message ends. */
export const framingField = /^(?:content-length|transfer-encoding)$/i;

function isBlank(code: number): boolean {
  return code === SP || code === HTAB;
}

function parseFields(
  text: string,
  start: number,
  head: ResponseHead,
): 'whole' | 'partial' | 'malformed' {
  const { raw } = head;
  const end = parseLines(text, start, raw);
  if (end === -1) return 'partial';
  if (end === -2) return 'malformed';
  head.headBytes = end;
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at] ?? '';
    const value = raw[at + 1] ?? '';
    if (!weigh(name, value, head)) return 'malformed';
  }
  return 'whole';
}

/** @returns false where the header makes the answer ambiguous. */
function weigh(name: string, value: string, head: ResponseHead): boolean {
  switch (name.length) {
    case 4:
      if (name.toLowerCase() === 'date') head.dated = true;
      return true;
    case 10: {
      const lower = name.toLowerCase();
      if (lower === 'connection') weighConnection(value);
      else if (lower === 'keep-alive') head.keepsForMs = keptFor(value);
      return true;
    }
    case 12:
      if (said.type !== null || name.toLowerCase() !== 'content-type') return true;
      said.type = value;
      head.eventStream = value.length >= 17 && eventStreamForm.test(value);
      return true;
    case 14:
      if (name.toLowerCase() !== 'content-length') return true;
      if (said.length !== null || !lengthForm.test(value)) return false;
      said.length = value;
      return true;
    case 17:
      if (name.toLowerCase() !== 'transfer-encoding') return true;
      if (said.coding !== null || value.toLowerCase() !== 'chunked') return false;
      said.coding = value;
      return true;
    default:
      return true;
  }
}

const eventStreamForm = /^text\/event-stream/i;

function weighConnection(value: string): void {
  for (const option of value.toLowerCase().split(',')) {
    const wish = option.trim();
    if (wish === 'close') said.close = true;
    else if (wish === 'keep-alive') said.keepAlive = true;
  }
}

function keptFor(value: string): number {
  const found = /(?:^|[,;\s])timeout=(\d{1,6})/i.exec(value);
  return found === null ? 0 : Number(found[1]) * 1000;
}

function weighFraming(http11: boolean, method: string, head: ResponseHead): 'whole' | 'malformed' {
  const { length, coding } = said;
  // Both at once is how answers are split: RFC 9112 section 6.3, and nobody honest sends it.
  if (length !== null && coding !== null) return 'malformed';
  if (coding !== null && !http11) return 'malformed';
  head.keeps = http11 ? !said.close : said.keepAlive && !said.close;
  head.bodyBytes = 0;
  const { status } = head;
  // More is to come on this connection, and HTTP/1.0 has no interim answers (RFC 9110 15.2).
  if (status < 200 && status !== 101 && !(http11 && head.keeps)) return 'malformed';
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) {
    head.framing = 'none';
    return 'whole';
  }
  if (coding !== null) {
    head.framing = 'chunked';
  } else if (length !== null) {
    head.framing = 'length';
    head.bodyBytes = Number(length);
  } else {
    head.framing = 'untilClose';
    head.keeps = false;
  }
  return 'whole';
}
