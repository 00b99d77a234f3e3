/**
 * What becomes of the checks of a deployment, in the record of its service.
 *
 * The rule this file keeps: it is pure. A check that was begun is on record as running, and nothing
 * but its own end makes it one that has passed: whatever else happens leaves it void or stopped.
 */
import type { HookMoment } from '../../config/hook.ts';
import type { Check, Deployment, ServiceState } from '../model/state.ts';

/**
 * The checks of a moment are about to be made, all of them.
 *
 * @param names in their order; how often one of the same name and place was begun is kept.
 */
export function planned(
  state: ServiceState,
  id: string,
  moment: HookMoment,
  names: readonly string[],
): ServiceState {
  return changed(state, id, (checks) => {
    const before = checks.filter((check) => check.moment === moment);
    const anew = names.map((name, at): Check => {
      const same = before[at];
      const runs = same?.name === name ? same.runs : 0;
      return { moment, name, phase: 'waiting', runs, ...nothing };
    });
    return [...checks.filter((check) => check.moment !== moment), ...anew];
  });
}

/** @param at which of its moment, from 0. @param startedAt ISO 8601. */
export function begun(
  state: ServiceState,
  id: string,
  moment: HookMoment,
  at: number,
  startedAt: string,
): ServiceState {
  // It may have ended while the disk was busy.
  if (moment === 'beforeFlip' && state.deployment?.endedAt !== null) return state;
  return changedAt(state, id, moment, at, (check) => {
    return { ...check, ...nothing, phase: 'running', runs: check.runs + 1, startedAt };
  });
}

/** What a check came to; one that was given up meanwhile stays as it is. */
export function over(
  state: ServiceState,
  id: string,
  moment: HookMoment,
  at: number,
  came: Pick<Check, 'ms' | 'result' | 'output'> & { readonly passed: boolean },
): ServiceState {
  const { passed, ...rest } = came;
  return changedAt(state, id, moment, at, (check) =>
    check.phase === 'running' ? { ...check, ...rest, phase: passed ? 'passed' : 'failed' } : check,
  );
}

/** A target was lost: what has passed before the flip, or is under way, says nothing any more. */
export function voided(state: ServiceState, id: string, why: string): ServiceState {
  return changed(state, id, (checks) =>
    checks.map((check): Check => {
      const says = check.phase === 'running' || check.phase === 'passed';
      return says && check.moment === 'beforeFlip'
        ? { ...check, phase: 'void', result: why }
        : check;
    }),
  );
}

/** Nobody waits for what is under way any more. */
export function stopped(deployment: Deployment, why: string): Deployment {
  const { checks } = deployment;
  if (!checks?.some(underWay)) return deployment;
  return {
    ...deployment,
    checks: checks.map((check) =>
      underWay(check) ? { ...check, phase: 'stopped', result: why } : check,
    ),
  };
}

export function underWay({ phase }: Check): boolean {
  return phase === 'running';
}

/** The same, of the deployment on record. */
export function stoppedIn(state: ServiceState, id: string, why: string): ServiceState {
  const { deployment } = state;
  return deployment?.id === id ? { ...state, deployment: stopped(deployment, why) } : state;
}

const nothing = { startedAt: null, ms: null, result: null, output: [] };

function changed(
  state: ServiceState,
  id: string,
  change: (checks: readonly Check[]) => readonly Check[],
): ServiceState {
  const { deployment } = state;
  if (deployment?.id !== id) return state;
  return { ...state, deployment: { ...deployment, checks: change(deployment.checks ?? []) } };
}

function changedAt(
  state: ServiceState,
  id: string,
  moment: HookMoment,
  at: number,
  change: (check: Check) => Check,
): ServiceState {
  return changed(state, id, (checks) => {
    const first = checks.findIndex((check) => check.moment === moment);
    return checks.map((check, index) => (index === first + at ? change(check) : check));
  });
}
