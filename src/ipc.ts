/**
 * What the supervisor, the controller and the workers say to each other over their IPC channels.
 *
 * The rule this file keeps: the supervisor relays orders and replies unread; what it acts on itself
 * is `kind` by `kind` listed here.
 */
import type { Order, Reply } from './wire.ts';

export interface WorkerInfo {
  /** Slot: a worker that is replaced keeps it. Two supervisors in a hand-over have none in common. */
  readonly worker: number;
  readonly pid: number;
}

/** Supervisor to controller. */
export type ToController =
  /** Another controller has the state still: look whether all can be read, and say `loaded`. */
  | { readonly kind: 'prepare' }
  /** First of all: which workers there are now. */
  | { readonly kind: 'welcome'; readonly workers: readonly WorkerInfo[] }
  | { readonly kind: 'up'; readonly worker: WorkerInfo }
  | { readonly kind: 'down'; readonly worker: WorkerInfo; readonly why: string }
  | { readonly kind: 'from'; readonly worker: number; readonly reply: Reply }
  | { readonly kind: 'reload' }
  /** How a hand-over to another Pointsman goes. */
  | { readonly kind: 'handover'; readonly handover: Handover }
  /** Another controller takes over: end, or say `busy`, and leave all that runs as it is. */
  | { readonly kind: 'yield' }
  /** No new work: the workers drain. */
  | { readonly kind: 'stopping' }
  /** The workers are gone: end. */
  | { readonly kind: 'stop' };

/** Controller to supervisor. */
export type FromController =
  /** Its code, its config and the state can be read; it waits for the `welcome`. */
  | { readonly kind: 'loaded' }
  /** It ends, since it would be refused the same again. */
  | { readonly kind: 'refused'; readonly why: string }
  /** It answers operators. From here on, one that refuses to start again is no reason to end. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'order'; readonly workers: readonly number[]; readonly order: Order }
  /** A worker that holds and does not answer is of no use to anybody: end it, start another. */
  | { readonly kind: 'end'; readonly worker: number; readonly why: string }
  /** Somebody asks that this Pointsman be replaced. */
  | { readonly kind: 'upgrade'; readonly asked: string }
  /** It does not yield now. */
  | { readonly kind: 'busy'; readonly why: string };

/** Supervisor to worker: orders, and these. */
export type ToWorker =
  | Order
  /**
   * A client connection, with its handle, that another worker had too many to keep; `secure`: it
   * begins with a handshake of TLS.
   */
  | { readonly kind: 'connection'; readonly secure: boolean }
  /**
   * Others accept from now on: connections that stand may end by themselves up to `limitMs`, then
   * it stops as with `stop`, within `stopMs`.
   */
  | { readonly kind: 'leave'; readonly limitMs: number; readonly stopMs: number }
  /** It is to accept again, from the listening socket that comes with this. */
  | { readonly kind: 'return'; readonly secure: boolean }
  | { readonly kind: 'stop'; readonly limitMs: number };

/** Worker to supervisor. */
export type FromWorker =
  | Reply
  /** Its code is read; it waits for a table. */
  | { readonly kind: 'loaded' }
  /** It has left, and ends. */
  | { readonly kind: 'left'; readonly left: Left }
  /** It has a table and accepts connections. */
  | { readonly kind: 'listening' }
  /** A client connection, with its handle, for the worker with the fewest. */
  | { readonly kind: 'connection'; readonly secure: boolean; readonly to: number };

/** What became of the connections of a worker that left; whole numbers. */
export interface Left {
  /** How many there were when it stopped accepting. */
  readonly connections: number;
  /** Of these, those whose client or answer ended them. */
  readonly ended: number;
  /** WebSockets and other tunnels that were open at the limit, and were closed. */
  readonly tunnels: number;
  /** Requests that were in flight at the limit and beyond the time of a stop. */
  readonly cut: number;
}

/** A Pointsman in a hand-over. */
export interface Party {
  readonly version: string;
  /** Of Node, as `process.versions.node`. */
  readonly node: string;
  readonly pid: number;
}

/** One hand-over from a Pointsman to its successor, as it goes. */
export interface Handover {
  /**
   * starting: the successor reads its code and config; switching: it has the sockets and takes the
   * state; draining: it serves, and connections that stand end with the old one; done; failed: the
   * old one serves on, or again.
   */
  readonly phase: 'starting' | 'switching' | 'draining' | 'done' | 'failed';
  /** Who asked for it, or what. */
  readonly asked: string;
  readonly from: Party;
  /** null: it has not said yet. */
  readonly to: Party | null;
  /** ISO times; null: not yet, or never. */
  readonly startedAt: string;
  readonly readyAt: string | null;
  readonly servingAt: string | null;
  readonly endedAt: string | null;
  /** How long nobody could be told or changed anything: the state went from one to the other. */
  readonly switchMs: number | null;
  /** Why it failed. */
  readonly error: string | null;
  /** What became of the old one's connections, once it is done. */
  readonly left: Left | null;
}

/**
 * Descriptors that children inherit, at fixed numbers: 3 is the IPC channel. A worker's listeners
 * begin at `listeners`, the plain ones first; the controller has one.
 */
export const inherited = { scoreboard: 4, listeners: 5 } as const;

/** Environment of a child. */
export const childEnv = {
  role: 'POINTSMAN_ROLE',
  slot: 'POINTSMAN_SLOT',
  /** The lowest slot of the workers of this supervisor. */
  firstSlot: 'POINTSMAN_FIRST_SLOT',
  workers: 'POINTSMAN_WORKERS',
  config: 'POINTSMAN_CONFIG',
  /** JSON: what was started and takes a restart (`InForce`), whatever the file says by now. */
  inForce: 'POINTSMAN_IN_FORCE',
  /** How many listeners are for plain HTTP, and how many for TLS. */
  plain: 'POINTSMAN_PLAIN_LISTENERS',
  secure: 'POINTSMAN_SECURE_LISTENERS',
} as const;

/** Exit codes of a controller that will refuse the same again: its config, or its state. */
export const refusedExitCodes = { config: 3, state: 70 } as const;
