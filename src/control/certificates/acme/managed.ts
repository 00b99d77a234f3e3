/**
 * One certificate that an authority gives: had, renewed, and served meanwhile as long as it lasts.
 *
 * The rule this file keeps: a try is written down as failed before it begins, so that a crash in
 * the middle of it, again and again, waits longer each time and asks no authority the more often.
 * What is served changes only for something that was looked at and is better.
 */
import type { Clock } from '../../../clock.ts';
import { Fault, reasonOf } from '../../../errors.ts';
import type { Authority } from './authority.ts';
import type { AcmeFiles, CertificateRecord, CurrentCertificate } from './files.ts';
import { type Answer, type Ask, type ChallengeType, obtain, type SavedOrder } from './order.ts';
import { faultOf, Refusal } from './protocol/problem.ts';
import { chosen, noTries, renewAt, waitAfter } from './renewal.ts';
import {
  type Facts,
  factsOfChain,
  judgeChain,
  type KeyType,
  type Pair,
  renewalId,
} from './x509.ts';

/** What is to be had: one certificate for some names of one service. */
export interface Wanted {
  /** Names it in files, metrics and on the page: the service, and a number beyond the first. */
  readonly id: string;
  readonly service: string;
  readonly names: readonly string[];
}

export interface ManagedContext {
  readonly authority: Authority;
  readonly files: AcmeFiles;
  readonly clock: Clock;
  readonly random: () => number;
  readonly keyType: KeyType;
  readonly profile: string | null;
  readonly challenges: readonly ChallengeType[];
  /** Everything ends: orders stay where they are. */
  readonly signal: AbortSignal;
  present(answers: readonly Answer[]): Promise<() => void>;
  /** What is served, or said of it, has changed. */
  changed(certificate: ManagedCertificate, what: 'issued' | 'failed' | 'looked'): void;
}

/** How a certificate stands, for people and monitoring. Moments are ms since 1970. */
export interface ManagedStatus {
  readonly id: string;
  readonly service: string;
  readonly names: readonly string[];
  readonly source: 'acme' | 'temporary';
  readonly authority: string;
  readonly issuer: string | null;
  readonly serial: string | null;
  readonly notAfter: number | null;
  readonly renewAt: number | null;
  readonly lastError: string | null;
  readonly lastErrorAt: number | null;
  readonly nextTryAt: number;
  readonly failures: number;
}

export class ManagedCertificate {
  readonly wanted: Wanted;
  readonly #context: ManagedContext;
  #record: CertificateRecord;
  #facts: Facts | null;

  private constructor(wanted: Wanted, record: CertificateRecord, context: ManagedContext) {
    this.wanted = wanted;
    this.#context = context;
    this.#record = record;
    this.#facts = record.current === null ? null : factsOfChain(record.current.chain);
  }

  static async open(wanted: Wanted, context: ManagedContext): Promise<ManagedCertificate> {
    const { directory } = context.authority;
    const { id, names } = wanted;
    const found = await context.files.certificate(id);
    const anew = { id, directory, names, current: null, order: null, tries: noTries };
    const same = found !== null && found.directory === directory && sameNames(found.names, names);
    // Other names or another authority: its waits and orders are about something else.
    const record = same ? found : { ...anew, current: found?.current ?? null };
    return new ManagedCertificate(wanted, record, context);
  }

  /** null: there is none yet, or it has ended. */
  get pair(): Pair | null {
    const { current } = this.#record;
    if (current === null || this.#facts === null || this.#facts.notAfter <= this.#now())
      return null;
    return { cert: current.chain, key: current.key };
  }

  get status(): ManagedStatus {
    const { id, service, names } = this.wanted;
    const { tries } = this.#record;
    const has = this.pair !== null;
    return {
      id,
      service,
      names,
      source: has ? 'acme' : 'temporary',
      authority: new URL(this.#context.authority.directory).host,
      issuer: this.#facts?.issuer ?? null,
      serial: this.#facts?.serial ?? null,
      notAfter: this.#facts?.notAfter ?? null,
      renewAt: this.#renewAt(),
      lastError: tries.failures === 0 ? null : tries.lastError,
      lastErrorAt: tries.failures === 0 ? null : tries.lastErrorAt,
      nextTryAt: this.#tryAt(),
      failures: tries.failures,
    };
  }

  /** When there is something to do, ms since 1970; may have passed. */
  get dueAt(): number {
    const renewal = this.#record.current?.renewal;
    const askedAt = this.#fits() ? (renewal?.nextLookAt ?? 0) : Number.POSITIVE_INFINITY;
    return Math.min(this.#tryAt(), Math.max(askedAt, this.#asksAt));
  }

  /** It is wanted no more: what it is at ends, and its file belongs to whoever follows. */
  retire(): void {
    this.#retired.abort();
  }

  /** Does what is due. Never rejects: what went wrong is in the status, and is tried again. */
  async look(): Promise<void> {
    const signal = this.#signal;
    if (this.#fits() && this.#tryAt() > this.#now()) await this.#askForWindow();
    if (!signal.aborted && this.#tryAt() <= this.#now()) await this.#try();
  }

  readonly #retired = new AbortController();

  get #signal(): AbortSignal {
    return AbortSignal.any([this.#context.signal, this.#retired.signal]);
  }

  /** Of the questions that came to nothing: not again before. */
  #asksAt = 0;

  /** Whether what is there is what is wanted: of this authority, for these names, by this key. */
  #fits(): boolean {
    const { current } = this.#record;
    if (current === null || this.#facts === null) return false;
    const { authority, keyType } = this.#context;
    const { names } = this.#facts;
    return (
      current.directory === authority.directory &&
      current.keyType === keyType &&
      this.wanted.names.every((name) => names.includes(name)) &&
      this.#facts.notAfter > this.#now()
    );
  }

  #renewAt(): number | null {
    if (this.#facts === null) return null;
    return renewAt(this.#facts, this.#record.current?.renewal ?? null);
  }

  #tryAt(): number {
    const wantedAt = this.#fits() ? (this.#renewAt() ?? 0) : 0;
    return Math.max(wantedAt, this.#record.tries.nextAt);
  }

  #now(): number {
    return this.#context.clock.date().getTime();
  }

  /** Asks the authority when it wants this one renewed. Where it does not say, time does. */
  async #askForWindow(): Promise<void> {
    const { authority, random } = this.#context;
    const { current } = this.#record;
    if (current === null) return;
    const now = this.#now();
    this.#asksAt = now + 3_600_000;
    try {
      const id = await renewalId(current.chain);
      const { client } = await authority.open();
      const window = id === null ? null : await client.renewalInfo(id);
      if (window === null) {
        // Once a day: it may learn to.
        this.#asksAt = now + 86_400_000;
        return;
      }
      const renewal = chosen(window, current.renewal, now, random());
      await this.#save({ current: { ...current, renewal } });
      this.#asksAt = 0;
      this.#context.changed(this, 'looked');
    } catch (thrown) {
      if (!foreseen(thrown)) throw thrown;
    }
  }

  async #try(): Promise<void> {
    const { random } = this.#context;
    const before = this.#record.tries;
    const failures = before.failures + 1;
    const now = this.#now();
    try {
      const waitMs = waitAfter(failures, { reached: true, retryAfterMs: null }, random());
      await this.#save({
        tries: {
          failures,
          lastError: before.lastError ?? 'Pointsman ended while it was asked for.',
          lastErrorAt: now,
          nextAt: now + waitMs,
        },
      });
      await this.#obtain(before.failures);
      this.#context.changed(this, 'issued');
    } catch (thrown) {
      if (!foreseen(thrown)) throw thrown;
      await this.#failed(thrown, before, failures);
    }
  }

  async #obtain(failures: number): Promise<void> {
    const { authority, clock, keyType, profile, challenges } = this.#context;
    const signal = this.#signal;
    const { client, key } = await authority.open();
    const { names } = this.wanted;
    const current = this.#record.current;
    const ofHere = current?.directory === authority.directory ? current : null;
    const offered = (await client.directory()).renewalInfo !== null;
    const replaces = ofHere === null || !offered ? null : await renewalId(ofHere.chain);
    // The one that failed last may be closed for good: the next try begins with the other.
    const prefer = failures % 2 === 1 ? [...challenges].reverse() : challenges;
    const ask: Ask = { names, keyType, profile, replaces, prefer };
    const save = (order: SavedOrder | null): Promise<void> => this.#save({ order });
    const present = (answers: readonly Answer[]) => this.#context.present(answers);
    const got = await obtain(ask, this.#record.order, {
      client,
      account: key,
      clock,
      signal,
      save,
      present,
    });
    const facts = judgeChain(got.chain, got.key, names);
    if (typeof facts === 'string') {
      await save(null);
      throw new Fault('AUTHORITY_MALFORMED', `The authority's certificate is not taken: ${facts}.`);
    }
    const { directory } = authority;
    const next: CurrentCertificate = { directory, keyType, ...got, renewal: null };
    await this.#save({ current: next, order: null, tries: noTries });
    this.#facts = facts;
    this.#asksAt = 0;
  }

  async #failed(thrown: Error, before: CertificateRecord['tries'], failures: number) {
    const { authority, random } = this.#context;
    const signal = this.#signal;
    // It goes on with its order when Pointsman is back: nothing was refused.
    const resumed = signal.aborted && this.#record.order !== null;
    const refused = thrown instanceof Refusal;
    if (refused && thrown.type === 'accountDoesNotExist') {
      await authority.forgotten().catch(() => {});
    }
    const reason = reasonOf(refused ? faultOf(thrown) : thrown);
    const asked = refused ? thrown.retryAfterMs : (thrown as Fault).detail.retryAfterMs;
    const retryAfterMs = typeof asked === 'number' ? asked : null;
    const reached = !(thrown instanceof Fault && thrown.code === 'AUTHORITY_UNREACHABLE');
    const now = this.#now();
    const waitMs = waitAfter(failures, { reached, retryAfterMs }, random());
    const tries = { failures, lastError: reason, lastErrorAt: now, nextAt: now + waitMs };
    // A disk that takes nothing: what is in memory holds for this life.
    await this.#save({ tries: resumed ? before : tries }).catch(() => {});
    if (!signal.aborted) this.#context.changed(this, 'failed');
  }

  async #save(change: Partial<CertificateRecord>): Promise<void> {
    if (this.#retired.signal.aborted) throw new Fault('ABORTED');
    const next = { ...this.#record, ...change };
    // Of the tries the memory is right also where the disk is not; a certificate is kept first.
    this.#record = next;
    await this.#context.files.saveCertificate(next);
  }
}

function foreseen(thrown: unknown): thrown is Error {
  return thrown instanceof Fault || thrown instanceof Refusal;
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return [...a].sort().join() === [...b].sort().join();
}
