/**
 * A driver runs releases: it fills pools and empties them. Specified by `test/contracts/driver.ts`.
 *
 * The rule this file keeps: a driver touches nothing that it did not start (or was not told to
 * adopt), and every call can be made again after a crash with the same outcome.
 */
import type { Color } from '../../wire.ts';
import type { Release } from '../model/state.ts';

export interface Driver {
  /**
   * Makes it be so: the pool has exactly `replicas` running replicas of the release. What already
   * runs of it is kept, so a second call starts nothing twice, and one with another number grows or
   * shrinks the pool. One that is `frozen` keeps its memory and gets no CPU, and a later call
   * without it thaws it. Resolves when addresses are known; whether they answer is the prober's
   * question. What dies later is started again by the driver, with backoff, until `stop`.
   *
   * @throws Fault START_FAILED (with the output and exit code in the message), RELEASE_INVALID, or
   *   DRIVER_UNAVAILABLE; what it had started of the pool by then it has stopped again, unless the
   *   pool ran before the call.
   */
  start(order: StartOrder): Promise<Started>;
  /**
   * Stops and removes all of the pool; resolves when nothing of it runs. An unknown pool is already
   * stopped.
   */
  stop(poolId: string): Promise<void>;
  /** Everything that runs and is this driver's, whoever started the process that asks. */
  list(): Promise<readonly RunningPool[]>;
  /** Tells of what happens to running pools by itself. Events are hints; `list` is the truth. */
  watch(listener: (event: DriverEvent) => void): () => void;
}

export interface StartOrder {
  readonly service: string;
  readonly color: Color;
  /** `service.color.fill`: names the pool in labels and records. */
  readonly poolId: string;
  readonly generation: number;
  readonly release: Release;
  /** null: as many as the release says. Static pools have what they have. */
  readonly replicas: number | null;
  /** Wanted only of drivers that can: the config says which (`warm.freeze`). */
  readonly frozen: boolean;
  /** Lines for people while it goes on: pulling, starting. */
  readonly progress: (line: string) => void;
  /** Aborts the start; it then throws ABORTED after cleaning up. */
  readonly signal: AbortSignal;
}

export interface Started {
  readonly targets: readonly RunningTarget[];
  /** The release as it will be run from now on: with the digest its tag was resolved to. */
  readonly release: Release;
}

/** What a target costs now, where its platform can tell. */
export interface Cost {
  readonly memoryBytes?: number;
  /** 100 is one core. */
  readonly cpuPercent?: number;
}

export interface RunningTarget {
  /** Stable over restarts of the replica, unique in its pool. */
  readonly id: string;
  readonly host: string;
  readonly port: number;
  /** As in `TargetAddress`. */
  readonly scheme?: 'https' | 'unix';
  /** Where its health is asked; absent: where the config says, or at `port`. */
  readonly healthPort?: number;
  /**
   * `down`: not running now; the driver is on it. `starting`, `unhealthy`: the platform's own check
   * says so. `frozen`: as it was ordered; it answers nothing.
   */
  readonly state: 'running' | 'starting' | 'unhealthy' | 'frozen' | 'down';
  /** For people: pid, container name, exit code, how it is reached. */
  readonly detail: string;
}

export interface RunningPool {
  readonly poolId: string;
  readonly service: string;
  readonly color: Color;
  readonly release: string;
  readonly targets: readonly (RunningTarget & Cost)[];
}

export type DriverEvent =
  /** The targets of a pool are now these: one died, moved, came back, or changed its own health. */
  | {
      readonly kind: 'targets';
      readonly poolId: string;
      readonly targets: readonly RunningTarget[];
    }
  /** Output of a replica, for the record of a deployment that fails. */
  | {
      readonly kind: 'output';
      readonly poolId: string;
      readonly target: string;
      readonly line: string;
    }
  /** The platform went away, or came back: list again. */
  | { readonly kind: 'platform'; readonly available: boolean; readonly reason: string };
