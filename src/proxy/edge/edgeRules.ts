/**
 * What a service does at its edge, ready to be put to use: made once for each config, and asked by
 * both lanes.
 *
 * The rule this file keeps: a service without any of it has none of these, so a request of it costs
 * one look at null. Whether a request goes on is decided before it is claimed.
 */
import { plainEdge } from '../../config/edge.ts';
import type { ServiceEdge } from '../../wireEdge.ts';
import type { Detour } from '../tls/detour.ts';
import { BasicAuth } from './basicAuth.ts';
import { clientBehind } from './clientBehind.ts';
import { type HeaderEdits, headerEdits, noindexField } from './headerEdits.ts';
import { PathPrefix } from './pathPrefix.ts';
import { StickyCookie } from './stickyCookie.ts';
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
  /** For our own answers: pages by status, each byte a character. */
  readonly answers: { readonly pages: ReadonlyMap<number, string>; readonly noindex: boolean };
  readonly request: HeaderEdits | null;
  readonly response: HeaderEdits | null;
  readonly forwarded: boolean;
  /** null: any target will do. */
  readonly sticky: StickyCookie | null;
  readonly #prefix: PathPrefix | null;
  readonly #redirects: ReadonlyMap<string, string>;
  readonly #allowed: TrustedProxies | null;
  readonly #auth: BasicAuth | null;

  /** @param noindex whether search engines are told to forget what they get here. */
  constructor(edge: ServiceEdge, noindex = false) {
    const { stripPrefix, addPrefix, allow, response } = edge;
    this.request = headerEdits(edge.request);
    const robots = [...response.set, noindexField] as const;
    this.response = headerEdits(noindex ? { ...response, set: robots } : response);
    this.forwarded = edge.forwarded;
    this.sticky = edge.sticky === '' ? null : new StickyCookie(edge.sticky);
    const pages = Object.entries(edge.pages).map(([status, html]): [number, string] => [
      Number(status),
      Buffer.from(html, 'utf8').toString('latin1'),
    ]);
    this.answers = { pages: new Map(pages), noindex };
    const prefixed = stripPrefix !== '' || addPrefix !== '';
    this.#prefix = prefixed ? new PathPrefix(stripPrefix, addPrefix) : null;
    this.#redirects = new Map(Object.entries(edge.redirects));
    this.#auth = edge.basicAuth === null ? null : new BasicAuth(edge.basicAuth);
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

  /**
   * @returns what the request gets in place of going on; null: it goes on; `unknown`: call
   *   `findOut`, since it brings a name and a password that were not seen before.
   */
  stop(arriving: Arriving): Detour | null | 'unknown' {
    const { peer, trusted, raw } = arriving;
    if (this.#allowed !== null && !this.#allowed.trusts(clientBehind(peer, trusted, raw))) {
      return { kind: 'refused', code: 'ADDRESS_FORBIDDEN' };
    }
    const redirect = this.#redirects.size === 0 ? null : this.#redirect(arriving);
    if (redirect !== null || this.#auth === null) return redirect;
    const seen = this.#auth.look(raw);
    if (seen === undefined) return 'unknown';
    return seen === 'right' ? null : refusalOf(this.#auth);
  }

  /** Never rejects. @returns as `stop`, when it is known. */
  async findOut({ peer, trusted, raw }: Arriving): Promise<Detour | null> {
    const auth = this.#auth;
    const verdict = await auth?.find(raw, clientBehind(peer, trusted, raw));
    if (auth === null || verdict === 'right') return null;
    if (verdict === 'busy') return { kind: 'refused', code: 'CREDENTIALS_BUSY' };
    return refusalOf(auth);
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

/** The rules of one service, made anew only where what they are made of changes. */
export class MadeRules {
  #text = '';
  #rules: EdgeRules | null = null;

  /**
   * @param always whether there are rules though there is nothing to do.
   * @param noindex see `EdgeRules`.
   */
  of(edge: ServiceEdge | null, always: boolean, noindex = false): EdgeRules | null {
    const made = edge ?? (always ? plainEdge : null);
    const text = JSON.stringify(made);
    if (text === this.#text) return this.#rules;
    this.#text = text;
    this.#rules = made === null ? null : new EdgeRules(made, noindex);
    return this.#rules;
  }
}

function refusalOf({ challenge }: BasicAuth): Detour {
  return { kind: 'refused', code: 'CREDENTIALS_REQUIRED', challenge };
}
