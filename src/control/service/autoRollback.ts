/**
 * What a flip leaves behind that may take it back: the watch over the release, and the deadline by
 * which somebody has to confirm it.
 *
 * The rule this file keeps: while either is under way, the warm pool is the way back, and nobody
 * lays it to rest or takes its place.
 */
import type { WorkerStats } from '../../wire.ts';
import type { Receipt, Watch } from '../model/state.ts';
import { Confirmation, type ConfirmationListener } from './confirmation.ts';
import type { ControlContext } from './context.ts';
import type { ServiceRecord } from './record.ts';
import { ReleaseWatch, type WatchListener } from './watch.ts';

export class AutoRollback {
  readonly watch: ReleaseWatch;
  readonly confirmation: Confirmation;

  constructor(
    record: ServiceRecord,
    context: ControlContext,
    listener: WatchListener & ConfirmationListener,
  ) {
    this.watch = new ReleaseWatch(record, context, listener);
    this.confirmation = new Confirmation(record, context, listener);
  }

  /** Whether the way back may be wanted at any moment. */
  get active(): boolean {
    return this.watch.active || this.confirmation.pending;
  }

  /** See `ReleaseWatch.over`. */
  over(deployment: string, receipt: Receipt): Watch | null {
    return this.watch.over(deployment, receipt);
  }

  /** Goes on with what is on record, after a flip and after a start. */
  resume(): void {
    this.watch.resume();
    this.confirmation.resume();
  }

  see(stats: readonly WorkerStats[]): void {
    this.watch.see(stats);
  }

  close(): void {
    this.watch.close();
    this.confirmation.close();
  }
}
