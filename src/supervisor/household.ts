/**
 * What a supervisor and its children are started with.
 *
 * The rule this file keeps: it is fixed for their lives. What a later config says of it takes
 * another supervisor.
 */
import type { Address, InForce } from '../config/config.ts';
import type { Birth } from '../handover/birth.ts';

/** What all children of one supervisor are started with. */
export interface Household {
  /** The file that children are started from: main.js. */
  readonly entry: string;
  readonly configFile: string;
  /** What a controller that is started again finds, whatever the file says by then. */
  readonly inForce: InForce;
  /** For plain HTTP, and for TLS. */
  readonly listen: readonly Address[];
  readonly tlsListen: readonly Address[];
  /** 1 to 64 */
  readonly workers: number;
  /** Their slots begin here. */
  readonly firstSlot: number;
  /** The descriptor of the scoreboard. */
  readonly board: number;
}

export interface SupervisorOptions extends Omit<Household, 'firstSlot' | 'board'> {
  /** The file that a successor is started from, which may be another one by then. */
  readonly successor: string;
  readonly admin: Address;
  readonly shutdownMs: number;
  /** How long connections may stay here after a successor serves. */
  readonly handoverMs: number;
  readonly version: string;
  readonly birth: Birth;
  /** Told once, when the first controller answers and every worker accepts. */
  readonly up: (listening: {
    readonly plain: readonly Address[];
    readonly secure: readonly Address[];
    readonly admin: Address;
  }) => void;
}
