/**
 * What the control core is handed: time, chance, the disk, the workers, the platforms, the network.
 *
 * The rule this file keeps: the core reaches the world through these alone, so that a simulation
 * can stand in for all of it.
 */
import type { Clock } from '../clock.ts';
import type { Health } from '../config/config.ts';
import type { Driver, RunningTarget } from './drivers/driver.ts';
import type { Events, ProbeResult } from './model/api.ts';
import type { Store } from './stores/store.ts';
import type { DataPlane } from './workers/dataPlane.ts';

/**
 * Probes one target once. It always settles, within `health.timeoutMs` and a little, and never
 * throws: what went wrong is in the result. `signal` gives it up; the result is then dropped.
 */
export type Probe = (
  target: Pick<RunningTarget, 'host' | 'port'>,
  health: Health,
  signal: AbortSignal,
) => Promise<ProbeResult>;

export type Log = (
  level: 'info' | 'warn' | 'error',
  message: string,
  detail?: Readonly<Record<string, unknown>>,
) => void;

export interface Dependencies {
  readonly clock: Clock;
  /** 0 up to 1, for jitter alone: nothing that matters depends on it. */
  readonly random: () => number;
  readonly store: Store;
  /** Each called at most once, and only where a service runs that way. */
  readonly drivers: Readonly<Record<'static' | 'process' | 'docker', () => Driver>>;
  readonly plane: DataPlane;
  readonly probe: Probe;
  readonly events: Events;
  readonly log: Log;
}
