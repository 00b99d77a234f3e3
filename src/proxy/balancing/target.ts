/**
 * One upstream address in a pool, with what this worker knows of it.
 *
 * The rule this file keeps: probes decide on health, for all workers; ejection is one worker's own
 * observation of real requests, lasts a fixed time, and never says more than "not now".
 */
import { createHash } from 'node:crypto';
import { isIP, type LookupFunction } from 'node:net';
import type { TargetEntry, TargetStats } from '../../wire.ts';

/** Errors in a row, of requests in earnest, after which a target is left alone for a while. */
export const ejectAfterErrors = 5;
export const ejectForMs = 30_000;

let made = 0;

export class Target {
  readonly id: string;
  readonly host: string;
  readonly port: number;
  readonly scheme: TargetEntry['scheme'];
  /** The id of what an `https` one is verified by; '': another one. */
  readonly tls: string;
  /** What `host` stands for, where it is a name; null: it is none, or the system is asked. */
  #addresses: readonly string[] | null;
  /** Connections begin with another one each time. */
  #turn = 0;
  /** How often an address went away: a connection that was made before is not used again. */
  moves = 0;
  /** Names this very target among the connections of a lane: another may come by the same id. */
  readonly key = `${++made}`;
  healthy: boolean;
  /** How often it was chosen, as far as taking turns goes. */
  turn: number;
  inside = 0;
  /** Of these, how many take a place: streams and tunnels stay long, and wait for nothing. */
  places = 0;
  /** How many of those inside have not sent their body whole. */
  uploads = 0;
  requests = 0;
  errors = 0;
  answered = 0;
  answeredMs = 0;
  retries = 0;
  errorsInRow = 0;
  ejectedUntil = 0;
  #mark = '';

  constructor(entry: TargetEntry, turn: number) {
    this.id = entry.id;
    this.host = entry.host;
    this.port = entry.port;
    this.scheme = entry.scheme;
    this.tls = entry.tls ?? '';
    this.#addresses = entry.addresses ?? null;
    this.healthy = entry.healthy;
    this.turn = turn;
  }

  /** Whether the entry leads to where this target is, in the same way. */
  isAt({ host, port, scheme, tls = '' }: TargetEntry): boolean {
    const same = host === this.host && port === this.port;
    return same && scheme === this.scheme && tls === this.tls;
  }

  /** Takes over what its name stands for. @returns whether some address is gone. */
  resolve({ addresses }: TargetEntry): boolean {
    const before = this.#addresses;
    if (addresses === undefined) return false;
    this.#addresses = addresses;
    const gone = before === null || before.some((address) => !addresses.includes(address));
    if (gone) this.moves++;
    return gone;
  }

  /** Resolves its name as the table does, for `net.connect`; undefined: it is no such name. */
  get lookup(): LookupFunction | undefined {
    return this.#addresses === null ? undefined : this.#lookup;
  }

  readonly #lookup: LookupFunction = (host, options, done) => {
    const all = this.#addresses ?? [];
    const from = this.#turn++ % Math.max(1, all.length);
    const found = [...all.slice(from), ...all.slice(0, from)].map((address) => {
      return { address, family: isIP(address) };
    });
    const [first] = found;
    if (first === undefined) {
      const error = new Error(`${host} stands for nothing`);
      done(Object.assign(error, { code: 'ENOTFOUND' }), '');
    } else if (options.all === true) done(null, found);
    else done(null, first.address, first.family);
  };

  /** What stands for this target in cookies: the same in every worker, and for this pool alone. */
  markIn(pool: string): string {
    if (this.#mark === '') {
      this.#mark = createHash('sha256').update(`${pool}\n${this.id}`).digest('hex').slice(0, 16);
    }
    return this.#mark;
  }

  ejected(now: number): boolean {
    return this.ejectedUntil > now;
  }

  usable(now: number): boolean {
    return this.healthy && this.ejectedUntil <= now;
  }

  stats(now: number): TargetStats {
    return {
      id: this.id,
      host: this.host,
      port: this.port,
      ...(this.scheme !== undefined && { scheme: this.scheme }),
      ...(this.#addresses !== null && { addresses: this.#addresses }),
      healthy: this.healthy,
      ejected: this.ejected(now),
      inside: this.inside,
      requests: this.requests,
      errors: this.errors,
      answered: this.answered,
      answeredMs: Math.round(this.answeredMs),
      retries: this.retries,
    };
  }
}
