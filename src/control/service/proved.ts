/**
 * What is being proved of a service: the pool of the deployment that runs, and has not flipped.
 *
 * The rule this file keeps: it is the one answer to that question, and it is never a pool that was
 * live.
 */
import type { PreviewEntry } from '../../wireEdge.ts';
import { inProgress, type PoolState, type ServiceState } from '../model/state.ts';
import { provedPool } from './candidate.ts';
import type { Pools } from './pools.ts';
import type { ServiceRecord } from './record.ts';

export interface Proved {
  readonly pool: PoolState;
  /** The id of its deployment. */
  readonly deployment: string;
}

/** @returns null: nothing is, or its pool is not filled yet. */
export function provedOf(state: ServiceState): Proved | null {
  const { deployment } = state;
  if (!inProgress(deployment) || deployment.direction !== 'deploy') return null;
  const pool = provedPool(state);
  return pool === null ? null : { pool, deployment: deployment.id };
}

/** What the table shows of it; undefined: the config lets nobody see it. */
export function previewOf(
  { config, state }: Pick<ServiceRecord, 'config' | 'state'>,
  pools: Pick<Pools, 'get'>,
): PreviewEntry | undefined {
  const { preview } = config;
  if (preview === null) return undefined;
  const proved = provedOf(state);
  const shown = proved !== null && pools.get(proved.pool.id)?.shown === true;
  const { host, header, auth } = preview;
  const what = shown ? proved : null;
  return {
    host,
    header,
    auth,
    pool: what?.pool.id ?? null,
    deployment: what?.deployment ?? null,
  };
}
