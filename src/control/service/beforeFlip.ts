/**
 * What a service wants to have passed before its flips, beside the health of all targets.
 *
 * The rule this file keeps: what has passed holds for the targets that were asked. When one of them
 * is lost, all of it is void, what runs is ended, and it is made again once all are healthy; that
 * it was is on record, and it does not go on for ever.
 */
import { Fault } from '../../errors.ts';
import { type Attempt, toFault } from './attempt.ts';
import { voided } from './checking.ts';
import { Checks, type Failed } from './checks.ts';
import type { ControlContext } from './context.ts';
import type { ServiceRecord } from './record.ts';
import { subjectOf } from './subject.ts';

/** So often a target may be lost in the middle of the checks. */
const roundsMax = 3;

export interface BeforeFlipListener {
  /** All of it has passed. */
  passed(attempt: Attempt): void;
  failed(attempt: Attempt, fault: Fault): void;
}

interface Round {
  readonly attempt: Attempt;
  readonly controller: AbortController;
  passed: boolean;
}

export class BeforeFlip {
  readonly #record: ServiceRecord;
  readonly #context: ControlContext;
  readonly #listener: BeforeFlipListener;
  readonly #checks: Checks;
  #round: Round | null = null;
  /** How often a target was lost in the middle of it. */
  #lost: { readonly attempt: Attempt | null; readonly times: number } = { attempt: null, times: 0 };
  /** The round before may still be on its way to its end. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(record: ServiceRecord, context: ControlContext, listener: BeforeFlipListener) {
    this.#record = record;
    this.#context = context;
    this.#listener = listener;
    this.#checks = new Checks(record, context);
  }

  /** Whether all of it has passed. Begins it where it has not begun: then the listener hears. */
  holds(attempt: Attempt): boolean {
    if (this.#record.config.hooks.beforeFlip.length === 0) return true;
    if (this.#round?.attempt !== attempt) this.#begin(attempt);
    return this.#round?.passed === true;
  }

  /**
   * A target was lost.
   *
   * @returns whether anything is void by that.
   */
  void(attempt: Attempt): boolean {
    const round = this.#round;
    if (round === null || round.attempt !== attempt) return false;
    this.#round = null;
    round.controller.abort();
    const why = 'a target was lost, so it is made again';
    void this.#record.note((state) => voided(state, attempt.id, why));
    this.#record.tell();
    if (round.passed) return true;
    const times = this.#lost.attempt === attempt ? this.#lost.times + 1 : 1;
    this.#lost = { attempt, times };
    if (times < roundsMax) return true;
    const text = `A target of ${attempt.release.name} was lost in the middle of its checks, ${roundsMax} times.`;
    this.#listener.failed(attempt, new Fault('HOOK_FAILED', text, { rounds: roundsMax }));
    return true;
  }

  #begin(attempt: Attempt): void {
    const round = { attempt, controller: new AbortController(), passed: false };
    this.#round = round;
    this.#turn = this.#turn.then(() => this.#make(round));
  }

  async #make(round: Round): Promise<void> {
    const { attempt, controller } = round;
    const signal = AbortSignal.any([attempt.signal, controller.signal]);
    if (signal.aborted) return;
    const { hooks } = this.#record.config;
    try {
      const subject = subjectOf(this.#record, this.#context, 'beforeFlip');
      const [failed] = await this.#checks.make(hooks.beforeFlip, subject, false, signal);
      if (signal.aborted) return;
      if (failed !== undefined) this.#listener.failed(attempt, faultOf(attempt, failed));
      else {
        round.passed = true;
        this.#listener.passed(attempt);
      }
    } catch (thrown) {
      if (!signal.aborted) this.#listener.failed(attempt, toFault(thrown));
    }
  }
}

function faultOf({ release }: Attempt, { name, result, output }: Failed): Fault {
  const last = output.length === 0 ? '' : ` Last output: ${output.slice(-5).join(' | ')}`;
  const text = `${release.name} has not passed ${name}: ${result}.${last}`;
  return new Fault('HOOK_FAILED', text, { check: name, result, output: [...output] });
}
