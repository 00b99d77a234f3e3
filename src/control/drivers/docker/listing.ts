/**
 * What runs, as `list` tells it: read from the engine anew each time, with what it costs.
 *
 * The rule this file keeps: looking changes nothing and waits for nobody. A deployment that holds
 * its pool for minutes does not hold up a status.
 */
import type { Cost, RunningPool, RunningTarget } from '../driver.ts';
import type { Here } from './containers/addressing.ts';
import { type Found, inspectAll } from './containers/containers.ts';
import type { ContainerFacts } from './containers/facts.ts';
import { marksOf } from './containers/labels.ts';
import type { Engine } from './engine/engine.ts';
import { mapLimit } from './engine/mapLimit.ts';
import type { UsageReader } from './engine/usage.ts';
import { type ContainerPool, inOrder, isFrozen, targetIdOf, targetOf } from './pool.ts';
import type { Member, Reconciler } from './reconciler.ts';

/** @throws Fault DRIVER_UNAVAILABLE */
export async function listing(
  engine: Engine,
  reconciler: Reconciler,
  usage: UsageReader,
): Promise<readonly RunningPool[]> {
  const found = await reconciler.survey();
  const here = await reconciler.here();
  const ids = found.map((one) => one.id);
  const facts = await inspectAll(engine, ids);
  const running = facts.filter((one) => one.running);
  const costs = new Map(
    await mapLimit(running, async ({ id }) => [id, await usage.of(id)] as const),
  );
  usage.keep(new Set(ids));
  return [...byPool(reconciler, found, facts)].flatMap(([poolId, members]) => {
    const marks = members[0]?.marks;
    if (marks === undefined) return [];
    const { service, color } = marks;
    const release = reconciler.pools.get(poolId)?.wanted?.order.release.name ?? marks.release;
    const targets = shown(reconciler.pools.get(poolId), members, here, costs);
    return [{ poolId, service, color, release, targets }];
  });
}

function byPool(
  reconciler: Reconciler,
  found: readonly Found[],
  facts: readonly ContainerFacts[],
): ReadonlyMap<string, readonly Member[]> {
  const poolIds = new Map(found.map((one) => [one.id, one.poolId]));
  const pools = new Map<string, Member[]>();
  for (const one of facts) {
    const marks = marksOf(one.labels);
    const poolId = poolIds.get(one.id);
    if (marks === null || poolId === undefined) continue;
    if (!reconciler.adoptions.takes(poolId, one)) continue;
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
  pool: ContainerPool | undefined,
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
