/**
 * What a service does at its edge, ready to be put to use: made once for each config, and asked by
 * both lanes.
 *
 * The rule this file keeps: a service without any of it has none of these, so a request of it costs
 * one look at null. Whether a request goes on is decided before it is claimed.
 */
import type { ServiceEdge } from '../../wireEdge.ts';
import type { Detour } from '../tls/detour.ts';
import { clientBehind } from './clientBehind.ts';
import { type HeaderEdits, headerEdits } from './headerEdits.ts';
import { PathPrefix } from './pathPrefix.ts';
import { TrustedProxies } from './trustedProxies.ts';

/** A request that has come to its service. */
export interface Arriving {
  /** As in the Host header. */
  readonly host: string;
  /** In origin form. */
  readonly target: string;
  /** How its client came, as far as that is known. */
  readonly proto: 'http' | 'https';
  /** The address at the other end of the connection. */
  readonly peer: string;
  readonly trusted: Pick<TrustedProxies, 'trusts'>;
  /** Header names and values in turn. */
  readonly raw: readonly string[];
}

export class EdgeRules {
  readonly request: HeaderEdits | null;
  readonly response: HeaderEdits | null;
  readonly forwarded: boolean;
  readonly #prefix: PathPrefix | null;
  readonly #redirects: ReadonlyMap<string, string>;
  readonly #allowed: TrustedProxies | null;

  constructor(edge: ServiceEdge) {
    const { stripPrefix, addPrefix, allow } = edge;
    this.request = headerEdits(edge.request);
    this.response = headerEdits(edge.response);
    this.forwarded = edge.forwarded;
    const prefixed = stripPrefix !== '' || addPrefix !== '';
    this.#prefix = prefixed ? new PathPrefix(stripPrefix, addPrefix) : null;
    this.#redirects = new Map(Object.entries(edge.redirects));
    this.#allowed = allow.length === 0 ? null : new TrustedProxies(allow);
  }

  /** The prefix that is taken from this path, as X-Forwarded-Prefix says it; '': none. */
  strippedFrom(target: string): string {
    return this.#prefix?.stripped(target) ?? '';
  }

  /** What is asked for at the target of the pool. */
  targetOf(target: string): string {
    return this.#prefix?.apply(target) ?? target;
  }

  /** @returns what the request gets in place of going on; null: it goes on. */
  stop(arriving: Arriving): Detour | null {
    const { peer, trusted, raw } = arriving;
    if (this.#allowed !== null && !this.#allowed.trusts(clientBehind(peer, trusted, raw))) {
      return { kind: 'refused', code: 'ADDRESS_FORBIDDEN' };
    }
    return this.#redirects.size === 0 ? null : this.#redirect(arriving);
  }

  #redirect({ host, target, proto }: Arriving): Detour | null {
    const [, name = '', port = ''] = /^(.*?)(:\d+)?$/.exec(host.toLowerCase()) ?? [];
    const to = this.#redirects.get(name.replace(/\.$/, ''));
    if (to === undefined) return null;
    // Where the config names no port, the client has the right one already.
    const where = /:\d+$/.test(to) ? to : to + port;
    return { kind: 'redirect', location: `${proto}://${where}${target}` };
  }
}
