/**
 * The way back of one service: asked for by a person, or taken by itself.
 *
 * The rule this file keeps: both go through the same refusals and the same flip, and nothing is
 * started for either. It names where it goes, and is reserved in the turn in which it is decided.
 * A deployment that has not flipped gives way to a person, and to nothing that goes by itself.
 * What nobody should go back from is gone back from by a person who repeats why, and never by
 * itself.
 */
import { Fault } from '../../errors.ts';
import type { Call } from '../model/api.ts';
import { type Cause, type Deployment, inProgress, type ServiceState } from '../model/state.ts';
import { Attempt } from './attempt.ts';
import { wasLive } from './candidate.ts';
import { intendRollback, nextDeployment, type Origin, standbyPool } from './deployment.ts';
import type { ServiceRecord } from './record.ts';
import { refuseBeginning, refuseSecond, refuseUnsafe, unsafeWords } from './refusals.ts';
import type { Rollout } from './rollout.ts';
import type { Standby } from './standby.ts';
import { rollbackRefusal, type Standing } from './status.ts';

/** Who it says it was where nobody asked. */
export const itself = 'pointsman';

export class WayBack {
  readonly #record: ServiceRecord;
  readonly #rollout: Rollout;
  readonly #standby: Standby;
  readonly #standing: () => Standing;

  constructor(record: ServiceRecord, rollout: Rollout, standby: Standby, standing: () => Standing) {
    this.#record = record;
    this.#rollout = rollout;
    this.#standby = standby;
    this.#standing = standing;
  }

  /** See `Control.rollback`; what names no place to go to has been refused. */
  async rollback(to: string | null, call: Call, unsafe?: string): Promise<Deployment> {
    const { name } = this.#record;
    const proved = this.#givesWay();
    if (proved === null) {
      refuseSecond(this.#state);
      refuseBeginning(name, this.#rollout.attempt?.id ?? null);
    }
    const reason = rollbackRefusal(this.#standing(), to);
    if (reason !== null) {
      this.#standby.wake();
      throw new Fault('ROLLBACK_NOT_READY', reason, { service: name, to });
    }
    refuseUnsafe(this.#state, name, unsafe);
    if (proved !== null) {
      const fault = new Fault('ABORTED', `${call.by} rolled ${name} back meanwhile.`);
      this.#rollout.end(proved, 'aborted', fault);
    }
    return this.#go(this.#record.origin(call), null);
  }

  /**
   * Nobody asked: the release that is live is taken back.
   *
   * @returns null: it is done; else why it cannot be, in one sentence.
   * @throws Fault HOLD_TIMEOUT, STATE_NOT_WRITABLE, ROLLBACK_NOT_READY; then nothing has moved.
   */
  async goBack(cause: Cause, why: string): Promise<string | null> {
    const { attempt } = this.#rollout;
    if (attempt !== null || inProgress(this.#state.deployment)) {
      return `Deployment ${attempt?.id ?? this.#state.deployment?.id} runs.`;
    }
    const reason = rollbackRefusal(this.#standing(), null);
    if (reason !== null) return reason;
    const unsafe = unsafeWords(this.#state);
    if (unsafe !== null) return unsafe;
    await this.#go(this.#record.origin({ by: itself, why }), cause);
    return null;
  }

  /** The deployment that a rollback ends: one that has not decided to flip, beside a warm pool. */
  #givesWay(): Attempt | null {
    const { attempt } = this.#rollout;
    if (attempt === null || attempt.flipping) return null;
    const warm = standbyPool(this.#state);
    const known = this.#state.deployment?.id === attempt.id;
    return known && warm !== null && wasLive(warm) ? attempt : null;
  }

  get #state(): ServiceState {
    return this.#record.state;
  }

  async #go(origin: Origin, cause: Cause | null): Promise<Deployment> {
    const pool = standbyPool(this.#state);
    if (pool === null) throw new Error('A rollback without a pool was not refused.');
    const attempt = new Attempt(
      nextDeployment(this.#state, this.#record.name),
      pool.release,
      'auto',
    );
    attempt.poolId = pool.id;
    attempt.flipping = true;
    await this.#rollout.reserve(attempt, (state) => intendRollback(state, origin, cause));
    return this.#rollout.flipBack(attempt);
  }
}
