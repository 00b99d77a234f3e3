/**
 * The deadline of a release that is to be confirmed: when it has passed, the service goes back by
 * itself.
 *
 * The rule this file keeps: the deadline is on record with the flip, and so is its end; a restart
 * goes on with what is there. A word that was given in time counts, however long the disk takes. It
 * goes back once, and where it cannot it says so, holds, and goes back as soon as it can.
 */
import { Fault } from '../../errors.ts';
import type { Call } from '../model/api.ts';
import { type Cause, type Confirm, inProgress } from '../model/state.ts';
import { confirmed, confirmHeld, extended } from './confirming.ts';
import type { ControlContext } from './context.ts';
import type { ServiceRecord } from './record.ts';
import { alike } from './watching.ts';

/** What cannot be gone back from yet is looked at so often. */
const lookMs = 500;
/** A flip back that was undone held clients for nothing: the next one waits, ever longer. */
const retryMsMin = 5_000;
const retryMsMax = 600_000;

export interface ConfirmationListener {
  /** Takes the release back. @returns null: it is done; else why it cannot be. @throws Fault */
  goBack(cause: Cause, why: string): Promise<string | null>;
}

export class Confirmation {
  readonly #record: ServiceRecord;
  readonly #context: ControlContext;
  readonly #listener: ConfirmationListener;
  #cancel: (() => void) | null = null;
  /** Words that were given and are on their way to the disk. */
  #saving = 0;
  #retryMs = retryMsMin;
  #closed = false;

  constructor(record: ServiceRecord, context: ControlContext, listener: ConfirmationListener) {
    this.#record = record;
    this.#context = context;
    this.#listener = listener;
  }

  /** Whether a release waits to be confirmed, and may be gone back from at any moment. */
  get pending(): boolean {
    return Boolean(this.#record.state.confirm);
  }

  /** Goes on with the deadline that is on record, if one is. */
  resume(): void {
    this.#stop();
    const { confirm } = this.#record.state;
    if (this.#closed || !confirm) return;
    this.#retryMs = retryMsMin;
    const [since, until] = [Date.parse(confirm.since), Date.parse(confirm.until)];
    // The wall clock may have been set meanwhile: then it is as long as it would be.
    const left = until - this.#context.dependencies.clock.date().getTime();
    this.#later(Math.min(until - since, Math.max(0, left)));
  }

  /**
   * See `Control.confirm`; what may not be has been refused. One that does not wait is let be.
   *
   * @param withinMs null: the release stays; else it is to be confirmed so long from now.
   */
  async confirm(call: Call, withinMs: number | null): Promise<void> {
    const record = this.#record;
    const { confirm } = record.state;
    if (!confirm) return;
    const { generation, release } = confirm;
    this.#saving++;
    try {
      if (withinMs === null) await record.save((state) => confirmed(state, generation));
      else {
        const at = record.at();
        await record.save((state) => extended(state, generation, at, withinMs));
      }
    } finally {
      this.#saving--;
    }
    this.resume();
    const until = record.state.confirm?.until;
    const what = until === undefined ? 'is confirmed' : `has to be confirmed by ${until}, said`;
    record.changed(`${release} ${what} by ${call.by}`);
  }

  close(): void {
    this.#closed = true;
    this.#stop();
  }

  #stop(): void {
    this.#cancel?.();
    this.#cancel = null;
  }

  #later(ms: number): void {
    this.#stop();
    this.#cancel = this.#context.dependencies.clock.after(ms, () => {
      this.#cancel = null;
      const { confirm } = this.#record.state;
      if (this.#closed || !confirm) return;
      // Somebody has just spoken, or the traffic moves anyway: what comes of it is looked at then.
      if (this.#saving > 0 || inProgress(this.#record.state.deployment)) this.#later(lookMs);
      else void this.#due(confirm);
    });
  }

  async #due({ generation, release, since, until }: Confirm): Promise<void> {
    const { name, state } = this.#record;
    const seconds = Math.round((Date.parse(until) - Date.parse(since)) / 1000);
    const why = `Nobody confirmed ${release} within ${seconds} s.`;
    let waitMs = lookMs;
    let refusal: string | null;
    try {
      refusal = await this.#listener.goBack({ kind: 'unconfirmed', release }, why);
    } catch (thrown) {
      if (!(thrown instanceof Fault)) throw thrown;
      refusal = thrown.message;
      waitMs = this.#retryMs;
      this.#retryMs = Math.min(2 * this.#retryMs, retryMsMax);
    }
    const { log } = this.#context.dependencies;
    if (this.#closed) return;
    if (refusal === null) {
      log.warn({ service: name }, `${name}: ${release} was taken back: ${why}`);
      return;
    }
    if (this.#record.state.confirm?.generation !== generation) return;
    this.#later(waitMs);
    const held = state.confirm?.phase === 'held';
    if (held && alike(state.confirm?.reason ?? null, refusal)) return;
    if (!held) {
      log.error({ service: name }, `${name}: ${why} It is not taken back: ${refusal}`);
    }
    void this.#record.note((now) => confirmHeld(now, generation, refusal));
    this.#record.changed(`${why} It is not taken back: ${refusal}`);
  }
}
