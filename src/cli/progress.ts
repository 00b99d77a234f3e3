/**
 * A deployment as it happens: a block on a terminal, lines anywhere else.
 *
 * The rule this file keeps: both say the same, in the same words; it prints to stderr and decides
 * nothing.
 */
import type { PointsmanEvent } from '../control/model/api.ts';
import type { ProbeResult } from '../control/model/pools.ts';
import { type Deployment, type Phase, steps } from '../control/model/state.ts';
import type { Context } from './context.ts';
import { Live } from './live.ts';
import { deploymentText, probeLine, probeText } from './receipt.ts';
import { clip, duration } from './text.ts';

export interface Progress {
  /** The deployment as it is now. */
  at(deployment: Deployment): void;
  event(event: PointsmanEvent): void;
  away(why: string): void;
  end(): void;
}

export function progressOf(context: Context): Progress {
  const { stderr, env } = context.io;
  const live = stderr.isTTY && env.TERM !== 'dumb' && !context.json;
  return live ? new LiveProgress(context) : new PlainProgress(context);
}

/** Of probes that fail in the same way, one line for so many. */
const tellAgainAfter = 20;

/** One line for everything that is news. */
class PlainProgress implements Progress {
  readonly #context: Context;
  #phase: Phase | null = null;
  #away = false;
  #id = '';
  /** How the last probe of a target ended, and how many in a row did so. */
  readonly #probes = new Map<string, { readonly outcome: string; readonly times: number }>();

  constructor(context: Context) {
    this.#context = context;
  }

  at(deployment: Deployment): void {
    this.#away = false;
    const { id, phase } = deployment;
    if (phase === this.#phase) return;
    const what = this.#phase === null ? `: ${deploymentText(deployment)}` : '';
    this.#id = id;
    this.#phase = phase;
    this.#context.note(`${id} ${phase}${what}`);
  }

  event(event: PointsmanEvent): void {
    const line = event.type === 'probe' ? this.#probeLine(event) : lineOf(event);
    if (line !== null) this.#context.note(`${this.#id} ${line}`);
  }

  /** A probe that ends as the one before is no news; that it goes on so is, now and then. */
  #probeLine(event: Extract<PointsmanEvent, { type: 'probe' }>): string | null {
    const { target, result, passes, rise } = event;
    const outcome = result.passed ? String(Math.min(passes, rise)) : probeText(result);
    const before = this.#probes.get(target);
    const times = before?.outcome === outcome ? before.times + 1 : 1;
    this.#probes.set(target, { outcome, times });
    if (times === 1) return lineOf(event);
    if (result.passed || times % tellAgainAfter !== 0) return null;
    return `${lineOf(event)} (${times} times)`;
  }

  away(why: string): void {
    if (!this.#away) this.#context.note(`${this.#id} out of sight, trying again: ${why}`);
    this.#away = true;
  }

  end(): void {}
}

interface Row {
  readonly passes: number;
  readonly rise: number;
  readonly result: ProbeResult;
}

/** How often the elapsed time is drawn again. */
const tickMs = 500;

class LiveProgress implements Progress {
  readonly #context: Context;
  readonly #live: Live;
  readonly #beganMs: number;
  readonly #targets = new Map<string, Row>();
  #deployment: Deployment | null = null;
  #last = '';
  #why: string | null = null;
  #stopTick: () => void = () => {};

  constructor(context: Context) {
    this.#context = context;
    this.#live = new Live(context.io.stderr);
    this.#beganMs = context.io.clock.now();
    this.#tick();
  }

  at(deployment: Deployment): void {
    this.#why = null;
    this.#deployment = deployment;
    this.#draw();
  }

  event(event: PointsmanEvent): void {
    if (event.type === 'probe') this.#targets.set(event.target, event);
    else this.#last = lineOf(event) ?? this.#last;
    this.#draw();
  }

  away(why: string): void {
    this.#why = why;
    this.#draw();
  }

  end(): void {
    this.#stopTick();
    this.#draw();
    this.#live.end(false);
  }

  #tick(): void {
    this.#stopTick = this.#context.io.clock.after(tickMs, () => {
      this.#draw();
      this.#tick();
    });
  }

  #draw(): void {
    const deployment = this.#deployment;
    if (!deployment) return;
    const { good, bad, doubtful, strong } = this.#context.paintNotes;
    const lines: string[] = [];
    const plain: string[] = [];
    const add = (text: string, paint: (text: string) => string = String): void => {
      plain.push(text);
      lines.push(paint(text));
    };
    const elapsed = duration(Math.round(this.#context.io.clock.now() - this.#beganMs));
    const { columns } = this.#context.io.stderr;
    const title = `${deployment.service}: ${deploymentText(deployment)}`;
    add(`${clip(title, columns - elapsed.length - 4)}  ${elapsed}`, strong);
    add(`  ${stepsText(deployment.phase)}`);
    const width = Math.max(0, ...[...this.#targets.keys()].map((target) => target.length));
    for (const [target, { result, passes, rise }] of this.#targets) {
      const mark = result.passed ? `ok ${Math.min(passes, rise)}/${rise}` : 'FAILED';
      const text = `  ${target.padEnd(width)}  ${mark.padEnd(7)} ${probeText(result)}`;
      add(text, result.passed ? good : bad);
    }
    if (this.#last) add(`  ${this.#last}`);
    if (this.#why !== null) add(`  out of sight, trying again: ${this.#why}`, doubtful);
    this.#live.draw(lines, plain);
  }
}

/** `starting > [probing] > ready …`, or where it ended before the flip. */
function stepsText(phase: Phase): string {
  const at = steps.indexOf(phase);
  if (at < 0) return `${phase}; the live pool was not touched`;
  return steps.map((step, i) => (i === at ? `[${step}]` : step)).join(' > ');
}

function lineOf(event: PointsmanEvent): string | null {
  if (event.type === 'progress') return event.line;
  if (event.type === 'target') {
    return `${event.target} ${event.healthy ? 'is healthy' : 'is down'}: ${event.why}`;
  }
  if (event.type !== 'probe') return null;
  return `${event.target} ${probeLine(event)}`;
}
