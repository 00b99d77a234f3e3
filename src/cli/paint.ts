/**
 * Colors, where a terminal shows them.
 *
 * The rule this file keeps: it is the only importer of picocolors, and color never says what the
 * words do not say already.
 */
import picocolors from 'picocolors';
import type { Io, Out } from './io.ts';

export interface Paint {
  good(text: string): string;
  bad(text: string): string;
  doubtful(text: string): string;
  strong(text: string): string;
  faint(text: string): string;
}

/**
 * @param wanted false: `--no-color`. NO_COLOR (https://no-color.org) and TERM=dumb say the same.
 */
export function paintFor(out: Out, env: Io['env'], wanted: boolean): Paint {
  const enabled = wanted && out.isTTY && !env.NO_COLOR && env.TERM !== 'dumb';
  const colors = picocolors.createColors(enabled);
  return {
    good: colors.green,
    bad: colors.red,
    doubtful: colors.yellow,
    strong: colors.bold,
    faint: colors.dim,
  };
}
