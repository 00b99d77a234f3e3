/**
 * Starting a release whose containers someone else runs: they are found, and nothing is started.
 *
 * The rule this file keeps: what is adopted is held to what was found. The image the containers run
 * is the release's from then on, and an order that finds none, or two different ones, is refused.
 */
import { Fault } from '../../../errors.ts';
import type { PinnedDockerRun } from '../../model/state.ts';
import type { Started, StartOrder } from '../driver.ts';
import { label } from './containers/labels.ts';
import { replicaOf, targetOf, targetsOf } from './pool.ts';
import type { Reconciler } from './reconciler.ts';

/**
 * @throws Fault START_FAILED saying which labels are missing where; DRIVER_UNAVAILABLE, ABORTED.
 */
export async function adopt(
  reconciler: Reconciler,
  order: StartOrder,
  run: PinnedDockerRun,
): Promise<Started> {
  if (order.signal.aborted) throw new Fault('ABORTED');
  const { service, color, release, poolId } = order;
  return reconciler.exclusive(poolId, async () => {
    const refuse = (why: string): Fault => {
      if (reconciler.pools.get(poolId)?.wanted === undefined) reconciler.adoptions.end(poolId);
      return new Fault('START_FAILED', `${service} ${release.name}: ${why}`, { service, color });
    };
    const known = reconciler.adoptions.has(poolId);
    reconciler.adoptions.begin(order, run.digest);
    const members = await reconciler.members(poolId);
    const running = members.filter((one) => one.facts.running);
    if (running.length === 0 && !known) {
      const which = run.digest === null ? '' : ` and the image ${run.digest}`;
      throw refuse(
        `no running container has the labels ${label.service}=${service}, ${label.color}=${color}, ` +
          `${label.release}=${release.name} (or no such label)${which}. Start them, then deploy again.`,
      );
    }
    const images = new Set(running.map((one) => one.facts.imageId));
    if (images.size > 1) {
      const names = running.map((one) => one.facts.name).join(', ');
      throw refuse(`${names} run different images; a release is one. Label them ${label.release}.`);
    }
    const here = await reconciler.here();
    const targets = running.map((one) =>
      targetOf(one.facts.name, one.marks, one.facts, here, false),
    );
    const lost = targets.find((one) => one.port === 0);
    if (lost !== undefined) throw refuse(`${lost.detail}.`);
    const digest = run.digest ?? [...images][0] ?? null;
    reconciler.adoptions.begin(order, digest);
    const pinnedRun = { ...run, digest };
    const pool = reconciler.pool(poolId);
    pool.ending = false;
    const env: readonly string[] = [];
    const numbers: ReadonlySet<number> = new Set();
    pool.wanted = { order, run: pinnedRun, image: digest ?? '', env, publishOn: null, numbers };
    for (const { marks, facts } of members) replicaOf(pool, marks, facts.name);
    await reconciler.look(poolId);
    order.progress(`found ${targets.length} running of ${release.name}`);
    return { targets: targetsOf(pool), release: { ...release, run: pinnedRun } };
  });
}
