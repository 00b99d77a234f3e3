/**
 * A service as the next table shows it.
 *
 * The rule this file keeps: it only looks, in the turn in which the table is built.
 */
import type { ServiceEntry } from '../../wire.ts';
import type { PoolState } from '../model/state.ts';
import { promoted } from './candidate.ts';
import type { Pools } from './pools.ts';
import { previewOf } from './proved.ts';
import type { ServiceRecord } from './record.ts';

export function entryOf(record: ServiceRecord, pools: Pools): ServiceEntry {
  const { name, config, state } = record;
  const override = record.tableOverride;
  const { generation, live } = override ?? state;
  const promotes = override?.promotes ?? false;
  const places = promotes ? promoted(state) : state.pools;
  const shown = (pool: PoolState | null) =>
    pool === null ? null : pools.entry(pool.id, config.targetTls);
  const preview = previewOf(record, pools);
  return {
    name,
    hosts: config.hosts,
    paths: config.paths,
    generation,
    live,
    pools: { blue: shown(places.blue), green: shown(places.green) },
    candidate: promotes ? null : shown(state.candidate ?? null),
    policy: config.policy,
    tls: config.tls,
    edge: config.edge,
    ...(preview && { preview }),
    via: record.via,
    paused: state.paused,
    pausePage: state.pausePage ?? false,
  };
}
