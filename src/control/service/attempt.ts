/**
 * An attempt is the running half of a deployment's record: what can be cancelled, and what was
 * heard.
 *
 * The rule this file keeps: it is over once, and whoever comes back to it after a wait asks first.
 * What an attempt that is over still hears (a slow start, a late probe) changes nothing.
 */
import type { Clock } from '../../clock.ts';
import type { FlipMode } from '../../config/config.ts';
import { Fault, reasonOf } from '../../errors.ts';
import type { TargetView } from '../health/prober.ts';
import type { Deployment, Release } from '../model/state.ts';

/** Of what the replicas print, so many of the last lines are kept for the case that it fails. */
const linesMax = 20;
const lineCharactersMax = 500;

export class Attempt {
  readonly id: string;
  readonly release: Release;
  readonly mode: FlipMode;
  /** The filling it made; null until it has the slot. */
  poolId: string | null = null;
  /** Resolves when it is on record, or the disk has refused it. */
  reserved: Promise<unknown> = Promise.resolve();
  /** From the decision to flip until the flip is done or undone. */
  flipping = false;
  readonly lines: string[] = [];
  readonly #controller = new AbortController();
  readonly #ended: Promise<void>;
  #end: () => void = () => {};
  #cancelDeadline: (() => void) | null = null;
  /** Wall time, for people alone. */
  #untilMs: number | null = null;

  constructor(id: string, release: Release, mode: FlipMode) {
    this.id = id;
    this.release = release;
    this.mode = mode;
    this.#ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  get over(): boolean {
    return this.#controller.signal.aborted;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Resolves when it is over. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  /** Starting and probing may take so long; begins anew with each call. */
  deadline(clock: Clock, limitMs: number, expired: () => void): void {
    this.rest();
    this.#cancelDeadline = clock.after(limitMs, expired);
    this.#untilMs = clock.date().getTime() + limitMs;
  }

  /** When it fails unless it is healthy before, ISO 8601; null: nothing presses it. */
  get until(): string | null {
    return this.#untilMs === null ? null : new Date(this.#untilMs).toISOString();
  }

  /** It waits for a person now, or for nothing: no deadline. */
  rest(): void {
    this.#cancelDeadline?.();
    this.#cancelDeadline = null;
    this.#untilMs = null;
  }

  finish(): void {
    this.rest();
    this.#controller.abort();
    this.#end();
  }

  heard(target: string, line: string): void {
    this.lines.push(`${target}: ${line.slice(0, lineCharactersMax)}`);
    if (this.lines.length > linesMax) this.lines.shift();
  }
}

/** Why a release did not become healthy: which target, what its probe got, what it printed. */
export function gateTimeout(
  attempt: Attempt,
  service: string,
  limitMs: number,
  targets: readonly TargetView[],
): Fault {
  const bad = targets.find((one) => !one.healthy);
  const name = attempt.release.name;
  const limit = `${limitMs / 1000} s`;
  let text = `Release ${name} of ${service} was not started within ${limit}.`;
  if (bad !== undefined) text = `${name} did not become healthy within ${limit}: ${wordsOn(bad)}.`;
  else if (targets.length > 0) text = `${name} did not become complete within ${limit}.`;
  return new Fault('GATE_TIMEOUT', `${text}${lastWords(attempt)}`, {
    target: bad?.target.id ?? null,
    address: bad === undefined ? null : `${bad.target.host}:${bad.target.port}`,
    probe: bad?.last ?? null,
    state: bad?.target.state ?? null,
    output: [...attempt.lines],
  });
}

/** A start that went wrong, with the last output, as the record keeps it. */
export function startFault(attempt: Attempt, service: string, thrown: unknown): Fault {
  const code = thrown instanceof Fault ? thrown.code : 'START_FAILED';
  const told =
    thrown instanceof Fault ? thrown.message : `${service} could not start: ${reasonOf(thrown)}`;
  const detail = thrown instanceof Fault ? thrown.detail : {};
  const lines = attempt.lines.some((line) => told.includes(line)) ? '' : lastWords(attempt);
  return new Fault(code, `${told}${lines}`, {
    ...detail,
    output: [...attempt.lines],
    cause: thrown,
  });
}

/** The pool that was to have the traffic was lost in the last moment. */
export function lostFault(deployment: Deployment, gap: string): Fault {
  const { id, direction, to } = deployment;
  const code = direction === 'deploy' ? 'FLIP_NOT_READY' : 'ROLLBACK_NOT_READY';
  const text = `${to.release} was lost just before the flip, which was undone: ${gap}.`;
  return new Fault(code, text, { deployment: id });
}

/**
 * What was thrown as a deployment records it: what nobody foresaw is our fault, and said as it is.
 */
export function toFault(thrown: unknown): Fault {
  if (thrown instanceof Fault) return thrown;
  return new Fault('START_FAILED', reasonOf(thrown), { cause: thrown });
}

/** One target and its last probe, as part of a sentence. */
export function wordsOn(view: TargetView): string {
  const { target, last } = view;
  const detail = target.detail === '' ? '' : ` (${target.detail})`;
  if (target.state === 'down') return `target ${target.id} is not running${detail}`;
  if (target.state !== 'running') return `target ${target.id} is ${target.state}${detail}`;
  if (last === null) return `target ${target.id} has not answered a probe yet`;
  if (last.error === null)
    return `target ${target.id} passed ${view.passes} probes in a row so far`;
  const body = last.body === null || last.body === '' ? '' : `, saying "${last.body}"`;
  return `target ${target.id}: ${last.error}${body}`;
}

function lastWords(attempt: Attempt): string {
  if (attempt.lines.length === 0) return '';
  return ` Last output: ${attempt.lines.slice(-5).join(' | ')}`;
}
