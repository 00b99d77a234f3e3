/**
 * The workers of one supervisor, as it speaks to them.
 *
 * The rule this file keeps: a worker is known by its slot, and one that ends in the moment it is
 * told something is told nothing: its end is reported, and nobody waits for its answer then.
 */
import type { Socket } from 'node:net';
import type { Left, ToWorker, WorkerInfo } from '../ipc.ts';
import type { HeldListener } from '../listener.ts';
import { type Child, childAt, infoOf } from './child.ts';

export class Crew {
  readonly all: readonly Child[];
  /** What those say that have left; null: none is to leave. */
  #left: Left[] | null = null;

  constructor(firstSlot: number, workers: number) {
    this.all = Array.from({ length: workers }, (_, at) => childAt('worker', firstSlot + at));
  }

  get running(): readonly WorkerInfo[] {
    return this.all.filter((worker) => worker.process !== null).map(infoOf);
  }

  get listening(): boolean {
    return this.all.every((worker) => worker.listening);
  }

  /** What became of the connections, of all that have said so; null: none is to leave. */
  get left(): readonly Left[] | null {
    return this.#left;
  }

  at(slot: number): Child | undefined {
    return this.all.find((worker) => worker.slot === slot);
  }

  /** @param held goes with it. @returns whether there is such a worker here. */
  tell(slot: number, message: ToWorker, held?: HeldListener): boolean {
    const worker = this.at(slot);
    const socket = held?.handle as Socket | undefined;
    if (worker?.process?.connected) worker.process.send(message, socket, () => {});
    return worker !== undefined;
  }

  tellAll(message: ToWorker): void {
    for (const { slot } of this.all) this.tell(slot, message);
  }

  /** They are to accept no more, and end when their connections have. */
  leave(limitMs: number, stopMs: number): void {
    this.#left = [];
    this.tellAll({ kind: 'leave', limitMs, stopMs });
  }

  hasLeft(left: Left): void {
    this.#left?.push(left);
  }

  /**
   * Those that are leaving accept again.
   *
   * @param listeners what they accept from, the plain ones first. @param plain how many those are.
   * @returns those that have gone already.
   */
  comeBack(listeners: readonly HeldListener[], plain: number): readonly Child[] {
    this.#left = null;
    for (const { slot } of this.all) {
      for (const [at, held] of listeners.entries()) {
        this.tell(slot, { kind: 'return', secure: at >= plain }, held);
      }
    }
    return this.all.filter((worker) => worker.process === null);
  }
}
