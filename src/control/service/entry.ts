/**
 * A service as the next table shows it.
 *
 * The rule this file keeps: it only looks, in the turn in which the table is built.
 */
import type { Color, ServiceEntry } from '../../wire.ts';
import type { Pools } from './pools.ts';
import type { ServiceRecord } from './record.ts';

export function entryOf(record: ServiceRecord, pools: Pools): ServiceEntry {
  const { name, config, state } = record;
  const { generation, live } = record.tableOverride ?? state;
  const pool = (color: Color) => {
    const filled = state.pools[color];
    return filled === null ? null : pools.entry(filled.id, config.targetTls);
  };
  return {
    name,
    hosts: config.hosts,
    paths: config.paths,
    generation,
    live,
    pools: { blue: pool('blue'), green: pool('green') },
    policy: config.policy,
    tls: config.tls,
    edge: config.edge,
    via: record.via,
    paused: state.paused,
    pausePage: state.pausePage ?? false,
  };
}
