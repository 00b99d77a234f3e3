/**
 * The data plane in worker processes: orders go out through the supervisor, replies come back.
 *
 * The rule this file keeps: whoever has been sent a staged generation is in the flip, whoever
 * starts meanwhile waits for its first table until no flip is under way, and a worker that ends is
 * waited for no more. So a flip always ends, and always ends the same on every worker that lives.
 */
import type { Clock } from '../../clock.ts';
import { Fault, type FaultCode, faults } from '../../errors.ts';
import type { FromController, WorkerInfo } from '../../ipc.ts';
import type {
  Committed,
  Fence,
  Order,
  Reply,
  ServiceEntry,
  Table,
  TableChange,
  WorkerStats,
} from '../../wire.ts';
import type { CertificateSet } from '../../wireTls.ts';
import type { CertificateTaker, DataPlane } from './dataPlane.ts';

/** By when a worker must have taken a table, or committed: beyond that it is ended and replaced. */
const obeyMs = 5_000;
/**
 * Before it has answered anything a worker may still be on its way up, which takes long where
 * others have the CPU; one that is ended for it would never be up.
 */
const firstObeyMs = 30_000;
/** Workers that do not answer a question by then are left out of the answer. */
const statsMs = 1_000;
/** The last part of every limit. */
const lastLookMs = 10;

type Outcome = Reply | 'gone' | 'late';

interface Sent {
  readonly version: number;
  /** The entries as JSON, by name. */
  readonly texts: ReadonlyMap<string, string>;
}

export interface WorkerListener {
  up(worker: WorkerInfo): void;
  down(worker: WorkerInfo, why: string): void;
}

export class Workers implements DataPlane, CertificateTaker {
  readonly #send: (message: FromController) => void;
  readonly #clock: Clock;
  readonly #listener: WorkerListener;
  readonly #alive = new Map<number, WorkerInfo>();
  /** Those that have a table; the others get theirs when no flip is under way. */
  readonly #joined = new Set<number>();
  /** Those that have answered anything. */
  readonly #heard = new Set<number>();
  /** Answers that are waited for, by worker and then by number of the order. */
  readonly #waiting = new Map<number, Map<number, (outcome: Reply | 'gone') => void>>();
  /** Flips between their stage and their commit. */
  readonly #staged = new Map<string, ServiceEntry>();
  /** What the workers serve; a generation in it grows by commits alone. */
  readonly #serving = new Map<string, ServiceEntry>();
  /**
   * Generations that workers told of before this controller gave them a table: it was started
   * again.
   */
  readonly #found = new Map<string, number>();
  #table: Table | null = null;
  #certificates: CertificateSet | null = null;
  /** What every worker that has joined was sent last: the next table travels as a change of it. */
  #sent: Sent | null = null;
  #seq: number;

  /**
   * @param seqFirst far from that of an earlier controller, whose answers may still be on their
   *   way.
   */
  constructor(
    send: (message: FromController) => void,
    clock: Clock,
    listener: WorkerListener,
    workers: readonly WorkerInfo[],
    seqFirst: number,
  ) {
    this.#send = send;
    this.#clock = clock;
    this.#listener = listener;
    this.#seq = seqFirst;
    for (const worker of workers) this.#alive.set(worker.worker, worker);
  }

  up(worker: WorkerInfo): void {
    this.#alive.set(worker.worker, worker);
    this.#listener.up(worker);
    // Before its first table: with that it listens.
    if (this.#certificates !== null) void this.#certify([worker.worker], this.#certificates);
    this.#admit();
  }

  down(worker: WorkerInfo, why: string): void {
    if (this.#alive.get(worker.worker)?.pid !== worker.pid) return;
    this.#alive.delete(worker.worker);
    this.#joined.delete(worker.worker);
    this.#heard.delete(worker.worker);
    const waiting = this.#waiting.get(worker.worker);
    this.#waiting.delete(worker.worker);
    for (const done of waiting?.values() ?? []) done('gone');
    this.#listener.down(worker, why);
  }

  replied(worker: number, reply: Reply): void {
    this.#heard.add(worker);
    const waiting = this.#waiting.get(worker);
    const done = waiting?.get(reply.seq);
    waiting?.delete(reply.seq);
    done?.(reply);
  }

  async stage(table: Table): Promise<void> {
    this.#table = table;
    for (const entry of table.services) {
      const serving = this.#serving.get(entry.name)?.generation ?? this.#found.get(entry.name);
      if (serving !== undefined && entry.generation > serving) {
        this.#staged.set(entry.name, entry);
      } else {
        this.#serving.set(entry.name, entry);
      }
    }
    const texts = new Map(table.services.map((entry) => [entry.name, JSON.stringify(entry)]));
    const change = changeOf(table, texts, this.#sent);
    const settled = [...this.#joined];
    this.#sent = { version: table.version, texts };
    const taken = this.#stageAt(settled, change);
    if (this.#staged.size === 0) {
      const late = this.#late();
      for (const worker of late) this.#joined.add(worker);
      await this.#stageAt(late, whole(table));
    }
    await taken;
  }

  async certify(set: CertificateSet): Promise<void> {
    this.#certificates = set;
    await this.#certify([...this.#alive.keys()], set);
  }

  async #certify(workers: readonly number[], set: CertificateSet): Promise<void> {
    await this.#obeyed(workers, { kind: 'certificates', seq: this.#next(), set });
  }

  /** A worker that has not the table a change builds on is given the whole of it. */
  async #stageAt(workers: readonly number[], table: TableChange): Promise<void> {
    if (workers.length === 0) return;
    const outcomes = await this.#obeyed(workers, { kind: 'stage', seq: this.#next(), table });
    const lost = workers.filter((_, at) => {
      const outcome = outcomes[at];
      return typeof outcome === 'object' && outcome.error !== undefined;
    });
    if (lost.length === 0 || this.#table === null || table.base === null) return;
    await this.#stageAt(lost, whole(this.#table));
  }

  async hold(fence: Fence, limitMs: number): Promise<number> {
    const workers = [...this.#joined];
    const outcomes = await this.#ask(workers, { kind: 'hold', seq: this.#next(), fence }, limitMs);
    const late = workers.filter((_, at) => outcomes[at] === 'late');
    if (late.length > 0) {
      const names = late.map((slot) => `worker ${slot} (pid ${this.#alive.get(slot)?.pid})`);
      const message = `${names.join(' and ')} did not hold within ${limitMs} ms.`;
      throw new Fault('HOLD_TIMEOUT', message, { workers: late });
    }
    for (const outcome of outcomes) refused(outcome);
    return outcomes.filter((outcome) => outcome !== 'gone').length;
  }

  async commit(fence: Fence, go: boolean): Promise<readonly Committed[]> {
    const order: Order = { kind: 'commit', seq: this.#next(), fence, go };
    const obeyed = this.#obeyed([...this.#joined], order);
    const staged = this.#staged.get(fence.service);
    if (staged?.generation === fence.generation) {
      this.#staged.delete(fence.service);
      if (go) this.#serving.set(fence.service, staged);
    }
    this.#admit();
    const outcomes = await obeyed;
    return outcomes.flatMap((outcome) =>
      typeof outcome === 'string' || !outcome.value ? [] : [outcome.value as Committed],
    );
  }

  async stats(): Promise<readonly WorkerStats[]> {
    const asked: Order = { kind: 'stats', seq: this.#next() };
    const answers = await this.#ask([...this.#alive.keys()], asked, statsMs);
    const stats = answers.flatMap((answer) =>
      typeof answer === 'string' || answer.text === undefined
        ? []
        : [JSON.parse(answer.text) as WorkerStats],
    );
    if (this.#table !== null) return stats;
    // Those have a table of an earlier controller: they are in any flip that it began.
    for (const { worker, tableVersion } of stats) {
      if (tableVersion > 0 && this.#alive.has(worker)) this.#joined.add(worker);
    }
    for (const { name, generation } of stats.flatMap(({ services }) => services)) {
      this.#found.set(name, Math.max(generation, this.#found.get(name) ?? 0));
    }
    return stats;
  }

  /** Gives their first table to workers that came while a flip was under way. */
  #admit(): void {
    if (this.#table === null || this.#staged.size > 0) return;
    const late = this.#late();
    if (late.length === 0) return;
    for (const worker of late) this.#joined.add(worker);
    // A generation that was staged and dropped must not reach a worker that starts later.
    const services = this.#table.services.map((entry) => this.#serving.get(entry.name) ?? entry);
    void this.#stageAt(late, whole({ ...this.#table, services }));
    // They were given something else than the others: a change would not mean the same to both.
    this.#sent = null;
  }

  /** Workers that have no table of ours. */
  #late(): readonly number[] {
    return [...this.#alive.keys()].filter((worker) => !this.#joined.has(worker));
  }

  /** Waits for an order that cannot be refused; who does not obey in time is ended. */
  async #obeyed(workers: readonly number[], order: Order): Promise<readonly Outcome[]> {
    const limits = workers.map((worker) => (this.#heard.has(worker) ? obeyMs : firstObeyMs));
    const outcomes = await this.#ask(workers, order, limits);
    for (const [at, worker] of workers.entries()) {
      if (outcomes[at] !== 'late') continue;
      const why = `it did not answer "${order.kind}" within ${limits[at]} ms`;
      this.#send({ kind: 'end', worker, why });
    }
    return outcomes;
  }

  /** @param limitMs for all, or for each of them. */
  #ask(
    workers: readonly number[],
    order: Order,
    limitMs: number | readonly number[],
  ): Promise<readonly Outcome[]> {
    this.#send({ kind: 'order', workers, order });
    const limit = (at: number): number =>
      typeof limitMs === 'number' ? limitMs : (limitMs[at] ?? 0);
    return Promise.all(workers.map((worker, at) => this.#answer(worker, order.seq, limit(at))));
  }

  #answer(worker: number, seq: number, limitMs: number): Promise<Outcome> {
    const waiting = this.#waiting.get(worker) ?? new Map();
    this.#waiting.set(worker, waiting);
    return new Promise((resolve) => {
      const late = (): void => {
        waiting.delete(seq);
        resolve('late');
      };
      // In two steps: where this process was busy until the limit, answers that have come in time
      // are read between the two, and count.
      let cancel = this.#clock.after(limitMs - lastLookMs, () => {
        cancel = this.#clock.after(lastLookMs, late);
      });
      waiting.set(seq, (outcome: Reply | 'gone') => {
        cancel();
        resolve(outcome);
      });
    });
  }

  #next(): number {
    this.#seq++;
    return this.#seq;
  }
}

/** @param texts the entries of `table` as JSON, by name. */
function changeOf(
  table: Table,
  texts: ReadonlyMap<string, string>,
  sent: Sent | null,
): TableChange {
  if (sent === null) return whole(table);
  const { version, edge, services } = table;
  return {
    version,
    base: sent.version,
    edge,
    services: services.filter(({ name }) => texts.get(name) !== sent.texts.get(name)),
    gone: [...sent.texts.keys()].filter((name) => !texts.has(name)),
  };
}

function whole({ version, edge, services }: Table): TableChange {
  return { version, base: null, edge, services, gone: [] };
}

/** @throws Fault with the code the worker refused with. */
function refused(outcome: Outcome): void {
  if (typeof outcome === 'string' || outcome.error === undefined) return;
  const { code, message } = outcome.error;
  throw new Fault(code in faults ? (code as FaultCode) : 'FLIP_FENCED', message);
}
