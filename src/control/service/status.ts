/**
 * What an operator sees of a service: the record, the pools, the probes and the workers as one
 * value.
 *
 * The rule this file keeps: it only looks. A rollback that is shown as not ready would be refused
 * for the same reason, because both ask `rollbackReason`.
 */
import { formatTarget } from '../../config/address.ts';
import type { ServiceConfig } from '../../config/config.ts';
import { type Color, colors, type Inside, otherColor, type WorkerStats } from '../../wire.ts';
import type { Cost } from '../drivers/driver.ts';
import type { Prober, TargetView } from '../health/prober.ts';
import type { ServiceStatus } from '../model/api.ts';
import type { PoolRole, PoolStatus, TargetStatus } from '../model/pools.ts';
import {
  type Figures,
  inProgress,
  type PoolState,
  type ServiceState,
  watched,
} from '../model/state.ts';
import { statsOf, statsOfPool } from '../workers/stats.ts';
import { wordsOn } from './attempt.ts';
import { recordedPools, wasLive } from './candidate.ts';
import type { ControlContext } from './context.ts';
import { livePool, standbyPool } from './deployment.ts';
import { insideOf } from './drain.ts';
import type { Pools, Rest, ServicePool } from './pools.ts';
import { previewOf } from './proved.ts';
import type { ServiceRecord } from './record.ts';
import { sourceOf } from './release.ts';

/** How a service stands, as its deployer knows it. */
export interface Standing {
  readonly config: ServiceConfig;
  readonly state: ServiceState;
  readonly pools: Pools;
  readonly prober: Prober;
  /** When the deployment that runs fails unless it is healthy before; null: nothing presses it. */
  readonly until: string | null;
  /** The pool that drains now; null: none. */
  readonly draining: string | null;
  readonly problem: string | null;
  /** Of the release that is live, while it is watched; null: it is not. */
  readonly figures: Figures | null;
  /** What a target of a pool costs, as far as that is known. */
  cost(poolId: string, target: string): Cost;
}

export function standingOf(
  { config, state, problem }: ServiceRecord,
  pools: Pools,
  { platforms, prober, ledger, publisher }: ControlContext,
  now: Pick<Standing, 'draining' | 'until' | 'figures'>,
): Standing {
  const live = pools.get(livePool(state)?.id ?? '');
  const away = platforms.away(config.run.kind);
  return {
    config,
    state,
    pools,
    prober,
    ...now,
    cost: (poolId, target) => {
      const kind = pools.get(poolId)?.release.run.kind;
      return kind === undefined ? {} : platforms.cost(kind, poolId, target);
    },
    problem: live?.problem ?? problem ?? away ?? ledger.problem ?? publisher.problem,
  };
}

/** Whether the deployment that runs would give way: it has not flipped, and something is warm. */
function open(state: ServiceState): boolean {
  const standby = standbyPool(state);
  return state.deployment?.phase !== 'flipping' && standby !== null && wasLive(standby);
}

/** Why the standby cannot take the traffic now, in one sentence; null: it can. */
export function rollbackReason(standing: Standing): string | null {
  const { state, pools } = standing;
  if (inProgress(state.deployment) && !open(state)) {
    const { id, phase } = state.deployment;
    return `Deployment ${id} is ${phase}; the way back opens when it has ended.`;
  }
  const pool = standbyPool(state);
  if (pool === null || !wasLive(pool)) {
    return `There is no warm pool to go back to${whyNone(standing)}.`;
  }
  const kept = pools.get(pool.id);
  const named = `The warm pool (${pool.release.name} on ${otherColor(state.live)})`;
  if (kept === undefined || kept.leaving || kept.emptying !== null)
    return `${named} is being retired.`;
  if (kept.rest !== null) return `${named} ${restWords(kept, kept.rest)}`;
  const gap = pools.gap(pool.id, wordsOn);
  return gap === null ? null : `${named} is not wholly healthy: ${gap}.`;
}

/**
 * Why a rollback to `to` is refused now, in one sentence; null: it is not.
 *
 * @param to a release; null: whatever is warm.
 */
export function rollbackRefusal(standing: Standing, to: string | null): string | null {
  const { state } = standing;
  const pool = standbyPool(state);
  if (to !== null && livePool(state)?.release.name === to && pool?.release.name !== to) {
    return `${to} is live already, on ${state.live} at generation ${state.generation}.`;
  }
  if (to !== null && pool !== null && wasLive(pool) && pool.release.name !== to) {
    return `The warm pool holds ${pool.release.name}, not ${to}; deploy ${to} to go there.`;
  }
  return rollbackReason(standing);
}

/** What became of the warm pool, as the end of a sentence. */
function whyNone({ config, state: { generation, deployment } }: Standing): string {
  if (deployment === null || generation <= 1) return '';
  // Where a deployment keeps it, none has cost it.
  const kept = config.warm.until === 'flip' && config.run.kind !== 'static';
  if (kept || deployment.phase === 'live') return ': it was retired';
  return `: the standby was for ${deployment.id}, which ${deployment.phase === 'failed' ? 'failed' : 'was aborted'}`;
}

/** Why a pool that rests cannot take the traffic yet, as the end of a sentence. */
function restWords({ size, waking }: ServicePool, { full, frozen }: Rest): string {
  const small = size !== null && size < full;
  if (waking) {
    const growing = small ? `growing back to ${full} replicas` : '';
    const parts = [frozen ? 'thawing' : '', growing].filter(Boolean);
    return `is ${parts.join(' and ')}.`;
  }
  const kept = small ? ` at ${size} of ${full} replicas` : '';
  const how = frozen ? 'thaws it' : 'grows it back';
  return `is kept${frozen ? ' frozen' : ''}${kept}; \`pointsman wake\` ${how}, then roll back.`;
}

/** Whether the standby rests, and nobody has woken it. */
function asleep({ state, pools }: Standing): boolean {
  const pool = pools.get(standbyPool(state)?.id ?? '');
  return pool !== undefined && pool.rest !== null && !pool.waking;
}

export function statusOf(standing: Standing, stats: readonly WorkerStats[]): ServiceStatus {
  const { config, state } = standing;
  const reason = rollbackReason(standing);
  const standby = standbyPool(state);
  const to =
    standby !== null && wasLive(standby)
      ? { color: otherColor(state.live), release: standby.release.name }
      : null;
  const mine = statsOf(stats, config.name);
  return {
    name: config.name,
    hosts: config.hosts,
    paths: config.paths,
    run: config.run.kind,
    generation: state.generation,
    live: livePool(state) === null ? null : state.live,
    paused: state.paused,
    pausePage: state.pausePage ?? false,
    pools: {
      blue: poolStatus(standing, 'blue', stats),
      green: poolStatus(standing, 'green', stats),
    },
    candidate: candidateStatus(standing, stats),
    warmUntil: config.warm.until,
    rollback: {
      ready: reason === null,
      to,
      reason,
      asleep: asleep(standing),
      unsafe: livePool(state)?.rollbackUnsafe ?? null,
    },
    deployment: state.deployment,
    releases: pastReleases(standing),
    limits: {
      deployMs: config.deploy.timeoutMs,
      drainMs: config.policy.drainMs,
      until: standing.until,
    },
    watch: watched(state.watch)
      ? { ...state.watch, figures: standing.figures ?? state.watch.figures }
      : (state.watch ?? null),
    latch: state.latch ?? null,
    confirm: state.confirm ?? null,
    freeze: config.freeze,
    preview: previewStatus(standing),
    waiting: mine.reduce((sum, service) => sum + service.waiting, 0),
    problem: standing.problem,
  };
}

function previewStatus({ config, state, pools }: Standing): ServiceStatus['preview'] {
  const shown = previewOf({ config, state }, pools);
  if (config.preview === null || shown === undefined) return null;
  const { url, host, header } = config.preview;
  return { url, host, header, deployment: shown.deployment };
}

/** Enough to go back by; older ones are in the history. */
const releasesShown = 10;

/** What was live before, can be run still, and is in neither pool now. */
function pastReleases({ config, state }: Standing): ServiceStatus['releases'] {
  const here = colors.map((color) => state.pools[color]?.release.name);
  return state.releases
    .filter(({ name, run }) => run.kind === config.run.kind && !here.includes(name))
    .slice(0, releasesShown)
    .map((release) => ({ name: release.name, source: sourceOf(release) }));
}

/**
 * The pools of the service that the driver runs although no record names them: on their way out.
 */
function leavingPool(standing: Standing, color: Color): ServicePool | undefined {
  const known = new Set(recordedPools(standing.state).map(({ id }) => id));
  return standing.pools.all().find((pool) => pool.color === color && !known.has(pool.id));
}

function poolStatus(
  standing: Standing,
  color: Color,
  stats: readonly WorkerStats[],
): PoolStatus | null {
  const pool = standing.state.pools[color];
  const shown = pool ?? leavingPool(standing, color);
  return shown === undefined ? null : filledStatus(standing, color, pool, shown, stats);
}

function candidateStatus(standing: Standing, stats: readonly WorkerStats[]): PoolStatus | null {
  const { candidate = null, live } = standing.state;
  if (candidate === null) return null;
  return filledStatus(standing, otherColor(live), candidate, candidate, stats);
}

/** @param pool null: it is on record no more. */
function filledStatus(
  standing: Standing,
  color: Color,
  pool: PoolState | null,
  { id, release }: Pick<PoolState, 'id' | 'release'>,
  stats: readonly WorkerStats[],
): PoolStatus {
  const targets = standing.prober
    .view(id)
    .map((view) => targetStatus(id, view, stats, standing.cost(id, view.target.id)));
  const role = pool === null ? 'retiring' : roleOf(standing, color, pool);
  const inside: Inside = insideOf(stats, id);
  return {
    id,
    color,
    role,
    release: release.name,
    source: sourceOf(release),
    filledAt: pool?.filledAt ?? '',
    since: role === 'live' ? (pool?.liveSince ?? null) : (pool?.warmSince ?? null),
    healthy: targets.filter((target) => target.healthy).length,
    targets,
    inside,
  };
}

function roleOf(standing: Standing, color: Color, pool: PoolState): PoolRole {
  const { state } = standing;
  if (color === state.live) return 'live';
  if (standing.pools.get(pool.id)?.emptying) return 'retiring';
  if (standing.draining === pool.id) return 'draining';
  if (wasLive(pool)) return 'warm';
  const phase = state.deployment?.phase;
  if (phase === 'probing') return 'probing';
  return phase === 'ready' || phase === 'flipping' ? 'ready' : 'starting';
}

function targetStatus(
  poolId: string,
  view: TargetView,
  stats: readonly WorkerStats[],
  cost: Cost,
): TargetStatus {
  const { target } = view;
  const seen = statsOfPool(stats, poolId).flatMap((pool) =>
    pool.targets.filter((one) => one.id === target.id),
  );
  const sum = (of: (one: (typeof seen)[number]) => number): number =>
    seen.reduce((total, one) => total + of(one), 0);
  return {
    id: target.id,
    address: formatTarget(target),
    addresses: view.named?.status() ?? [],
    unresolved: view.named?.unresolved ?? null,
    healthy: view.healthy,
    state: target.state,
    detail: target.detail,
    probe: view.last,
    passes: view.passes,
    failures: view.failures,
    changedAt: view.changedAt,
    ejectedBy: sum((one) => (one.ejected ? 1 : 0)),
    inside: sum((one) => one.inside),
    requests: sum((one) => one.requests),
    errors: sum((one) => one.errors),
    answered: sum((one) => one.answered ?? 0),
    answeredMs: sum((one) => one.answeredMs ?? 0),
    retries: sum((one) => one.retries ?? 0),
    ...cost,
  };
}
