/**
 * Services over fakes: a clock that stands still, workers, a platform and a disk that outlive
 * controllers.
 *
 * The rule this file keeps: a controller that is killed does nothing any more: its timers, its
 * answers and its calls are cut off in the same moment, and what was durable then is all that its
 * successor finds.
 */
import type { Clock } from '../../src/clock.ts';
import type { Config, ServiceConfig } from '../../src/config/config.ts';
import type { Probe } from '../../src/control/health/probe.ts';
import type { Call, DeployOrder, PointsmanEvent } from '../../src/control/model/api.ts';
import { type Operations, operationsOn } from '../../src/control/operations.ts';
import type { Dependencies } from '../../src/control/service/dependencies.ts';
import { Services } from '../../src/control/services.ts';
import { EventRing } from '../../src/control/telemetry/events.ts';
import { Fault } from '../../src/errors.ts';
import type { Log } from '../../src/log.ts';
import { type FakeClock, fakeClock } from './clock.ts';
import { type Claim, FakeCluster } from './fakeDataPlane.ts';
import { FakePlatform, type FakePlatformOptions } from './fakeDriver.ts';
import { type MemoryStore, memoryStore } from './memoryStore.ts';
import { systemTls } from './targetTls.ts';

/** What tests call by default. */
export const me: Call = { by: 'test', why: '', generation: null };

export function order(release: string, more: Partial<DeployOrder> = {}): DeployOrder {
  return { release, image: null, targets: [], flip: null, dryRun: false, ...more };
}

export function serviceConfig(
  name: string,
  more: Partial<Omit<ServiceConfig, 'name'>> = {},
): ServiceConfig {
  return {
    name,
    hosts: [`${name}.example`],
    paths: ['/'],
    health: {
      path: '/up',
      host: null,
      port: null,
      intervalMs: 2_000,
      timeoutMs: 2_000,
      rise: 2,
      fall: 3,
      status: { from: 200, to: 299 },
      tls: systemTls,
    },
    deploy: { timeoutMs: 60_000, flip: 'auto' },
    warm: { forMs: null, replicas: null, freeze: false, until: 'flip' },
    protect: null,
    freeze: null,
    hooks: { beforeFlip: [], afterFlip: [], afterRollback: [], onFailure: [] },
    tls: { mode: 'default', healthPath: '/up' },
    edge: null,
    targetTls: systemTls,
    preview: null,
    clientCa: null,
    policy: {
      connectMs: 2_000,
      responseMs: 30_000,
      idleMs: 60_000,
      queueMs: 10_000,
      bodyBytesMax: 1_000_000,
      headerBytesMax: 16_384,
      responseHeaderBytesMax: 64 * 1024,
      queueMax: 1_000,
      connectionsPerTargetMax: 256,
      bytesPerSecondMin: 240,
      drainMs: 30_000,
      retryAfterSeconds: 2,
      hstsSeconds: 0,
    },
    run: {
      kind: 'process',
      command: ['node', 'server.js', '{release}'],
      replicas: 2,
      env: {},
      cwd: '/srv',
      stopMs: 10_000,
    },
    first: { color: 'blue', release: 'v1', image: null, targets: [] },
    ...more,
  };
}

export function configOf(services: readonly ServiceConfig[], workers = 2): Config {
  return {
    file: null,
    listen: [{ host: '127.0.0.1', port: 0 }],
    tls: null,
    workers,
    stateDir: '/nowhere',
    admin: {
      listen: { host: '127.0.0.1', port: 0 },
      tls: null,
      tokenFile: null,
      readTokenFile: null,
      hosts: [],
    },
    edge: { trustedProxies: [], proxyProtocol: [], accessLog: 'off', lanes: 'auto', tls: null },
    shutdownMs: 30_000,
    handoverMs: 600_000,
    notify: [],
    services,
  };
}

export interface WorldOptions {
  readonly services?: readonly ServiceConfig[];
  readonly workers?: number;
  readonly clock?: Clock;
  readonly random?: () => number;
  readonly orderMs?: () => number;
  readonly saveMs?: () => number;
  readonly probeMs?: () => number;
  readonly store?: MemoryStore;
  readonly platform?: Omit<FakePlatformOptions, 'clock'>;
  readonly claimed?: (claim: Claim) => void;
  readonly event?: (event: PointsmanEvent) => void;
  /** Looks at, or stands between, what a controller is handed. */
  readonly dependencies?: (dependencies: Dependencies) => Dependencies;
}

export class World {
  readonly clock: FakeClock;
  readonly cluster: FakeCluster;
  readonly platform: FakePlatform;
  readonly events: PointsmanEvent[] = [];
  readonly logs: string[] = [];
  store: MemoryStore;
  config: Config;
  #options: WorldOptions;
  #services: Services | null = null;
  /** What operators ask of them. */
  readonly control: Operations = operationsOn(() => this.services);
  #life = { alive: true };

  constructor(options: WorldOptions = {}) {
    this.#options = options;
    this.clock = (options.clock as FakeClock | undefined) ?? fakeClock();
    const workers = options.workers ?? 2;
    this.config = configOf(options.services ?? [serviceConfig('shop')], workers);
    this.store = options.store ?? memoryStore();
    const { clock } = this;
    this.platform = new FakePlatform({ clock, ...options.platform });
    const claimed = options.claimed ?? (() => {});
    const delayMs = options.orderMs ?? (() => 0);
    this.cluster = new FakeCluster({ clock, workers, claimed, delayMs });
  }

  get services(): Services {
    if (this.#services === null) throw new Error('No controller runs.');
    return this.#services;
  }

  get running(): boolean {
    return this.#services !== null;
  }

  /** A controller starts. */
  async boot(): Promise<Operations> {
    const life = { alive: true };
    this.#life = life;
    this.#services = await Services.start(this.#dependencies(life), this.config);
    return this.control;
  }

  /** Boots, and lets the first releases become live. */
  async live(): Promise<Operations> {
    const booting = this.boot();
    await this.clock.passAsync(20_000);
    return booting;
  }

  /** Kill -9 of the controller. */
  kill(): void {
    this.#life.alive = false;
    this.#services = null;
    this.cluster.disconnect();
    this.store = this.store.reopen();
  }

  /** Kill -9 of the controller, and of every worker. */
  killAll(): void {
    this.kill();
    for (const slot of [...this.cluster.workers.keys()]) {
      this.cluster.kill(slot);
    }
    for (let slot = 1; slot <= this.config.workers; slot++) this.cluster.start(slot);
  }

  async restart(passMs = 20_000): Promise<Operations> {
    const booting = this.boot();
    await this.clock.passAsync(passMs);
    return booting;
  }

  /** The pool that fills a color now. */
  pool(color: 'blue' | 'green', service = 'shop') {
    return this.control.service(service).pools[color];
  }

  claimsOf(service = 'shop'): readonly Claim[] {
    return this.cluster.claims.filter((claim) => claim.service === service);
  }

  /** Sends a request to every worker. */
  request(service = 'shop'): void {
    for (const worker of this.cluster.workers.values()) worker.request(service);
  }

  #dependencies(life: { alive: boolean }): Dependencies {
    const clock = livingClock(this.clock, life);
    const { store } = this;
    const say = (level: string) => (_detail: unknown, message: string) => {
      if (life.alive) this.logs.push(`${level} ${message}`);
    };
    const log: Log = { info: say('info'), warn: say('warn'), error: say('error') };
    const ring = new EventRing(clock, log);
    ring.subscribe(0, (event) => {
      if (!life.alive) return;
      this.events.push(event);
      this.#options.event?.(event);
    });
    const saveMs = this.#options.saveMs;
    const disk = living(
      store,
      life,
      saveMs === undefined ? null : { clock: this.clock, ms: saveMs },
    );
    const driver = () => living(this.platform.connect(), life, null);
    const probe: Probe = async (target, _health, signal) => {
      const ms = this.#options.probeMs?.() ?? 0;
      if (ms > 0) await new Promise<void>((wake) => clock.after(ms, wake));
      const passed = !signal.aborted && this.platform.answers(target.port);
      return {
        at: clock.date().toISOString(),
        ms,
        passed,
        status: passed ? 200 : 500,
        error: passed
          ? null
          : `127.0.0.1:${target.port} answered 500 to /up, and 200-299 is wanted`,
        body: passed ? null : 'db down',
      };
    };
    const dependencies: Dependencies = {
      clock,
      random: this.#options.random ?? (() => 0.5),
      instance: '01234567',
      store: disk,
      drivers: { static: driver, process: driver, docker: driver },
      plane: living(this.cluster.connect(), life, null),
      probe,
      gates: { of: () => [], sweep: async () => {}, close: async () => {} },
      lookup: async () => ({ addresses: [], ttlMs: 0, error: 'nobody knows names here' }),
      events: ring,
      log,
    };
    return this.#options.dependencies?.(dependencies) ?? dependencies;
  }
}

/** @returns the code that the call was refused with; fails the test where it was not refused. */
export async function refusal(call: Promise<unknown>): Promise<Fault> {
  try {
    await call;
  } catch (thrown) {
    if (thrown instanceof Fault) return thrown;
    throw thrown;
  }
  throw new Error('It was not refused.');
}

function livingClock(clock: Clock, life: { readonly alive: boolean }): Clock {
  return {
    now: () => clock.now(),
    date: () => clock.date(),
    after: (delayMs, wake) =>
      clock.after(delayMs, () => {
        if (life.alive) wake();
      }),
  };
}

/** The same thing as long as its owner lives; afterwards no call is made and none returns. */
function living<T extends object>(
  thing: T,
  life: { readonly alive: boolean },
  slow: { readonly clock: Clock; readonly ms: () => number } | null,
): T {
  return new Proxy(thing, {
    get(target, key) {
      const value = Reflect.get(target, key) as unknown;
      if (typeof value !== 'function') return value;
      return (...given: unknown[]) => {
        if (!life.alive) return new Promise(() => {});
        const call = () => Reflect.apply(value, target, given) as unknown;
        if (key === 'watch') return call();
        return new Promise((resolve, reject) => {
          const go = (): void => {
            if (!life.alive) return;
            Promise.resolve(call()).then(
              (got) => life.alive && resolve(got),
              (why: unknown) => life.alive && reject(why),
            );
          };
          const ms = slow === null || (key !== 'save' && key !== 'append') ? 0 : slow.ms();
          if (slow !== null && ms > 0) slow.clock.after(ms, go);
          else go();
        });
      };
    },
  });
}
