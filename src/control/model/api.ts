/**
 * What an operator can ask of Pointsman, and what comes back: the admin API, the CLI and the page
 * speak of nothing else. `controller.ts` implements it.
 *
 * The rule this file keeps: plain immutable values in and out, ready for JSON; every refusal is a
 * `Fault` that changed nothing.
 */
import type { FlipMode, TargetAddress } from '../../config/config.ts';
import type { Handover } from '../../ipc.ts';
import { type Color, otherColor } from '../../wire.ts';
import type { CertificateStatus } from './certificates.ts';
import type { PoolStatus, ProbeResult } from './pools.ts';
import type { SampleFeed } from './samples.ts';
import type { Confirm, Deployment, Direction, Latch, Receipt, Watch } from './state.ts';

export interface Control {
  services(): readonly ServiceStatus[];
  /** @throws Fault SERVICE_UNKNOWN */
  service(name: string): ServiceStatus;
  /**
   * Begins a deployment; what follows is told by events. A dry run checks all that can be checked
   * without starting anything and says what would happen.
   *
   * @throws Fault SERVICE_UNKNOWN, DEPLOYMENT_IN_PROGRESS, RELEASE_TAKEN, RELEASE_LIVE,
   *   RELEASE_WARM, RELEASE_INVALID, TARGET_INVALID, GENERATION_STALE, STATE_NOT_WRITABLE,
   *   DRIVER_UNAVAILABLE, LATCHED, FROZEN, CONFIRM_PENDING, CONFIRM_REFUSED where nothing
   *   is live and a time to confirm was given
   */
  deploy(service: string, order: DeployOrder, call: Call): Promise<Deployment>;
  /**
   * Flips a deployment that is ready and waits for a person.
   * @throws Fault FLIP_NOT_READY, GENERATION_STALE, HOLD_TIMEOUT, FROZEN
   */
  flip(service: string, call: Call): Promise<Deployment>;
  /**
   * Flips back to the warm pool. It names where it goes, by release or by `call.generation`: never
   * a toggle.
   *
   * @throws Fault CALL_INVALID where it names neither, ROLLBACK_NOT_READY with the reason,
   *   ROLLBACK_UNSAFE where what is live said why nobody should and `unsafe` does not repeat it,
   *   GENERATION_STALE, DEPLOYMENT_IN_PROGRESS, HOLD_TIMEOUT
   */
  rollback(service: string, to: string | null, call: Call, unsafe?: string): Promise<Deployment>;
  /**
   * Says that somebody knows of a release that was taken back by itself: deployments are let in
   * again. Where none was, nothing changes.
   * @throws Fault SERVICE_UNKNOWN, GENERATION_STALE, STATE_NOT_WRITABLE
   */
  acknowledge(service: string, call: Call): Promise<ServiceStatus>;
  /**
   * Says that a release which was deployed with `confirmWithinMs` stays; with a time it is to be
   * confirmed so long from now. It names what it is for by `call.generation`. Where nothing waits
   * to be confirmed, nothing changes.
   *
   * @throws Fault CALL_INVALID where it names nothing, GENERATION_STALE, DEPLOYMENT_IN_PROGRESS,
   *   STATE_NOT_WRITABLE, CONFIRM_REFUSED where there is no time to extend
   */
  confirm(service: string, withinMs: number | null, call: Call): Promise<ServiceStatus>;
  /** @throws Fault DEPLOYMENT_UNKNOWN, ABORT_TOO_LATE */
  abort(deployment: string, call: Call): Promise<Deployment>;
  /** Empties the standby. @throws Fault RETIRE_REFUSED, GENERATION_STALE */
  retire(service: string, call: Call): Promise<ServiceStatus>;
  /**
   * Makes a warm pool that is kept small or frozen able to take the traffic; it stays so until the
   * next flip. One that is awake is let be.
   *
   * @returns at once; it is done when a rollback is ready. @throws Fault GENERATION_STALE
   */
  wake(service: string, call: Call): Promise<ServiceStatus>;
  /** @param page requests are answered at once with a 503; else they wait. */
  pause(service: string, page: boolean, call: Call): Promise<ServiceStatus>;
  resume(service: string, call: Call): Promise<ServiceStatus>;
  /** Every certificate that is served or wanted, with what is wrong with it. */
  certificates(): readonly CertificateStatus[];
  /** Newest first, those that run included. @param query.limit 1 to 1000 */
  deployments(query: {
    readonly service?: string;
    readonly limit: number;
  }): Promise<readonly Deployment[]>;
  /** @throws Fault DEPLOYMENT_UNKNOWN */
  deployment(id: string): Promise<Deployment>;
  /**
   * Reads the config again, and the token files that it names. One reload at a time.
   * @throws Fault CONFIG_INVALID with every mistake, CONFIG_UNREADABLE; what was active then stays.
   */
  reload(): Promise<Reloaded>;
  /**
   * Begins to replace this Pointsman by the one that is installed now; how it goes is told by
   * `handover` and by events, the latter by its successor from a point on.
   * @throws Fault HANDOVER_REFUSED, STARTING
   */
  upgrade(call: Call): Promise<void>;
  /** The last hand-over, or the one that is under way; null: there was none. */
  handover(): Handover | null;
  health(): Health;
  /** The Prometheus page, summed over workers: its content type and text. */
  metrics(): Promise<{ readonly type: string; readonly text: string }>;
  readonly events: Events;
  /** The live figures of the page; left out where nobody looks at the workers. */
  readonly samples?: SampleFeed;
}

/** Who calls, why, and what they believe the service to be. */
export interface Call {
  /** At most 100 characters; what the caller says of itself. */
  readonly by: string;
  /** At most 1000 characters. */
  readonly why: string;
  /**
   * From If-Match: the call is refused with GENERATION_STALE where the service has another one.
   * null: not said.
   */
  readonly generation: number | null;
}

export interface DeployOrder {
  /** 1 to 128 characters of `A-Z a-z 0-9 . _ -`, beginning with a letter or digit. */
  readonly release: string;
  /** Where the service runs containers. */
  readonly image: string | null;
  /** Where the service is static. */
  readonly targets: readonly TargetAddress[];
  /** A release that is known is deployed as it ran then; the order names nothing but it. */
  readonly again?: boolean;
  /** null: as the config says. */
  readonly flip: FlipMode | null;
  readonly dryRun: boolean;
  /** 5 s to 7 d: it is gone back from unless somebody confirms it so long after its flip. */
  readonly confirmWithinMs?: number;
  /** 1 to 500 characters: why going back from the release, once it is live, is unsafe. */
  readonly rollbackUnsafe?: string;
}

export interface ServiceStatus {
  readonly name: string;
  readonly hosts: readonly string[];
  readonly paths: readonly string[];
  readonly run: 'static' | 'process' | 'docker';
  readonly generation: number;
  /** The color that gets new requests; null: no release was live yet, and none does. */
  readonly live: Color | null;
  readonly paused: boolean;
  /** While it is paused, requests are answered at once with a 503; else they wait. */
  readonly pausePage: boolean;
  readonly pools: Readonly<Record<Color, PoolStatus | null>>;
  /**
   * What a deployment proves beside the warm pool; its color is the one that it takes at the flip.
   * null: nothing, or it stands where nothing was warm.
   */
  readonly candidate: PoolStatus | null;
  /** How long the way back is kept: until the flip of the next deployment, or until it begins. */
  readonly warmUntil: 'flip' | 'deploy';
  readonly rollback: RollbackStatus;
  /** The deployment that runs, or the last one. */
  readonly deployment: Deployment | null;
  /** Releases that can be deployed again as they ran, the last first; at most 10. */
  readonly releases: readonly PastRelease[];
  readonly limits: ServiceLimits;
  /** How the release that is live stands against the one before it; null: it never was watched. */
  readonly watch: Watch | null;
  /** A release was taken back by itself: the next deployment waits for `acknowledge`. */
  readonly latch: Latch | null;
  /** What is live has to be confirmed, or is gone back from; null: it stays. */
  readonly confirm: Confirm | null;
  /** Why it is not deployed to, as the config says it; null: it is. */
  readonly freeze: string | null;
  /** How what is being proved is seen before its flip; null: the config lets nobody see it. */
  readonly preview: PreviewStatus | null;
  /** Requests that wait for a claim now. */
  readonly waiting: number;
  /**
   * Why the service is not as it should be (its driver away, its pool lost at restart); null: it
   * is.
   */
  readonly problem: string | null;
}

export interface PreviewStatus {
  /** Where it is looked at; null: by a header alone. */
  readonly url: string | null;
  /** Names of the host and of the header field; '': none. */
  readonly host: string;
  readonly header: string;
  /** The deployment that is shown now; null: none, and requests get 503. */
  readonly deployment: string | null;
}

/** The two pools by what they are to the clients; where nothing is live, what fills is the standby. */
export function sidesOf({ live, pools }: Pick<ServiceStatus, 'live' | 'pools'>): {
  readonly live: PoolStatus | null;
  readonly standby: PoolStatus | null;
} {
  if (live === null) return { live: null, standby: pools.blue ?? pools.green };
  return { live: pools[live], standby: pools[otherColor(live)] };
}

/** The pool that is being proved, or waits for its flip; null: none. */
export function provedIn(status: Pick<ServiceStatus, 'live' | 'pools' | 'candidate'>) {
  const { candidate } = status;
  const { standby } = sidesOf(status);
  if (candidate !== null || standby === null) return candidate;
  return ['starting', 'probing', 'ready'].includes(standby.role) ? standby : null;
}

/** How long things may take, and what is left of it. */
export interface ServiceLimits {
  /** A deployment until it is healthy, and the old pool to drain. */
  readonly deployMs: number;
  readonly drainMs: number;
  /** When the deployment that runs fails unless it is healthy; null: nothing presses it. */
  readonly until: string | null;
}

/** A release that was live once: its name, and what it ran. */
export interface PastRelease {
  readonly name: string;
  readonly source: string;
}

export interface RollbackStatus {
  readonly ready: boolean;
  readonly to: { readonly color: Color; readonly release: string } | null;
  /** Why it is not ready, in one sentence; null when it is. */
  readonly reason: string | null;
  /** The warm pool is kept small or frozen, and `wake` is what opens the way back. */
  readonly asleep: boolean;
  /** Why going back from what is live is unsafe, to be repeated by who does it; null: it is not. */
  readonly unsafe: string | null;
}

export interface Reloaded {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly string[];
  /** What becomes true by a hand-over to a successor, which has begun; one sentence each. */
  readonly handover: readonly string[];
  /** What takes a restart to become true, or another reload, one sentence each. */
  readonly needsRestart: readonly string[];
}

export interface Health {
  readonly ready: boolean;
  /** Why it is not ready, one sentence each. */
  readonly reasons: readonly string[];
  readonly version: string;
  readonly uptimeSeconds: number;
  readonly workers: readonly {
    readonly worker: number;
    readonly pid: number;
    readonly connections: number;
  }[];
}

/** What happened, for SSE: numbered, bounded, replayed from an id on. */
export interface Events {
  /** Publishes one event and gives it its id. */
  emit(event: EventBody): PointsmanEvent;
  /**
   * Calls `listener` for every kept event with an id above `after`, then for each new one.
   *
   * @returns ends it.
   */
  subscribe(after: number, listener: (event: PointsmanEvent) => void): () => void;
}

export type PointsmanEvent = EventBody & {
  /** Grows by one; begins anew, far above the last, when the controller restarts. */
  readonly id: number;
  readonly at: string;
};

export type EventBody =
  /** A deployment entered a phase, or ended; its receipt may still grow by what drained. */
  | { readonly type: 'deployment'; readonly service: string; readonly deployment: Deployment }
  | {
      readonly type: 'progress';
      readonly service: string;
      readonly deployment: string;
      readonly line: string;
    }
  /** A probe whose outcome differs from the one before it, or that belongs to a gate. */
  | {
      readonly type: 'probe';
      readonly service: string;
      readonly color: Color;
      readonly target: string;
      readonly result: ProbeResult;
      readonly healthy: boolean;
      readonly passes: number;
      readonly rise: number;
    }
  | {
      readonly type: 'target';
      readonly service: string;
      readonly color: Color;
      readonly target: string;
      readonly healthy: boolean;
      readonly why: string;
    }
  | {
      readonly type: 'flip';
      readonly service: string;
      readonly direction: Direction;
      readonly receipt: Receipt;
    }
  /** The watch over a release that is live has begun, or entered another phase. */
  | { readonly type: 'watch'; readonly service: string; readonly watch: Watch }
  /** Paused, resumed, retired, or changed in config: look again. */
  | { readonly type: 'service'; readonly service: string; readonly what: string }
  | {
      readonly type: 'worker';
      readonly worker: number;
      readonly what: 'up' | 'down';
      readonly why: string;
    }
  | { readonly type: 'config'; readonly ok: boolean; readonly what: string }
  /** Pointsman is being replaced: the hand-over entered another phase. */
  | { readonly type: 'handover'; readonly handover: Handover };
