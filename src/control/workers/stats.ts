/**
 * What the workers said of one service or of one pool.
 *
 * The rule this file keeps: an answer is searched once, however many ask about it: with a thousand
 * services each of a thousand questions would read all of it.
 */
import type { PoolStats, ServiceStats, WorkerStats } from '../../wire.ts';

interface Index {
  readonly services: ReadonlyMap<string, ServiceStats>;
  readonly pools: ReadonlyMap<string, PoolStats>;
}

/** Answers are never changed, so an index is right as long as its answer lives. */
const indexes = new WeakMap<WorkerStats, Index>();

/** @returns one for each worker that has the service. */
export function statsOf(stats: readonly WorkerStats[], service: string): readonly ServiceStats[] {
  return stats.flatMap((one) => indexOf(one).services.get(service) ?? []);
}

/** @returns one for each worker that has the pool. */
export function statsOfPool(stats: readonly WorkerStats[], poolId: string): readonly PoolStats[] {
  return stats.flatMap((one) => indexOf(one).pools.get(poolId) ?? []);
}

function indexOf(worker: WorkerStats): Index {
  const known = indexes.get(worker);
  if (known !== undefined) return known;
  const pools = worker.services.flatMap((service) => service.pools);
  // A service that was put back stands twice: as it is in the table, and after that as it leaves.
  const services = [...worker.services].reverse();
  const index = {
    services: new Map(services.map((service) => [service.name, service])),
    pools: new Map(pools.map((pool) => [pool.id, pool])),
  };
  indexes.set(worker, index);
  return index;
}
