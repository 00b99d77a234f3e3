/**
 * A gate is one thing that has to pass before a flip, or is done after one: a request, a command, a
 * call.
 *
 * The rule this file keeps: a gate looks and tells, and decides nothing. It always comes to an end,
 * by its own limit or by the signal, and when it has, nothing of it runs any more.
 * `test/contracts/gate.ts` is its specification.
 */
import { formatTarget } from '../../config/address.ts';
import type { Hook, HookMoment } from '../../config/hook.ts';
import type { Color } from '../../wire.ts';
import type { RunningTarget } from '../drivers/driver.ts';
import type { ProbedTarget } from '../health/targetConnection.ts';

export interface Gate {
  /** As it is shown: `GET /login`, `./smoke.sh`, the host that is called. */
  readonly name: string;
  /**
   * Does it once; never rejects.
   *
   * @param signal gives it up: it resolves soon after, and has not passed.
   * @param said takes what it prints, line by line.
   */
  check(subject: Subject, signal: AbortSignal, said: (line: string) => void): Promise<Verdict>;
}

export interface Verdict {
  readonly passed: boolean;
  /** What it came to, in one sentence without its full stop. */
  readonly result: string;
}

/** What a gate is about. */
export interface Subject {
  readonly moment: HookMoment;
  readonly service: string;
  readonly deployment: string;
  readonly release: string;
  readonly color: Color;
  /** The one that its flip leads to, or led to. */
  readonly generation: number;
  /** What was live before; null: nothing. */
  readonly before: string | null;
  /** Where it is looked at before its flip; null: nowhere, or by a header. */
  readonly preview: string | null;
  readonly targets: readonly (ProbedTarget & Pick<RunningTarget, 'id'>)[];
  /** Why it failed, where it did. */
  readonly error: { readonly code: string; readonly message: string } | null;
}

/** Makes gates of what the config says, and looks after what they start. */
export interface Gates {
  of(hooks: readonly Hook[]): readonly Gate[];
  /** Ends what an earlier life left running of a deployment; never rejects. */
  sweep(deployment: string): Promise<void>;
  /** Resolves when nothing runs any more that a gate started; their signals have been aborted. */
  close(): Promise<void>;
}

/** What of a subject is told to those outside, by name. */
export function told(subject: Subject): Readonly<Record<string, string | number | null>> {
  const { moment, service, deployment, release, color, generation, before } = subject;
  const { preview, error } = subject;
  return {
    hook: moment,
    service,
    deployment,
    release,
    color,
    generation,
    before,
    preview,
    targets: subject.targets.map(formatTarget).join(','),
    error: error === null ? null : `${error.code}: ${error.message}`,
  };
}
