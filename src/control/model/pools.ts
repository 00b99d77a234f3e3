/**
 * What an operator sees of a pool: its part, its targets, and what their last probes said.
 *
 * The rule this file keeps: plain immutable values, ready for JSON; see `api.ts`.
 */
import type { Color, Inside } from '../../wire.ts';

/** What a pool is at this moment; EMPTY is a null pool. */
export type PoolRole = 'live' | 'warm' | 'starting' | 'probing' | 'ready' | 'draining' | 'retiring';

export interface PoolStatus {
  readonly id: string;
  readonly color: Color;
  readonly role: PoolRole;
  readonly release: string;
  /** What it runs: an image by digest, a command, addresses. */
  readonly source: string;
  readonly filledAt: string;
  /** Since when it has its role, where that is live or warm. */
  readonly since: string | null;
  readonly healthy: number;
  readonly targets: readonly TargetStatus[];
  readonly inside: Inside;
}

export interface TargetStatus {
  readonly id: string;
  readonly address: string;
  /** What the name in it stands for; none where it is no name, or nobody could say yet. */
  readonly addresses: readonly AddressStatus[];
  /** Why its name cannot be resolved now; the last good answer holds. null: it can. */
  readonly unresolved: { readonly reason: string; readonly since: string } | null;
  readonly healthy: boolean;
  /** Of the driver: pid, container, exit code. */
  readonly state: string;
  readonly detail: string;
  readonly probe: ProbeResult | null;
  /** Passes and failures in a row, up to now. */
  readonly passes: number;
  readonly failures: number;
  /** Since when it has been healthy, or not. */
  readonly changedAt: string | null;
  /** Taken out by how many workers, after errors in a row. */
  readonly ejectedBy: number;
  readonly inside: number;
  readonly requests: number;
  readonly errors: number;
  /** Answers whose head came, and the sum of what each took from the sending of its request. */
  readonly answered: number;
  readonly answeredMs: number;
  /** Requests it was given that went on to another target. */
  readonly retries: number;
  readonly memoryBytes?: number;
  readonly cpuPercent?: number;
}

/** One address of a name. */
export interface AddressStatus {
  readonly address: string;
  /** Whether connections go there. */
  readonly used: boolean;
  /** What its last probe failed with, or why it may not be gone to; null: nothing is wrong. */
  readonly error: string | null;
}

/** What all targets of a pool cost together; null: their platform does not say. */
export function costOf({ targets }: PoolStatus): {
  readonly memoryBytes: number | null;
  readonly cpuPercent: number | null;
} {
  const sum = (values: readonly (number | undefined)[]): number | null => {
    const known = values.filter((value) => value !== undefined);
    return known.length > 0 ? known.reduce((total, value) => total + value, 0) : null;
  };
  return {
    memoryBytes: sum(targets.map(({ memoryBytes }) => memoryBytes)),
    cpuPercent: sum(targets.map(({ cpuPercent }) => cpuPercent)),
  };
}

/** One probe: what came back, or why nothing did. */
export interface ProbeResult {
  readonly at: string;
  readonly ms: number;
  readonly passed: boolean;
  /** HTTP status; null where there was no answer. */
  readonly status: number | null;
  /** One sentence on what was wrong; null when it passed. */
  readonly error: string | null;
  /** The first 200 bytes of the body, cleaned of control characters; null when it passed. */
  readonly body: string | null;
}
