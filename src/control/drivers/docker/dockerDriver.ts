/**
 * The docker driver: a release is an image pinned by digest, a pool is the containers started from
 * it.
 *
 * The rule this file keeps: nothing that runs is changed in place, and the engine is the only
 * record of what runs. The driver can be killed at any moment; the next one finds every container
 * by its labels.
 *
 * Images of the last `keepImages` releases are kept, and older ones removed, after each successful
 * start; nobody has to ask for it.
 */
import type { Clock } from '../../../clock.ts';
import type { Log } from '../../../log.ts';
import type { Driver, DriverEvent } from '../driver.ts';
import { adopt } from './adopt.ts';
import { openEngine } from './engine/engine.ts';
import { instanceOf } from './engine/instance.ts';
import { UsageReader } from './engine/usage.ts';
import { listing } from './listing.ts';
import { Monitor } from './monitor.ts';
import { Reconciler } from './reconciler.ts';
import { Removal } from './removal.ts';
import { dockerRunOf, start } from './start.ts';

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

/** @throws Fault DRIVER_UNAVAILABLE where the address of the engine makes no sense. */
export function dockerDriver(options: DockerOptions): DockerDriver {
  const { clock, log } = options;
  const engine = openEngine(clock, options.dockerHost ?? null);
  const instance = markOf(options.stateDir ?? null);
  const listeners = new Set<(event: DriverEvent) => void>();
  const emit = (event: DriverEvent): void => {
    for (const listener of [...listeners]) listener(event);
  };
  const reconciler = new Reconciler({ engine, clock, log, emit, instance });
  const usage = new UsageReader(engine, clock);
  const removal = new Removal(engine, reconciler, log);
  const monitor = new Monitor({ engine, reconciler, removal, clock, log, emit });
  const dependencies = { engine, reconciler, removal, clock, log, emit, instance };

  return {
    async start(order) {
      const run = dockerRunOf(order);
      monitor.begin();
      removal.cancel(order.poolId);
      return run.discover ? adopt(reconciler, order, run) : start(dependencies, order);
    },
    async stop(poolId) {
      monitor.begin();
      await removal.stop(poolId);
    },
    async list() {
      monitor.begin();
      return listing(engine, reconciler, usage);
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
      reconciler.close();
    },
  } satisfies DockerDriver;
}

/** Reads the mark when it is first needed; one that could not be read is tried again. */
function markOf(stateDir: string | null): () => Promise<string> {
  let mark: Promise<string> | undefined;
  return () => {
    mark ??= instanceOf(stateDir).catch((thrown: unknown) => {
      mark = undefined;
      throw thrown;
    });
    return mark;
  };
}
