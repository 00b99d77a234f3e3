/**
 * Our own answers to calls of gRPC: a client of it reads no body and no status of HTTP, but
 * trailers alone (gRPC over HTTP/2, "Trailers-Only").
 *
 * The rule this file keeps: they say what `answers.ts` would, in the codes of gRPC.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { type FaultCode, faults } from '../../errors.ts';
import type { About, Answer } from '../answers.ts';

/** Codes of gRPC, by status of HTTP, as gRPC has them of proxies (http-grpc-status-mapping). */
const codes: Readonly<Record<number, number>> = {
  400: 13,
  401: 16,
  403: 7,
  404: 12,
  // Beyond that list: a limit of the service, and what may be tried again.
  408: 14,
  413: 8,
  429: 14,
  431: 8,
  502: 14,
  503: 14,
  504: 14,
};
const unknown = 2;

/** Whether a request is a call of gRPC, by its fields in lower case. */
export function isGrpc(headers: IncomingHttpHeaders): boolean {
  return /^application\/grpc(?:$|[+;])/i.test(headers['content-type'] ?? '');
}

export function grpcAnswer(code: FaultCode, about: About): Answer {
  const { status, title } = faults[code];
  const headers = [
    'Content-Type',
    'application/grpc',
    'Grpc-Status',
    String(codes[status] ?? unknown),
    'Grpc-Message',
    escaped(`${title} (${code}, request ${about.id})`),
    'Date',
    about.date.toUTCString(),
  ];
  if (about.id !== '') headers.push('X-Request-Id', about.id);
  return { status: 200, counted: status, reason: 'OK', headers, body: '' };
}

/** As gRPC wants a message: what is not visible ASCII, and the percent sign, as bytes of UTF-8. */
function escaped(text: string): string {
  return text.replace(/[^ -$&-~]+/g, (part) => encodeURIComponent(part));
}
