/**
 * What becomes of the watch over a release, and of the latch behind one that was taken back, in the
 * record of its service.
 *
 * The rule this file keeps: it is pure. A watch is over once, and whatever else is done with the
 * service ends it; a latch is set in the same change that puts the flip on record.
 */
import type { Deployment, Receipt, ServiceState, Watch } from '../model/state.ts';
import { watched } from '../model/state.ts';

/** What a flip makes of the watch over the release it left, and of the latch. */
export function watchAfter(
  { watch: before }: ServiceState,
  deployment: Deployment | null,
  { generation, committedAt }: Receipt,
  next: Watch | null,
): Pick<ServiceState, 'watch' | 'latch'> {
  if (next !== null) return { watch: next };
  // A restart may put on record what is there already.
  if (before?.generation === generation) return {};
  const cause = deployment?.cause;
  if (deployment === null || cause === undefined) {
    return superseded(before, `Generation ${generation} took its place.`);
  }
  if (cause.kind === 'unconfirmed') {
    return superseded(before, `${cause.release} was not confirmed in time.`);
  }
  const { id, why: reason } = deployment;
  const latch = { release: cause.release, deployment: id, at: committedAt, reason };
  if (!watched(before)) return { latch };
  return { latch, watch: { ...before, phase: 'returned', reason, figures: cause.figures } };
}

/** @returns nothing where no watch is under way. */
export function superseded(
  watch: Watch | null | undefined,
  reason: string,
): Pick<ServiceState, 'watch'> {
  return watched(watch) ? { watch: { ...watch, phase: 'superseded', reason } } : {};
}

/** What came of a look at the release that is live; a watch over another one stays as it is. */
export function watchBecomes(state: ServiceState, now: Watch): ServiceState {
  const { watch } = state;
  return watched(watch) && watch.deployment === now.deployment ? { ...state, watch: now } : state;
}

/** Somebody has seen that a release was taken back. */
export function acknowledged(state: ServiceState): ServiceState {
  return { ...state, latch: null };
}

/** Whether two sentences say the same, whatever the numbers in them. */
export function alike(one: string | null, other: string | null): boolean {
  return one?.replace(/[\d.]+/g, '#') === other?.replace(/[\d.]+/g, '#');
}
