/**
 * What a service wants to have done after a flip, a rollback, or a deployment that failed.
 *
 * The rule this file keeps: nothing waits for it and nothing moves by it; what fails is recorded
 * and told. At most one runs for a service: when the service moves on, what is under way is given
 * up, and that is on record; nothing is done twice.
 */
import type { HookMoment } from '../../config/hook.ts';
import { reasonOf } from '../../errors.ts';
import type { Deployment } from '../model/state.ts';
import { stoppedIn, underWay } from './checking.ts';
import { Checks } from './checks.ts';
import type { ControlContext } from './context.ts';
import type { ServiceRecord } from './record.ts';
import { subjectOf } from './subject.ts';

export class Afterwards {
  readonly #record: ServiceRecord;
  readonly #context: ControlContext;
  readonly #checks: Checks;
  #controller = new AbortController();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(record: ServiceRecord, context: ControlContext) {
    this.#record = record;
    this.#context = context;
    this.#checks = new Checks(record, context);
  }

  /** The deployment on record has flipped, or failed before that. */
  begin(): void {
    const { deployment } = this.#record;
    const moment = momentOf(deployment);
    if (moment === null || this.#record.config.hooks[moment].length === 0) return;
    const { signal } = this.#controller;
    this.#turn = this.#turn.then(() => this.#make(deployment.id, moment, signal));
  }

  /** A controller has started: what it finds under way was somebody else's, and is over. */
  resume(): void {
    const { deployment } = this.#record.state;
    if (deployment === null) return;
    const { id, checks = [], phase } = deployment;
    if (checks.some(underWay)) {
      this.#stop(id, 'Pointsman was restarted in the middle of it');
      void this.#context.dependencies.gates.sweep(id);
      return;
    }
    const moment = momentOf(deployment);
    // The flip was recorded, and what follows it had not begun.
    if (phase === 'draining' && !checks.some((check) => check.moment === moment)) this.begin();
  }

  /** The service moves on. @param why as the record says it. */
  giveUp(why: string): void {
    this.#controller.abort();
    this.#controller = new AbortController();
    const { deployment } = this.#record.state;
    if (deployment?.checks?.some(underWay)) this.#stop(deployment.id, why);
  }

  close(): void {
    this.#controller.abort();
  }

  #stop(id: string, why: string): void {
    void this.#record.note((state) => stoppedIn(state, id, why));
    this.#tell();
  }

  async #make(id: string, moment: HookMoment, signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.#record.state.deployment?.id !== id) return;
    const hooks = this.#record.config.hooks[moment];
    const subject = subjectOf(this.#record, this.#context, moment);
    const { log } = this.#context.dependencies;
    try {
      const failed = await this.#checks.make(hooks, subject, true, signal);
      for (const { name, result } of failed) {
        log.warn({ service: subject.service }, `${id}: ${moment}: ${name} failed: ${result}`);
      }
      if (!signal.aborted) this.#tell();
    } catch (thrown) {
      log.error({ service: subject.service }, `${id}: ${moment} was not done: ${reasonOf(thrown)}`);
    }
  }

  /** One that has ended is in the history already, and has to be there as it is now. */
  #tell(): void {
    const { deployment } = this.#record;
    this.#record.tell();
    if (deployment.endedAt !== null) this.#context.append(deployment);
  }
}

function momentOf({ direction, receipt, phase }: Deployment): HookMoment | null {
  if (receipt !== null) return direction === 'deploy' ? 'afterFlip' : 'afterRollback';
  return phase === 'failed' && direction === 'deploy' ? 'onFailure' : null;
}
