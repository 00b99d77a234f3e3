/**
 * Certificates by themselves: what services with `tls: auto` are given, had from an authority and
 * renewed before they end.
 *
 * The rule this file keeps: there is one of it, in the controller, and nobody waits for it. What
 * has no certificate yet is served with a temporary one; what is refused is tried again later.
 */
import type { Clock } from '../../../clock.ts';
import type { Log } from '../../../log.ts';
import { Semaphore } from '../../service/semaphore.ts';
import { Authority } from './authority.ts';
import { AcmeFiles } from './files.ts';
import { ManagedCertificate, type ManagedStatus, type Wanted } from './managed.ts';
import type { Answer, ChallengeType } from './order.ts';
import type { Binding } from './protocol/client.ts';
import { openTransport, type Transport } from './protocol/transport.ts';
import { type KeyType, type Pair, temporaryCertificate } from './x509.ts';

/** From the config, right already. */
export interface AcmeSettings {
  readonly directory: string;
  readonly email: string | null;
  readonly profile: string | null;
  readonly keyType: KeyType;
  readonly challenges: readonly ChallengeType[];
  readonly binding: Binding | null;
  /** PEM of roots that are trusted besides Node's; null: none. */
  readonly roots: string | null;
}

/** A certificate as it is served. */
export interface ServedCertificate extends Pair {
  readonly id: string;
  readonly service: string;
  readonly names: readonly string[];
  readonly temporary: boolean;
}

export interface AcmeOptions {
  readonly settings: AcmeSettings;
  readonly stateDir: string;
  readonly version: string;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  /** Something else is to be served: ask `certificates`. */
  readonly changed: () => void;
  /** Resolves when every worker answers with these, and no others. */
  readonly present: (answers: readonly Answer[]) => Promise<void>;
  /** A certificate came, or did not. */
  readonly tell: (what: 'issued' | 'failed', status: ManagedStatus) => void;
  /** Something threw that nobody foresaw. */
  readonly onBug: (thrown: unknown) => void;
}

/** Authorities take so many names in one certificate (Let's Encrypt: 100; some profiles 25). */
export const namesMax = 25;
/** So many orders run side by side; more wait. */
const ordersMax = 4;
/** The longest sleep: the wall clock may have been set meanwhile. */
const sleepMsMax = 3_600_000;
const sleepMsMin = 100;

export class Acme {
  readonly #options: AcmeOptions;
  readonly #transport: Transport;
  readonly #authority: Authority;
  readonly #files: AcmeFiles;
  readonly #turns = new Semaphore(ordersMax);
  readonly #ender = new AbortController();
  readonly #running = new Map<ManagedCertificate, Promise<void>>();
  readonly #answers = new Set<readonly Answer[]>();
  #managed: readonly ManagedCertificate[] = [];
  #temporary = new Map<string, Pair>();
  #cancelSleep: (() => void) | null = null;

  constructor(options: AcmeOptions) {
    const { settings, stateDir, clock, random, log } = options;
    this.#options = options;
    this.#transport = openTransport(clock, options.version, settings.roots);
    this.#files = new AcmeFiles(stateDir, (file) =>
      log.warn({ file }, 'A file of the certificate authority was damaged, and is kept aside.'),
    );
    const { directory, email, profile, binding } = settings;
    const files = this.#files;
    const transport = this.#transport;
    this.#authority = new Authority({
      directory,
      email,
      profile,
      binding,
      transport,
      files,
      clock,
      random,
    });
  }

  /**
   * From now on these are wanted, and no others. Call it once at a time.
   *
   * @returns when each has a certificate to be served with, be it a temporary one; no authority is
   *   waited for.
   */
  async want(wanted: readonly Wanted[]): Promise<void> {
    const known = new Map(this.#managed.map((one) => [keyOf(one.wanted), one]));
    const kept = new Set(wanted.map(keyOf));
    for (const one of this.#managed) if (!kept.has(keyOf(one.wanted))) one.retire();
    const next: ManagedCertificate[] = [];
    for (const one of wanted) {
      next.push(known.get(keyOf(one)) ?? (await ManagedCertificate.open(one, this.#context())));
    }
    this.#managed = next;
    await this.#makeTemporary();
    this.#options.changed();
    this.#wake();
  }

  /** Never one without a pair: what an authority has not given yet is temporary. */
  certificates(): readonly ServedCertificate[] {
    return this.#managed.flatMap(({ wanted, pair }) => {
      const served = pair ?? this.#temporary.get(keyOf(wanted));
      if (served === undefined) return [];
      return [{ ...wanted, ...served, temporary: pair === null }];
    });
  }

  statuses(): readonly ManagedStatus[] {
    return this.#managed.map(({ status }) => status);
  }

  /** Orders stay where they are; whoever starts next goes on with them. */
  async close(): Promise<void> {
    this.#ender.abort();
    this.#cancelSleep?.();
    this.#transport.close();
    await Promise.all(this.#running.values());
  }

  #context() {
    const { clock, random, settings } = this.#options;
    return {
      authority: this.#authority,
      files: this.#files,
      clock,
      random,
      keyType: settings.keyType,
      profile: settings.profile,
      challenges: settings.challenges,
      signal: this.#ender.signal,
      present: (answers: readonly Answer[]) => this.#present(answers),
      changed: (one: ManagedCertificate, what: 'issued' | 'failed' | 'looked') =>
        this.#changed(one, what),
    };
  }

  #changed(one: ManagedCertificate, what: 'issued' | 'failed' | 'looked'): void {
    // One that is not wanted any more ends its order unheard.
    if (what === 'looked' || !this.#managed.includes(one)) return;
    if (what === 'issued') this.#options.changed();
    this.#options.tell(what, one.status);
  }

  async #present(answers: readonly Answer[]): Promise<() => void> {
    const publish = () => this.#options.present([...this.#answers].flat());
    this.#answers.add(answers);
    const takeBack = (): void => {
      this.#answers.delete(answers);
      void publish().catch(() => {});
    };
    try {
      await publish();
    } catch (thrown) {
      takeBack();
      throw thrown;
    }
    return takeBack;
  }

  /** For those that have nothing yet, as many in one as go in. */
  async #makeTemporary(): Promise<void> {
    const bare = this.#managed.filter(
      ({ pair, wanted }) => pair === null && !this.#temporary.has(keyOf(wanted)),
    );
    while (bare.length > 0) {
      const some = bare.splice(0, 4);
      const names = [...new Set(some.flatMap(({ wanted }) => wanted.names))];
      const pair = await temporaryCertificate(names, this.#options.clock.date());
      for (const { wanted } of some) this.#temporary.set(keyOf(wanted), pair);
    }
  }

  /** Does what is due, then sleeps until something is. */
  #wake(): void {
    if (this.#ender.signal.aborted) return;
    this.#cancelSleep?.();
    const now = this.#options.clock.date().getTime();
    let nextAt = now + sleepMsMax;
    for (const one of this.#managed) {
      if (this.#running.has(one)) continue;
      if (one.dueAt <= now) this.#begin(one);
      else nextAt = Math.min(nextAt, one.dueAt);
    }
    const sleepMs = Math.max(nextAt - now, sleepMsMin);
    this.#cancelSleep = this.#options.clock.after(sleepMs, () => this.#wake());
  }

  #begin(one: ManagedCertificate): void {
    const looked = this.#turns
      .pass(async () => {
        if (this.#managed.includes(one) && !this.#ender.signal.aborted) await one.look();
        // It may have ended in the hands of an authority that gives no other.
        await this.#makeTemporary();
      })
      .catch(this.#options.onBug)
      .finally(() => {
        this.#running.delete(one);
        this.#wake();
      });
    this.#running.set(one, looked);
  }
}

/**
 * What services want, as certificates: the hosts of each together, several where they are many.
 * Hosts with a wildcard are left out: no authority gives them by http-01 or tls-alpn-01.
 */
export function wantedOf(
  services: readonly { readonly name: string; readonly hosts: readonly string[] }[],
): readonly Wanted[] {
  return services.flatMap(({ name, hosts }) => {
    const names = [...new Set(hosts.filter((host) => !host.includes('*')))].sort();
    const parts = Math.ceil(names.length / namesMax);
    return Array.from({ length: parts }, (_, part) => ({
      id: part === 0 ? name : `${name}.${part + 1}`,
      service: name,
      names: names.slice(part * namesMax, (part + 1) * namesMax),
    }));
  });
}

function keyOf({ id, names }: Wanted): string {
  return `${id} ${names.join()}`;
}
