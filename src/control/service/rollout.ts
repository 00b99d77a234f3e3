/**
 * A rollout takes a deployment from its slot through the gate to the flip, or to its end before it.
 *
 * The rule this file keeps: one attempt at a time, reserved in the turn in which it is asked for;
 * whoever comes back from a wait asks whether it is still its turn. All traffic moves through
 * `switchOver`, and all that ends before its flip ends through `end`.
 */
import { Fault, reasonOf } from '../../errors.ts';
import { otherColor } from '../../wire.ts';
import type { TargetView } from '../health/prober.ts';
import type { Deployment, Receipt, ServiceState } from '../model/state.ts';
import type { Afterwards } from './afterwards.ts';
import { type Attempt, lostFault, startFault, toFault, wordsOn } from './attempt.ts';
import type { AutoRollback } from './autoRollback.ts';
import { displaced, keepsWarm, pin, provedPool } from './candidate.ts';
import type { ControlContext } from './context.ts';
import {
  end as ended,
  fill,
  intend,
  livePool,
  record as recorded,
  standbyPool,
  withdraw,
} from './deployment.ts';
import { type Pools, whole } from './pools.ts';
import { Proving } from './proving.ts';
import type { ServiceRecord } from './record.ts';
import { switchOver, tellFlip } from './switchOver.ts';

/** Who keeps the standby, and hears what a rollout does to it. */
export interface RolloutListener {
  /** Another deployment is on record. */
  displaced(): void;
  /**
   * Waits until nothing of before the last flip is inside the standby, and no retirement of it is
   * on its way to the disk.
   *
   * @param waits is called where that takes a while.
   */
  slotFree(waits: () => void): Promise<void>;
  /** The slot has another filling. */
  slotTaken(): void;
  /** @param left the pool that was live until now; null: there was none. */
  flipped(deployment: Deployment, left: string | null): void;
}

export class Rollout {
  readonly #record: ServiceRecord;
  readonly #pools: Pools;
  readonly #context: ControlContext;
  readonly #listener: RolloutListener;
  readonly #autoRollback: AutoRollback;
  readonly #proving: Proving;
  readonly #afterwards: Afterwards;
  #attempt: Attempt | null = null;

  constructor(
    record: ServiceRecord,
    pools: Pools,
    context: ControlContext,
    listener: RolloutListener,
    autoRollback: AutoRollback,
    afterwards: Afterwards,
  ) {
    this.#record = record;
    this.#pools = pools;
    this.#context = context;
    this.#listener = listener;
    this.#autoRollback = autoRollback;
    this.#afterwards = afterwards;
    this.#proving = new Proving(record, pools, context, {
      ready: (attempt) => {
        if (attempt.mode === 'auto') this.flip(attempt).catch(() => undefined);
      },
      failed: (attempt, fault) => void this.end(attempt, 'failed', fault),
    });
  }

  /** The attempt that has the service to itself; null: none. */
  get attempt(): Attempt | null {
    return this.#attempt;
  }

  /**
   * Gives the service to an attempt, in this turn, and puts it on record.
   *
   * @throws Fault STATE_NOT_WRITABLE; nothing has changed then.
   */
  async reserve(attempt: Attempt, change: (state: ServiceState) => ServiceState): Promise<void> {
    this.#attempt = attempt;
    this.#afterwards.giveUp(`${attempt.id} began`);
    const saved = this.#record.save(change);
    attempt.reserved = saved.catch(() => undefined);
    try {
      await saved;
    } catch (thrown) {
      this.#attempt = null;
      attempt.finish();
      throw thrown;
    }
    this.#listener.displaced();
    this.#record.tell();
  }

  /** Takes a deployment from its slot to its flip, or as far as it gets. */
  async run(attempt: Attempt): Promise<void> {
    try {
      await this.#takeSlot(attempt);
      if (!attempt.over) await this.#start(attempt);
    } catch (thrown) {
      if (attempt.over) return;
      if (!(thrown instanceof Fault)) {
        const text = `${attempt.id} ended in a way nobody foresaw: ${reasonOf(thrown)}`;
        this.#context.dependencies.log.error({}, text);
      }
      this.end(attempt, 'failed', startFault(attempt, this.#record.name, thrown));
    }
  }

  /** Waits until nothing is inside the standby any more, then takes its place. */
  async #takeSlot(attempt: Attempt): Promise<void> {
    const record = this.#record;
    const waits = (): void =>
      record.progress(attempt.id, 'Waiting for the drain of the standby to end');
    await Promise.race([this.#listener.slotFree(waits), attempt.ended]);
    if (attempt.over) return;
    const old = standbyPool(record.state);
    const at = record.at();
    const beside = keepsWarm(record.config.warm, old, attempt.release);
    await record.save((state) => fill(state, attempt.id, attempt.release, at, beside));
    if (attempt.over) return;
    if (!beside) this.#listener.slotTaken();
    const pool = provedPool(record.state);
    if (pool === null) throw new Error(`Deployment ${attempt.id} has no slot.`);
    attempt.poolId = pool.id;
    const color = otherColor(record.state.live);
    this.#pools.add(pool, color, false);
    if (old !== null && !beside) {
      record.progress(attempt.id, `Retiring ${old.release.name} on ${color}`);
      void this.#pools.empty(old.id, Promise.resolve());
    }
    await Promise.race([this.#pools.emptied(), attempt.ended]);
  }

  async #start(attempt: Attempt): Promise<void> {
    const record = this.#record;
    const pool = attempt.poolId === null ? undefined : this.#pools.get(attempt.poolId);
    if (pool === undefined) return;
    this.#proving.deadline(attempt);
    const watched = { poolId: pool.id, service: record.name, color: pool.color };
    this.#context.prober.watch(watched, record.config.health, true, () => false);
    const progress = (line: string): void => {
      if (!attempt.over) record.progress(attempt.id, line);
    };
    const generation = record.state.generation + 1;
    const started = await this.#pools.start(pool, generation, whole, attempt.signal, progress);
    if (attempt.over) return;
    pool.release = started.release;
    void record.note((state) => pin(state, pool.id, started.release));
    pool.shown = true;
    this.#tellPreview(attempt);
    this.#proving.enter(attempt, 'probing');
    this.#pools.targets(pool, started.targets);
    this.#proving.weigh(attempt);
  }

  #tellPreview({ id, release }: Attempt): void {
    const { preview } = this.#record.config;
    if (preview === null) return;
    const { url, header } = preview;
    const where = url ?? `by the header ${header}: ${id}`;
    this.#record.progress(id, `${release.name} is seen before its flip: ${where}`);
  }

  /** Flips a deployment that is ready. A disk that refuses leaves it ready where a person asked. */
  async flip(attempt: Attempt): Promise<Deployment> {
    const record = this.#record;
    attempt.flipping = true;
    attempt.rest();
    try {
      await record.save((state) => intend(state, attempt.id));
    } catch (thrown) {
      attempt.flipping = false;
      if (attempt.mode === 'auto') this.end(attempt, 'failed', toFault(thrown));
      else this.#proving.weigh(attempt);
      throw thrown;
    }
    record.tell();
    try {
      return await this.#switchOver(attempt);
    } catch (thrown) {
      if (thrown instanceof Fault && thrown.code === 'FLIP_NOT_READY') {
        attempt.flipping = false;
        void record.note((state) => withdraw(state, attempt.id, 'probing'));
        this.#proving.again(attempt);
        record.tell();
        // All of it may have passed again while the order was undone.
        this.#proving.weigh(attempt);
      } else {
        this.end(attempt, 'failed', toFault(thrown));
      }
      throw thrown;
    }
  }

  /**
   * Flips back, or not at all: nothing was started that could be waited for.
   *
   * @param attempt reserved, with its intent on record.
   */
  async flipBack(attempt: Attempt): Promise<Deployment> {
    try {
      return await this.#switchOver(attempt);
    } catch (thrown) {
      this.end(attempt, 'failed', toFault(thrown));
      throw thrown;
    }
  }

  /** The one way traffic moves: the barrier, then the record and the receipt. */
  async #switchOver(attempt: Attempt): Promise<Deployment> {
    const { state } = this.#record;
    const left = livePool(state)?.id ?? null;
    const out = displaced(state)?.id ?? null;
    const refusal = (deployment: Deployment): Fault | null => this.#lost(attempt, deployment);
    const receipt = await switchOver(this.#record, this.#context, refusal);
    return this.#flipped(attempt, left, out, receipt);
  }

  #flipped(attempt: Attempt, left: string | null, out: string | null, receipt: Receipt) {
    const record = this.#record;
    const { prober } = this.#context;
    const watch = this.#autoRollback.over(attempt.id, receipt);
    // True from here on, whatever the disk says: the intent on it leads to the same place.
    const durable = record.note((state) => recorded(state, attempt.id, receipt, watch));
    if (out !== null) void this.#pools.empty(out, durable);
    this.#attempt = null;
    record.setProblem(null);
    attempt.finish();
    if (attempt.poolId !== null) prober.calm(attempt.poolId);
    tellFlip(record, this.#context, receipt);
    const { deployment } = record;
    this.#listener.flipped(deployment, left);
    this.#autoRollback.resume();
    this.#afterwards.begin();
    return deployment;
  }

  /** Asked in the turn of the commit: the last moment in which health counts. */
  #lost(attempt: Attempt, deployment: Deployment): Fault | null {
    const gap = attempt.poolId === null ? null : this.#pools.gap(attempt.poolId, wordsOn);
    return gap === null ? null : lostFault(deployment, gap);
  }

  /** The one way a deployment ends before its flip. */
  end(attempt: Attempt, phase: 'failed' | 'aborted', fault: Fault): Deployment {
    const record = this.#record;
    if (this.#attempt !== attempt) return record.deployment;
    const rollback = record.state.deployment?.direction === 'rollback';
    this.#attempt = null;
    attempt.finish();
    const { code, message, detail } = fault;
    const at = record.at();
    const durable = record.note((state) =>
      ended(state, attempt.id, phase, { code, message, detail }, at),
    );
    const { deployment } = record;
    record.tell(deployment);
    this.#context.append(deployment);
    this.#context.publisher.touch();
    // Until the disk has let go of the intent, a restart may lead to that pool: it is kept so long.
    if (attempt.poolId !== null && !rollback) void this.#pools.empty(attempt.poolId, durable);
    this.#afterwards.begin();
    return deployment;
  }

  /** A target of the attempt's pool changed its health. */
  healthChanged(poolId: string, view: TargetView, why: string): void {
    const attempt = this.#attempt;
    if (attempt === null || attempt.poolId !== poolId || attempt.flipping) return;
    if (!view.healthy) {
      this.#context.prober.again(poolId);
      const text = `The gate starts again: ${view.target.id} was lost: ${why}`;
      this.#record.progress(attempt.id, text);
    }
    this.#proving.weigh(attempt);
  }

  /** The targets of a pool are others now. */
  targetsChanged(poolId: string): void {
    if (this.#attempt?.poolId === poolId) this.#proving.weigh(this.#attempt);
  }

  /**
   * A replica printed something. A rollback starts nothing, so what its pool prints is not about
   * it.
   */
  heard(poolId: string, target: string, line: string): void {
    const attempt = this.#attempt;
    if (attempt === null || attempt.poolId !== poolId || attempt.flipping) return;
    attempt.heard(target, line);
    this.#record.progress(attempt.id, `${target}: ${line}`);
  }

  /** Resolves when no deployment is on its way to a flip. */
  async settled(): Promise<void> {
    while (this.#attempt !== null) await this.#attempt.ended;
  }

  /** The process ends; nothing is recorded. */
  close(): void {
    this.#afterwards.close();
    this.#attempt?.finish();
    this.#attempt = null;
  }
}
