/**
 * What a name stands for, and for how long that can be relied on: from the hosts file, from DNS
 * with its TTL, or from whatever else the system knows.
 *
 * The rule this file keeps: who is asked is decided here alone, in the order of every system: hosts
 * file, DNS, the rest. DNS is asked on sockets of its own, not in the thread pool that the disk
 * needs too, and each time by a new resolver, so that it is the one that resolv.conf names now; the
 * system's own resolver, which may hold a thread for as long as it likes, is asked one name at a
 * time.
 */

import { type RecordWithTtl, Resolver } from 'node:dns';
import { lookup as systemLookup } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';

/** What is said of a name. */
export interface Answer {
  /** Each once, sorted; none where nobody can say. */
  readonly addresses: readonly string[];
  /** From when on it is to be asked again; nothing where nobody can say. */
  readonly ttlMs: number;
  /** Why there is no address, as part of a sentence; null: there is one. */
  readonly error: string | null;
}

/** Never rejects. Settles within some seconds where DNS is silent, or later by the system. */
export type Lookup = (name: string) => Promise<Answer>;

export interface LookupOptions {
  /** Of DNS, as `host:port`; absent: the system's. */
  readonly servers?: readonly string[];
  readonly hostsFile?: string;
  /** The system's resolver. */
  readonly system?: (name: string) => Promise<readonly string[]>;
}

/** What has no TTL is asked again so often: somebody may edit the hosts file. */
export const fixedMs = 5_000;
/** A TTL of 0 would ask without end; one of a day would keep a mistake for as long. */
const ttlMsMin = 1_000;
const ttlMsMax = 300_000;
/** A silent server is asked twice, the second time for twice as long. */
const queryMs = 1_000;
const queries = 2;
/** More than that in one answer is no name of a service. */
const addressesMax = 64;
const hostsBytesMax = 1024 * 1024;

/** Neither says that DNS is broken: there is no such name, or no such address of it. */
const absences = new Set(['ENOTFOUND', 'ENODATA']);

export function createLookup(options: LookupOptions = {}): Lookup {
  const { servers, hostsFile = '/etc/hosts', system = askSystem } = options;
  let before: Promise<unknown> = Promise.resolve();
  const inTurn = (name: string): Promise<readonly string[]> => {
    const asked = before.then(() => system(name)).catch(() => []);
    before = asked;
    return asked;
  };
  return async (name) => {
    // RFC 6761 section 6.3: it is this machine, by either family, whoever says something else.
    if (name === 'localhost' || name.endsWith('.localhost')) {
      return found(['127.0.0.1', '::1'], Number.POSITIVE_INFINITY);
    }
    const written = await inHosts(hostsFile, name);
    if (written.length > 0) return found(written, fixedMs);
    const said = await Promise.all([4, 6].map((family) => inDns(name, family, servers)));
    const records = said.flatMap((one) => (typeof one === 'string' ? [] : one));
    if (records.length > 0) {
      const ttl = Math.min(...records.map((record) => record.ttl)) * 1000;
      const ttlMs = Math.min(Math.max(ttl, ttlMsMin), ttlMsMax);
      return found(
        records.map(({ address }) => address),
        ttlMs,
      );
    }
    // Search domains, multicast, and whatever else a system is set up to ask.
    const known = await inTurn(name);
    if (known.length > 0) return found(known, fixedMs);
    const broken = said.find((one) => typeof one === 'string' && !absences.has(one));
    const error =
      broken === undefined
        ? `there is no such name as ${name}`
        : `DNS does not say what ${name} is (${String(broken)})`;
    return { addresses: [], ttlMs: 0, error };
  };
}

/** @param list in any order. */
function found(list: readonly string[], ttlMs: number): Answer {
  const addresses = [...new Set(list)].sort().slice(0, addressesMax);
  return { addresses, ttlMs, error: null };
}

/** @returns records, or the code of what went wrong. */
function inDns(
  name: string,
  family: number,
  servers: readonly string[] | undefined,
): Promise<readonly { readonly address: string; readonly ttl: number }[] | string> {
  return new Promise((resolve) => {
    const resolver = new Resolver({ timeout: queryMs, tries: queries });
    if (servers !== undefined) resolver.setServers(servers);
    const done = (error: NodeJS.ErrnoException | null, records: RecordWithTtl[]): void =>
      resolve(error === null ? records : (error.code ?? error.message));
    if (family === 4) resolver.resolve4(name, { ttl: true }, done);
    else resolver.resolve6(name, { ttl: true }, done);
  });
}

/** Lines of `address name name…`; `#` begins a comment. */
async function inHosts(file: string, name: string): Promise<readonly string[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  if (text.length > hostsBytesMax) return [];
  return text.split('\n').flatMap((line) => {
    const [address = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/);
    const named = names.some((one) => one.toLowerCase() === name.toLowerCase());
    return named && isIP(address) !== 0 ? [address] : [];
  });
}

async function askSystem(name: string): Promise<readonly string[]> {
  const all = await systemLookup(name, { all: true });
  return all.map(({ address }) => address);
}
