/**
 * What a controller that starts decides about a service: the disk says one thing, the workers may
 * say more.
 *
 * The rule this file keeps: no request goes to the old pool after one may have gone to the new one.
 * An intent on disk means a flip was decided, and a worker may have obeyed it. So it is withdrawn
 * only where every worker answers, knows the service, and serves an older generation; where one
 * serves the new one, or one cannot say (it was just started, or does not answer), the way is
 * forward. That costs nothing: the pool had passed its gate.
 */
import type { Color, WorkerStats } from '../../wire.ts';
import type { ServiceState } from '../model/state.ts';
import { statsOf } from '../workers/stats.ts';

export type Plan =
  /** The workers, where there are any, are where the state is. */
  | { readonly kind: 'as recorded' }
  /** The flip is undone; nobody serves it. */
  | { readonly kind: 'back'; readonly generation: number }
  /**
   * The service goes to this generation and color. `barrier`: a worker serves an older one, so it
   * must be held and switched; else the first table does it.
   */
  | {
      readonly kind: 'forward';
      readonly generation: number;
      readonly live: Color;
      /** The candidate has it: it takes the place of the warm pool. */
      readonly promotes: boolean;
      readonly barrier: boolean;
    };

/**
 * @param stats of every worker that answered.
 * @param workers how many there should be.
 */
export function recoveryOf(
  name: string,
  state: ServiceState,
  stats: readonly WorkerStats[],
  workers: number,
): Plan {
  const serving = statsOf(stats, name);
  const { intent } = state;
  const highest = Math.max(0, ...serving.map((service) => service.generation));
  const promotes = intent?.direction === 'deploy' && Boolean(state.candidate);
  const leads = intent !== null && (promotes || state.pools[intent.live] !== null);
  const wanted = leads ? intent : state;

  if (highest > wanted.generation) {
    // The disk is older than what happened (a last good copy): those who carry the traffic are
    // right.
    const leader = serving.find((service) => service.generation === highest);
    const pool = leader?.pools.find((one) => one.color === leader.live);
    const proved = pool !== undefined && state.candidate?.id === pool.id;
    const known = proved || (leader !== undefined && state.pools[leader.live]?.id === pool?.id);
    const behind = serving.some((service) => service.generation < highest);
    if (known && leader !== undefined && pool !== undefined) {
      const at = { generation: highest, live: leader.live };
      return { kind: 'forward', ...at, promotes: proved, barrier: behind };
    }
    const at = { generation: highest + 1, live: state.live };
    return { kind: 'forward', ...at, promotes: false, barrier: true };
  }

  if (intent !== null) {
    if (wanted !== intent) return { kind: 'back', generation: intent.generation };
    const served = serving.some((service) => service.generation === intent.generation);
    const sure = stats.length >= Math.max(1, workers) && serving.length === stats.length;
    if (!served && sure) return { kind: 'back', generation: intent.generation };
  }
  const behind = serving.some((service) => service.generation < wanted.generation);
  // Withdrawn on disk by a controller that died before it could tell the workers.
  const staged = Math.max(0, ...serving.map((service) => service.staged ?? 0));
  if (intent === null && !behind && staged > wanted.generation) {
    return { kind: 'back', generation: staged };
  }
  if (intent === null && !behind) return { kind: 'as recorded' };
  const at = { generation: wanted.generation, live: wanted.live };
  return { kind: 'forward', ...at, promotes: leads && promotes, barrier: behind };
}
