/**
 * The ledger is the one state document in memory, and its way to the disk.
 *
 * The rule this file keeps: writes go one at a time, each of the whole document, each on the
 * revision of the one before. `save` is for what must be durable before anything else happens (it
 * happens wholly, or throws and nothing changed); `note` is for what has happened already and
 * cannot be refused (true in memory at once, written as soon as the disk lets it). What is asked
 * while a write is on its way shares the next one: a thousand services that start together cost a
 * few writes, not thousands.
 */
import type { Clock } from '../../clock.ts';
import { Fault, reasonOf } from '../../errors.ts';
import type { Log } from '../../log.ts';
import type { ServiceState, State } from '../model/state.ts';
import type { Store } from '../stores/store.ts';

/** How long a save that failed waits for its next try. */
const retryMs = 1000;

/**
 * From the state of a service to its next one; may be called more than once, so it must be pure.
 */
export type Change = (state: ServiceState) => ServiceState;

/** A save that waits for the next write. */
interface Wish {
  readonly name: string;
  readonly empty: ServiceState;
  readonly change: Change;
  readonly resolve: (next: ServiceState) => void;
  readonly reject: (thrown: unknown) => void;
}

export class Ledger {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #services: Map<string, ServiceState>;
  #revision: string;
  #problem: string | null = null;
  /** Counts the notes; those up to `#durable` are on disk. */
  #noted = 0;
  #durable = 0;
  #wishes: Wish[] = [];
  #waiting: { readonly note: number; readonly resolve: () => void }[] = [];
  #turns: Promise<unknown> = Promise.resolve();
  #retry: (() => void) | null = null;
  #closed = false;

  private constructor(store: Store, clock: Clock, log: Log, state: State, revision: string) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
    this.#services = new Map(Object.entries(state.services));
    this.#revision = revision;
  }

  /** @throws Fault STATE_UNREADABLE: what cannot be read is never taken for empty. */
  static async open(store: Store, clock: Clock, log: Log): Promise<Ledger> {
    const loaded = await store.load();
    if (loaded?.recovered) {
      log.warn({}, `The last good copy of the state is used: ${loaded.recovered}`);
    }
    return new Ledger(store, clock, log, loaded?.state ?? { services: {} }, loaded?.revision ?? '');
  }

  /** Why the disk lags behind what happened; null: it does not. */
  get problem(): string | null {
    return this.#problem;
  }

  names(): readonly string[] {
    return [...this.#services.keys()];
  }

  service(name: string): ServiceState | null {
    return this.#services.get(name) ?? null;
  }

  /**
   * @param empty what the service begins with where there is no state of it.
   * @returns the state it became, once it is durable.
   * @throws Fault STATE_NOT_WRITABLE and whatever `change` throws; then nothing has changed.
   */
  save(name: string, empty: ServiceState, change: Change): Promise<ServiceState> {
    return new Promise((resolve, reject) => {
      this.#wishes.push({ name, empty, change, resolve, reject });
      if (this.#wishes.length === 1) void this.#turn(() => this.#grant());
    });
  }

  /** @returns resolves once it is durable, however long the disk takes; never rejects. */
  note(name: string, empty: ServiceState, change: Change): Promise<void> {
    this.#services.set(name, change(this.service(name) ?? empty));
    this.#noted += 1;
    const note = this.#noted;
    const durable = new Promise<void>((resolve) => this.#waiting.push({ note, resolve }));
    void this.#turn(() => this.#flush());
    return durable;
  }

  /** Writes nothing any more. */
  close(): void {
    this.#closed = true;
    this.#retry?.();
    this.#retry = null;
  }

  /** Makes all changes that were wished for durable with one write; never rejects. */
  async #grant(): Promise<void> {
    const wishes = this.#wishes;
    this.#wishes = [];
    const noted = this.#noted;
    const then = new Map(this.#services);
    const able = wishes.filter((wish) => apply(wish, then) !== null);
    if (able.length === 0) return;
    try {
      await this.#write(then);
    } catch (thrown) {
      for (const { reject } of able) reject(thrown);
      return;
    }
    for (const wish of able) {
      // Notes of the meantime are in memory already: this change is put on top of them.
      const next = apply(wish, this.#services);
      if (next !== null) wish.resolve(next);
    }
    this.#written(noted);
  }

  async #flush(): Promise<void> {
    // After a refusal it is written even where nothing waits: that is how one learns that it is
    // over.
    if (this.#closed || (this.#durable === this.#noted && this.#problem === null)) return;
    const noted = this.#noted;
    await this.#write(this.#services).then(
      () => this.#written(noted),
      () => undefined,
    );
  }

  #again(): void {
    if (this.#closed) return;
    this.#retry ??= this.#clock.after(retryMs, () => {
      this.#retry = null;
      void this.#turn(() => this.#flush());
    });
  }

  async #write(services: ReadonlyMap<string, ServiceState>): Promise<void> {
    if (this.#closed) throw new Fault('STATE_NOT_WRITABLE', 'Pointsman is shutting down.');
    try {
      this.#revision = await this.#store.save(
        { services: Object.fromEntries(services) },
        this.#revision,
      );
    } catch (thrown) {
      if (this.#problem === null) this.#log.error({}, `State not written: ${reasonOf(thrown)}`);
      this.#problem = `The state cannot be written: ${reasonOf(thrown)}`;
      this.#again();
      if (thrown instanceof Fault) throw thrown;
      throw new Fault('STATE_NOT_WRITABLE', this.#problem, { cause: thrown });
    }
    if (this.#problem !== null) this.#log.info({}, 'The state can be written again.');
    this.#problem = null;
  }

  #written(noted: number): void {
    this.#durable = Math.max(this.#durable, noted);
    const done = this.#waiting.filter((one) => one.note <= this.#durable);
    this.#waiting = this.#waiting.filter((one) => one.note > this.#durable);
    for (const one of done) one.resolve();
  }

  #turn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turns.then(work);
    this.#turns = done.catch(() => undefined);
    return done;
  }
}

/** @returns what the service becomes; null: its change was refused, and the one who asked knows. */
function apply(wish: Wish, services: Map<string, ServiceState>): ServiceState | null {
  const { name, empty, change, reject } = wish;
  try {
    const next = change(services.get(name) ?? empty);
    services.set(name, next);
    return next;
  } catch (thrown) {
    reject(thrown);
    return null;
  }
}
