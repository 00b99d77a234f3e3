/**
 * The header of a request as the general lane sends it.
 *
 * The rule this file keeps: it is the list that both lanes make, set on the request of Node as it
 * is, and nothing of Node's own.
 */
import type { ClientRequest } from 'node:http';
import type { Exchange } from '../accounting/exchange.ts';
import type { Target } from '../balancing/target.ts';
import type { Destination } from '../destinations/destination.ts';
import { type ClientVersion, requestHeaders } from '../headers.ts';
import { type Http2Fields, http2Fields } from '../streams/http2Fields.ts';
import type { LaneContext } from './laneContext.ts';

/** A request that is sent, as far as its header speaks of it. */
export interface HeadedRequest {
  readonly around: LaneContext;
  /** Header lines to pass on, names and values in turn. */
  readonly raw: readonly string[];
  readonly exchange: Exchange;
  readonly connection: { readonly proto: 'http' | 'https' };
  readonly service: Destination;
  /** The body goes on in chunks. */
  readonly chunked: boolean;
  readonly version: ClientVersion;
  /** Not null: it asks for a tunnel. */
  readonly tunnelHead: Buffer | null;
}

/** @throws what Node throws of a header that it does not write: `isBadHeader`. */
export function setHeaders(request: ClientRequest, call: HeadedRequest, target: Target): void {
  const headers = headersOf(call, target);
  for (let at = 0; at < headers.length; at += 2) {
    request.appendHeader(headers[at] ?? '', headers[at + 1] ?? '');
  }
}

/**
 * The same on a stream of HTTP/2, its pseudo-header fields first.
 *
 * @param path in origin form. @throws as `setHeaders`.
 */
export function streamFields(call: HeadedRequest, target: Target, path: string): Http2Fields {
  const headers = headersOf(call, target);
  const { host = '', ...fields } = http2Fields(headers);
  const trailers = headers.some((name, at) => at % 2 === 0 && name.toLowerCase() === 'te');
  return {
    ':method': call.exchange.method,
    ':scheme': 'http',
    ':path': path,
    ':authority': host,
    ...fields,
    ...(trailers ? { te: 'trailers' } : {}),
  };
}

/** Names and values in turn. */
function headersOf(call: HeadedRequest, target: Target): string[] {
  const { raw, exchange, connection, around, chunked, version, tunnelHead } = call;
  const { rules, entry } = call.service;
  const headers = requestHeaders(raw, {
    client: exchange.client,
    trusted: around.trusted.trusts(exchange.client),
    proto: connection.proto,
    host: exchange.host,
    id: exchange.id,
    version,
    chunked,
    upgrade: tunnelHead !== null,
    rules,
    prefix: rules?.strippedFrom(exchange.path) ?? '',
    mark: entry.via.request,
  });
  // We speak HTTP/1.1 to targets, and that takes a Host; a client of HTTP/1.0 may send none.
  if (exchange.host === '' && !rules?.request?.setsHost) headers.push('Host', authority(target));
  return headers;
}

function authority({ host, port, scheme }: Target): string {
  if (scheme === 'unix') return 'localhost';
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
