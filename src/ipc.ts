/**
 * What the supervisor, the controller and the workers say to each other over their IPC channels.
 *
 * The rule this file keeps: the supervisor relays orders and replies unread; what it acts on itself
 * is `kind` by `kind` listed here.
 */
import type { Order, Reply } from './wire.ts';

export interface WorkerInfo {
  /** Slot, 1 to N: a worker that is replaced keeps it. */
  readonly worker: number;
  readonly pid: number;
}

/** Supervisor to controller. */
export type ToController =
  /** First of all: which workers there are now. */
  | { readonly kind: 'welcome'; readonly workers: readonly WorkerInfo[] }
  | { readonly kind: 'up'; readonly worker: WorkerInfo }
  | { readonly kind: 'down'; readonly worker: WorkerInfo; readonly why: string }
  | { readonly kind: 'from'; readonly worker: number; readonly reply: Reply }
  | { readonly kind: 'reload' }
  /** No new work: the workers drain. */
  | { readonly kind: 'stopping' }
  /** The workers are gone: end. */
  | { readonly kind: 'stop' };

/** Controller to supervisor. */
export type FromController =
  /** It answers operators. From here on, one that refuses to start again is no reason to end. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'order'; readonly workers: readonly number[]; readonly order: Order }
  /** A worker that holds and does not answer is of no use to anybody: end it, start another. */
  | { readonly kind: 'end'; readonly worker: number; readonly why: string };

/** Supervisor to worker: orders, and these. */
export type ToWorker =
  | Order
  /**
   * A client connection, with its handle, that another worker had too many to keep; `secure`: it
   * begins with a handshake of TLS.
   */
  | { readonly kind: 'connection'; readonly secure: boolean }
  | { readonly kind: 'stop'; readonly limitMs: number };

/** Worker to supervisor. */
export type FromWorker =
  | Reply
  /** It has a table and accepts connections. */
  | { readonly kind: 'listening' }
  /** A client connection, with its handle, for the worker with the fewest. */
  | { readonly kind: 'connection'; readonly secure: boolean; readonly to: number };

/**
 * Descriptors that children inherit, at fixed numbers: 3 is the IPC channel. A worker's listeners
 * begin at `listeners`, the plain ones first; the controller has one.
 */
export const inherited = { scoreboard: 4, listeners: 5 } as const;

/** Environment of a child. */
export const childEnv = {
  role: 'POINTSMAN_ROLE',
  slot: 'POINTSMAN_SLOT',
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
