/**
 * The Pointsman that this one takes over from, as its successor sees it.
 *
 * The rule this file keeps: the successor writes nothing and accepts nobody before it is told to
 * go, or before the old one is gone: whichever is first, and once.
 */
import type { FromController, ToController, WorkerInfo } from '../ipc.ts';
import type { FromSuccessor, Inheritance, ToSuccessor } from './protocol.ts';

export interface PredecessorListener {
  /** Take the state, serve, and lead the old workers as well. */
  go(): void;
  /** For the controller. */
  told(message: ToController): void;
  /** It has ended, and its workers with it. */
  gone(workers: readonly WorkerInfo[]): void;
}

export class Predecessor {
  readonly #inheritance: Inheritance;
  readonly #workers = new Map<number, WorkerInfo>();
  #went = false;
  #gone = false;
  #done = false;
  #asked = false;
  #refused = false;

  constructor(inheritance: Inheritance) {
    this.#inheritance = inheritance;
  }

  get gone(): boolean {
    return this.#gone;
  }

  /** It has ended as it should. */
  get done(): boolean {
    return this.#done;
  }

  /** Those of its workers that are there. */
  get workers(): readonly WorkerInfo[] {
    return [...this.#workers.values()];
  }

  /** The first of `count` slots that the old workers do not have. */
  firstSlot(count: number): number {
    const { firstSlot, slots } = this.#inheritance;
    return firstSlot > count ? 1 : firstSlot + slots;
  }

  hear(listener: PredecessorListener): void {
    process.on('message', (message: ToSuccessor) => {
      if (message.kind === 'go') this.#go(listener, message.workers);
      else if (message.kind === 'told') this.#told(listener, message.message);
      else this.#done = true;
    });
    const gone = (): void => {
      this.#gone = true;
      this.#go(listener, []);
      const { workers } = this;
      this.#workers.clear();
      listener.gone(workers);
    };
    // It may have gone before anybody listened.
    if (process.connected) process.once('disconnect', gone);
    else setImmediate(gone);
  }

  prepared(version: string): void {
    if (this.#asked) return;
    this.#asked = true;
    this.#say({ kind: 'prepared', version, node: process.versions.node });
  }

  /** The first reason counts. */
  refuse(why: string): void {
    if (!this.#refused) this.#say({ kind: 'refused', why });
    this.#refused = true;
  }

  up(): void {
    this.#say({ kind: 'up' });
  }

  order(message: FromController): void {
    this.#say({ kind: 'ordered', message });
  }

  stop(): void {
    this.#say({ kind: 'stop' });
  }

  /** This process ends, and does not wait for the one before it. */
  leave(): void {
    if (process.connected) process.disconnect();
  }

  #go(listener: PredecessorListener, workers: readonly WorkerInfo[]): void {
    if (this.#went) return;
    this.#went = true;
    for (const worker of workers) this.#workers.set(worker.worker, worker);
    listener.go();
  }

  #told(listener: PredecessorListener, message: ToController): void {
    if (message.kind === 'up') this.#workers.set(message.worker.worker, message.worker);
    if (message.kind === 'down') this.#workers.delete(message.worker.worker);
    listener.told(message);
  }

  #say(message: FromSuccessor): void {
    // One that is gone is told of by 'disconnect'.
    if (process.connected) process.send?.(message, undefined, undefined, () => {});
  }
}

/** Says why there will be no hand-over, before this process ends. */
export function refuse(why: string): Promise<void> {
  return new Promise((resolve) => {
    const message: FromSuccessor = { kind: 'refused', why };
    if (!process.connected) resolve();
    else process.send?.(message, undefined, undefined, () => resolve());
  });
}
