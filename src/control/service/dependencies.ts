/**
 * What the control core is handed: time, chance, the disk, the workers, the platforms, the network.
 *
 * The rule this file keeps: the core reaches the world through these alone, so that a simulation
 * can stand in for all of it.
 */
import type { Clock } from '../../clock.ts';
import type { Log } from '../../log.ts';
import type { Driver } from '../drivers/driver.ts';
import type { Gates } from '../gates/gate.ts';
import type { Probe } from '../health/probe.ts';
import type { Events } from '../model/api.ts';
import type { Lookup } from '../names/lookup.ts';
import type { Store } from '../stores/store.ts';
import type { DataPlane } from '../workers/dataPlane.ts';

export interface Dependencies {
  readonly clock: Clock;
  /** 0 up to 1, for jitter alone: nothing that matters depends on it. */
  readonly random: () => number;
  /** By what requests of ours are known that come back: 8 hex digits, drawn anew for each life. */
  readonly instance: string;
  readonly store: Store;
  /** Each called at most once, and only where a service runs that way. */
  readonly drivers: Readonly<Record<'static' | 'process' | 'docker', () => Driver>>;
  readonly plane: DataPlane;
  readonly probe: Probe;
  readonly gates: Gates;
  readonly lookup: Lookup;
  readonly events: Events;
  readonly log: Log;
}
