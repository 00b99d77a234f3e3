/**
 * The prober knows which targets work: it asks each at its interval and counts passes and failures
 * in a row.
 *
 * The rule this file keeps: unknown is down, and a result speaks only for the target it was asked
 * of. A target that has left, moved to another address, or belongs to an earlier filling has no say
 * any more: its probe is given up, and what still comes of it is dropped. A reload changes how it
 * is asked, never what is known.
 *
 * In a gate the count is strict: one failure and the target is not healthy, and a target that is
 * lost starts the gate again for all of them.
 */
import type { Clock } from '../../clock.ts';
import { formatTarget } from '../../config/address.ts';
import type { Health } from '../../config/config.ts';
import type { Color } from '../../wire.ts';
import type { RunningTarget } from '../drivers/driver.ts';
import type { ProbeResult } from '../model/pools.ts';
import { isNamed, NamedTarget, type Naming, namesOf } from './namedTarget.ts';
import type { Probe } from './probe.ts';
import type { ProbedTarget } from './targetConnection.ts';

/** A target in a gate that failed is asked again so soon: a start is over when it is over. */
const gateRetryMs = 250;
/** Probes of one target are this much off their interval, so that many do not fall into step. */
const jitterShare = 0.1;

/** A target and what is known of it. */
export interface TargetView {
  readonly target: RunningTarget;
  readonly healthy: boolean;
  readonly passes: number;
  readonly failures: number;
  readonly last: ProbeResult | null;
  /** ISO 8601: since when it has been healthy, or not. */
  readonly changedAt: string | null;
  /** null: its host is no name. */
  readonly named: NamedTarget | null;
}

export interface Watched {
  readonly poolId: string;
  readonly service: string;
  readonly color: Color;
}

export interface ProberEvents {
  /**
   * A target became healthy, or stopped being it. Of a gate: it was lost where `healthy` is false.
   */
  readonly changed: (pool: Watched, view: TargetView, why: string) => void;
  /** A probe came back whose outcome differs from the one before, or that belongs to a gate. */
  readonly probed: (pool: Watched, view: TargetView, rise: number) => void;
}

interface Track {
  target: RunningTarget;
  healthy: boolean;
  passes: number;
  failures: number;
  last: ProbeResult | null;
  changedAt: string | null;
  named: NamedTarget | null;
  inFlight: AbortController | null;
  cancel: (() => void) | null;
}

interface Pool {
  readonly watched: Watched;
  health: Health;
  gate: boolean;
  readonly assumed: (targetId: string) => boolean;
  /** Its first targets are known. */
  filled: boolean;
  readonly tracks: Map<string, Track>;
}

export class Prober {
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #probe: Probe;
  readonly #naming: Naming;
  readonly #events: ProberEvents;
  readonly #pools = new Map<string, Pool>();

  constructor(
    clock: Clock,
    random: () => number,
    probe: Probe,
    naming: Naming,
    events: ProberEvents,
  ) {
    this.#clock = clock;
    this.#random = random;
    this.#probe = probe;
    this.#naming = naming;
    this.#events = events;
  }

  /**
   * Begins to watch a pool, without targets yet.
   *
   * @param gate strict counting and quick first probes, until `calm`.
   * @param assumed what a target begins as in this first filling; targets that join later begin as
   *   down.
   */
  watch(
    named: Watched,
    health: Health,
    gate: boolean,
    assumed: (targetId: string) => boolean,
  ): void {
    this.forget(named.poolId);
    this.#pools.set(named.poolId, {
      watched: named,
      health,
      gate,
      assumed,
      filled: false,
      tracks: new Map(),
    });
  }

  /**
   * The targets of the pool are now these. Those that stay where they were keep what is known of
   * them.
   */
  targets(poolId: string, targets: readonly RunningTarget[]): void {
    const pool = this.#pools.get(poolId);
    if (pool === undefined) return;
    const first = !pool.filled;
    pool.filled = true;
    this.#naming.names.use(poolId, namesOf(targets));
    const named = new Set(targets.map((target) => target.id));
    for (const [id, track] of pool.tracks) {
      if (named.has(id)) continue;
      this.#drop(track);
      pool.tracks.delete(id);
    }
    for (const target of targets) {
      const track = pool.tracks.get(target.id);
      if (track === undefined) this.#join(pool, target, first && pool.assumed(target.id));
      else this.#update(pool, track, target);
    }
  }

  /** The gate is over; the pool is watched like any other. */
  calm(poolId: string): void {
    const pool = this.#pools.get(poolId);
    if (pool !== undefined) pool.gate = false;
  }

  /** The gate starts again: every target has to pass `rise` times from here on. */
  again(poolId: string): void {
    for (const track of this.#pools.get(poolId)?.tracks.values() ?? []) {
      track.passes = 0;
      track.healthy = false;
    }
  }

  /** The checks are made differently from the next one on. */
  configure(poolId: string, health: Health): void {
    const pool = this.#pools.get(poolId);
    if (pool === undefined) return;
    pool.health = health;
    for (const track of pool.tracks.values()) track.named?.take();
  }

  /** Something else is known of a name: targets that it moves are asked at once. */
  renamed(name: string): void {
    for (const pool of this.#pools.values()) {
      for (const track of pool.tracks.values()) {
        if (track.target.host !== name || track.named?.take() !== true) continue;
        if (pool.gate) track.passes = 0;
        if (track.cancel !== null) this.#schedule(pool, track, 0);
      }
    }
  }

  forget(poolId: string): void {
    this.#naming.names.use(poolId, new Set());
    for (const track of this.#pools.get(poolId)?.tracks.values() ?? []) this.#drop(track);
    this.#pools.delete(poolId);
  }

  view(poolId: string): readonly TargetView[] {
    return [...(this.#pools.get(poolId)?.tracks.values() ?? [])];
  }

  close(): void {
    for (const poolId of [...this.#pools.keys()]) this.forget(poolId);
  }

  #join(pool: Pool, target: RunningTarget, assumed: boolean): void {
    const track: Track = {
      target,
      healthy: assumed && target.state === 'running',
      passes: 0,
      failures: 0,
      last: null,
      changedAt: null,
      named: this.#named(pool, target),
      inFlight: null,
      cancel: null,
    };
    pool.tracks.set(target.id, track);
    if (target.state === 'frozen') return;
    this.#schedule(pool, track, pool.gate ? 0 : this.#random() * pool.health.intervalMs);
  }

  #update(pool: Pool, track: Track, target: RunningTarget): void {
    const moved = placeOf(track.target) !== placeOf(target);
    const was = track.target.state;
    track.target = target;
    if (moved) {
      this.#drop(track);
      track.last = null;
      track.named = this.#named(pool, target);
    }
    if (moved || target.state !== 'running') {
      track.passes = 0;
      const why = moved ? `it moved to ${formatTarget(target)}` : stateText(target);
      this.#become(pool, track, false, why);
    }
    if (target.state === 'frozen') this.#drop(track);
    // It may answer again: worth asking before the interval is over.
    else if (moved || (was !== 'running' && target.state === 'running')) {
      if (track.inFlight === null) this.#schedule(pool, track, 0);
    }
  }

  #schedule(pool: Pool, track: Track, delayMs: number): void {
    track.cancel?.();
    track.cancel = this.#clock.after(delayMs, () => {
      track.cancel = null;
      void this.#ask(pool, track);
    });
  }

  async #ask(pool: Pool, track: Track): Promise<void> {
    const asked = new AbortController();
    track.inFlight = asked;
    const begun = this.#clock.now();
    const { health } = pool;
    const { target, named } = track;
    const at = { ...target, port: target.healthPort ?? health.port ?? target.port };
    const ask = (of: ProbedTarget) => this.#probe(of, health, asked.signal);
    const result = await (named?.probe((address) => ask({ ...at, address })) ?? ask(at));
    if (asked.signal.aborted || track.inFlight !== asked) return;
    track.inFlight = null;
    const hurry = pool.gate && !result.passed;
    this.#count(pool, track, result);
    // Whoever was told may have let the pool go.
    if (pool.tracks.get(track.target.id) !== track) return;
    if (this.#pools.get(pool.watched.poolId) !== pool) return;
    const { intervalMs } = pool.health;
    const wait = hurry ? Math.min(gateRetryMs, intervalMs) : intervalMs;
    const took = this.#clock.now() - begun;
    const jitter = pool.gate ? 0 : (this.#random() - 0.5) * jitterShare * intervalMs;
    this.#schedule(pool, track, Math.max(0, wait - took + jitter));
  }

  #named(pool: Pool, target: RunningTarget): NamedTarget | null {
    if (!isNamed(target)) return null;
    const { service } = pool.watched;
    return new NamedTarget(service, target, this.#naming, this.#clock, () => pool.health.fall);
  }

  #count(pool: Pool, track: Track, result: ProbeResult): void {
    const differs = track.last === null || !sameOutcome(track.last, result);
    const { rise, fall } = pool.health;
    const runs = track.target.state === 'running';
    track.last = result;
    if (result.passed && runs) {
      track.passes += 1;
      track.failures = 0;
    } else {
      track.passes = 0;
      track.failures += result.passed ? 0 : 1;
    }
    if (differs || pool.gate) this.#events.probed(pool.watched, track, rise);
    if (track.passes >= rise) {
      this.#become(pool, track, true, `${rise} probes in a row passed`);
    } else if (!runs) {
      this.#become(pool, track, false, stateText(track.target));
    } else if (track.failures >= (pool.gate ? 1 : fall)) {
      this.#become(pool, track, false, result.error ?? 'its probe failed');
    }
  }

  #become(pool: Pool, track: Track, healthy: boolean, why: string): void {
    if (track.healthy === healthy) return;
    track.healthy = healthy;
    track.changedAt = this.#clock.date().toISOString();
    this.#events.changed(pool.watched, track, why);
  }

  #drop(track: Track): void {
    track.cancel?.();
    track.cancel = null;
    track.inFlight?.abort();
    track.inFlight = null;
  }
}

function placeOf(target: RunningTarget): string {
  return `${formatTarget(target)} ${target.healthPort ?? ''}`;
}

function stateText(target: RunningTarget): string {
  const detail = target.detail === '' ? '' : ` (${target.detail})`;
  if (target.state === 'frozen') return `it is frozen${detail}`;
  if (target.state === 'starting') return `it is starting${detail}`;
  if (target.state === 'unhealthy') return `its own health check says unhealthy${detail}`;
  return `it is not running${detail}`;
}

function sameOutcome(a: ProbeResult, b: ProbeResult): boolean {
  return a.passed === b.passed && a.status === b.status && a.error === b.error;
}
