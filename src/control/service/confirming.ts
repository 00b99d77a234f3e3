/**
 * What becomes of the wish that a release be confirmed, in the record of its service.
 *
 * The rule this file keeps: it is pure. The deadline is set in the same change that puts the flip
 * on record, and whatever else flips the service ends it: so it is gone back from once, whoever
 * dies.
 */
import type { Confirm, Deployment, Receipt, ServiceState } from '../model/state.ts';

/** What a flip makes of the release that waited to be confirmed, and of the one that became live. */
export function confirmAfter(
  { confirm: before }: ServiceState,
  deployment: Deployment | null,
  { generation, committedAt, direction, from, to }: Receipt,
): Pick<ServiceState, 'confirm'> {
  // A restart may put on record what is there already: one that was confirmed stays so.
  if (before?.generation === generation) return {};
  const withinMs = deployment?.confirmWithinMs;
  const wanted = withinMs !== undefined && direction === 'deploy' && from !== null;
  if (deployment === null || !wanted) return before ? { confirm: null } : {};
  return {
    confirm: {
      deployment: deployment.id,
      generation,
      release: to.release,
      since: committedAt,
      until: later(committedAt, withinMs),
      phase: 'waiting',
      reason: null,
    },
  };
}

/** Its time is over, and it cannot be gone back from. */
export function confirmHeld(state: ServiceState, generation: number, reason: string): ServiceState {
  const { confirm } = state;
  if (confirm?.generation !== generation) return state;
  return { ...state, confirm: { ...confirm, phase: 'held', reason } };
}

/** Somebody has said that the release stays. */
export function confirmed(state: ServiceState, generation: number): ServiceState {
  return state.confirm?.generation === generation ? { ...state, confirm: null } : state;
}

/** It has so long from `at` on, whatever it had before. */
export function extended(
  state: ServiceState,
  generation: number,
  at: string,
  withinMs: number,
): ServiceState {
  const { confirm } = state;
  if (confirm?.generation !== generation) return state;
  const anew = { since: at, until: later(at, withinMs), phase: 'waiting', reason: null } as const;
  return { ...state, confirm: { ...confirm, ...anew } satisfies Confirm };
}

function later(at: string, ms: number): string {
  return new Date(Date.parse(at) + ms).toISOString();
}
