/**
 * What is done around the flips of a service, as the config says it.
 *
 * The rule this file keeps: types alone; what the keys of a file mean is `hooks.ts`.
 */
import type { TargetTls } from '../wireTls.ts';

/**
 * beforeFlip: what fails ends the deployment; the others move nothing. onFailure: it ended before
 * its flip, and nobody aborted it.
 */
export type HookMoment = 'beforeFlip' | 'afterFlip' | 'afterRollback' | 'onFailure';

export type Hook = HttpHook | CommandHook | CallHook | WarmUpHook;

/** A request that every target of the pool has to answer. */
export interface HttpHook {
  readonly kind: 'http';
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Of the Host header; null: the target's own address. */
  readonly host: string | null;
  readonly tls: TargetTls;
  readonly status: { readonly from: number; readonly to: number };
  /** What stands in the body; null: anything. */
  readonly text: string | null;
  /** Members of the JSON in the body, by names divided by dots. */
  readonly json: Readonly<Record<string, string | number | boolean | null>>;
  /** How often each target is asked, and from one answer to the next question. */
  readonly times: number;
  readonly everyMs: number;
  readonly timeoutMs: number;
}

/** What every target is asked for, again and again, before the first client is. */
export interface WarmUpHook {
  readonly kind: 'warmUp';
  readonly paths: readonly string[];
  /** How often each path is asked for, of each target; a round. */
  readonly requests: number;
  /** Rounds are made until 95 % of the answers of one came within so long; null: one round. */
  readonly p95Ms: number | null;
  /** Of the Host header; null: the target's own address. */
  readonly host: string | null;
  readonly tls: TargetTls;
  /** Then it goes on, warm or not. */
  readonly timeoutMs: number;
}

/** A command that has to end with 0. */
export interface CommandHook {
  readonly kind: 'command';
  /** Program and arguments. */
  readonly command: readonly string[];
  /** Absolute. */
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

/** A URL that is told by a POST, and has to answer. */
export interface CallHook {
  readonly kind: 'call';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly status: { readonly from: number; readonly to: number };
  /** Whether it may have an address that is not public. */
  readonly private: boolean;
  readonly timeoutMs: number;
}
