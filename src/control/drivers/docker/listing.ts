/**
 * What runs, as `list` tells it: read from the engine anew each time, with what it costs.
 *
 * The rule this file keeps: looking changes nothing and waits for nobody. A deployment that holds
 * its pool for minutes does not hold up a status.
 */
import type { Cost, RunningPool, RunningTarget } from '../driver.ts';
import { type Found, inspectAll } from './containers.ts';
import type { Engine } from './engine.ts';
import type { ContainerFacts } from './facts.ts';
import type { Fleet, Member } from './fleet.ts';
import { inTurns } from './inTurns.ts';
import { marksOf } from './labels.ts';
import { inOrder, isFrozen, type Pool, targetIdOf, targetOf } from './pool.ts';
import type { Here } from './reach.ts';
import type { Stats } from './stats.ts';

/** @throws Fault DRIVER_UNAVAILABLE */
export async function listing(
  engine: Engine,
  fleet: Fleet,
  stats: Stats,
): Promise<readonly RunningPool[]> {
  const found = await fleet.survey();
  const here = await fleet.here();
  const ids = found.map((one) => one.id);
  const facts = await inspectAll(engine, ids);
  const running = facts.filter((one) => one.running);
  const costs = new Map(
    await inTurns(running, async ({ id }) => [id, await stats.of(id)] as const),
  );
  stats.keep(new Set(ids));
  return [...byPool(fleet, found, facts)].flatMap(([poolId, members]) => {
    const marks = members[0]?.marks;
    if (marks === undefined) return [];
    const { service, color } = marks;
    const release = fleet.pools.get(poolId)?.wanted?.order.release.name ?? marks.release;
    const targets = shown(fleet.pools.get(poolId), members, here, costs);
    return [{ poolId, service, color, release, targets }];
  });
}

function byPool(
  fleet: Fleet,
  found: readonly Found[],
  facts: readonly ContainerFacts[],
): ReadonlyMap<string, readonly Member[]> {
  const poolIds = new Map(found.map((one) => [one.id, one.poolId]));
  const pools = new Map<string, Member[]>();
  for (const one of facts) {
    const marks = marksOf(one.labels);
    const poolId = poolIds.get(one.id);
    if (marks === null || poolId === undefined) continue;
    if (!fleet.adoptions.takes(poolId, one)) continue;
    const members = pools.get(poolId) ?? [];
    members.push({ marks, facts: one });
    pools.set(poolId, members);
  }
  return pools;
}

/**
 * What was seen, with what only memory knows: why something is down, and when it is started again.
 */
function shown(
  pool: Pool | undefined,
  members: readonly Member[],
  here: Here,
  costs: ReadonlyMap<string, Cost>,
): readonly RunningTarget[] {
  const targets = new Map<string, RunningTarget>();
  for (const { marks, facts } of members) {
    const id = targetIdOf(marks, facts.name);
    if (targets.has(id) && !facts.running) continue;
    const target = targetOf(id, marks, facts, here, isFrozen(pool));
    const remembered = pool?.replicas.get(id)?.target;
    const sameEnd = target.state === 'down' && remembered?.state === 'down';
    targets.set(id, { ...(sameEnd ? remembered : target), ...costs.get(facts.id) });
  }
  for (const { id, target } of pool?.replicas.values() ?? []) {
    if (!targets.has(id) && target.state === 'down') targets.set(id, target);
  }
  return [...targets.values()].sort(inOrder);
}
