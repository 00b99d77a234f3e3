/**
 * A service in one worker: its two pools, which of them is live, and the requests that wait.
 *
 * The rule this file keeps: new requests are claimed from the live pool of the serving generation
 * and from nothing else, and what is live changes in one assignment, in `commit`. While the service
 * is held or paused, or every place is taken, requests wait in order, up to a number, a time, and
 * what memory they may take. Who is slow to send holds at most half: of the places on a target, and
 * of the queue.
 */
import type { Clock } from '../clock.ts';
import { Fault } from '../errors.ts';
import {
  type Color,
  type Committed,
  colors,
  type Policy,
  type ServiceEntry,
  type ServiceStats,
} from '../wire.ts';
import { Counters } from './accounting/counters.ts';
import type { Lease } from './balancing/lease.ts';
import { Places } from './balancing/places.ts';
import type { Pool } from './balancing/pool.ts';
import type { Target } from './balancing/target.ts';
import type { Waiting } from './destinations/destination.ts';
import { Preview } from './destinations/preview.ts';
import { type EdgeRules, MadeRules } from './edge/edgeRules.ts';
import { bytesOf, Queue, WaitingBytes, waitingBytesMax } from './queue.ts';
import { SlowClients } from './slowClients.ts';

const whatever: Waiting = { raw: [], stay: '', uploading: false };

interface Hold {
  readonly since: number;
  readonly generation: number;
}

export class Service {
  readonly name: string;
  readonly counters: Readonly<Record<Color, Counters>> = {
    blue: new Counters('blue'),
    green: new Counters('green'),
  };
  #entry: ServiceEntry;
  #preview: Preview | null = null;
  #rules: EdgeRules | null = null;
  readonly #madeRules = new MadeRules();
  readonly #places: Places;
  readonly #queue: Queue;
  readonly #waitingBytes: WaitingBytes;
  readonly #slowClients: SlowClients;
  #staged: ServiceEntry | null = null;
  #hold: Hold | null = null;
  #heldTotal = 0;
  readonly #clock: Clock;

  /** @param waitingBytes of all that wait in this worker. */
  constructor(entry: ServiceEntry, clock: Clock, waitingBytes = new WaitingBytes()) {
    this.name = entry.name;
    this.#clock = clock;
    this.#waitingBytes = waitingBytes;
    this.#queue = new Queue(clock, waitingBytes);
    this.#slowClients = new SlowClients(clock, this);
    this.#places = new Places(clock, () => this.#released());
    this.#entry = entry;
    this.#places.retire(this.#apply(entry));
  }

  get entry(): ServiceEntry {
    return this.#entry;
  }

  get policy(): Policy {
    return this.#entry.policy;
  }

  /** What it does at its edge, made anew only where that changes; null: nothing. */
  get rules(): EdgeRules | null {
    return this.#rules;
  }

  get generation(): number {
    return this.#entry.generation;
  }

  get live(): Pool | null {
    return this.#places.at(this.#entry.live);
  }

  /** All of its pools, those that leave too. */
  pools(): readonly Pool[] {
    return this.#places.all();
  }

  /** The live pool, where requests wait for a place on it; null: none waits, or for something else. */
  wanted(): Pool | null {
    const others = this.#hold !== null || this.#entry.paused || this.#queue.size === 0;
    return others ? null : this.live;
  }

  /** Nothing is inside any pool, and nobody waits. */
  get idle(): boolean {
    return this.#places.idle && this.#preview?.idle !== false && this.#queue.size === 0;
  }

  get shown(): Preview | null {
    return this.#preview?.byHeader ? this.#preview : null;
  }

  /** What is being proved of it. */
  get preview(): Preview {
    this.#preview ??= new Preview(this, this.#clock);
    return this.#preview;
  }

  /**
   * A place on a target of the live pool, now.
   *
   * @param avoid the target that just failed this request.
   * @param stay the mark of the target it was on before; '': any.
   * @param uploading its body has not come whole.
   * @returns null where the request has to wait its turn: then call `wait`.
   */
  claim(avoid?: Target, stay = '', uploading = false): Lease | null {
    if (this.#hold !== null || this.#entry.paused) return null;
    if (this.#queue.before(uploading)) return null;
    return this.#claim(avoid, stay, uploading);
  }

  /**
   * Waits for a place. `taken` is called once, in the same turn of the event loop in which the
   * request is counted, or with a Fault: SERVICE_PAUSED, POOL_EMPTY, QUEUE_FULL at once,
   * QUEUE_TIMEOUT after `queueMs`.
   *
   * @param request one whose body has not come whole is overtaken by those whose has, and half of
   *   the queue is theirs alone.
   * @returns gives the ticket back, for a client that leaves.
   */
  wait(taken: (got: Lease | Fault) => void, request = whatever): () => void {
    const { queueMax, queueMs } = this.policy;
    if (this.#turnsAway) {
      taken(this.#away());
      return () => {};
    }
    if (this.live === null && this.#hold === null) {
      taken(new Fault('POOL_EMPTY', `Service ${this.name} has no live release yet.`));
      return () => {};
    }
    if (this.#queue.full(request.uploading, queueMax)) {
      taken(new Fault('QUEUE_FULL', `${queueMax} requests wait for ${this.name} already.`));
      return () => {};
    }
    const bytes = bytesOf(request);
    if (!this.#waitingBytes.fits(bytes)) {
      taken(new Fault('QUEUE_FULL', `What waits takes ${waitingBytesMax} bytes already.`));
      return () => {};
    }
    this.#heldTotal++;
    const late = (): Fault =>
      new Fault('QUEUE_TIMEOUT', `The request waited ${queueMs} ms for ${this.name}.`);
    const { stay, uploading } = request;
    return this.#queue.add(taken, { bytes, stay, uploading, limitMs: queueMs, late });
  }

  /** Takes an entry of the serving generation at once, and keeps one of a later beside it. */
  stage(entry: ServiceEntry): void {
    if (entry.generation < this.generation) return;
    if (entry.generation > this.generation) {
      this.#staged = entry;
      return;
    }
    if (this.#staged !== null && this.#hold === null) this.#staged = null;
    this.#places.retire(this.#apply(entry));
    this.#admit();
  }

  /**
   * New requests wait from here on.
   * @throws Fault FLIP_FENCED where this generation is not staged.
   */
  hold(generation: number): void {
    this.#fence(generation);
    this.#hold ??= { since: this.#clock.now(), generation };
  }

  /**
   * Switches to the staged generation, or drops it; then lets in what waited.
   *
   * @throws Fault FLIP_FENCED where this generation is not staged and held. An order that was
   *   obeyed already is answered with null.
   */
  commit(generation: number, go: boolean): Committed | null {
    if (go && generation === this.generation) return null;
    if (!go && this.#staged === null) return null;
    const staged = this.#fence(generation);
    if (!go) {
      this.#staged = null;
      this.#hold = null;
      this.#admit();
      return null;
    }
    const hold = this.#hold;
    if (hold === null) {
      throw new Fault('FLIP_FENCED', `Generation ${generation} of ${this.name} is not held.`);
    }
    const now = this.#clock.now();
    const { waited, waitedMsMax } = this.#queue.waitedSince(hold.since);
    const left = this.live;
    const inflight = left === null ? { http: 0, sse: 0, upgrade: 0 } : { ...left.inside };
    this.#staged = null;
    this.#hold = null;
    const out = this.#apply(staged);
    this.live?.revive();
    if (left !== this.live) left?.drain(this.policy.drainMs);
    this.#admit();
    this.#places.retire(out);
    return { heldMs: now - hold.since, waited, waitedMsMax, inflight };
  }

  /** The service is in the table no more, or the worker stops: drains, then closes what is left. */
  close(why: 'retired' | 'shutdown', limitMs: number): void {
    this.#queue.close(() => new Fault('SHUTTING_DOWN', `Service ${this.name} is going away.`));
    this.#preview?.close(why, limitMs);
    for (const pool of this.#places.named()) {
      pool.drain(limitMs);
      // Tunnels have no end of their own, so they begin to leave at once and are gone in half the
      // time.
      pool.closeTunnels(why, limitMs / 2);
    }
  }

  stats(): ServiceStats {
    return {
      name: this.name,
      generation: this.generation,
      live: this.#entry.live,
      staged: this.#staged?.generation ?? null,
      holding: this.#hold !== null,
      waiting: this.#queue.size,
      held: this.#heldTotal,
      pools: this.pools().map((pool) => pool.stats()),
      counts: colors
        .filter((color) => !this.counters[color].untouched)
        .map((color) => this.counters[color].stats()),
      ...(this.#preview !== null && { previewed: this.#preview.requests }),
    };
  }

  #claim(avoid: Target | undefined, stay: string, uploading: boolean): Lease | null {
    const { generation, policy } = this.#entry;
    const places = policy.connectionsPerTargetMax;
    const lease = this.live?.claim(generation, places, avoid, stay, uploading) ?? null;
    if (lease !== null) this.#slowClients.watch();
    if (lease?.panic) this.counters[lease.pool.color].panics++;
    return lease;
  }

  #fence(generation: number): ServiceEntry {
    if (this.#staged?.generation === generation) return this.#staged;
    throw new Fault(
      'FLIP_FENCED',
      `Generation ${generation} of ${this.name} is not the one staged ` +
        `(serving ${this.generation}, staged ${this.#staged?.generation ?? 'none'}).`,
    );
  }

  /** @returns the pools that have no place any more. */
  #apply(entry: ServiceEntry): readonly Pool[] {
    this.#entry = entry;
    if (entry.preview || this.#preview !== null) this.preview.apply(entry);
    this.#rules = this.#madeRules.of(entry.edge ?? null, this.shown !== null);
    return this.#places.fill(entry);
  }

  #released(): void {
    if (this.#queue.size > 0) this.#admit();
  }

  get #turnsAway(): boolean {
    return this.#entry.paused && this.#entry.pausePage;
  }

  #away(): Fault {
    return new Fault('SERVICE_PAUSED', `Service ${this.name} is paused.`);
  }

  #admit(): void {
    if (this.#turnsAway) this.#queue.close(() => this.#away());
    if (this.#hold !== null || this.#entry.paused) return;
    this.#queue.admit((stay, uploading) => this.#claim(undefined, stay, uploading));
  }
}
