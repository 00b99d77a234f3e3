/**
 * One upstream address in a pool, with what this worker knows of it.
 *
 * The rule this file keeps: probes decide on health, for all workers; ejection is one worker's own
 * observation of real requests, lasts a fixed time, and never says more than "not now".
 */
import { createHash } from 'node:crypto';
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
    this.healthy = entry.healthy;
    this.turn = turn;
  }

  /** Whether the entry leads to where this target is, in the same way. */
  isAt({ host, port, scheme, tls = '' }: TargetEntry): boolean {
    const same = host === this.host && port === this.port;
    return same && scheme === this.scheme && tls === this.tls;
  }

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
