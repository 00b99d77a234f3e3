/**
 * A platform that runs releases as entries of a map, and does to them what a test says.
 *
 * The rule this file keeps: the platform outlives controllers; `connect` is the driver that one of
 * them has. It keeps the driver contract: what runs is kept, a stop is idempotent, an aborted start
 * cleans up.
 */
import { type Clock, pause } from '../../src/clock.ts';
import type {
  Cost,
  Driver,
  DriverEvent,
  RunningPool,
  RunningTarget,
  StartOrder,
} from '../../src/control/drivers/driver.ts';
import { Fault } from '../../src/errors.ts';
import type { Color } from '../../src/wire.ts';

interface FakeReplica {
  readonly id: string;
  port: number;
  state: RunningTarget['state'];
}

interface FakeRunning {
  readonly service: string;
  readonly color: Color;
  readonly release: string;
  replicas: FakeReplica[];
}

export interface FakePlatformOptions {
  readonly clock: Clock;
  readonly startMs?: () => number;
  /** Throws for a start that should fail; its output comes first. */
  readonly onStart?: (order: StartOrder) => Promise<void> | undefined;
  readonly onStop?: (poolId: string) => void;
}

export class FakePlatform {
  readonly pools = new Map<string, FakeRunning>();
  /** Ports that do not answer a health check. */
  readonly sick = new Set<number>();
  /** Pool ids in the order in which something of them was really started. */
  readonly started: string[] = [];
  readonly stopped: string[] = [];
  /** Of every target. */
  cost: Cost = {};
  /** How long a look takes, and how many there were. */
  listMs = 0;
  listed = 0;
  available = true;
  readonly #options: FakePlatformOptions;
  #listener: ((event: DriverEvent) => void) | null = null;
  #port = 30_000;

  constructor(options: FakePlatformOptions) {
    this.#options = options;
  }

  connect(): Driver {
    this.#listener = null;
    return {
      start: (order) => this.#start(order),
      stop: async (poolId) => {
        this.#refuse();
        this.#options.onStop?.(poolId);
        if (this.pools.delete(poolId)) this.stopped.push(poolId);
      },
      list: async () => {
        this.#refuse();
        this.listed++;
        if (this.listMs > 0) await pause(this.#options.clock, this.listMs);
        return [...this.pools].map(([poolId, pool]): RunningPool => {
          const { service, color, release } = pool;
          const targets = targetsOf(pool).map((target) => ({ ...target, ...this.cost }));
          return { poolId, service, color, release, targets };
        });
      },
      watch: (listener) => {
        this.#listener = listener;
        return () => {
          if (this.#listener === listener) this.#listener = null;
        };
      },
    };
  }

  /** Whether a probe of this port would be answered well. */
  answers(port: number): boolean {
    if (this.sick.has(port)) return false;
    for (const pool of this.pools.values()) {
      if (pool.replicas.some((one) => one.port === port && one.state === 'running')) return true;
    }
    return false;
  }

  ports(poolId: string): readonly number[] {
    return this.pools.get(poolId)?.replicas.map(({ port }) => port) ?? [];
  }

  /** A replica dies (`down`), or is running again, on another port if `moved`. */
  become(poolId: string, at: number, state: RunningTarget['state'], moved = false): void {
    const pool = this.pools.get(poolId);
    const replica = pool?.replicas[at];
    if (pool === undefined || replica === undefined) return;
    replica.state = state;
    if (moved) replica.port = this.#port++;
    this.#listener?.({ kind: 'targets', poolId, targets: targetsOf(pool) });
  }

  print(poolId: string, target: string, line: string): void {
    this.#listener?.({ kind: 'output', poolId, target, line });
  }

  away(reason: string | null): void {
    this.available = reason === null;
    this.#listener?.({ kind: 'platform', available: this.available, reason: reason ?? '' });
  }

  async #start(order: StartOrder) {
    this.#refuse();
    const ran = this.pools.has(order.poolId);
    await pause(this.#options.clock, this.#options.startMs?.() ?? 0, order.signal);
    if (order.signal.aborted) throw new Fault('ABORTED');
    await this.#options.onStart?.(order);
    this.#refuse();
    const { service, color, release } = order;
    const pool = this.pools.get(order.poolId) ?? {
      service,
      color,
      release: release.name,
      replicas: [],
    };
    const { run } = release;
    const full = run.kind === 'static' ? run.targets.length : run.replicas;
    const wanted = order.replicas ?? full;
    while (pool.replicas.length < wanted) {
      const id = `r${pool.replicas.length + 1}`;
      const fixed = run.kind === 'static' ? run.targets[pool.replicas.length]?.port : undefined;
      pool.replicas.push({ id, port: fixed ?? this.#port++, state: 'running' });
    }
    pool.replicas.length = wanted;
    for (const one of pool.replicas) {
      if (order.frozen && one.state === 'running') one.state = 'frozen';
      else if (!order.frozen && one.state === 'frozen') one.state = 'running';
    }
    this.pools.set(order.poolId, pool);
    if (!ran) this.started.push(order.poolId);
    return { targets: targetsOf(pool), release };
  }

  #refuse(): void {
    if (!this.available) throw new Fault('DRIVER_UNAVAILABLE', 'The fake platform is away.');
  }
}

function targetsOf(pool: FakeRunning): RunningTarget[] {
  return pool.replicas.map(({ id, port, state }) => {
    return { id, host: '127.0.0.1', port, state, detail: `port ${port}` };
  });
}
