/**
 * What the controller remembers across restarts: the shapes, not how they are stored.
 *
 * The rule this file keeps: state is what happened, config is what was meant. Only the controller
 * writes state, and a release in it carries all that running it takes, so that a restart or a
 * rollback of a release never runs with options that came after it.
 *
 * `intent` is the point of no return of a flip for a restart of everything: the file says where the
 * traffic was about to go, and going forward is the only direction that never sends a request to
 * the old pool after a client has seen the new one.
 */
import type { Address, DockerRun, ProcessRun } from '../../config/config.ts';
import type { Color, Drained, Inside } from '../../wire.ts';

/** The format this version writes; older ones are migrated when read, newer ones are refused. */
export const stateFormat = 1;

export interface State {
  readonly services: Readonly<Record<string, ServiceState>>;
}

export interface ServiceState {
  /** Counts the flips; 1 is the first release. 0: nothing was ever live. */
  readonly generation: number;
  readonly live: Color;
  /** A flip that was decided and not yet recorded. */
  readonly intent: Intent | null;
  readonly pools: Readonly<Record<Color, PoolState | null>>;
  /** How often a color was filled; numbers pools. */
  readonly fills: number;
  /** How many deployments there were; numbers them. */
  readonly deployments: number;
  readonly paused: boolean;
  /** The deployment that runs, or the last one that ended. */
  readonly deployment: Deployment | null;
  /**
   * The releases seen last, newest first, at most `releasesKept`: names are taken by what they ran.
   */
  readonly releases: readonly Release[];
}

/** A name is forgotten, and free again, once so many newer releases have been deployed. */
export const releasesKept = 50;

export interface Intent {
  readonly generation: number;
  readonly live: Color;
  readonly direction: Direction;
  readonly deployment: string | null;
}

export type Direction = 'deploy' | 'rollback';

export interface PoolState {
  /** `service.color.fill` */
  readonly id: string;
  readonly release: Release;
  /** ISO 8601: when it was filled; when it last became live, or stopped being it. */
  readonly filledAt: string;
  readonly liveSince: string | null;
  readonly warmSince: string | null;
}

/** An immutable version: a name, and all that running it takes. */
export interface Release {
  readonly name: string;
  readonly run: ReleaseRun;
}

export type ReleaseRun =
  | { readonly kind: 'static'; readonly targets: readonly Address[] }
  | ProcessRun
  | PinnedDockerRun;

/** A docker release: the reference a person gave, and the digest it was resolved to, once. */
export interface PinnedDockerRun extends DockerRun {
  readonly image: string;
  /** `sha256:…`, null until the driver has resolved it. */
  readonly digest: string | null;
}

/** In the order in which a deployment may come through them. */
export const phases = [
  'starting',
  'probing',
  'ready',
  'flipping',
  'draining',
  'live',
  'failed',
  'aborted',
] as const;

export type Phase = (typeof phases)[number];

/** One attempt to move a service to a release; also what history keeps. */
export interface Deployment {
  /** `service-number` */
  readonly id: string;
  readonly service: string;
  readonly direction: Direction;
  readonly from: { readonly color: Color; readonly release: string } | null;
  readonly to: { readonly color: Color; readonly release: string };
  readonly phase: Phase;
  /** Who and why, as the caller said it. */
  readonly by: string;
  readonly why: string;
  readonly startedAt: string;
  readonly endedAt: string | null;
  /** Set where the phase is failed or aborted: a code of errors.ts and one sentence. */
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly detail?: unknown;
  } | null;
  readonly receipt: Receipt | null;
}

/**
 * Whether a deployment stands in the way of another: from its start until it has flipped or ended.
 */
export function inProgress(deployment: Deployment | null): deployment is Deployment {
  if (deployment === null) return false;
  return phases.indexOf(deployment.phase) < phases.indexOf('draining');
}

/** What a flip reports about itself. */
export interface Receipt {
  readonly service: string;
  readonly generation: number;
  readonly direction: Direction;
  readonly from: { readonly color: Color; readonly release: string } | null;
  readonly to: { readonly color: Color; readonly release: string };
  /** ISO 8601 with milliseconds. */
  readonly committedAt: string;
  /** The longest any worker held, from its hold order to its switch. */
  readonly holdMs: number;
  /** From the first order to the last answer, as the controller saw it. */
  readonly flipMs: number;
  readonly workers: number;
  /** How often the workers were asked to hold; older versions did not say. */
  readonly attempts?: number;
  readonly waited: number;
  readonly waitedMsMax: number;
  readonly inflight: Inside;
  /** null until the old pool has drained. */
  readonly drained: Drained | null;
}
