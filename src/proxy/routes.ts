/**
 * Which service a request is for.
 *
 * The rule this file keeps: the most specific host that has a matching path wins (exact name, then
 * the longest `*.suffix`, then any host), and in it the longest prefix, on segment borders: `/api`
 * is a prefix of `/api` and `/api/x`, not of `/apis`. The path is compared byte for byte as it
 * came; nothing is decoded, because what is matched must be what is forwarded.
 *
 * A look-up costs as many map reads as the path has segments, however many services there are.
 */
import type { ServiceEntry } from '../wire.ts';

/**
 * Longest prefix, in characters, that a service may have; paths are cut there before the look-up.
 */
const prefixCharsMax = 256;

export class Routes<T> {
  readonly #exact = new Map<string, Paths<T>>();
  readonly #suffix = new Map<string, Paths<T>>();
  readonly #any = new Paths<T>();
  /** Asked last, and the name that it came to: clients ask for few hosts in turn. */
  #host = '';
  #name = '';

  /**
   * @param services what each service answers for; of two that claim the same, the first keeps it.
   */
  constructor(services: Iterable<readonly [Pick<ServiceEntry, 'hosts' | 'paths'>, T]>) {
    for (const [{ hosts, paths }, service] of services) {
      for (const table of hosts.length === 0
        ? [this.#any]
        : hosts.map((host) => this.#table(host))) {
        for (const path of paths) table.add(path, service);
      }
    }
  }

  /**
   * @param host a Host header or authority, any case, with or without a port.
   * @param path the request target in origin form, query and all.
   */
  match(host: string, path: string): T | undefined {
    const name = this.#nameOf(host);
    const found = this.#exact.get(name)?.match(path);
    if (found !== undefined) return found;
    for (let dot = name.indexOf('.'); dot !== -1; dot = name.indexOf('.', dot + 1)) {
      if (this.#suffix.size === 0) break;
      const wild = this.#suffix.get(name.slice(dot + 1))?.match(path);
      if (wild !== undefined) return wild;
    }
    return this.#any.match(path);
  }

  #nameOf(host: string): string {
    if (host !== this.#host) {
      this.#name = nameOf(host);
      this.#host = host;
    }
    return this.#name;
  }

  #table(host: string): Paths<T> {
    const wild = host.startsWith('*.');
    const tables = wild ? this.#suffix : this.#exact;
    const name = (wild ? host.slice(2) : host).toLowerCase();
    const table = tables.get(name) ?? new Paths<T>();
    tables.set(name, table);
    return table;
  }
}

/** What one host serves, by prefixes of paths. Most have one service for all of them. */
class Paths<T> {
  readonly #services = new Map<string, T>();
  #deep = false;

  add(prefix: string, service: T): void {
    if (this.#services.has(prefix)) return;
    this.#services.set(prefix, service);
    if (prefix !== '/') this.#deep = true;
  }

  match(path: string): T | undefined {
    if (!this.#deep) return this.#services.get('/');
    for (const prefix of candidates(path)) {
      const service = this.#services.get(prefix);
      if (service !== undefined) return service;
    }
    return undefined;
  }
}

/** A host name as routes compare it: lower case, without port and without the dot of the root. */
function nameOf(host: string): string {
  let end = host.length;
  const colon = host.lastIndexOf(':');
  if (colon !== -1 && host.indexOf(']', colon) === -1) end = colon;
  if (end > 0 && host.charCodeAt(end - 1) === 0x2e) end--;
  return host.slice(0, end).toLowerCase();
}

/**
 * The prefixes of a path that end on a segment border, longest first: `/a/b` gives `/a/b`, `/a/`,
 * `/a`, `/`.
 */
function candidates(path: string): string[] {
  const query = path.indexOf('?');
  const end = Math.min(query === -1 ? path.length : query, prefixCharsMax);
  const prefixes: string[] = [];
  for (let at = end; at > 0; at = path.lastIndexOf('/', at - 1)) {
    // The border itself belongs to `/a/`, and not to `/a`.
    if (path.charCodeAt(at) === 0x2f && at < end) prefixes.push(path.slice(0, at + 1));
    prefixes.push(path.slice(0, at));
  }
  if (prefixes.at(-1) !== '/') prefixes.push('/');
  return prefixes;
}
