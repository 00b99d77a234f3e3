/**
 * The names of targets and what they stand for: asked again when a TTL is over.
 *
 * The rule this file keeps: there is one truth, the controller's, which probes and all workers go
 * by. An answer stays until there is a better one: where nobody can say what a name stands for, or
 * that it is gone, the last good answer holds, and it is said since when.
 */
import type { Clock } from '../../clock.ts';
import type { Log } from '../../log.ts';
import type { Answer, Lookup } from './lookup.ts';

/** Between two tries where nobody could say: twice as long each time. */
const retryMsMin = 1_000;
const retryMsMax = 10_000;

/** What is known of a name. */
export interface Known {
  /** The last good answer; null: there never was one. */
  readonly addresses: readonly string[] | null;
  /** Why the last one was none, as part of a sentence; null: it was good, or is to come. */
  readonly problem: string | null;
  /** ISO 8601: since when there is that problem. */
  readonly since: string | null;
}

interface Entry {
  known: Known;
  readonly users: Set<string>;
  cancel: (() => void) | null;
  failures: number;
  /** Who waits for a first answer, or for the word that there is none. */
  waiting: (() => void)[] | null;
}

const unknown: Known = { addresses: null, problem: null, since: null };

export class Names {
  readonly #clock: Clock;
  readonly #lookup: Lookup;
  readonly #log: Log;
  readonly #changed: (name: string) => void;
  readonly #entries = new Map<string, Entry>();

  /** @param changed what is known of a name is something else now. */
  constructor(clock: Clock, lookup: Lookup, log: Log, changed: (name: string) => void) {
    this.#clock = clock;
    this.#lookup = lookup;
    this.#log = log;
    this.#changed = changed;
  }

  /** From now on `user` needs these names, and no others. */
  use(user: string, names: ReadonlySet<string>): void {
    for (const [name, { users }] of this.#entries) {
      if (!names.has(name) && users.delete(user)) this.#drop(name);
    }
    for (const name of names) this.#entry(name).users.add(user);
  }

  /**
   * What another has known of a name: a controller that starts has it from the workers, and it
   * holds until there is an answer.
   */
  recall(name: string, addresses: readonly string[]): void {
    const entry = this.#entries.get(name);
    if (entry?.known !== unknown) return;
    entry.known = { ...unknown, addresses };
    this.#changed(name);
  }

  of(name: string): Known {
    return this.#entries.get(name)?.known ?? unknown;
  }

  /** Resolves when there is an answer, or the word that there is none. */
  async settled(name: string): Promise<void> {
    const waiting = this.#entries.get(name)?.waiting ?? null;
    if (waiting !== null) await new Promise<void>((resolve) => waiting.push(resolve));
  }

  close(): void {
    for (const name of [...this.#entries.keys()]) {
      this.#entries.get(name)?.users.clear();
      this.#drop(name);
    }
  }

  #entry(name: string): Entry {
    const kept = this.#entries.get(name);
    if (kept !== undefined) return kept;
    const users = new Set<string>();
    const entry: Entry = { known: unknown, users, cancel: null, failures: 0, waiting: [] };
    this.#entries.set(name, entry);
    void this.#ask(name, entry);
    return entry;
  }

  #drop(name: string): void {
    const entry = this.#entries.get(name);
    if (entry === undefined || entry.users.size > 0) return;
    entry.cancel?.();
    this.#entries.delete(name);
    this.#release(entry);
  }

  async #ask(name: string, entry: Entry): Promise<void> {
    const answer = await this.#lookup(name);
    if (this.#entries.get(name) !== entry) return;
    this.#take(name, entry, answer);
    const waitMs = answer.error === null ? answer.ttlMs : retryMs(entry.failures);
    if (waitMs < Number.POSITIVE_INFINITY) {
      entry.cancel = this.#clock.after(waitMs, () => void this.#ask(name, entry));
    }
  }

  #take(name: string, entry: Entry, { addresses, error }: Answer): void {
    const before = entry.known;
    const kept = error === null ? addresses : before.addresses;
    entry.failures = error === null ? 0 : entry.failures + 1;
    // While it lasts it is one problem, however it is told: servers differ in their excuses.
    const problem = error === null ? null : (before.problem ?? error);
    const since = problem === null ? null : (before.since ?? this.#clock.date().toISOString());
    entry.known = { addresses: kept, problem, since };
    const first = entry.waiting !== null;
    this.#release(entry);
    const moved = String(kept) !== String(before.addresses);
    const troubled = (problem === null) !== (before.problem === null);
    if (troubled || (moved && before.addresses !== null)) this.#tell(name, before, entry.known);
    if (first || moved || troubled) this.#changed(name);
  }

  #tell(name: string, before: Known, { addresses, problem }: Known): void {
    const now = addresses === null ? 'nothing' : addresses.join(', ');
    const it = { name, addresses };
    if (problem !== null && before.problem === null) {
      const kept = addresses === null ? 'nothing was ever known of it' : `${now} is kept`;
      this.#log.warn(it, `A name of targets cannot be resolved: ${problem}; ${kept}.`);
      return;
    }
    const again = before.problem === null ? '' : 'can be resolved again, and ';
    const was = before.addresses === null ? '' : `, and stood for ${before.addresses.join(', ')}`;
    this.#log.info(it, `A name of targets, ${name}, ${again}stands for ${now} now${was}.`);
  }

  #release(entry: Entry): void {
    const waiting = entry.waiting ?? [];
    entry.waiting = null;
    for (const wake of waiting) wake();
  }
}

function retryMs(failures: number): number {
  return Math.min(retryMsMin * 2 ** (failures - 1), retryMsMax);
}
