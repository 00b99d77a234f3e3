/**
 * A model of N workers and of the seam that leads to them: what the contract says, and nothing
 * more.
 *
 * The rule this file keeps: workers outlive controllers. A `FakeCluster` is the workers; `connect`
 * is what one controller has of them, and a controller that dies leaves its orders in their
 * inboxes. Every claim is recorded in the order in which it happened anywhere, so that the contract
 * can be checked.
 */
import type { Clock } from '../../src/clock.ts';
import type { CertificateTaker, DataPlane } from '../../src/control/workers/dataPlane.ts';
import { Fault } from '../../src/errors.ts';
import {
  type Color,
  type Committed,
  colors,
  type Drained,
  type Fence,
  type Inside,
  otherColor,
  type PoolEntry,
  type ServiceEntry,
  type Table,
  type WorkerStats,
} from '../../src/wire.ts';

export interface Claim {
  readonly service: string;
  readonly generation: number;
  readonly color: Color;
  readonly pool: string;
  readonly release: string;
  readonly worker: number;
}

export interface FakeClusterOptions {
  readonly clock: Clock;
  readonly workers: number;
  /**
   * From the sending of an order to its being obeyed, and as long for the answer; 0: in the same
   * turn.
   */
  readonly delayMs?: () => number;
  readonly claimed?: (claim: Claim) => void;
}

interface Tally {
  readonly inflight: Inside;
  finished: number;
  clientAborted: number;
  cut: number;
}

interface FakePool {
  readonly color: Color;
  entry: PoolEntry;
  inside: { http: number; sse: number; upgrade: number };
  tally: Tally | null;
  drainedBy: number;
  sent: number;
  failed: Map<string, number>;
}

interface FakeService {
  entry: ServiceEntry;
  staged: ServiceEntry | null;
  heldSince: number | null;
  waiting: number[];
  pools: Record<Color, FakePool | null>;
  candidate: FakePool | null;
}

type Work = (worker: FakeWorker) => unknown;
interface Letter {
  readonly work: Work;
  readonly done: (outcome: Outcome) => void;
}
type Outcome = { readonly value: unknown } | { readonly fault: Fault } | 'gone' | 'late';

const obeyMs = 5_000;
const statsMs = 1_000;
let pids = 1000;

export class FakeWorker {
  readonly pid: number;
  readonly slot: number;
  hung = false;
  /** When it answered again, having been hung. */
  wokenMs = Number.NEGATIVE_INFINITY;
  dead = false;
  version = 0;
  readonly inbox: Letter[] = [];
  readonly services = new Map<string, FakeService>();
  /** Services that the table names no more: what is inside may end, up to their drain limit. */
  readonly leaving = new Set<FakeService>();
  readonly #cluster: FakeCluster;

  constructor(slot: number, cluster: FakeCluster) {
    this.slot = slot;
    this.#cluster = cluster;
    this.pid = pids++;
  }

  /** Obeys what waits, in order. */
  drainInbox(): void {
    while (!this.hung && !this.dead) {
      const letter = this.inbox.shift();
      if (letter === undefined) return;
      let outcome: Outcome;
      try {
        outcome = { value: letter.work(this) };
      } catch (thrown) {
        if (!(thrown instanceof Fault)) throw thrown;
        outcome = { fault: thrown };
      }
      this.#cluster.later(() => letter.done(this.dead ? 'gone' : outcome));
    }
  }

  stage(table: Table): void {
    if (table.version <= this.version) return;
    this.version = table.version;
    const named = new Set(table.services.map(({ name }) => name));
    for (const [name, service] of this.services) {
      if (named.has(name)) continue;
      this.services.delete(name);
      this.#leave(service);
    }
    for (const entry of table.services) {
      const service = this.services.get(entry.name);
      if (service === undefined) this.#open(entry);
      else if (entry.generation > service.entry.generation) service.staged = entry;
      else if (entry.generation === service.entry.generation) {
        if (service.staged !== null && service.heldSince === null) service.staged = null;
        this.#apply(service, entry);
        this.#admit(service);
      }
    }
  }

  hold(fence: Fence): void {
    const service = this.#fenced(fence);
    service.heldSince ??= this.#cluster.clock.now();
  }

  commit(fence: Fence, go: boolean): Committed | null {
    const known = this.services.get(fence.service);
    if (known !== undefined && go && known.entry.generation === fence.generation) return null;
    if (known !== undefined && !go && known.staged === null) return null;
    const service = this.#fenced(fence);
    const staged = service.staged;
    if (!go) {
      service.staged = null;
      service.heldSince = null;
      this.#admit(service);
      return null;
    }
    if (service.heldSince === null || staged === null) {
      throw new Fault('FLIP_FENCED', `worker ${this.slot} does not hold ${fence.service}`);
    }
    const now = this.#cluster.clock.now();
    const heldMs = now - service.heldSince;
    const waited = [...service.waiting];
    const left = service.pools[service.entry.live];
    const inflight = left === null ? { http: 0, sse: 0, upgrade: 0 } : { ...left.inside };
    service.staged = null;
    service.heldSince = null;
    const before = service.entry.live;
    this.#apply(service, staged);
    const live = service.pools[staged.live];
    if (live !== null) live.tally = null;
    if (before !== staged.live && left !== null) this.#drain(left, staged.policy.drainMs);
    this.#admit(service);
    return {
      heldMs,
      waited: waited.length,
      waitedMsMax: waited.reduce((most, since) => Math.max(most, now - since), 0),
      inflight,
    };
  }

  /**
   * A request arrives.
   * @returns false where the worker does not listen or knows no such service.
   */
  request(name: string): 'claimed' | 'waits' | 'empty' | 'not here' {
    const service = this.services.get(name);
    if (service === undefined || this.dead || this.hung) return 'not here';
    if (service.heldSince !== null || service.entry.paused || service.waiting.length > 0) {
      service.waiting.push(this.#cluster.clock.now());
      return 'waits';
    }
    return this.#claim(service) ? 'claimed' : 'empty';
  }

  /** A request or tunnel inside some pool ends. */
  finish(name: string, color: Color, kind: keyof Inside, how: 'finished' | 'clientAborted'): void {
    const pool = this.#named(name)
      .map((service) => service.pools[color])
      .find((one) => one !== null && one.inside[kind] > 0);
    if (!pool) return;
    pool.inside[kind]--;
    if (pool.tally !== null) pool.tally[how]++;
  }

  /** A request to the live pool fails, for this client. */
  fail(name: string, client: string): void {
    if (this.request(name) !== 'claimed') return;
    const service = this.services.get(name);
    const live = service?.entry.live ?? 'blue';
    const pool = service?.pools[live];
    pool?.failed.set(client, (pool.failed.get(client) ?? 0) + 1);
    this.finish(name, live, 'http', 'finished');
  }

  /** What was claimed last becomes a tunnel. */
  upgrade(name: string): void {
    const service = this.services.get(name);
    const pool = service?.pools[service.entry.live];
    if (!pool || pool.inside.http === 0) return;
    pool.inside.http--;
    pool.inside.upgrade++;
  }

  stats(): WorkerStats {
    return {
      worker: this.slot,
      pid: this.pid,
      tableVersion: this.version,
      connections: 0,
      rssBytes: 0,
      logLinesDropped: 0,
      unrouted: {},
      lanes: { express: 0, general: 0, http2: 0 },
      handovers: {},
      handshakes: {},
      services: [...this.services.values(), ...this.leaving].map((service) => ({
        name: service.entry.name,
        generation: service.entry.generation,
        live: service.entry.live,
        staged: service.staged?.generation ?? null,
        holding: service.heldSince !== null,
        waiting: service.waiting.length,
        held: 0,
        pools: [service.pools.blue, service.pools.green, service.candidate].flatMap((pool) => {
          if (pool === null) return [];
          return [
            {
              id: pool.entry.id,
              color: pool.color,
              release: pool.entry.release,
              inside: { ...pool.inside },
              outcomes: {
                sent: pool.sent,
                failed: [...pool.failed.values()].reduce((sum, count) => sum + count, 0),
                clients: Object.fromEntries(pool.failed),
              },
              drained: pool.tally === null ? null : drainedOf(pool.tally, pool.inside),
              targets: pool.entry.targets.map(({ id, host, port, healthy }) => ({
                id,
                host,
                port,
                healthy,
                ejected: false,
                inside: 0,
                requests: 0,
                errors: 0,
              })),
            },
          ];
        }),
        counts: [],
      })),
    };
  }

  #named(name: string): readonly FakeService[] {
    return [...this.services.values(), ...this.leaving].filter(({ entry }) => entry.name === name);
  }

  #leave(service: FakeService): void {
    this.leaving.add(service);
    const { drainMs } = service.entry.policy;
    for (const color of colors) {
      const pool = service.pools[color];
      if (pool !== null) this.#drain(pool, drainMs);
    }
    this.#cluster.clock.after(drainMs, () => this.leaving.delete(service));
  }

  #open(entry: ServiceEntry): void {
    const pools = { blue: null, green: null };
    const none = { staged: null, heldSince: null, candidate: null };
    const service: FakeService = { entry, ...none, waiting: [], pools };
    this.services.set(entry.name, service);
    this.#apply(service, entry);
  }

  #apply(service: FakeService, entry: ServiceEntry): void {
    service.entry = entry;
    const before = [service.pools.blue, service.pools.green, service.candidate];
    const place = (color: Color, now: PoolEntry | null): FakePool | null => {
      if (now === null) return null;
      const was = before.find((pool) => pool?.entry.id === now.id);
      if (was) {
        was.entry = now;
        return was;
      }
      const inside = { http: 0, sse: 0, upgrade: 0 };
      const fresh = { tally: null, drainedBy: 0, sent: 0, failed: new Map<string, number>() };
      return { color, entry: now, inside, ...fresh };
    };
    for (const color of colors) service.pools[color] = place(color, entry.pools[color]);
    service.candidate = place(otherColor(entry.live), entry.candidate ?? null);
  }

  #drain(pool: FakePool, limitMs: number): void {
    const tally = { inflight: { ...pool.inside }, finished: 0, clientAborted: 0, cut: 0 };
    pool.tally = tally;
    this.#cluster.clock.after(limitMs, () => {
      if (this.dead || pool.tally !== tally) return;
      tally.cut += pool.inside.http + pool.inside.sse;
      pool.inside.http = 0;
      pool.inside.sse = 0;
    });
  }

  #fenced(fence: Fence): FakeService {
    const service = this.services.get(fence.service);
    if (service?.staged?.generation === fence.generation) return service;
    throw new Fault('FLIP_FENCED', `worker ${this.slot} has not staged ${fence.generation}`);
  }

  #admit(service: FakeService): void {
    if (service.heldSince !== null || service.entry.paused) return;
    while (service.waiting.length > 0 && this.#claim(service)) service.waiting.shift();
  }

  #claim(service: FakeService): boolean {
    const { live, generation, name } = service.entry;
    const pool = service.pools[live];
    if (pool === null) return false;
    pool.inside.http++;
    pool.sent++;
    this.#cluster.record({
      service: name,
      generation,
      color: live,
      pool: pool.entry.id,
      release: pool.entry.release,
      worker: this.slot,
    });
    return true;
  }
}

/** The workers of a machine. */
export class FakeCluster {
  readonly clock: Clock;
  readonly claims: Claim[] = [];
  readonly workers = new Map<number, FakeWorker>();
  readonly #delayMs: () => number;
  readonly #claimed: (claim: Claim) => void;
  #connection: Connection | null = null;

  constructor(options: FakeClusterOptions) {
    this.clock = options.clock;
    this.#delayMs = options.delayMs ?? (() => 0);
    this.#claimed = options.claimed ?? (() => {});
    for (let slot = 1; slot <= options.workers; slot++) this.start(slot);
  }

  /** The workers as one controller has them; the one before has lost them. */
  connect(): DataPlane & CertificateTaker {
    this.#connection = new Connection(this);
    return this.#connection;
  }

  /** The controller is dead: whoever starts now is given nothing until the next one connects. */
  disconnect(): void {
    this.#connection = null;
  }

  worker(slot: number): FakeWorker {
    const worker = this.workers.get(slot);
    if (worker === undefined) throw new Error(`worker ${slot} does not run`);
    return worker;
  }

  start(slot: number): FakeWorker {
    const worker = new FakeWorker(slot, this);
    this.workers.set(slot, worker);
    this.#connection?.admit();
    return worker;
  }

  /** Kill -9. What was inside is gone; nobody waits for its answers any more. */
  kill(slot: number): void {
    const worker = this.workers.get(slot);
    if (worker === undefined) return;
    worker.dead = true;
    this.workers.delete(slot);
    this.#connection?.left(slot);
    for (const letter of worker.inbox.splice(0)) letter.done('gone');
  }

  hang(slot: number): void {
    this.worker(slot).hung = true;
  }

  wake(slot: number): void {
    const worker = this.workers.get(slot);
    if (worker === undefined) return;
    if (worker.hung) worker.wokenMs = this.clock.now();
    worker.hung = false;
    worker.drainInbox();
  }

  record(claim: Claim): void {
    this.claims.push(claim);
    this.#claimed(claim);
  }

  later(work: () => void): void {
    const ms = this.#delayMs();
    if (ms === 0) work();
    else this.clock.after(ms, work);
  }

  /**
   * Puts an order into a worker's inbox; those of one worker arrive in the order they were sent.
   */
  post(worker: FakeWorker, work: Work): Promise<Outcome> {
    return new Promise((resolve) => {
      worker.inbox.push({ work, done: resolve });
      this.later(() => worker.drainInbox());
    });
  }
}

class Connection implements DataPlane, CertificateTaker {
  readonly #cluster: FakeCluster;
  readonly #joined = new Set<number>();
  readonly #staged = new Map<string, ServiceEntry>();
  readonly #serving = new Map<string, ServiceEntry>();
  readonly #found = new Map<string, number>();
  #table: Table | null = null;

  constructor(cluster: FakeCluster) {
    this.#cluster = cluster;
    for (const worker of cluster.workers.values()) {
      if (worker.version > 0) this.#joined.add(worker.slot);
    }
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
    if (this.#staged.size === 0) {
      for (const slot of this.#cluster.workers.keys()) this.#joined.add(slot);
    }
    await this.#obeyed((worker) => worker.stage(table));
  }

  /** Its workers speak no TLS. */
  async certify(): Promise<void> {}

  async hold(fence: Fence, limitMs: number): Promise<number> {
    const outcomes = await this.#ask(this.#here(), limitMs, (worker) => worker.hold(fence));
    const late = [...outcomes].filter(([, outcome]) => outcome === 'late');
    if (late.length > 0) {
      const names = late.map(([{ slot, pid }]) => `worker ${slot} (pid ${pid})`).join(' and ');
      throw new Fault('HOLD_TIMEOUT', `${names} did not hold within ${limitMs} ms.`);
    }
    let held = 0;
    for (const outcome of outcomes.values()) {
      if (typeof outcome === 'string') continue;
      if ('fault' in outcome) throw outcome.fault;
      held++;
    }
    return held;
  }

  async commit(fence: Fence, go: boolean): Promise<readonly Committed[]> {
    const staged = this.#staged.get(fence.service);
    const obeyed = this.#obeyed((worker) => worker.commit(fence, go));
    if (staged?.generation === fence.generation) {
      this.#staged.delete(fence.service);
      if (go) this.#serving.set(fence.service, staged);
    }
    this.admit();
    const outcomes = await obeyed;
    return [...outcomes.values()].flatMap((outcome) =>
      typeof outcome === 'string' || 'fault' in outcome || outcome.value === null
        ? []
        : [outcome.value as Committed],
    );
  }

  async stats(): Promise<readonly WorkerStats[]> {
    const all = [...this.#cluster.workers.values()];
    const outcomes = await this.#ask(all, statsMs, (worker) => worker.stats());
    const stats = [...outcomes.values()].flatMap((outcome) =>
      typeof outcome === 'string' || 'fault' in outcome ? [] : [outcome.value as WorkerStats],
    );
    if (this.#table === null) {
      for (const { name, generation } of stats.flatMap(({ services }) => services)) {
        this.#found.set(name, Math.max(generation, this.#found.get(name) ?? 0));
      }
    }
    return stats;
  }

  admit(): void {
    if (this.#table === null || this.#staged.size > 0) return;
    const services = this.#table.services.map((entry) => this.#serving.get(entry.name) ?? entry);
    const table = { ...this.#table, services };
    for (const worker of this.#cluster.workers.values()) {
      if (this.#joined.has(worker.slot)) continue;
      this.#joined.add(worker.slot);
      void this.#cluster.post(worker, (one) => one.stage(table));
    }
  }

  left(slot: number): void {
    this.#joined.delete(slot);
  }

  #here(): readonly FakeWorker[] {
    return [...this.#cluster.workers.values()].filter((one) => this.#joined.has(one.slot));
  }

  async #obeyed(work: Work): Promise<ReadonlyMap<FakeWorker, Outcome>> {
    const outcomes = await this.#ask(this.#here(), obeyMs, work);
    for (const [worker, outcome] of outcomes) {
      if (outcome !== 'late' || worker.dead) continue;
      this.#cluster.kill(worker.slot);
      this.#cluster.start(worker.slot);
    }
    return outcomes;
  }

  async #ask(
    workers: readonly FakeWorker[],
    limitMs: number,
    work: Work,
  ): Promise<ReadonlyMap<FakeWorker, Outcome>> {
    const asked = workers.map(async (worker) => {
      const outcome = await this.#within(limitMs, this.#cluster.post(worker, work));
      return [worker, outcome] as const;
    });
    return new Map(await Promise.all(asked));
  }

  #within(limitMs: number, answer: Promise<Outcome>): Promise<Outcome> {
    return new Promise((resolve) => {
      const cancel = this.#cluster.clock.after(limitMs, () => resolve('late'));
      void answer.then((outcome) => {
        cancel();
        resolve(outcome);
      });
    });
  }
}

function drainedOf(tally: Tally, inside: Inside): Drained {
  const { inflight, finished, clientAborted, cut } = tally;
  const all = inflight.http + inflight.sse + inflight.upgrade;
  const stillOpen = all - finished - clientAborted - cut;
  return {
    inflight,
    finished,
    clientAborted,
    cut,
    stillOpen,
    done: inside.http + inside.sse === 0,
  };
}
