/**
 * Clients that keep a request inside by being slow: by sending its body, or by taking its answer.
 *
 * The rule this file keeps: who is slower than the service allows is cut; and where others wait for
 * a place, an address that holds many by being slow loses the slowest. Nothing is counted while a
 * request waits for its target, nothing of a request that is over within seconds, and nothing of a
 * tunnel, which has no place. A request costs nothing here: all are looked at together, now and
 * then.
 */
import type { Clock } from '../clock.ts';
import type { Policy } from '../wire.ts';
import type { ClientsTurn, Lease } from './balancing/lease.ts';
import type { Pool } from './balancing/pool.ts';

/** How often all are looked at, while anything is inside. */
export const lookEveryMs = 2_000;
/** One address that does not move has no place longer than this where others wait for it. */
const crowdAfterMs = 4_000;
/** What is faster does not count as slow where places are short: 128 kbit/s. */
const crowdBytesPerSecond = 16 * 1024;
/** Of the places of a pool an address may hold one in so many by being slow; one at least. */
const crowdShare = 4;

/** What is looked at: a service. */
export interface Watched {
  readonly policy: Policy;
  /** All that have requests inside. */
  pools(): readonly Pool[];
  /** The live pool, where requests wait for a place on it. */
  wanted(): Pool | null;
}

/** What was seen of a request that waits for its client. */
interface Seen {
  readonly turn: ClientsTurn;
  /** How long it may go on without a byte. */
  readonly leftMs: number;
  /** How long it has been too slow for a place that others wait for. */
  readonly slowMs: number;
}

export class SlowClients {
  readonly #clock: Clock;
  readonly #watched: Watched;
  #seen = new Map<Lease, Seen>();
  #lastMs = 0;
  #looking = false;

  constructor(clock: Clock, watched: Watched) {
    this.#clock = clock;
    this.#watched = watched;
  }

  /** A request is inside. */
  watch(): void {
    if (this.#looking) return;
    this.#looking = true;
    this.#lastMs = this.#clock.now();
    this.#wait();
  }

  #wait(): void {
    this.#clock.after(lookEveryMs, () => {
      this.#look();
      const held = this.#watched.pools().some(({ inside }) => inside.http + inside.sse > 0);
      if (held) this.#wait();
      else this.#looking = false;
    });
  }

  #look(): void {
    const now = this.#clock.now();
    const passedMs = now - this.#lastMs;
    this.#lastMs = now;
    const before = this.#seen;
    this.#seen = new Map();
    const wanted = this.#watched.wanted();
    const slow: Lease[] = [];
    const held = new Map<string, Lease[]>();
    for (const pool of this.#watched.pools()) {
      for (const lease of pool.leases) {
        const seen = this.#see(lease, before.get(lease), passedMs);
        if (seen === null) continue;
        this.#seen.set(lease, seen);
        if (seen.leftMs < 0) slow.push(lease);
        else if (pool === wanted && lease.kind === 'http' && seen.slowMs >= crowdAfterMs) {
          const key = seen.turn.exchange.clientKey();
          const known = held.get(key);
          if (known === undefined) held.set(key, [lease]);
          else known.push(lease);
        }
      }
    }
    for (const lease of slow) lease.cut('slow');
    if (wanted !== null) this.#thin(wanted, held);
  }

  /** @returns null: it does not wait for its client. */
  #see(lease: Lease, before: Seen | undefined, passedMs: number): Seen | null {
    const turn = lease.kind === 'upgrade' ? null : lease.clientsTurn();
    if (turn === null) return null;
    const { idleMs, bytesPerSecondMin } = this.#watched.policy;
    // The system takes an answer in steps, of megabytes where the line is fast.
    const mostMs = turn.to === 'send' ? idleMs : 2 * idleMs;
    if (before === undefined || before.turn.to !== turn.to) {
      return { turn, leftMs: mostMs, slowMs: 0 };
    }
    const moved = turn.bytes - before.turn.bytes;
    const worthMs = bytesPerSecondMin === 0 ? passedMs : (moved * 1000) / bytesPerSecondMin;
    const leftMs = Math.min(mostMs, before.leftMs + worthMs - passedMs);
    const slow = moved * 1000 < crowdBytesPerSecond * passedMs;
    return { turn, leftMs, slowMs: slow ? before.slowMs + passedMs : 0 };
  }

  /** @param held what each address holds by being slow. */
  #thin(pool: Pool, held: ReadonlyMap<string, readonly Lease[]>): void {
    const places = pool.targets.length * this.#watched.policy.connectionsPerTargetMax;
    const most = Math.max(1, Math.floor(places / crowdShare));
    for (const leases of held.values()) {
      if (leases.length <= most) continue;
      const longest = [...leases].sort((a, b) => this.#slowMs(b) - this.#slowMs(a));
      for (const lease of longest.slice(0, leases.length - most)) lease.cut('crowding');
    }
  }

  #slowMs(lease: Lease): number {
    return this.#seen.get(lease)?.slowMs ?? 0;
  }
}
