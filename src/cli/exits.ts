/**
 * How a command ends: the exit codes, and what a command throws that ends with another one than 0.
 *
 * The rule this file keeps: scripts decide by the code alone. 5 and 6 mean that Pointsman is well
 * and said no, with nothing changed; 4 and 124 mean that nobody knows yet.
 */
import type { FaultCode } from '../errors.ts';

export const exits = {
  ok: 0,
  /** A bug, or something that no other code fits. */
  failed: 1,
  /** The command line is wrong. */
  usage: 2,
  /** The configuration is wrong. */
  config: 3,
  /** Nobody answers at the admin URL, or what answers is not Pointsman. */
  unreachable: 4,
  /** Refused, not ready, or not healthy. */
  refused: 5,
  /** Somebody else was faster, or the service has changed since it was looked at. */
  conflict: 6,
  timeout: 124,
  /** 128 and SIGINT, as shells count. */
  interrupted: 130,
} as const;

const conflicts: readonly FaultCode[] = [
  'DEPLOYMENT_IN_PROGRESS',
  'RELEASE_TAKEN',
  'RELEASE_LIVE',
  'RELEASE_WARM',
  'ABORT_TOO_LATE',
  'CONFIRM_PENDING',
  'GENERATION_STALE',
  'IDEMPOTENCY_MISMATCH',
  'REVISION_STALE',
  'FLIP_FENCED',
];
const usages: readonly FaultCode[] = ['BODY_INVALID', 'CALL_INVALID', 'TARGET_INVALID'];
const configs: readonly FaultCode[] = ['CONFIG_INVALID', 'CONFIG_UNREADABLE'];

/** @param code of a problem. @param status of the answer that carried it. */
export function exitOf(code: string, status: number): number {
  if (is(conflicts, code)) return exits.conflict;
  if (is(usages, code)) return exits.usage;
  if (is(configs, code)) return exits.config;
  return status === 500 || code === 'INTERNAL' ? exits.failed : exits.refused;
}

/** Ends a command: with this code, after this sentence on stderr. */
export class Failure extends Error {
  readonly exit: number;
  /** What `--json` prints: the problem of the admin API where there is one. */
  readonly problem: object;

  constructor(exit: number, message: string, problem?: object) {
    super(message);
    this.name = 'Failure';
    this.exit = exit;
    this.problem = { ...(problem ?? { detail: message }), exit };
  }
}

function is(codes: readonly string[], code: string): boolean {
  return codes.includes(code);
}
