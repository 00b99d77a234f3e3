/**
 * The watch over a release that has just become live: it is held against the one before it, and
 * taken back where it is worse.
 *
 * The rule this file keeps: what was decided is on record, and goes on after a restart; the figures
 * are the workers', which outlive it. It goes back once, and where it cannot it says so and holds.
 * Nothing here moves traffic: the way back does, with all its refusals.
 */
import { Fault } from '../../errors.ts';
import type { WorkerStats } from '../../wire.ts';
import { type ReleaseFigures, weigh } from '../gates/evidence.ts';
import { PoolOutcomes } from '../gates/outcomes.ts';
import type { Cause, Figures, PoolState, Receipt, Watch } from '../model/state.ts';
import { watched } from '../model/state.ts';
import type { ControlContext } from './context.ts';
import { livePool } from './deployment.ts';
import type { ServiceRecord } from './record.ts';
import { alike, watchBecomes } from './watching.ts';

/** How often it is looked at. */
const lookMs = 500;
/** In its first moments a release is not judged by its figures: what was cold is warm then. */
const settleMs = 2_000;
/** A flip back that was tried, and undone because the workers were too busy, is tried so often. */
const flipsMax = 3;

export interface WatchListener {
  /** Takes the release back. @returns null: it is done; else why it cannot be. @throws Fault */
  goBack(cause: Cause, why: string): Promise<string | null>;
}

export class ReleaseWatch {
  readonly #record: ServiceRecord;
  readonly #context: ControlContext;
  readonly #listener: WatchListener;
  /** Of the pool that is live now. */
  #outcomes: PoolOutcomes | null = null;
  #cancel: (() => void) | null = null;
  #looking = false;
  #closed = false;
  /** Monotonic: since when the release is live, and when its watch is over. */
  #sinceMs = 0;
  #untilMs = 0;
  #flips = 0;

  constructor(record: ServiceRecord, context: ControlContext, listener: WatchListener) {
    this.#record = record;
    this.#context = context;
    this.#listener = listener;
  }

  /** Whether the way back may be wanted at any moment. */
  get active(): boolean {
    return this.#cancel !== null || this.#looking;
  }

  /** Of the release that is live; null: nothing was told of it yet. */
  get figures(): Figures | null {
    if (this.#outcomes === null) return null;
    const { sent, failed } = this.#outcomes.figures();
    return { sent, failed };
  }

  /** What the workers say: the past of the pool that is live is kept for the day it is left. */
  see(stats: readonly WorkerStats[]): void {
    const live = livePool(this.#record.state);
    if (live !== null) this.#of(live).see(stats, this.#now);
  }

  /**
   * The watch that begins with a flip; it has to go on record with it.
   *
   * @returns null where there is nothing to watch, or to go back to.
   */
  over(deployment: string, receipt: Receipt): Watch | null {
    const { protect } = this.#record.config;
    const { state } = this.#record;
    if (protect === null || receipt.direction !== 'deploy' || receipt.from === null) return null;
    const left = state.pools[receipt.from.color];
    if (left === null) return null;
    const { committedAt, generation } = receipt;
    return {
      deployment,
      generation,
      release: receipt.to.release,
      since: committedAt,
      until: new Date(Date.parse(committedAt) + protect.windowMs).toISOString(),
      phase: 'watching',
      reason: null,
      baseline: this.#baselineOf(left),
      figures: null,
    };
  }

  /** Goes on with the watch that is on record, if one is. */
  resume(): void {
    const { watch } = this.#record.state;
    this.#stop();
    if (this.#closed || !watched(watch)) return;
    const { clock } = this.#context.dependencies;
    const wall = clock.date().getTime();
    // The wall clock may have been set meanwhile: then it is watched for as long as it would be.
    const windowMs = Date.parse(watch.until) - Date.parse(watch.since);
    const goneMs = Math.min(windowMs, Math.max(0, wall - Date.parse(watch.since)));
    this.#sinceMs = this.#now - goneMs;
    this.#untilMs = this.#sinceMs + windowMs;
    this.#flips = 0;
    this.#tell(watch);
    this.#lookLater();
  }

  close(): void {
    this.#closed = true;
    this.#stop();
  }

  get #now(): number {
    return this.#context.dependencies.clock.now();
  }

  #stop(): void {
    this.#cancel?.();
    this.#cancel = null;
  }

  #lookLater(): void {
    this.#stop();
    this.#cancel = this.#context.dependencies.clock.after(lookMs, () => {
      this.#cancel = null;
      if (this.#looking) return;
      this.#looking = true;
      void this.#look().finally(() => {
        this.#looking = false;
        if (this.#goesOn()) this.#lookLater();
      });
    });
  }

  /** One that is held beyond its time stays so, and is looked at no more. */
  #goesOn(): boolean {
    const { watch } = this.#record.state;
    if (this.#closed || !watched(watch)) return false;
    return watch.phase === 'watching' || this.#now < this.#untilMs;
  }

  async #look(): Promise<void> {
    this.see(await this.#context.stats());
    const { watch } = this.#record.state;
    const live = livePool(this.#record.state);
    if (this.#closed || !watched(watch) || live === null) return;
    const { protect } = this.#record.config;
    if (protect === null) {
      this.#become({ ...watch, phase: 'superseded', reason: 'The config does not want it.' });
      return;
    }
    const figures = this.#of(live).figures();
    const down = this.#down(live);
    if (down !== null) return this.#takeBack(watch, 'down', down, figures);
    const names = { now: watch.release, before: this.#before(watch) };
    const weighed = weigh(figures, watch.baseline, protect, names);
    const settled = this.#now >= this.#sinceMs + settleMs;
    if (weighed.verdict === 'worse' && settled) {
      return this.#takeBack(watch, 'errors', weighed.reason, figures);
    }
    if (this.#now < this.#untilMs) return;
    const reason = weighed.verdict === 'no worse' ? null : weighed.reason;
    const phase = weighed.verdict === 'no worse' ? 'passed' : 'inconclusive';
    this.#become({ ...watch, phase, reason, figures: plain(figures) });
  }

  async #takeBack(
    watch: Watch,
    kind: 'errors' | 'down',
    why: string,
    figures: ReleaseFigures,
  ): Promise<void> {
    const { release, baseline } = watch;
    let refusal: string | null;
    try {
      if (this.#flips >= flipsMax) return;
      const cause = { kind, release, figures: plain(figures), baseline };
      refusal = await this.#listener.goBack(cause, why);
    } catch (thrown) {
      if (!(thrown instanceof Fault)) throw thrown;
      if (thrown.code !== 'STATE_NOT_WRITABLE') this.#flips++;
      refusal = thrown.message;
    }
    const { watch: now } = this.#record.state;
    if (this.#closed || now === undefined || now === null) return;
    if (refusal === null) {
      const text = `${this.#record.name}: ${release} was taken back: ${why}`;
      this.#context.dependencies.log.warn({ service: this.#record.name }, text);
      this.#tell(now);
      return;
    }
    this.#become({ ...watch, phase: 'held', reason: `${why} It is not taken back: ${refusal}` });
  }

  /** Why the release does not work at all, in one sentence; null: some of it does. */
  #down(live: PoolState): string | null {
    const targets = this.#context.prober.view(live.id);
    if (targets.length === 0 || targets.some(({ healthy }) => healthy)) return null;
    return `No target of ${live.release.name} is healthy.`;
  }

  #before({ generation }: Watch): string {
    const { from } = this.#record.state.deployment?.receipt ?? { from: null };
    return from?.release ?? `generation ${generation - 1}`;
  }

  #baselineOf(left: PoolState): Figures {
    const outcomes = this.#of(left);
    outcomes.see(this.#context.lastStats(), this.#now);
    return outcomes.lately(this.#now);
  }

  #of(pool: PoolState): PoolOutcomes {
    if (this.#outcomes?.poolId !== pool.id) this.#outcomes = new PoolOutcomes(pool.id);
    return this.#outcomes;
  }

  #become(watch: Watch): void {
    const before = this.#record.state.watch;
    // Held for the same reason with other figures is no news.
    if (before?.phase === watch.phase && alike(before.reason, watch.reason)) return;
    const { name } = this.#record;
    if (watch.phase === 'held' && before?.phase !== 'held') {
      this.#context.dependencies.log.error({ service: name }, `${name}: ${watch.reason}`);
    }
    void this.#record.note((state) => watchBecomes(state, watch));
    this.#tell(this.#record.state.watch ?? watch);
  }

  #tell(watch: Watch): void {
    const { name } = this.#record;
    this.#context.dependencies.events.emit({ type: 'watch', service: name, watch });
  }
}

function plain({ sent, failed }: Figures): Figures {
  return { sent, failed };
}
