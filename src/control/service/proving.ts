/**
 * A release is proved: from the start of its pool until all targets are healthy, and all that the
 * service wants beside that has passed.
 *
 * The rule this file keeps: it is ready only while both hold at once. A target that is lost starts
 * both again, with the time of a start.
 */
import type { Fault } from '../../errors.ts';
import type { Phase } from '../model/state.ts';
import { type Attempt, gateTimeout, wordsOn } from './attempt.ts';
import { BeforeFlip } from './beforeFlip.ts';
import type { ControlContext } from './context.ts';
import { advance } from './deployment.ts';
import type { Pools } from './pools.ts';
import type { ServiceRecord } from './record.ts';

export interface ProvingListener {
  /** The deployment is ready, which is on record. */
  ready(attempt: Attempt): void;
  failed(attempt: Attempt, fault: Fault): void;
}

export class Proving {
  readonly #record: ServiceRecord;
  readonly #pools: Pools;
  readonly #context: ControlContext;
  readonly #listener: ProvingListener;
  readonly #beforeFlip: BeforeFlip;

  constructor(
    record: ServiceRecord,
    pools: Pools,
    context: ControlContext,
    listener: ProvingListener,
  ) {
    this.#record = record;
    this.#pools = pools;
    this.#context = context;
    this.#listener = listener;
    this.#beforeFlip = new BeforeFlip(record, context, {
      passed: (attempt) => this.weigh(attempt),
      failed: (attempt, fault) => listener.failed(attempt, fault),
    });
  }

  /** Looks whether the gate holds, and goes where that leads. */
  weigh(attempt: Attempt): void {
    if (attempt.over || attempt.flipping || attempt.poolId === null) return;
    const phase = this.#record.state.deployment?.phase;
    if (phase !== 'probing' && phase !== 'ready') return;
    if (this.#pools.gap(attempt.poolId, wordsOn) !== null) {
      const again = this.#beforeFlip.void(attempt) || phase === 'ready';
      if (!again || attempt.over) return;
      this.enter(attempt, 'probing');
      this.deadline(attempt);
      return;
    }
    if (phase !== 'probing') return;
    attempt.rest();
    if (!this.#beforeFlip.holds(attempt)) return;
    this.enter(attempt, 'ready');
    this.#listener.ready(attempt);
  }

  /** A target was lost in the moment of the flip, which was undone: the gate starts again. */
  again(attempt: Attempt): void {
    if (attempt.poolId !== null) this.#context.prober.again(attempt.poolId);
    this.#beforeFlip.void(attempt);
    this.deadline(attempt);
  }

  enter(attempt: Attempt, phase: Phase): void {
    void this.#record.note((state) => advance(state, attempt.id, phase));
    this.#record.tell();
  }

  /** Starting, or becoming healthy, may take so long from now on. */
  deadline(attempt: Attempt): void {
    const { timeoutMs } = this.#record.config.deploy;
    const { dependencies, prober } = this.#context;
    attempt.deadline(dependencies.clock, timeoutMs, () => {
      const targets = attempt.poolId === null ? [] : prober.view(attempt.poolId);
      const fault = gateTimeout(attempt, this.#record.name, timeoutMs, targets);
      this.#listener.failed(attempt, fault);
    });
  }
}
