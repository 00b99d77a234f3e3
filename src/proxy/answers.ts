/**
 * The answers that are ours: what a client gets when a service cannot be asked, or did not answer.
 *
 * The rule this file keeps: one function for both lanes, and an answer says the code, the request's
 * id and nothing of what stands behind the proxy.
 */
import { STATUS_CODES } from 'node:http';
import { formatSize } from '../config/units.ts';
import { type FaultCode, faults } from '../errors.ts';
import type { Policy } from '../wire.ts';
import { noindexField } from './edge/headerEdits.ts';

export interface Answer {
  readonly status: number;
  /** What it is counted and logged as. Absent: as what it says. */
  readonly counted?: number;
  readonly reason: string;
  /** Names and values in turn, Content-Length included. */
  readonly headers: string[];
  /** Each byte is a character: write it as latin1. Not sent in answer to HEAD. */
  readonly body: string;
}

/** What an answer is about. */
export interface About {
  /** X-Request-Id; '' where there was no request to speak of. */
  readonly id: string;
  /** The Accept header; '' where there was none. */
  readonly accept: string;
  /** Of its service; null where there is none to speak of. */
  readonly policy: AnswerPolicy | null;
  /**
   * The connection ends with this answer, because what follows on it cannot be told apart, or will
   * not be read.
   */
  readonly close: boolean;
  readonly date: Date;
  /** What WWW-Authenticate says, in a 401. */
  readonly challenge?: string | undefined;
  /** Pages of the service's own, by status, each byte a character; null: none. */
  readonly pages?: ReadonlyMap<number, string> | null;
  /** Search engines are told to forget it. */
  readonly noindex?: boolean;
}

/** What a service says of the answers that are given in its place. */
export type AnswerPolicy = Pick<
  Policy,
  | 'retryAfterSeconds'
  | 'bytesPerSecondMin'
  | 'bodyBytesMax'
  | 'headerBytesMax'
  | 'responseHeaderBytesMax'
>;

/** Whose limit was passed, where a service sets it: its key, and how much it is. */
const limits: Partial<Record<FaultCode, (policy: AnswerPolicy) => [string, number]>> = {
  REQUEST_TOO_SLOW: (policy) => ['limits.minRate, bytes a second', policy.bytesPerSecondMin],
  BODY_TOO_LARGE: (policy) => ['limits.body', policy.bodyBytesMax],
  URI_TOO_LONG: (policy) => ['limits.header', policy.headerBytesMax],
  HEADER_TOO_LARGE: (policy) => ['limits.header', policy.headerBytesMax],
  UPSTREAM_HEADER_TOO_LARGE: (policy) => ['limits.responseHeader', policy.responseHeaderBytesMax],
};

/** RFC 9110 section 15.5.6: a 405 says what would be allowed. */
const allowed = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';

export function ownAnswer(code: FaultCode, about: About): Answer {
  const { status, title, retry } = faults[code];
  const reason = STATUS_CODES[status] ?? 'Error';
  const type = typeFor(about.accept);
  const message = title + limitWords(code, about.policy);
  const page = type === 'text/html' ? about.pages?.get(status) : undefined;
  const body = page ?? bodyOf(type, { status, reason, code, message, id: about.id });
  const headers = [
    'Content-Type',
    `${type}; charset=utf-8`,
    'Content-Length',
    String(body.length),
    'Cache-Control',
    'no-store',
    'Date',
    about.date.toUTCString(),
  ];
  if (about.id !== '') headers.push('X-Request-Id', about.id);
  if (status === 503 && retry)
    headers.push('Retry-After', String(about.policy?.retryAfterSeconds ?? retryAfterSeconds));
  if (about.challenge !== undefined) headers.push('WWW-Authenticate', about.challenge);
  if (about.noindex) headers.push(...noindexField);
  if (status === 405) headers.push('Allow', allowed);
  if (about.close) headers.push('Connection', 'close');
  return { status, reason, headers, body };
}

/** What Retry-After says where no service says it. */
const retryAfterSeconds = 1;

/** As bytes, the answer to what could not be read as a request; the connection ends with it. */
export function answerToNoRequest(code: FaultCode, date: Date): string {
  return wireForm(ownAnswer(code, { id: '', accept: '', policy: null, close: true, date }));
}

/** The same request, by HTTPS: 308, so that its method and body stay what they are (RFC 9110). */
export function redirectAnswer(location: string, about: About): Answer {
  const headers = ['Location', location, 'Content-Length', '0', 'Date', about.date.toUTCString()];
  if (about.id !== '') headers.push('X-Request-Id', about.id);
  if (about.close) headers.push('Connection', 'close');
  return { status: 308, reason: 'Permanent Redirect', headers, body: '' };
}

/** What an authority wants to read at the name it was asked about (RFC 8555 section 8.3). */
export function challengeAnswer(keyAuthorization: string, about: About): Answer {
  const headers = ['Content-Type', 'application/octet-stream', 'Cache-Control', 'no-store'];
  headers.push('Content-Length', String(keyAuthorization.length));
  headers.push('Date', about.date.toUTCString());
  if (about.close) headers.push('Connection', 'close');
  return { status: 200, reason: 'OK', headers, body: keyAuthorization };
}

/** An answer as bytes, for a connection that has no HTTP around it any more. */
export function wireForm(answer: Answer): string {
  let head = `HTTP/1.1 ${answer.status} ${answer.reason}\r\n`;
  for (let at = 0; at < answer.headers.length; at += 2) {
    head += `${answer.headers[at]}: ${answer.headers[at + 1]}\r\n`;
  }
  return `${head}\r\n${answer.body}`;
}

type Type = 'text/plain' | 'application/json' | 'text/html';

interface Said {
  readonly status: number;
  readonly reason: string;
  readonly code: FaultCode;
  readonly message: string;
  readonly id: string;
}

/** Which setting it was and how much that is: for whoever may change it, or has to keep to it. */
function limitWords(code: FaultCode, policy: AnswerPolicy | null): string {
  const limit = policy === null ? undefined : limits[code]?.(policy);
  return limit === undefined ? '' : ` (${limit[0]}: ${formatSize(limit[1])})`;
}

/** The first of the types that we speak; plain text where none is asked for. */
function typeFor(accept: string): Type {
  for (const range of accept.toLowerCase().split(',')) {
    const name = range.split(';', 1)[0]?.trim() ?? '';
    if (name === 'text/html') return 'text/html';
    if (name === 'text/plain') return 'text/plain';
    if (name === 'application/json' || name.endsWith('+json')) return 'application/json';
  }
  return 'text/plain';
}

/** Nothing in it comes from the client but the id, whose characters are checked. */
function bodyOf(type: Type, said: Said): string {
  const { status, reason, code, message, id } = said;
  if (type === 'application/json') {
    return `${JSON.stringify({ status, code, message, requestId: id })}\n`;
  }
  if (type === 'text/html') {
    const about = id === '' ? '' : `<p><small>Request ${id}</small></p>\n`;
    return (
      `<!doctype html>\n<meta charset="utf-8">\n<title>${status} ${reason}</title>\n` +
      `<h1>${status} ${reason}</h1>\n<p>${message}.</p>\n<p><code>${code}</code></p>\n${about}`
    );
  }
  return `${status} ${reason}\n${message}.\n${code}${id === '' ? '' : ` ${id}`}\n`;
}
