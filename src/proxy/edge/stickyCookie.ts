/**
 * Sessions that stay on one target, by a cookie.
 *
 * The rule this file keeps: the cookie names one target of one filling of a pool, and nothing else.
 * So it is of no weight where that pool is not live: a flip leaves nobody on the old color. Where
 * the target is down, full, or has failed the request, another is taken, and the cookie follows.
 */
import type { Lease } from '../balancing/lease.ts';

export class StickyCookie {
  readonly #name: string;

  /** @param name a token, as the name of a cookie is one (RFC 6265 section 4.1.1). */
  constructor(name: string) {
    this.#name = name;
  }

  /** @param raw header names and values in turn. @returns what the client brings; '': nothing. */
  broughtBy(raw: readonly string[]): string {
    const start = `${this.#name}=`;
    for (let at = 0; at < raw.length; at += 2) {
      const name = raw[at] ?? '';
      if (name.length !== 6 || name.toLowerCase() !== 'cookie') continue;
      for (const pair of (raw[at + 1] ?? '').split(';')) {
        const written = pair.trim();
        if (written.startsWith(start)) return written.slice(start.length);
      }
    }
    return '';
  }

  /** @returns what Set-Cookie is to say; '': the client has the right one. */
  afterClaim({ pool, target }: Lease, brought: string, proto: 'http' | 'https'): string {
    const mark = target.markIn(pool.id);
    if (mark === brought) return '';
    const secure = proto === 'https' ? '; Secure' : '';
    return `${this.#name}=${mark}; Path=/; HttpOnly; SameSite=Lax${secure}`;
  }
}
