/**
 * The pool that a deployment proves, and where it stands: in the place of the standby where that is
 * empty, or beside the warm pool as the candidate, so that the way back is open until the flip.
 *
 * The rule this file keeps: it is pure. Colors stay two: a candidate has the color of the standby,
 * and takes its place in the same change that puts the flip on record.
 */
import type { Warm } from '../../config/config.ts';
import { type Color, colors, otherColor } from '../../wire.ts';
import type { PoolState, Release, ServiceState } from '../model/state.ts';

/**
 * Whether a pool was live once, so that it can be rolled back to: else a deployment fills it.
 */
export function wasLive(pool: PoolState): boolean {
  return pool.liveSince !== null || pool.warmSince !== null;
}

/** The pool that is being proved; null: none is. */
export function provedPool(state: ServiceState): PoolState | null {
  if (state.candidate) return state.candidate;
  const standby = state.pools[otherColor(state.live)];
  return standby === null || wasLive(standby) ? null : standby;
}

/** The pools as they are once the candidate has the traffic: the warm one has no place in them. */
export function promoted({
  pools,
  live,
  candidate = null,
}: ServiceState): Readonly<Record<Color, PoolState | null>> {
  return candidate === null ? pools : { ...pools, [otherColor(live)]: candidate };
}

/** The warm pool whose place the candidate takes at the flip; null: it takes nobody's. */
export function displaced({ pools, live, candidate }: ServiceState): PoolState | null {
  return candidate ? pools[otherColor(live)] : null;
}

/** All that is on record. */
export function recordedPools({ pools, candidate = null }: ServiceState): readonly PoolState[] {
  return [...colors.map((color) => pools[color]), candidate].filter((pool) => pool !== null);
}

/** The driver has resolved the release of a pool further (the digest of its tag). */
export function pin(state: ServiceState, poolId: string, release: Release): ServiceState {
  const pinned = <T extends PoolState | null>(pool: T): T =>
    pool?.id === poolId ? { ...pool, release } : pool;
  const { pools, candidate = null } = state;
  return {
    ...state,
    pools: { blue: pinned(pools.blue), green: pinned(pools.green) },
    ...(candidate !== null && { candidate: pinned(candidate) }),
  };
}

/** Whether a pool was filled for this service, and is on its record no more. */
export function isFillingOf(state: ServiceState, poolId: string): boolean {
  const fill = Number(/\.(\d+)$/.exec(poolId)?.[1] ?? Number.NaN);
  return fill <= state.fills && recordedPools(state).every(({ id }) => id !== poolId);
}

/**
 * Whether what is warm stays so while `next` is proved. Where both are at the same address, whoever
 * keeps the targets has put the one in the place of the other: there is nothing left to keep.
 */
export function keepsWarm({ until }: Warm, warm: PoolState | null, next: Release): boolean {
  if (warm === null || until === 'deploy') return false;
  const before = warm.release.run;
  if (before.kind !== 'static' || next.run.kind !== 'static') return true;
  const taken = new Set(next.run.targets.map(({ host, port }) => `${host}:${port}`));
  return before.targets.every(({ host, port }) => !taken.has(`${host}:${port}`));
}
