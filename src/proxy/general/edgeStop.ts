/**
 * Whether a request of the general lane goes to its service at all.
 *
 * The rule this file keeps: what TLS has to say comes first, then what the service does at its
 * edge; both are asked before anything is claimed.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Exchange } from '../accounting/exchange.ts';
import type { Destination } from '../destinations/destination.ts';
import { type Detour, detourOf } from '../tls/detour.ts';
import type { LaneContext } from './laneContext.ts';

export interface ComingRequest {
  readonly around: LaneContext;
  readonly connection: {
    readonly socket: Duplex;
    readonly proto: 'http' | 'https';
    readonly client: string;
  };
  readonly exchange: Exchange;
  readonly req: { readonly headers: IncomingHttpHeaders };
  /** Header lines, names and values in turn. */
  readonly raw: readonly string[];
}

/**
 * @param service null: none answers for it.
 * @returns what it gets in place of going to its service; null: it goes there. A promise where that
 *   has to be found out; it never rejects.
 */
export function edgeStop(
  { around, connection, exchange, req, raw }: ComingRequest,
  service: Destination | null,
): Detour | null | Promise<Detour | null> {
  const { plane, trusted } = around;
  const rules = service?.rules ?? null;
  if (plane.edge.tls === null && rules === null) return null;
  const { socket, proto, client } = connection;
  const said = req.headers['x-forwarded-proto'];
  const clientProto = said === 'https' && trusted.trusts(client) ? 'https' : proto;
  const { host, path: target } = exchange;
  const coming = { socket, proto, clientProto, host, target };
  const tls = plane.edge.tls === null ? null : detourOf(plane, service?.entry, coming);
  if (tls !== null || rules === null) return tls;
  const arriving = { host, target, proto: clientProto, peer: client, trusted, raw };
  const stop = rules.stop(arriving);
  return stop === 'unknown' ? rules.findOut(arriving) : stop;
}
