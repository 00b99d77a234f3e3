/**
 * Filling a pool: from an order to running containers.
 *
 * The rule this file keeps: everything that can be refused is refused before anything is created,
 * and what was created by an order that then fails is removed again. What ran before the order is
 * kept.
 */
import type { Clock } from '../../../clock.ts';
import { Fault, reasonOf } from '../../../errors.ts';
import type { Log } from '../../../log.ts';
import type { PinnedDockerRun } from '../../model/state.ts';
import type { DriverEvent, Started, StartOrder } from '../driver.ts';
import { publishingFor } from './containers/addressing.ts';
import { end, inspect, pauseContainer, startContainer } from './containers/containers.ts';
import { checkRun } from './containers/createOptions.ts';
import { environmentOf } from './containers/envFile.ts';
import { marksOf } from './containers/labels.ts';
import { followOutput } from './containers/output.ts';
import { checkStartup } from './containers/startupCheck.ts';
import { type Engine, isUnavailable, Refusal } from './engine/engine.ts';
import { mapLimit } from './engine/mapLimit.ts';
import { keepImage, pruneImages } from './images/imageRetention.ts';
import { type Pinned, pin } from './images/images.ts';
import { type ContainerPool, replicaOf, targetsOf, type Wanted } from './pool.ts';
import type { Member, Reconciler } from './reconciler.ts';
import type { Removal } from './removal.ts';
import { createReplica } from './replica.ts';

interface StartDependencies {
  readonly engine: Engine;
  readonly reconciler: Reconciler;
  readonly clock: Clock;
  readonly log: Log;
  readonly emit: (event: DriverEvent) => void;
  readonly instance: () => Promise<string>;
  readonly removal: Removal;
}

/** @throws Fault START_FAILED, RELEASE_INVALID, DRIVER_UNAVAILABLE, ABORTED */
export async function start(dependencies: StartDependencies, order: StartOrder): Promise<Started> {
  const { engine, reconciler, clock } = dependencies;
  const run = dockerRunOf(order);
  checkRun(order.service, run);
  giveUpIfAborted(order.signal);
  const here = await reconciler.here();
  const publishOn = publishingFor(here, order.service, run.network);
  const before = await reconciler.members(order.poolId);
  const { progress, signal } = order;
  // Replicas that exist have settled which image this pool runs, even if nobody wrote it down yet.
  const digest = run.digest ?? before[0]?.marks.own?.digest ?? null;
  const complete = before.length >= (order.replicas ?? run.replicas) && digest !== null;
  const pinned = complete
    ? null
    : await pin(engine, { ...run, digest }, { clock, progress, signal });
  const pinnedRun = { ...run, digest: pinned?.digest ?? digest };
  const image = pinned?.image ?? imageOf(before, pinnedRun);
  // What was filled with other settings is grown with its own, not with those of today.
  const env = before[0]?.facts.env ?? (await environmentOf(run));
  giveUpIfAborted(signal);
  return reconciler.exclusive(order.poolId, async () => {
    const pool = reconciler.pool(order.poolId);
    const members = await reconciler.members(order.poolId);
    const { numbers, surplus } = chooseNumbers(members, order.replicas ?? run.replicas);
    const wanted: Wanted = { order, run: pinnedRun, image, env, publishOn, numbers };
    const formerly = pool.wanted;
    reconciler.rest(pool);
    pool.ending = false;
    pool.wanted = wanted;
    try {
      if (!order.frozen) await setPaused(engine, members, false);
      await startMissing(dependencies, pool, wanted, members);
    } catch (thrown) {
      pool.wanted = formerly;
      await removeStarted(dependencies, pool, members, thrown, run.stopMs);
    }
    await mapLimit(surplus, (one) => end(engine, one.facts, run.stopMs));
    if (order.frozen) await setPaused(engine, await reconciler.members(pool.id), true);
    await reconciler.look(pool.id);
    if (pinned !== null) void tidyImages(dependencies, order, run.keepImages, pinned);
    return { targets: targetsOf(pool), release: { ...order.release, run: pinnedRun } };
  });
}

/**
 * Keeps this release's image, and gives up those of old ones. It can fail; no deployment does by
 * it.
 */
async function tidyImages(
  dependencies: StartDependencies,
  order: StartOrder,
  count: number,
  pinned: Pinned,
): Promise<void> {
  const { engine, log } = dependencies;
  const { service, release } = order;
  try {
    await keepImage(engine, service, release.name, pinned);
    const gone = await pruneImages(engine, service, count);
    if (gone.length > 0) log.info({ service, images: gone }, 'removed images of old releases');
  } catch (thrown) {
    log.warn({ service }, `images are not tidied: ${reasonOf(thrown)}`);
  }
}

/** @throws Fault RELEASE_INVALID where it is another driver's. */
export function dockerRunOf(order: StartOrder): PinnedDockerRun {
  const { run, name } = order.release;
  if (run.kind === 'docker') return run;
  throw new Fault(
    'RELEASE_INVALID',
    `Release ${name} runs \`${run.kind}\`; the docker driver runs images.`,
    { service: order.service, release: name },
  );
}

function giveUpIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw new Fault('ABORTED');
}

/**
 * Which replica numbers there will be: those that run first, then those that exist, then new ones.
 */
function chooseNumbers(
  members: readonly Member[],
  count: number,
): { numbers: ReadonlySet<number>; surplus: readonly Member[] } {
  const numbers = new Set<number>();
  const surplus: Member[] = [];
  const rank = (one: Member): number => (one.facts.running ? 0 : 1);
  const sorted = [...members].sort(
    (a, b) => rank(a) - rank(b) || (a.marks.own?.replica ?? 0) - (b.marks.own?.replica ?? 0),
  );
  for (const member of sorted) {
    const number = member.marks.own?.replica ?? 0;
    if (numbers.size < count && !numbers.has(number)) numbers.add(number);
    else surplus.push(member);
  }
  for (let number = 0; numbers.size < count; number++) numbers.add(number);
  return { numbers, surplus };
}

/** Freezes what runs, or thaws what is frozen. */
async function setPaused(
  engine: Engine,
  members: readonly Member[],
  frozen: boolean,
): Promise<void> {
  const others = members.filter(({ facts }) => facts.running && facts.paused !== frozen);
  await mapLimit(others, ({ facts }) => pauseContainer(engine, facts.id, frozen));
}

/** Brings every replica up that is not, and sees it past its first moments. */
async function startMissing(
  dependencies: StartDependencies,
  pool: ContainerPool,
  wanted: Wanted,
  members: readonly Member[],
): Promise<void> {
  const { engine, log } = dependencies;
  const { order } = wanted;
  const instance = await dependencies.instance();
  const existing = new Map(members.map((one) => [one.marks.own?.replica ?? -1, one]));
  const todo = [...wanted.numbers].filter((number) => !existing.get(number)?.facts.running);
  if (todo.length > 0) {
    order.progress(`starting ${todo.length} of ${wanted.numbers.size} of ${order.release.name}`);
  }
  await mapLimit(todo, async (number) => {
    giveUpIfAborted(order.signal);
    const had = existing.get(number);
    try {
      const id = had?.facts.id ?? (await createReplica(engine, wanted, number, instance));
      await startContainer(engine, id);
      const facts = await inspect(engine, id);
      const marks = facts === null ? null : marksOf(facts.labels);
      if (facts === null || marks === null) {
        throw new Fault('START_FAILED', `Replica ${number} was removed while it started.`);
      }
      const replica = replicaOf(pool, marks, facts.name);
      replica.containerId = id;
      const tell = (line: string): void =>
        dependencies.emit({ kind: 'output', poolId: pool.id, target: replica.id, line });
      if (had === undefined) {
        void followOutput(engine, facts, tell, order.signal);
        await checkStartup(
          dependencies,
          await dependencies.reconciler.here(),
          facts,
          wanted.run,
          order.signal,
        );
        order.progress(`started ${facts.name}`);
      }
    } catch (thrown) {
      // A replica that had its place before is started again like one that died: the others serve
      // meanwhile.
      if (had === undefined || !(thrown instanceof Refusal)) throw thrown;
      log.warn({ pool: pool.id, replica: number }, `not started: ${thrown.message}`);
    }
  });
  giveUpIfAborted(order.signal);
}

/** Removes what this order made. @throws why it failed, as a Fault. */
async function removeStarted(
  dependencies: StartDependencies,
  pool: ContainerPool,
  members: readonly Member[],
  why: unknown,
  stopMs: number,
): Promise<never> {
  const { engine, reconciler } = dependencies;
  const keep = new Set(members.map((one) => one.facts.id));
  try {
    const all = (await reconciler.survey()).filter((one) => one.poolId === pool.id);
    const made = all.filter((one) => !keep.has(one.id));
    await mapLimit(made, (one) => end(engine, one, stopMs));
    if (keep.size === 0) reconciler.forget(pool.id);
    else await reconciler.look(pool.id);
  } catch (thrown) {
    dependencies.removal.defer(pool.id, keep);
    dependencies.log.warn({ pool: pool.id }, `left for later: ${reasonOf(thrown)}`);
  }
  if (why instanceof Fault || isUnavailable(why) || !(why instanceof Refusal)) throw why;
  throw new Fault(
    'START_FAILED',
    `The engine did not start it: ${why.message.replace(/\.$/, '')}.`,
    {
      pool: pool.id,
      cause: why,
    },
  );
}

/** What further replicas would be created from, where all exist: what these were. */
function imageOf(members: readonly Member[], run: PinnedDockerRun): string {
  return members[0]?.facts.imageId ?? run.image;
}
