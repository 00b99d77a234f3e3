/**
 * A lease is one request's hold on one target, from claim until it is released or cut.
 *
 * The rule this file keeps: a lease ends exactly once. Whatever ends an exchange (the client's side
 * closing, a retry, a cut) calls `release`, and only the first call counts.
 */
import type { Color } from '../../wire.ts';
import type { Outcomes } from './outcomes.ts';
import { ejectAfterErrors, type Target } from './target.ts';
import type { Upstreams } from './upstreams.ts';

export type Kind = 'http' | 'sse' | 'upgrade';

/** How a request left: `retried` means that it went on to another target. */
export type Ending = 'finished' | 'clientAborted' | 'cut' | 'retried';

/**
 * Why a request is ended by us: its drain ran out, its pool is retired, the proxy stops; its client
 * is too slow, or too many of its address are while others wait.
 */
export type Cut = 'drain' | 'retired' | 'shutdown' | 'slow' | 'crowding';

/** What a request waits for that its client has to do: to send its body, or to take the answer. */
export interface ClientsTurn {
  readonly to: 'send' | 'take';
  /** How much it has so far: to be compared with itself. */
  readonly bytes: number;
  readonly exchange: { clientKey(): string };
}

/** Whoever holds a lease, and knows its client. */
export interface Holder {
  /**
   * The lease is cut: both sides of the exchange are to end. A tunnel may take its time (a close
   * frame first) and calls `release` when it is closed; an exchange counts as over at once.
   */
  cut(why: Cut): void;
  /** null: the request does not wait for its client. */
  clientsTurn(): ClientsTurn | null;
}

/** Whose target a lease is on: a pool, as its leases see it. */
export interface Lessor {
  /** `service.color.fill` */
  readonly id: string;
  readonly color: Color;
  readonly release: string;
  /** How requests ended that were first sent here. */
  readonly outcomes: Outcomes;
  /** The connections that the lane named by `key` keeps; made where there are none. */
  upstreams<T extends Upstreams>(key: symbol, make: () => T): T;
  /** A request turned out to be a stream or a tunnel, and gives its place up. */
  reclassify(from: Kind, lease: Lease): void;
  /** The body of the request has come whole. */
  uploaded(lease: Lease): void;
  /** The request is inside no more. */
  giveBack(lease: Lease, ending: Ending): void;
  /**
   * Takes the target out for a while, where half of the pool stays, and one at least.
   * @returns whether it is out.
   */
  eject(target: Target): boolean;
}

export class Lease {
  readonly pool: Lessor;
  readonly target: Target;
  readonly generation: number;
  /**
   * No target was healthy: sent for want of a better one, and answered 503 if it cannot be reached.
   */
  readonly panic: boolean;
  #kind: Kind = 'http';
  #uploading: boolean;
  #over = false;
  #cut: Cut | null = null;
  #holder: Holder | null = null;

  constructor(
    pool: Lessor,
    target: Target,
    generation: number,
    panic: boolean,
    uploading: boolean,
  ) {
    this.pool = pool;
    this.target = target;
    this.generation = generation;
    this.panic = panic;
    this.#uploading = uploading;
  }

  /** The body of the request has not come whole. */
  get uploading(): boolean {
    return this.#uploading;
  }

  get kind(): Kind {
    return this.#kind;
  }

  get over(): boolean {
    return this.#over;
  }

  /** Why it was cut; null: it was not. */
  get wasCut(): Cut | null {
    return this.#cut;
  }

  /** What it waits for of its client, now; null: nothing. */
  clientsTurn(): ClientsTurn | null {
    return this.#holder?.clientsTurn() ?? null;
  }

  /** The exchange turned out to be an event stream or a tunnel. */
  become(kind: Exclude<Kind, 'http'>): void {
    if (this.#over || kind === this.#kind) return;
    const from = this.#kind;
    this.#kind = kind;
    this.pool.reclassify(from, this);
  }

  /** The body of the request has come whole. May be called again. */
  uploaded(): void {
    if (this.#over || !this.#uploading) return;
    this.#uploading = false;
    this.pool.uploaded(this);
  }

  /** Whose it is from now on. One that was cut meanwhile is cut for the holder at once. */
  heldBy(holder: Holder): void {
    this.#holder = holder;
    if (this.#cut !== null) holder.cut(this.#cut);
  }

  /** For `Pool` and `SlowClients` alone. */
  cut(why: Cut): void {
    if (this.#over || this.#cut !== null) return;
    this.#cut = why;
    this.#holder?.cut(why);
    if (this.#kind !== 'upgrade') this.release('cut');
  }

  /** The request is inside no more. Only the first call counts. */
  release(ending: Ending): void {
    if (this.#over) return;
    this.#over = true;
    this.#holder = null;
    if (ending === 'retried') this.target.retries++;
    this.pool.giveBack(this, this.#cut === null ? ending : 'cut');
  }

  /** The target answered with a well-formed head. @param ms after the request was sent. */
  succeeded(ms: number): void {
    const { target } = this;
    target.errorsInRow = 0;
    target.answered++;
    target.answeredMs += ms;
  }

  /** The target could not be reached, broke off, hung, or sent nonsense. */
  failed(): void {
    const { target } = this;
    target.errors++;
    target.errorsInRow++;
    if (target.errorsInRow >= ejectAfterErrors && this.pool.eject(target)) target.errorsInRow = 0;
  }
}
