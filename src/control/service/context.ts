/**
 * What the deployers of all services share.
 *
 * The rule this file keeps: one ledger, one publisher, one prober for all, because there is one
 * disk, one table and one clock; a deployer owns nothing that another could need.
 */
import type { Address } from '../../config/config.ts';
import type { WorkerStats } from '../../wire.ts';
import type { Platforms } from '../drivers/platforms.ts';
import type { Prober } from '../health/prober.ts';
import type { Deployment } from '../model/state.ts';
import type { Names } from '../names/names.ts';
import type { Ledger } from '../record/ledger.ts';
import type { Publisher } from '../workers/publisher.ts';
import type { Dependencies } from './dependencies.ts';
import type { Semaphore } from './semaphore.ts';

export interface ControlContext {
  readonly dependencies: Dependencies;
  readonly ledger: Ledger;
  readonly publisher: Publisher;
  readonly prober: Prober;
  readonly names: Names;
  readonly platforms: Platforms;
  /** Flips go through it: each is to be quick, so that nobody waits who is held. */
  readonly flips: Semaphore;
  /** What Pointsman listens on. */
  own(): readonly Address[];
  /** Asks the workers now; those that do not answer are left out. Never rejects. */
  stats(): Promise<readonly WorkerStats[]>;
  /** Their last answers. */
  lastStats(): readonly WorkerStats[];
  /** Adds an ended deployment to the history, as soon as the disk lets it. */
  append(deployment: Deployment): void;
}
