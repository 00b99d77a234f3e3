/**
 * The docker driver: a release is an image pinned by digest, a pool is the containers started from it.
 *
 * The rule this file keeps: nothing that runs is changed in place, and the engine is the only record of
 * what runs. The driver can be killed at any moment; the next one finds every container by its labels.
 *
 * Images of the last `keepImages` releases are kept, and older ones removed, after each successful start;
 * nobody has to ask for it.
 */
import type { Clock } from '../../clock.ts';
import { reasonOf } from '../../errors.ts';
import type { Log } from '../../log.ts';
import { adopt } from './docker/adopt.ts';
import { end, inspectAll } from './docker/containers.ts';
import { isUnavailable, openEngine } from './docker/engine.ts';
import { dockerRunOf, type FillSeams, fill } from './docker/fill.ts';
import { Fleet, type Member } from './docker/fleet.ts';
import { instanceOf } from './docker/instance.ts';
import { inTurns } from './docker/inTurns.ts';
import { marksOf } from './docker/labels.ts';
import { Monitor } from './docker/monitor.ts';
import { Stats } from './docker/stats.ts';
import type { Driver, DriverEvent, RunningPool } from './driver.ts';

export interface DockerOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Where the mark is kept by which containers are known as this Pointsman's; null: nowhere. */
  readonly stateDir?: string | null;
  /** As DOCKER_HOST; null: that, or the Docker context, or the well-known sockets. */
  readonly dockerHost?: string | null;
}

export interface DockerDriver extends Driver {
  /** Stops watching the engine. Nothing that runs is stopped by it. */
  close(): void;
}

/** A container whose stop timeout is not known is given so long. */
const stopMsUnknown = 60_000;

/** @throws Fault DRIVER_UNAVAILABLE where the address of the engine makes no sense. */
export function dockerDriver(options: DockerOptions): DockerDriver {
  const { clock, log } = options;
  const engine = openEngine(clock, options.dockerHost ?? null);
  const listeners = new Set<(event: DriverEvent) => void>();
  const emit = (event: DriverEvent): void => {
    for (const listener of [...listeners]) listener(event);
  };
  let mark: Promise<string> | undefined;
  const instance = (): Promise<string> => {
    mark ??= instanceOf(options.stateDir ?? null).catch((thrown: unknown) => {
      mark = undefined;
      throw thrown;
    });
    return mark;
  };
  const fleet = new Fleet({ engine, clock, log, emit, instance });
  const stats = new Stats(engine, clock);
  /** Pools to be removed when the engine is back, except for these containers of them. */
  const doomed = new Map<string, ReadonlySet<string>>();
  const catchUp = async (): Promise<void> => {
    for (const [poolId, keep] of doomed) await remove(poolId, keep);
  };
  const monitor = new Monitor({ engine, fleet, clock, log, emit, catchUp });
  const doom = (poolId: string, keep: ReadonlySet<string>): void => {
    doomed.set(poolId, keep);
  };
  const seams: FillSeams = { engine, fleet, clock, log, emit, instance, doom };

  /** Ends every container of ours in the pool; adopted ones are only let go. */
  const remove = (poolId: string, keep: ReadonlySet<string>): Promise<void> =>
    fleet.exclusive(poolId, async () => {
      const pool = fleet.pools.get(poolId);
      if (pool !== undefined && keep.size === 0) {
        pool.ending = true;
        fleet.rest(pool);
      }
      const ours = (await fleet.survey()).filter(
        (one) => one.poolId === poolId && one.marks.own !== null && !keep.has(one.id),
      );
      const stopMs = pool?.wanted?.run.stopMs ?? stopMsUnknown;
      await inTurns(ours, (one) => end(engine, one.id, stopMs));
      doomed.delete(poolId);
      if (keep.size === 0) fleet.forget(poolId);
    });

  return {
    async start(order) {
      const run = dockerRunOf(order);
      monitor.begin();
      doomed.delete(order.poolId);
      return run.discover ? adopt(fleet, order, run) : fill(seams, order);
    },

    async stop(poolId) {
      monitor.begin();
      const pool = fleet.pools.get(poolId);
      if (pool !== undefined) {
        pool.ending = true;
        fleet.rest(pool);
      }
      try {
        await remove(poolId, new Set());
      } catch (thrown) {
        if (isUnavailable(thrown)) doom(poolId, new Set());
        log.warn({ pool: poolId }, `not stopped: ${reasonOf(thrown)}`);
        throw thrown;
      }
    },

    async list() {
      monitor.begin();
      const found = await fleet.survey();
      const here = await fleet.here();
      const facts = await inspectAll(
        engine,
        found.map((one) => one.id),
      );
      const costs = new Map(
        await inTurns(
          facts.filter((one) => one.running),
          async (one) => [one.id, await stats.of(one.id)] as const,
        ),
      );
      stats.keep(new Set(facts.map((one) => one.id)));
      const byPool = new Map<string, Member[]>();
      for (const one of facts) {
        const marks = marksOf(one.labels);
        const poolId = found.find(({ id }) => id === one.id)?.poolId;
        if (marks === null || poolId === undefined) continue;
        if (!fleet.adoptions.takes(poolId, one)) continue;
        byPool.set(poolId, [...(byPool.get(poolId) ?? []), { marks, facts: one }]);
      }
      const pools: RunningPool[] = [];
      for (const [poolId, members] of byPool) {
        const marks = members[0]?.marks;
        if (marks === undefined) continue;
        const { service, color } = marks;
        const release = fleet.pools.get(poolId)?.wanted?.order.release.name ?? marks.release;
        const targets = fleet.shown(poolId, members, here, costs);
        pools.push({ poolId, service, color, release, targets });
      }
      return pools;
    },

    watch(listener) {
      listeners.add(listener);
      monitor.begin();
      return () => {
        listeners.delete(listener);
      };
    },

    close() {
      listeners.clear();
      monitor.close();
      fleet.close();
    },
  } satisfies DockerDriver;
}
