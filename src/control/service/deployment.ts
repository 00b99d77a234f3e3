/**
 * The state machine of a service: what may happen next, and what its record says afterwards.
 *
 * The rule this file keeps: it is pure. Every function takes the state as it is and returns the
 * state as it becomes. Nothing here waits, so whoever asks and then acts in the same turn of the
 * event loop can rely on the answer.
 *
 * A message about a deployment that is not the one on record (an aborted one, an older one) returns
 * the state unchanged: a slow old deployment never writes over a newer one.
 */
import { type Drained, otherColor } from '../../wire.ts';
import type {
  Cause,
  Deployment,
  Direction,
  Phase,
  PoolState,
  Receipt,
  Release,
  ServiceState,
  Watch,
} from '../model/state.ts';
import { releasesKept, warmUpName } from '../model/state.ts';
import { promoted, wasLive } from './candidate.ts';
import { stopped } from './checking.ts';
import { confirmAfter } from './confirming.ts';
import { refuseSecond } from './refusals.ts';
import { superseded, watchAfter } from './watching.ts';

/** Which phase may follow which. */
const follows: Readonly<Record<Phase, readonly Phase[]>> = {
  starting: ['probing', 'failed', 'aborted'],
  probing: ['ready', 'failed', 'aborted'],
  ready: ['probing', 'flipping', 'failed', 'aborted'],
  // Back to probing: a target was lost between the decision and the switch.
  flipping: ['draining', 'probing', 'ready', 'failed'],
  draining: ['live'],
  live: [],
  failed: [],
  aborted: [],
};

/** Who asks, why, and when (ISO 8601). */
export interface Origin {
  readonly service: string;
  readonly by: string;
  readonly why: string;
  readonly at: string;
}

/** What is agreed on with a deployment about the time after its flip. */
export type Terms = Pick<Deployment, 'confirmWithinMs' | 'rollbackUnsafe'>;

export function livePool(state: ServiceState): PoolState | null {
  return state.pools[state.live];
}

export function standbyPool(state: ServiceState): PoolState | null {
  return state.pools[otherColor(state.live)];
}

/** The name of the deployment that would begin next. */
export function nextDeployment(state: ServiceState, service: string): string {
  return `${service}-${state.deployments + 1}`;
}

/**
 * A deployment begins. No pool is touched yet: the standby may still be wanted if this one is
 * aborted.
 *
 * @param terms see `Deployment`.
 */
export function begin(
  state: ServiceState,
  origin: Origin,
  release: string,
  { confirmWithinMs, rollbackUnsafe }: Terms = {},
): ServiceState {
  refuseSecond(state);
  const to = { color: otherColor(state.live), release };
  const deployment: Deployment = {
    ...recordOf(state, origin, 'deploy', to, 'starting'),
    ...(confirmWithinMs !== undefined && { confirmWithinMs }),
    ...(rollbackUnsafe !== undefined && { rollbackUnsafe }),
  };
  const watch = superseded(state.watch, `Deployment ${deployment.id} began.`);
  return { ...state, deployments: state.deployments + 1, deployment, ...watch };
}

/**
 * The release of the deployment is given its pool.
 *
 * @param beside the warm pool stays, and this one stands beside it; else it takes the standby's
 *   place, and what was in it is on its way out.
 */
export function fill(
  state: ServiceState,
  id: string,
  release: Release,
  at: string,
  beside = false,
): ServiceState {
  const deployment = current(state, id);
  // Aborted while the disk was busy: then the slot stays as it is.
  if (deployment?.phase !== 'starting') return state;
  const { to, rollbackUnsafe } = deployment;
  const { color } = to;
  const fills = state.fills + 1;
  const pool: PoolState = {
    id: `${deployment.service}.${color}.${fills}`,
    release,
    filledAt: at,
    liveSince: null,
    warmSince: null,
    ...(rollbackUnsafe !== undefined && { rollbackUnsafe }),
  };
  if (beside) return { ...state, fills, candidate: pool };
  return { ...state, fills, pools: { ...state.pools, [color]: pool } };
}

/**
 * @returns the state with the deployment in its next phase.
 * @throws Error where none leads there.
 */
export function advance(state: ServiceState, id: string, phase: Phase): ServiceState {
  const deployment = current(state, id);
  if (deployment === null || deployment.phase === phase) return state;
  if (!follows[deployment.phase].includes(phase)) {
    throw new Error(`Deployment ${id} cannot go from ${deployment.phase} to ${phase}.`);
  }
  return { ...state, deployment: { ...deployment, phase } };
}

/** The point of no return for a restart of everything: where the traffic is about to go. */
export function intend(state: ServiceState, id: string): ServiceState {
  const deployment = current(state, id);
  if (deployment === null) throw new Error(`Deployment ${id} is not on record; it cannot flip.`);
  return {
    ...advance(state, id, 'flipping'),
    intent: {
      generation: state.generation + 1,
      live: deployment.to.color,
      direction: deployment.direction,
      deployment: id,
    },
  };
}

/**
 * A rollback begins where a deployment flips: its record and its intent are one change.
 *
 * @param cause why it begins by itself; null: somebody asked.
 */
export function intendRollback(
  state: ServiceState,
  origin: Origin,
  cause: Cause | null = null,
): ServiceState {
  refuseSecond(state);
  const pool = standbyPool(state);
  if (pool === null) throw new Error(`${origin.service} has no warm pool to roll back to.`);
  const to = { color: otherColor(state.live), release: pool.release.name };
  const plain = recordOf(state, origin, 'rollback', to, 'ready');
  const deployment = cause === null ? plain : { ...plain, cause };
  const begun = { ...state, deployments: state.deployments + 1, deployment };
  return intend(begun, deployment.id);
}

/** The flip did not happen: no worker serves it. The deployment goes back to `phase`. */
export function withdraw(
  state: ServiceState,
  id: string,
  phase: 'probing' | 'ready',
): ServiceState {
  if (state.intent?.deployment !== id) return state;
  return advance({ ...state, intent: null }, id, phase);
}

/**
 * The flip happened: traffic is at `receipt.to`. The release's name is taken from here on. Where it
 * happened by itself, the next deployment waits until somebody has seen that.
 *
 * @param watch how the release is held against the one before it; null: it is not.
 * @param promotes the candidate has it now: it takes the place of the warm pool.
 */
export function record(
  state: ServiceState,
  id: string | null,
  receipt: Receipt,
  watch: Watch | null = null,
  promotes = id !== null && current(state, id)?.direction === 'deploy' && Boolean(state.candidate),
): ServiceState {
  const at = receipt.committedAt;
  const pools = { ...(promotes ? promoted(state) : state.pools) };
  const left = otherColor(receipt.to.color);
  const old = pools[left];
  const now = pools[receipt.to.color];
  // A recovery may move to the color that is recorded as live already; nobody then becomes warm.
  if (old !== null && state.live !== receipt.to.color) pools[left] = { ...old, warmSince: at };
  if (now !== null) pools[receipt.to.color] = { ...now, liveSince: at, warmSince: null };
  const next = {
    ...state,
    generation: receipt.generation,
    live: receipt.to.color,
    intent: null,
    pools,
    ...(promotes && { candidate: null }),
    releases: now === null ? state.releases : remembered(state.releases, now.release),
  };
  const deployment = id === null ? null : current(state, id);
  const after = confirmAfter(state, deployment, receipt);
  const begun = { ...next, ...watchAfter(state, deployment, receipt, watch), ...after };
  if (deployment === null || !follows[deployment.phase].includes('draining')) return begun;
  const full = { ...receipt, ...warmUpOf(deployment) };
  return { ...begun, deployment: { ...deployment, phase: 'draining', receipt: full } };
}

function warmUpOf({ direction, checks = [] }: Deployment): Pick<Receipt, 'warmUp'> {
  const done = checks.find(({ name, phase }) => name === warmUpName && phase === 'passed');
  const result = done?.result ?? null;
  return direction === 'rollback' || result === null ? {} : { warmUp: result };
}

/**
 * The old pool has drained (null: there was none, or nobody can tell): the deployment has ended
 * well.
 */
export function settle(
  state: ServiceState,
  id: string,
  drained: Drained | null,
  at: string,
): ServiceState {
  const deployment = current(state, id);
  if (deployment?.phase !== 'draining') return state;
  return { ...state, deployment: settled(deployment, drained, at) };
}

/** A record of a deployment that flipped, completed by what its drain came to. */
export function settled(deployment: Deployment, drained: Drained | null, at: string): Deployment {
  const receipt = deployment.receipt === null ? null : { ...deployment.receipt, drained };
  return { ...deployment, phase: 'live', endedAt: at, receipt };
}

/**
 * The deployment ends before its flip; the pool it had filled leaves the state with it. A warm pool
 * that it had not yet retired stays.
 */
export function end(
  state: ServiceState,
  id: string,
  phase: 'failed' | 'aborted',
  error: NonNullable<Deployment['error']>,
  at: string,
): ServiceState {
  const deployment = current(state, id);
  if (deployment === null) return state;
  const ended = advance(state, id, phase).deployment ?? deployment;
  const pool = state.pools[deployment.to.color];
  const own = pool !== null && !wasLive(pool) && deployment.to.color !== state.live;
  return {
    ...state,
    intent: state.intent?.deployment === id ? null : state.intent,
    pools: own ? { ...state.pools, [deployment.to.color]: null } : state.pools,
    ...(state.candidate && { candidate: null }),
    deployment: { ...stopped(ended, error.message), error, endedAt: at },
  };
}

/** The standby is given up. */
export function retired(state: ServiceState, poolId: string): ServiceState {
  const color = otherColor(state.live);
  if (state.pools[color]?.id !== poolId) return state;
  return { ...state, pools: { ...state.pools, [color]: null } };
}

/**
 * The service has left the config: nothing of it runs. Its numbers stay, so that none is used
 * twice.
 */
export function removed(state: ServiceState): ServiceState {
  const watch = superseded(state.watch, 'The service left the config.');
  const confirm = state.confirm ? { confirm: null } : {};
  const pools = { blue: null, green: null };
  const without = state.candidate ? { pools, candidate: null } : { pools };
  return { ...state, ...without, intent: null, ...watch, ...confirm };
}

function current(state: ServiceState, id: string): Deployment | null {
  return state.deployment?.id === id ? state.deployment : null;
}

function recordOf(
  state: ServiceState,
  origin: Origin,
  direction: Direction,
  to: Deployment['to'],
  phase: Phase,
): Deployment {
  const from = livePool(state);
  return {
    id: nextDeployment(state, origin.service),
    service: origin.service,
    direction,
    from: from === null ? null : { color: state.live, release: from.release.name },
    to,
    phase,
    by: origin.by,
    why: origin.why,
    startedAt: origin.at,
    endedAt: null,
    error: null,
    receipt: null,
  };
}

function remembered(releases: readonly Release[], release: Release): readonly Release[] {
  const others = releases.filter((one) => one.name !== release.name);
  return [release, ...others].slice(0, releasesKept);
}
