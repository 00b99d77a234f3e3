/**
 * The course of a deployment: from the slot through the gate to the flip, or to its end before it.
 *
 * The rule this file keeps: one attempt at a time, reserved in the turn in which it is asked for;
 * whoever comes back from a wait asks whether it is still its turn. All traffic moves through
 * `switchOver`, and all that ends before its flip ends through `end`.
 */
import { Fault, reasonOf } from '../../errors.ts';
import { otherColor } from '../../wire.ts';
import type { TargetView } from '../health/prober.ts';
import type { Deployment, Phase, Receipt, ServiceState } from '../model/state.ts';
import { type Attempt, gateTimeout, startFault, wordsOn } from './attempt.ts';
import type { Deployer } from './deployer.ts';
import {
  advance,
  end as ended,
  fill,
  intend,
  livePool,
  pin,
  record,
  standbyPool,
  withdraw,
} from './deployment.ts';
import { type Flip, flipOver, receiptOf } from './flip.ts';
import { whole } from './pools.ts';

export class Rollout {
  readonly #deployer: Deployer;
  #attempt: Attempt | null = null;

  constructor(deployer: Deployer) {
    this.#deployer = deployer;
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
    try {
      await this.#deployer.save(change);
    } catch (thrown) {
      this.#attempt = null;
      attempt.finish();
      throw thrown;
    }
    this.#deployer.standby.displaced();
    this.#deployer.tell();
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
        this.#deployer.core.dependencies.log.error({}, text);
      }
      this.end(attempt, 'failed', startFault(attempt, this.#deployer.name, thrown));
    }
  }

  /** Waits until nothing is inside the standby any more, then takes its place. */
  async #takeSlot(attempt: Attempt): Promise<void> {
    if (this.#deployer.standby.draining !== null) {
      this.#deployer.progress(attempt.id, 'Waiting for the drain of the standby to end');
      await Promise.race([this.#deployer.standby.drainEnded, attempt.ended]);
    }
    await this.#deployer.standby.quiet;
    if (attempt.over) return;
    const old = standbyPool(this.#deployer.state);
    const at = this.#deployer.at();
    await this.#deployer.save((state) => fill(state, attempt.id, attempt.release, at));
    if (attempt.over) return;
    this.#deployer.standby.forget();
    const pool = standbyPool(this.#deployer.state);
    if (pool === null) throw new Error(`Deployment ${attempt.id} has no slot.`);
    attempt.poolId = pool.id;
    this.#deployer.pools.add(pool, otherColor(this.#deployer.state.live), false);
    if (old !== null) {
      this.#deployer.progress(
        attempt.id,
        `Retiring ${old.release.name} on ${otherColor(this.#deployer.state.live)}`,
      );
      void this.#deployer.pools.empty(old.id, Promise.resolve());
    }
    await Promise.race([this.#deployer.pools.emptied(), attempt.ended]);
  }

  async #start(attempt: Attempt): Promise<void> {
    const running = attempt.poolId === null ? undefined : this.#deployer.pools.get(attempt.poolId);
    if (running === undefined) return;
    this.#deadline(attempt);
    const { prober } = this.#deployer.core;
    const named = { poolId: running.id, service: this.#deployer.name, color: running.color };
    prober.watch(named, this.#deployer.config.health, true, () => false);
    const progress = (line: string): void => {
      if (!attempt.over) this.#deployer.progress(attempt.id, line);
    };
    const generation = this.#deployer.state.generation + 1;
    const started = await this.#deployer.pools.start(
      running,
      generation,
      whole,
      attempt.signal,
      progress,
    );
    if (attempt.over) return;
    running.release = started.release;
    void this.#deployer.note((state) => pin(state, running.id, started.release));
    running.shown = true;
    this.#phase(attempt, 'probing');
    this.#deployer.pools.targets(running, started.targets);
    this.#weigh(attempt);
  }

  /** Looks whether the gate holds, and goes where that leads. */
  #weigh(attempt: Attempt): void {
    if (attempt.over || attempt.flipping || attempt.poolId === null) return;
    const phase = this.#deployer.state.deployment?.phase;
    if (phase !== 'probing' && phase !== 'ready') return;
    const gap = this.#deployer.pools.gap(attempt.poolId, wordsOn);
    if (gap !== null && phase === 'ready') this.#backToProbing(attempt);
    if (gap !== null || phase !== 'probing') return;
    attempt.rest();
    this.#phase(attempt, 'ready');
    if (attempt.mode === 'auto') this.flip(attempt).catch(() => undefined);
  }

  #backToProbing(attempt: Attempt): void {
    this.#phase(attempt, 'probing');
    this.#deadline(attempt);
  }

  #deadline(attempt: Attempt): void {
    const { timeoutMs } = this.#deployer.config.deploy;
    attempt.deadline(this.#deployer.core.dependencies.clock, timeoutMs, () => {
      const targets =
        attempt.poolId === null ? [] : this.#deployer.core.prober.view(attempt.poolId);
      this.end(attempt, 'failed', gateTimeout(attempt, this.#deployer.name, timeoutMs, targets));
    });
  }

  /** Flips a deployment that is ready. A disk that refuses leaves it ready where a person asked. */
  async flip(attempt: Attempt): Promise<Deployment> {
    attempt.flipping = true;
    attempt.rest();
    try {
      await this.#deployer.save((state) => intend(state, attempt.id));
    } catch (thrown) {
      attempt.flipping = false;
      if (attempt.mode === 'auto') this.end(attempt, 'failed', toFault(thrown));
      else this.#weigh(attempt);
      throw thrown;
    }
    this.#deployer.tell();
    try {
      return await this.switchOver(attempt);
    } catch (thrown) {
      if (thrown instanceof Fault && thrown.code === 'FLIP_NOT_READY') {
        attempt.flipping = false;
        if (attempt.poolId !== null) this.#deployer.core.prober.again(attempt.poolId);
        void this.#deployer.note((state) => withdraw(state, attempt.id, 'probing'));
        this.#deadline(attempt);
        this.#deployer.tell();
        // All of it may have passed again while the order was undone.
        this.#weigh(attempt);
      } else {
        this.end(attempt, 'failed', toFault(thrown));
      }
      throw thrown;
    }
  }

  /** The one way traffic moves: the barrier, then the record and the receipt. */
  async switchOver(attempt: Attempt): Promise<Deployment> {
    const before = this.#deployer.state;
    const { intent, deployment } = before;
    if (intent === null || deployment === null) throw new Error('A flip has no intent on record.');
    const { dependencies, publisher, flips } = this.#deployer.core;
    const barrier = { ...dependencies, publisher };
    const flip: Flip = {
      fence: { service: this.#deployer.name, generation: intent.generation },
      begun: () => this.#deployer.moving(intent),
      undone: () => this.#deployer.moving(null),
      refusal: () => this.#lost(attempt, deployment),
    };
    const flipped = await flips.pass(() => flipOver(barrier, flip));
    const { from, to, direction } = deployment;
    const receipt = receiptOf(this.#deployer.name, intent.generation, direction, from, to, flipped);
    return this.#flipped(attempt, livePool(before)?.id ?? null, receipt);
  }

  #flipped(attempt: Attempt, left: string | null, receipt: Receipt): Deployment {
    // True from here on, whatever the disk says: the intent on it leads to the same place.
    void this.#deployer.note((state) => record(state, attempt.id, receipt));
    this.#deployer.moving(null);
    this.#attempt = null;
    this.#deployer.trouble(null);
    attempt.finish();
    if (attempt.poolId !== null) this.#deployer.core.prober.calm(attempt.poolId);
    const { direction } = receipt;
    this.#deployer.core.publisher.touch();
    this.#deployer.tell();
    this.#deployer.core.dependencies.events.emit({
      type: 'flip',
      service: this.#deployer.name,
      direction,
      receipt,
    });
    const deployment = currentDeployment(this.#deployer.state);
    this.#deployer.standby.flipped(deployment, left);
    return deployment;
  }

  /** Asked in the turn of the commit: the last moment in which health counts. */
  #lost(attempt: Attempt, deployment: Deployment): Fault | null {
    const gap = attempt.poolId === null ? null : this.#deployer.pools.gap(attempt.poolId, wordsOn);
    if (gap === null) return null;
    const code = deployment.direction === 'deploy' ? 'FLIP_NOT_READY' : 'ROLLBACK_NOT_READY';
    const text = `${deployment.to.release} was lost just before the flip, which was undone: ${gap}.`;
    return new Fault(code, text, { deployment: deployment.id });
  }

  /** The one way a deployment ends before its flip. */
  end(attempt: Attempt, phase: 'failed' | 'aborted', fault: Fault): Deployment {
    if (this.#attempt !== attempt) return currentDeployment(this.#deployer.state);
    const rollback = this.#deployer.state.deployment?.direction === 'rollback';
    this.#attempt = null;
    attempt.finish();
    const { code, message, detail } = fault;
    const at = this.#deployer.at();
    const durable = this.#deployer.note((state) =>
      ended(state, attempt.id, phase, { code, message, detail }, at),
    );
    const deployment = currentDeployment(this.#deployer.state);
    this.#deployer.tell(deployment);
    this.#deployer.core.append(deployment);
    this.#deployer.core.publisher.touch();
    // Until the disk has let go of the intent, a restart may lead to that pool: it is kept so long.
    if (attempt.poolId !== null && !rollback)
      void this.#deployer.pools.empty(attempt.poolId, durable);
    return deployment;
  }

  #phase(attempt: Attempt, phase: Phase): void {
    void this.#deployer.note((state) => advance(state, attempt.id, phase));
    this.#deployer.tell();
  }

  /** A target of the attempt's pool changed its health. */
  healthChanged(poolId: string, view: TargetView, why: string): void {
    const attempt = this.#attempt;
    if (attempt === null || attempt.poolId !== poolId || attempt.flipping) return;
    if (!view.healthy) {
      this.#deployer.core.prober.again(poolId);
      const text = `The gate starts again: ${view.target.id} was lost: ${why}`;
      this.#deployer.progress(attempt.id, text);
    }
    this.#weigh(attempt);
  }

  /** The targets of a pool are others now. */
  targetsChanged(poolId: string): void {
    if (this.#attempt?.poolId === poolId) this.#weigh(this.#attempt);
  }

  /**
   * A replica printed something. A rollback starts nothing, so what its pool prints is not about
   * it.
   */
  heard(poolId: string, target: string, line: string): void {
    const attempt = this.#attempt;
    if (attempt === null || attempt.poolId !== poolId || attempt.flipping) return;
    attempt.heard(target, line);
    this.#deployer.progress(attempt.id, `${target}: ${line}`);
  }

  /** The process ends; nothing is recorded. */
  close(): void {
    this.#attempt?.finish();
    this.#attempt = null;
  }
}

/** What is on record after a change that put it there. */
export function currentDeployment(state: ServiceState): Deployment {
  if (state.deployment === null) throw new Error('There is no deployment to tell of.');
  return state.deployment;
}

/**
 * What was thrown as a deployment records it: what nobody foresaw is our fault, and said as it is.
 */
export function toFault(thrown: unknown): Fault {
  if (thrown instanceof Fault) return thrown;
  return new Fault('START_FAILED', reasonOf(thrown), { cause: thrown });
}
