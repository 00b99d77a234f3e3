/**
 * The certificates of one worker: which name gets which, and what an authority may ask.
 *
 * The rule this file keeps: nothing in it throws at a client. A context is made when the first
 * client asks for its name (a thousand at once would stop traffic for a second), and kept for as
 * long as its certificate is; a pair that OpenSSL does not take is as good as none.
 */
import { createHash, createPrivateKey } from 'node:crypto';
import tls, { type SecureContext } from 'node:tls';
import type {
  CertificateEntry,
  CertificateSet,
  ClientAuthority,
  TargetTls,
} from '../../wireTls.ts';

/** A session is resumed only where the same was asked of the client: OpenSSL compares this. */
export function sessionIdContextOf(authority?: ClientAuthority): string {
  if (authority === undefined) return 'pointsman';
  return createHash('sha256').update(authority.ca).digest('hex').slice(0, 32);
}

const kinds: Readonly<Record<CertificateEntry['kind'], number>> = {
  file: 0,
  acme: 1,
  temporary: 2,
};

/** Names to whatever belongs to them: exact ones before wildcards, which stand for one label. */
export class Names<T> {
  readonly #exact = new Map<string, T>();
  readonly #wild = new Map<string, T>();

  set(name: string, value: T): void {
    if (name.startsWith('*.')) this.#wild.set(name.slice(2), value);
    else this.#exact.set(name, value);
  }

  get(name: string): T | undefined {
    const dot = name.indexOf('.');
    return this.#exact.get(name) ?? (dot === -1 ? undefined : this.#wild.get(name.slice(dot + 1)));
  }

  /** As it was set, `*.` and all. */
  at(name: string): T | undefined {
    return name.startsWith('*.') ? this.#wild.get(name.slice(2)) : this.#exact.get(name);
  }
}

export class Certificates {
  #set: CertificateSet | null = null;
  #byName = new Names<CertificateEntry>();
  #authorities = new Names<ClientAuthority>();
  /** By the id of the certificate, and of the client authority; null: OpenSSL refused. */
  readonly #contexts = new Map<string, SecureContext | null>();
  /** By the id of the certificate: rsa, ec, and what else there is. */
  #keyTypes = new Map<string, string>();
  readonly #listeners = new Set<() => void>();
  /** By id; those of the set before too, for targets of a table that has not come yet. */
  #targetTls: ReadonlyMap<string, TargetTls> = new Map();
  #targetTlsNow: readonly string[] = [];

  /** null: none came yet. */
  get set(): CertificateSet | null {
    return this.#set;
  }

  /** What is served where no name fits. */
  get first(): CertificateEntry | undefined {
    const all = this.#set?.certificates ?? [];
    return all.find(({ kind }) => kind !== 'temporary') ?? all[0];
  }

  /**
   * Whether connections are looked at before they are answered: an authority asks, clients are
   * asked, or there are keys of several kinds.
   */
  get peeks(): boolean {
    const set = this.#set;
    if (set === null) return false;
    if (this.mixed || set.clientAuthorities.length > 0) return true;
    return Object.keys(set.challenges.tlsAlpn01).length > 0;
  }

  /** Whether there are keys of several kinds. */
  get mixed(): boolean {
    return new Set(this.#keyTypes.values()).size > 1;
  }

  replace(set: CertificateSet): void {
    this.#set = set;
    const byName = new Names<CertificateEntry>();
    for (const one of set.certificates) {
      for (const name of one.names) {
        const other = byName.at(name);
        if (other === undefined || better(one, other)) byName.set(name, one);
      }
    }
    this.#byName = byName;
    this.#authorities = new Names();
    for (const one of set.clientAuthorities) {
      for (const host of one.hosts) this.#authorities.set(host, one);
    }
    const types = this.#keyTypes;
    this.#keyTypes = new Map(
      set.certificates.map(({ id, key }) => [id, types.get(id) ?? keyTypeOf(key)]),
    );
    const ids = new Set(set.certificates.map(({ id }) => id));
    for (const key of this.#contexts.keys()) {
      if (!ids.has(key.split(' ', 1)[0] ?? '')) this.#contexts.delete(key);
    }
    this.#keepTargetTls(set.targetTls ?? []);
    for (const listener of this.#listeners) listener();
  }

  /** By what a target is verified. @param id as a table names it. */
  targetTls(id: string): TargetTls | undefined {
    return this.#targetTls.get(id);
  }

  /** One that stays is the same object, since what is made of it is kept with it. */
  #keepTargetTls(now: readonly TargetTls[]): void {
    const before = this.#targetTls;
    const ids = new Set(this.#targetTlsNow);
    const kept = [...before].filter(([id]) => ids.has(id));
    this.#targetTlsNow = now.map(({ id }) => id);
    this.#targetTls = new Map([
      ...kept,
      ...now.map((one) => [one.id, before.get(one.id) ?? one] as const),
    ]);
  }

  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** @param name as a client sent it; any case. */
  certificate(name: string): CertificateEntry | undefined {
    return this.#byName.get(name.toLowerCase());
  }

  /** Who clients of this name must be known to; undefined: they are not asked. */
  authority(name: string): ClientAuthority | undefined {
    return this.#authorities.get(name.toLowerCase());
  }

  authorityOf(service: string): ClientAuthority | undefined {
    return this.#set?.clientAuthorities.find((one) => one.service === service);
  }

  /** @param authority whom clients must be known to; undefined: they are not asked. */
  context(entry: CertificateEntry, authority?: ClientAuthority): SecureContext | null {
    const key = authority === undefined ? entry.id : `${entry.id} ${authority.ca}`;
    const known = this.#contexts.get(key);
    if (known !== undefined) return known;
    const made = this.#make(entry, authority);
    this.#contexts.set(key, made);
    return made;
  }

  #make({ cert, key }: CertificateEntry, authority?: ClientAuthority): SecureContext | null {
    try {
      const ca = authority === undefined ? {} : { ca: authority.ca };
      const sessionIdContext = sessionIdContextOf(authority);
      return tls.createSecureContext({ cert, key, ...ca, sessionIdContext });
    } catch {
      return null;
    }
  }
}

function keyTypeOf(key: string): string {
  try {
    return createPrivateKey(key).asymmetricKeyType ?? '';
  } catch {
    return '';
  }
}

/** From a file before from an authority; of those alike, the one that lasts longer. */
function better(one: CertificateEntry, other: CertificateEntry): boolean {
  if (one.kind !== other.kind) return kinds[one.kind] < kinds[other.kind];
  return one.notAfter > other.notAfter;
}
