/**
 * What had to pass before a flip, and what was done after it, as lines of text.
 *
 * The rule this file keeps: while a deployment runs all of it is shown; of one that is over, what
 * did not pass.
 */
import type { HookMoment } from '../config/hook.ts';
import { type Check, type Deployment, inProgress } from '../control/model/state.ts';
import { duration } from './text.ts';

const moments: Readonly<Record<HookMoment, string>> = {
  beforeFlip: 'before flip',
  afterFlip: 'after flip',
  afterRollback: 'after return',
  onFailure: 'on failure',
};

/** @returns each as when it is made, and what came of it. */
export function checkLines(deployment: Deployment): readonly (readonly [string, string])[] {
  const { checks = [], endedAt } = deployment;
  const all = inProgress(deployment) || endedAt === null;
  return checks
    .filter(({ phase }) => all || (phase !== 'passed' && phase !== 'waiting'))
    .map((check) => [moments[check.moment], checkText(check)]);
}

function checkText({ name, phase, runs, ms, result }: Check): string {
  const took = ms === null ? '' : ` in ${duration(ms)}`;
  const again = runs > 1 ? `, made ${runs} times` : '';
  return `${name} ${phase}${took}${again}${result === null ? '' : `: ${result}`}`;
}
