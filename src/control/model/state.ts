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
import type { DockerRun, ProcessRun, TargetAddress } from '../../config/config.ts';
import type { HookMoment } from '../../config/hook.ts';
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
  /**
   * What a deployment fills beside the warm pool; at its flip it takes that one's color. Absent:
   * nothing.
   */
  readonly candidate?: PoolState | null;
  /** How often a color was filled; numbers pools. */
  readonly fills: number;
  /** How many deployments there were; numbers them. */
  readonly deployments: number;
  readonly paused: boolean;
  /** While it is paused, requests are answered at once; absent: they wait. */
  readonly pausePage?: boolean;
  /** The deployment that runs, or the last one that ended. */
  readonly deployment: Deployment | null;
  /**
   * The releases seen last, newest first, at most `releasesKept`: names are taken by what they ran.
   */
  readonly releases: readonly Release[];
  /** How the release that is live stands against the one before it; older versions wrote none. */
  readonly watch?: Watch | null;
  /** A release was taken back by itself, and nobody has acknowledged that; absent: none. */
  readonly latch?: Latch | null;
  /** The release that is live has to be confirmed; absent: it has not. */
  readonly confirm?: Confirm | null;
}

/** Requests that were sent somewhere, and those of them that failed there. */
export interface Figures {
  readonly sent: number;
  readonly failed: number;
}

/** The first while of a release that is live, in which it is held against the one before it. */
export interface Watch {
  /** The deployment that made it live, and the generation since. */
  readonly deployment: string;
  readonly generation: number;
  readonly release: string;
  /** ISO 8601. */
  readonly since: string;
  readonly until: string;
  /**
   * `held`: it is worse, and cannot be taken back; `returned`: it was taken back; `superseded`:
   * something else was done with the service first.
   */
  readonly phase: WatchPhase;
  /** One sentence on why it is in its phase; null while there is nothing to say. */
  readonly reason: string | null;
  /** Of the last minutes of the pool that was live before. */
  readonly baseline: Figures;
  /** Of the release, as they were when the phase was entered; null: not looked at yet. */
  readonly figures: Figures | null;
}

export const watchPhases = [
  'watching',
  'held',
  'passed',
  'inconclusive',
  'returned',
  'superseded',
] as const;

export type WatchPhase = (typeof watchPhases)[number];

/** Whether a release is still held against the one before it. */
export function watched(watch: Watch | null | undefined): watch is Watch {
  return watch?.phase === 'watching' || watch?.phase === 'held';
}

/** A release that was taken back by itself: what has to be acknowledged before the next one. */
export interface Latch {
  readonly release: string;
  /** The rollback that took it back. */
  readonly deployment: string;
  readonly at: string;
  readonly reason: string;
}

/** A release that is gone back from by itself unless somebody has confirmed it by `until`. */
export interface Confirm {
  /** The deployment that made it live, and the generation since. */
  readonly deployment: string;
  readonly generation: number;
  readonly release: string;
  /** ISO 8601: when its time began, and when it is over. */
  readonly since: string;
  readonly until: string;
  /** `held`: its time is over, and there is no way back yet; `reason` says why. */
  readonly phase: (typeof confirmPhases)[number];
  readonly reason: string | null;
}

export const confirmPhases = ['waiting', 'held'] as const;

/** Why traffic moved without anybody asking, and the release that was left. */
export type Cause =
  /** `errors`: by its figures against those of the one before; `down`: no target of it works. */
  | {
      readonly kind: 'errors' | 'down';
      readonly release: string;
      readonly figures: Figures;
      readonly baseline: Figures;
    }
  /** Nobody confirmed it in time. */
  | { readonly kind: 'unconfirmed'; readonly release: string };

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
  /** Why going back from it is unsafe while it is live, as who deployed it said; absent: it is not. */
  readonly rollbackUnsafe?: string;
}

/** An immutable version: a name, and all that running it takes. */
export interface Release {
  readonly name: string;
  readonly run: ReleaseRun;
}

export type ReleaseRun =
  | { readonly kind: 'static'; readonly targets: readonly TargetAddress[] }
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

/** Those of a deployment that gets there: it runs in all but the last of them. */
export const steps: readonly Phase[] = phases.slice(0, phases.indexOf('live') + 1);

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
  /** What had to pass before its flip, or was done after it, in order; absent: nothing. */
  readonly checks?: readonly Check[];
  /** It is gone back from unless it is confirmed so long after its flip; absent: it stays. */
  readonly confirmWithinMs?: number;
  /** Why going back from the release is unsafe; absent: it is not. See `PoolState`. */
  readonly rollbackUnsafe?: string;
  /** Why Pointsman began it by itself; absent: somebody asked. */
  readonly cause?: Cause;
}

/** As the check that warms a pool up is called. */
export const warmUpName = 'warm-up';

/** One thing that has to pass before a flip, or is done after one. */
export interface Check {
  readonly moment: HookMoment;
  /** As its gate is called: `GET /login`. */
  readonly name: string;
  readonly phase: (typeof checkPhases)[number];
  /** How often it was begun: more than once where a target was lost after it. */
  readonly runs: number;
  /** ISO 8601, and ms; of the last time. */
  readonly startedAt: string | null;
  readonly ms: number | null;
  /** What it came to, in one sentence without its full stop; null: nothing yet. */
  readonly result: string | null;
  /** The last lines that it printed. */
  readonly output: readonly string[];
}

/**
 * `void`: it had passed, or ran, when a target was lost; it is made again. `stopped`: it was given
 * up before its end, and is not.
 */
export const checkPhases = ['waiting', 'running', 'passed', 'failed', 'void', 'stopped'] as const;

export const hookMoments = [
  'beforeFlip',
  'afterFlip',
  'afterRollback',
  'onFailure',
] as const satisfies readonly HookMoment[];

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
  /** What warming the pool up came to, in one sentence; absent: it was not. */
  readonly warmUp?: string;
  /** null until the old pool has drained. */
  readonly drained: Drained | null;
}
