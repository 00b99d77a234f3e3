/**
 * The replicas of one pool, made as many as wanted.
 *
 * The rule this file keeps: one call at a time changes a pool. A start that fails leaves what ran
 * before it as it was, and nothing of what it began.
 */
import type { ProcessRun } from '../../../config/config.ts';
import { Fault } from '../../../errors.ts';
import type { Color } from '../../../wire.ts';
import type { DriverEvent, RunningTarget } from '../driver.ts';
import { Replica, type Shared } from './replica.ts';

export interface PoolPlace {
  readonly owner: string;
  readonly poolId: string;
  readonly service: string;
  readonly color: Color;
  readonly release: string;
}

export class ProcessPool {
  readonly place: PoolPlace;
  readonly #shared: Shared;
  readonly #tell: (event: DriverEvent) => void;
  readonly #replicas = new Map<number, Replica>();
  #settled = false;

  constructor(place: PoolPlace, shared: Shared, tell: (event: DriverEvent) => void) {
    this.place = place;
    this.#shared = shared;
    this.#tell = tell;
  }

  get replicas(): readonly Replica[] {
    return [...this.#replicas.values()].sort((one, other) => one.number - other.number);
  }

  get targets(): readonly RunningTarget[] {
    return this.replicas.map((replica) => replica.target());
  }

  /** The replica of this number, made where it is missing. */
  replica(number: number, stopMs: number): Replica {
    const { poolId } = this.place;
    const there = this.#replicas.get(number);
    if (there) return there;
    const made = new Replica({ ...this.place, replica: number }, stopMs, this.#shared, {
      changed: () => {
        if (this.#settled) this.#tell({ kind: 'targets', poolId, targets: this.targets });
      },
      output: (target, line) => this.#tell({ kind: 'output', poolId, target, line }),
    });
    this.#replicas.set(number, made);
    return made;
  }

  /** What was found of it counts as running: from now on deaths are told. */
  settle(): void {
    this.#settled = true;
  }

  /** @throws Fault as the driver's `start`. */
  async start(
    run: ProcessRun,
    count: number,
    abort: AbortSignal,
    progress: (line: string) => void,
  ): Promise<void> {
    for (const replica of this.replicas) if (replica.number > count) await this.#drop(replica);
    const starting: Replica[] = [];
    for (let number = 1; number <= count; number++) {
      const replica = this.replica(number, run.stopMs);
      if (!replica.running) starting.push(replica);
    }
    if (starting.length > 0) {
      progress(`starting ${starting.length} of ${count} replicas: ${run.command.join(' ')}`);
    }
    // What died and was about to be started again stays the driver's, however this call ends.
    const supervised = starting.filter((replica) => replica.supervised);
    const ends = await Promise.allSettled(starting.map((replica) => replica.start(run, abort)));
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed || abort.aborted) {
      const begun = starting.filter((replica) => !supervised.includes(replica));
      await Promise.all(begun.map((replica) => this.#drop(replica)));
      for (const replica of supervised) replica.supervise(run);
      if (abort.aborted)
        throw new Fault('ABORTED', `The start of ${this.place.poolId} was aborted.`);
      throw failed?.reason;
    }
    this.#settled = true;
    for (const replica of this.replicas) replica.supervise(run);
    for (const { id, port, detail } of starting.map((replica) => replica.target())) {
      progress(`${id} runs on port ${port} (${detail})`);
    }
  }

  /** Resolves when nothing of it runs. */
  async stop(): Promise<void> {
    this.#settled = false;
    await Promise.all(this.replicas.map((replica) => this.#drop(replica)));
  }

  /** Leaves all of it running and looks after it no more. */
  leave(): void {
    this.#settled = false;
    for (const replica of this.replicas) replica.leave();
  }

  async #drop(replica: Replica): Promise<void> {
    await replica.stop();
    this.#replicas.delete(replica.number);
    await this.#shared.records.forget(this.place.poolId, replica.number);
  }
}
