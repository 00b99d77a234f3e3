/**
 * A pool is the live half of a color: its targets, and the requests now inside them.
 *
 * The rule this file keeps: a request is counted in the same turn of the event loop in which it
 * chose its target, so `claim()` never awaits. Were there a gap, a flip could land in it, a drain
 * would see nobody inside, and the driver would stop a container that a request is still walking
 * towards.
 *
 * Upstream sockets belong to a pool for one stretch of being live and are closed when its drain
 * ends: a pooled socket must never carry a request to a release that is gone.
 */
import type { Clock } from '../../clock.ts';
import type { Color, Drained, Inside, PoolEntry, PoolStats } from '../../wire.ts';
import { type Cut, type Ending, type Kind, Lease, type Lessor } from './lease.ts';
import { Outcomes } from './outcomes.ts';
import { ejectForMs, Target } from './target.ts';
import type { Upstreams } from './upstreams.ts';

/**
 * Tunnels of a pool that retires are closed over so long, so that their clients do not come back as
 * one.
 */
export const retireSpreadMs = 3_000;

interface Tally {
  readonly inflight: Inside;
  finished: number;
  clientAborted: number;
  cut: number;
}

export class Pool implements Lessor {
  readonly id: string;
  readonly color: Color;
  readonly release: string;
  readonly outcomes = new Outcomes();
  #targets: Target[] = [];
  #inside: { http: number; sse: number; upgrade: number } = { http: 0, sse: 0, upgrade: 0 };
  #leases = new Set<Lease>();
  #upstreams = new Map<symbol, Upstreams>();
  /** The most turns any target had. */
  #round = 0;
  /** No target was ever taken out: which are usable is a matter of probes, and not of time. */
  #unharmed = true;
  #tally: Tally | null = null;
  #cancelLimit: (() => void) | null = null;
  #retiring = false;
  /** Called when a place becomes free, and when nothing is inside any more. */
  #released: () => void;
  #clock: Clock;

  constructor(color: Color, entry: PoolEntry, clock: Clock, released: () => void) {
    this.id = entry.id;
    this.color = color;
    this.release = entry.release;
    this.#clock = clock;
    this.#released = released;
    this.update(entry);
  }

  get inside(): Inside {
    return this.#inside;
  }

  get empty(): boolean {
    return this.#leases.size === 0;
  }

  get targets(): readonly Target[] {
    return this.#targets;
  }

  /** Takes over targets and their health. A target that stays keeps its counts. */
  update(entry: PoolEntry): void {
    const before = new Map(this.#targets.map((target) => [target.id, target]));
    const round = this.#targets.reduce((most, target) => Math.max(most, target.turn), 0);
    this.#targets = entry.targets.map((is) => {
      const was = before.get(is.id);
      if (was?.isAt(is) !== true) return new Target(is, round);
      before.delete(is.id);
      if (was.resolve(is) || (was.healthy && !is.healthy)) this.#forget(was);
      // A target that comes back would have the fewest turns, and get every request until it caught
      // up.
      if (!was.healthy && is.healthy) was.turn = Math.max(was.turn, round);
      was.healthy = is.healthy;
      return was;
    });
    for (const gone of before.values()) this.#forget(gone);
  }

  /**
   * Chooses a target and counts the request, in one breath: the next in turn of the healthy ones,
   * the one with the fewest requests inside where several are next. Where none is healthy, one is
   * chosen all the same and the lease says `panic`.
   *
   * @param avoid a target that just failed this request; taken where no other one is usable, since
   *   it is the better choice than one that probes have found down.
   * @param stay the mark of the target that is wanted again, where it is usable; '': any.
   * @param uploading its body has not come whole: of the places it may have one of half of them.
   * @returns null where `placesMax` requests are inside every usable target, streams and tunnels
   *   not counted, or there is no target at all.
   */
  claim(
    generation: number,
    placesMax: number,
    avoid?: Target,
    stay = '',
    uploading = false,
  ): Lease | null {
    const now = this.#unharmed ? 0 : this.#clock.now();
    // Bodies come as fast as their clients like: of the places on a target they get half.
    const uploadsMax = uploading ? Math.ceil(placesMax / 2) : Number.POSITIVE_INFINITY;
    const same = stay === '' ? null : this.#marked(stay, avoid, placesMax, uploadsMax, now);
    let chosen = same ?? this.#next(avoid, placesMax, uploadsMax, now);
    let panic = false;
    if (chosen === null) {
      if (this.#targets.some((target) => target !== avoid && target.usable(now))) return null;
      chosen = this.#next(undefined, placesMax, uploadsMax, now);
    }
    if (chosen === null) {
      if (this.#targets.some((target) => target.usable(now))) return null;
      chosen =
        this.#next(avoid, placesMax, uploadsMax, null) ??
        this.#next(undefined, placesMax, uploadsMax, null);
      if (chosen === null) return null;
      panic = true;
    }
    // One that lagged behind (ejected for a while, or full) joins the round: it has nothing to make
    // up for, or it would get every request until it had.
    chosen.turn = Math.max(chosen.turn + 1, this.#round);
    this.#round = chosen.turn;
    chosen.inside++;
    chosen.places++;
    chosen.requests++;
    this.#inside.http++;
    if (uploading) chosen.uploads++;
    const lease = new Lease(this, chosen, generation, panic, uploading);
    this.#leases.add(lease);
    return lease;
  }

  /**
   * The connections that the lane named by `key` keeps for this stretch; made where there are none.
   */
  upstreams<T extends Upstreams>(key: symbol, make: () => T): T {
    const kept = this.#upstreams.get(key);
    if (kept !== undefined) return kept as T;
    const made = make();
    this.#upstreams.set(key, made);
    return made;
  }

  /**
   * The pool is live no more: what is inside may end, up to `limitMs`, and is counted as it does.
   */
  drain(limitMs: number): void {
    this.#cancelLimit?.();
    this.#tally = { inflight: { ...this.#inside }, finished: 0, clientAborted: 0, cut: 0 };
    this.#cancelLimit = this.#clock.after(limitMs, () => this.#cutExchanges('drain'));
    this.#closeWhenDrained();
  }

  /** The pool is live again: a drain under way is void. */
  revive(): void {
    this.#cancelLimit?.();
    this.#cancelLimit = null;
    this.#tally = null;
  }

  /** The pool is to be emptied for good: exchanges are cut, tunnels closed one after the other. */
  retire(): void {
    this.#retiring = true;
    this.#cutExchanges('retired');
    this.closeTunnels('retired', retireSpreadMs);
    this.#closeWhenDrained();
  }

  /** Closes the tunnels now inside, evenly over `spreadMs`. */
  closeTunnels(why: Cut, spreadMs: number): void {
    const tunnels = [...this.#leases].filter((lease) => lease.kind === 'upgrade');
    for (const [at, lease] of tunnels.entries()) {
      this.#clock.after((spreadMs * at) / tunnels.length, () => lease.cut(why));
    }
  }

  /** For `Lease` alone: a request turned out to be a stream or a tunnel, and gives its place up. */
  reclassify(from: Kind, lease: Lease): void {
    this.#inside[from]--;
    this.#inside[lease.kind]++;
    if (from === 'http') lease.target.places--;
    this.#closeWhenDrained();
    this.#released();
  }

  /** For `Lease` alone: the body of the request has come whole. */
  uploaded(lease: Lease): void {
    lease.target.uploads--;
    this.#released();
  }

  /** For `Lease` alone: the request is inside no more. */
  giveBack(lease: Lease, ending: Ending): void {
    this.#leases.delete(lease);
    this.#inside[lease.kind]--;
    lease.target.inside--;
    if (lease.kind === 'http') lease.target.places--;
    if (lease.uploading) lease.target.uploads--;
    if (this.#tally !== null) {
      // A request that went on to another target left this pool unharmed.
      if (ending === 'retried') this.#tally.finished++;
      else this.#tally[ending]++;
      this.#closeWhenDrained();
    }
    this.#released();
  }

  /**
   * For `Lease` alone: takes the target out for a while, where half of the pool stays, and one at
   * least. @returns whether it is out.
   */
  eject(target: Target): boolean {
    const now = this.#clock.now();
    const out = this.#targets.filter((other) => other !== target && other.ejected(now)).length;
    const usable = this.#targets.filter((other) => other !== target && other.usable(now)).length;
    if (usable === 0 || out + 1 > this.#targets.length / 2) return false;
    target.ejectedUntil = now + ejectForMs;
    this.#unharmed = false;
    return true;
  }

  /** What is inside. */
  get leases(): ReadonlySet<Lease> {
    return this.#leases;
  }

  drained(): Drained | null {
    if (this.#tally === null) return null;
    const { http, sse, upgrade } = this.#inside;
    return { ...this.#tally, stillOpen: http + sse + upgrade, done: http + sse === 0 };
  }

  stats(): PoolStats {
    const now = this.#clock.now();
    return {
      id: this.id,
      color: this.color,
      release: this.release,
      inside: { ...this.#inside },
      drained: this.drained(),
      targets: this.#targets.map((target) => target.stats(now)),
      outcomes: this.outcomes.stats(),
    };
  }

  /** @param usableAt only targets that are usable at that moment; null: any. */
  #next(
    avoid: Target | undefined,
    placesMax: number,
    uploadsMax: number,
    usableAt: number | null,
  ): Target | null {
    let next: Target | null = null;
    for (const target of this.#targets) {
      if (target === avoid || target.places >= placesMax) continue;
      if (target.uploads >= uploadsMax) continue;
      if (usableAt !== null && !target.usable(usableAt)) continue;
      if (
        next === null ||
        target.turn < next.turn ||
        (target.turn === next.turn && target.inside < next.inside)
      ) {
        next = target;
      }
    }
    return next;
  }

  #marked(
    mark: string,
    avoid: Target | undefined,
    placesMax: number,
    uploadsMax: number,
    now: number,
  ): Target | null {
    const found = this.#targets.find((target) => target.markIn(this.id) === mark);
    if (found === undefined || found === avoid || !found.usable(now)) return null;
    return found.places < placesMax && found.uploads < uploadsMax ? found : null;
  }

  #forget(target: Target): void {
    for (const kept of this.#upstreams.values()) kept.forget(target);
  }

  #cutExchanges(why: Cut): void {
    for (const lease of this.#leases) {
      if (lease.kind !== 'upgrade') lease.cut(why);
    }
  }

  #closeWhenDrained(): void {
    if (this.#tally === null && !this.#retiring) return;
    if (this.#inside.http + this.#inside.sse > 0) return;
    this.#cancelLimit?.();
    this.#cancelLimit = null;
    for (const kept of this.#upstreams.values()) kept.close();
    this.#upstreams.clear();
  }
}
