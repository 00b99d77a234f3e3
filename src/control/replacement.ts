/**
 * The hand-over of this Pointsman to its successor, as the controller has part in it.
 *
 * The rule this file keeps: nothing is broken off for it. While a deployment is under way nobody
 * takes over, and once the controller has yielded nothing begins here any more.
 */
import type { Outstanding } from '../config/change.ts';
import { Fault } from '../errors.ts';
import type { Handover } from '../ipc.ts';
import { inProgress } from './model/state.ts';
import type { Services } from './services.ts';
import type { EventRing } from './telemetry/events.ts';

export interface ReplacementOptions {
  readonly events: EventRing;
  /** null: they are not there yet. */
  readonly services: () => Services | null;
  /**
   * Begins it; what comes of it is `heard`.
   * @throws Fault HANDOVER_REFUSED where there can be none.
   */
  readonly handOver: (asked: string) => void;
}

export class Replacement {
  readonly #options: ReplacementOptions;
  #last: Handover | null = null;
  #yielding = false;

  constructor(options: ReplacementOptions) {
    this.#options = options;
  }

  /** The one that is under way, or the last one. */
  get last(): Handover | null {
    return this.#last;
  }

  /** Another controller takes over. */
  get yielding(): boolean {
    return this.#yielding;
  }

  /** It has entered another phase. */
  heard(handover: Handover): void {
    this.#last = handover;
    this.#options.events.emit({ type: 'handover', handover });
  }

  /** @param asked by whom. @throws Fault HANDOVER_REFUSED */
  begin(asked: string): void {
    const { phase, asked: before } = this.#last ?? { phase: 'done', asked: '' };
    if (phase !== 'done' && phase !== 'failed') {
      const text = `The hand-over that ${before} asked for is ${phase}; it has to end first.`;
      throw new Fault('HANDOVER_REFUSED', text, { phase });
    }
    const busy = this.#busy();
    if (busy !== null) throw new Fault('HANDOVER_REFUSED', `Not now: ${busy}.`);
    this.#options.handOver(asked);
  }

  /**
   * A reload has found what a successor alone can make true, and asks for one.
   * @returns what is on its way by that, and what is not.
   */
  carryOut(found: Outstanding): Outstanding {
    if (found.handover.length === 0) return found;
    try {
      this.begin('a reload of the config');
      return found;
    } catch (thrown) {
      if (!(thrown instanceof Fault)) throw thrown;
      const late = found.handover.map((what) => `${what} Not yet: ${thrown.message}`);
      return { handover: [], needsRestart: [...found.needsRestart, ...late] };
    }
  }

  /** @returns null: from now on nothing begins here; or why it does not yield. */
  yield(): string | null {
    const busy = this.#busy();
    this.#yielding = busy === null;
    return busy;
  }

  #busy(): string | null {
    const services = this.#options.services();
    if (services === null) return 'Pointsman is starting';
    const busy = services
      .all()
      .find(({ flipping, state }) => flipping || inProgress(state.deployment));
    if (busy === undefined) return null;
    return `a deployment of ${busy.name} is under way; try again when it has ended`;
  }
}
