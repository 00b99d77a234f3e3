/**
 * What every data plane must do. A new one is done when `dataPlaneContract('mine', makeMine)`
 * passes.
 *
 * The rule this file keeps: it looks from outside, at who serves a request; so the same suite holds
 * a model, one process and many to the same behaviour.
 */
import { expect, test } from 'vitest';
import type { DataPlane } from '../../src/control/workers/dataPlane.ts';
import type { Color, ServiceEntry, Table, TargetEntry } from '../../src/wire.ts';

export interface DataPlaneHarness {
  /** As the controller has it now. */
  plane(): DataPlane;
  /** Slots of the workers. */
  readonly workers: readonly number[];
  /** Upstreams that answer with the name of the release, where requests really travel. */
  targets(release: string): Promise<readonly TargetEntry[]>;
  /**
   * Sends one request for the service `shop` to a worker.
   *
   * @returns once the worker has claimed or queued it: a look at which release served it, null
   *   while it waits, and its end.
   */
  send(worker: number): Promise<Sent>;
  /** Lets what was ordered and answered arrive. */
  settle(): Promise<void>;
  /** Lets `ms` pass, on whatever clock the data plane lives by. */
  pass(ms: number): Promise<void>;
  /** What can happen to workers and controllers; null where there is but one process. */
  readonly faults: Faults | null;
  close(): Promise<void>;
}

export interface Sent {
  served(): string | null;
  /** The client has its whole answer, and lets go. */
  finish(): Promise<void>;
}

export interface Faults {
  /** Kill -9. */
  kill(worker: number): Promise<void>;
  /** One takes the place of a worker that was killed; resolves when it has reported for work. */
  start(worker: number): Promise<void>;
  /** Whether the worker takes requests. */
  listens(worker: number): Promise<boolean>;
  hang(worker: number): Promise<void>;
  wake(worker: number): Promise<void>;
  /** The controller dies; `plane` is that of its successor, who has asked for stats first. */
  restartController(): Promise<void>;
}

type Make = () => Promise<DataPlaneHarness>;

const policy = {
  connectMs: 1_000,
  responseMs: 5_000,
  idleMs: 5_000,
  queueMs: 20_000,
  bodyBytesMax: 1_000_000,
  headerBytesMax: 16_384,
  responseHeaderBytesMax: 64 * 1024,
  queueMax: 1_000,
  connectionsPerTargetMax: 256,
  bytesPerSecondMin: 240,
  drainMs: 2_000,
  retryAfterSeconds: 1,
  hstsSeconds: 0,
};

/** Tables for `shop`: v1 on blue at generation 1, v2 on green at generation 2, and so on. */
class Tables {
  readonly #harness: DataPlaneHarness;
  #version: number;

  constructor(harness: DataPlaneHarness, version = 0) {
    this.#harness = harness;
    this.#version = version;
  }

  async at(generation: number, more: Partial<ServiceEntry> = {}): Promise<Table> {
    const live: Color = generation % 2 === 1 ? 'blue' : 'green';
    const pool = async (color: Color, fill: number) => {
      const release = `v${fill}`;
      const targets = await this.#harness.targets(release);
      return fill < 1 ? null : { id: `shop.${color}.${fill}`, release, targets };
    };
    const other = generation % 2 === 1 ? 'green' : 'blue';
    // The standby is the release before, or at generation 1 the one that is about to come.
    const standby = generation === 1 ? 2 : generation - 1;
    const pools = { [live]: await pool(live, generation), [other]: await pool(other, standby) };
    this.#version += 1;
    const entry: ServiceEntry = {
      name: 'shop',
      hosts: [],
      paths: ['/'],
      generation,
      live,
      pools: pools as ServiceEntry['pools'],
      policy,
      tls: { mode: 'default', healthPath: '/up' },
      edge: null,
      via: { request: 'pointsman-1-shop', probe: 'pointsman-1-probe' },
      paused: false,
      pausePage: false,
      ...more,
    };
    const edge = {
      trustedProxies: [],
      proxyProtocol: [],
      accessLog: 'off',
      lanes: 'auto',
      tls: null,
    } as Table['edge'];
    return { version: this.#version, edge, services: [entry] };
  }
}

const fence = (generation: number) => ({ service: 'shop', generation });

/** Runs the suite under `name`. */
export function dataPlaneContract(name: string, make: Make, processes: 'one' | 'many'): void {
  const run = (what: string, story: (harness: DataPlaneHarness, tables: Tables) => Promise<void>) =>
    test(`${name}: ${what}`, async () => {
      const harness = await make();
      try {
        await story(harness, new Tables(harness));
      } finally {
        await harness.close();
      }
    });
  const everywhere = async (harness: DataPlaneHarness): Promise<readonly Sent[]> => {
    const sent = await Promise.all(harness.workers.map((worker) => harness.send(worker)));
    await harness.settle();
    return sent;
  };
  const served = (sent: readonly Sent[]) => sent.map((one) => one.served());
  const all = <T>(harness: DataPlaneHarness, value: T) => harness.workers.map(() => value);

  tables(run, everywhere, served, all);
  flips(run, everywhere, served, all);
  // One process has no faults that it survives in part.
  if (processes === 'many') faults(name, make, everywhere, served);
}

type Run = (what: string, story: (h: DataPlaneHarness, t: Tables) => Promise<void>) => void;
type Everywhere = (harness: DataPlaneHarness) => Promise<readonly Sent[]>;
type Served = (sent: readonly Sent[]) => readonly (string | null)[];
type All = <T>(harness: DataPlaneHarness, value: T) => readonly T[];

function tables(run: Run, everywhere: Everywhere, served: Served, all: All): void {
  run('the first table is served at once, by every worker', async (harness, table) => {
    await harness.plane().stage(await table.at(1));

    expect(served(await everywhere(harness))).toEqual(all(harness, 'v1'));
  });

  run(
    'a table moves no traffic: a later generation is kept beside the serving one',
    async (h, t) => {
      await h.plane().stage(await t.at(1));
      await h.plane().stage(await t.at(2));

      expect(served(await everywhere(h))).toEqual(all(h, 'v1'));
      const [stats] = await h.plane().stats();
      expect(stats?.services[0]).toMatchObject({ generation: 1, staged: 2, holding: false });
    },
  );

  run('an older table is ignored', async (harness, table) => {
    const old = await table.at(1, { paused: true });
    await harness.plane().stage(await table.at(1));
    await harness.plane().stage(old);

    expect(served(await everywhere(harness))).toEqual(all(harness, 'v1'));
  });

  run('a pause takes effect at once, and its end lets in what waited', async (harness, table) => {
    await harness.plane().stage(await table.at(1));
    await harness.plane().stage(await table.at(1, { paused: true }));
    const sent = await everywhere(harness);
    expect(served(sent)).toEqual(all(harness, null));
    await harness.plane().stage(await table.at(1));
    await harness.settle();

    expect(served(sent)).toEqual(all(harness, 'v1'));
  });

  run('the stats say what is inside, and how it drained', async (harness, table) => {
    await harness.plane().stage(await table.at(1));
    const sent = await everywhere(harness);
    await harness.plane().stage(await table.at(2));
    await harness.plane().hold(fence(2), 250);
    await harness.plane().commit(fence(2), true);

    const stats = await harness.plane().stats();
    expect(stats).toHaveLength(harness.workers.length);
    for (const one of stats) {
      const pool = one.services[0]?.pools.find(({ id }) => id === 'shop.blue.1');
      expect(pool?.drained).toMatchObject({ inflight: { http: 1 }, stillOpen: 1, done: false });
    }
    for (const one of sent) await one.finish();
    await harness.settle();
    for (const one of await harness.plane().stats()) {
      const pool = one.services[0]?.pools.find(({ id }) => id === 'shop.blue.1');
      expect(pool?.drained).toMatchObject({ finished: 1, cut: 0, stillOpen: 0, done: true });
    }
  });
}

function flips(run: Run, everywhere: Everywhere, served: Served, all: All): void {
  run(
    'from hold to commit requests wait; then all of them go to the new pool',
    async (h, table) => {
      await h.plane().stage(await table.at(1));
      await h.plane().stage(await table.at(2));
      expect(await h.plane().hold(fence(2), 250)).toBe(h.workers.length);
      const sent = await everywhere(h);
      expect(served(sent)).toEqual(all(h, null));

      const committed = await h.plane().commit(fence(2), true);
      await h.settle();

      expect(served(sent)).toEqual(all(h, 'v2'));
      expect(committed.map(({ waited }) => waited)).toEqual(all(h, 1));
    },
  );

  run('a hold that is ordered in one breath with its table finds it staged', async (h, table) => {
    await h.plane().stage(await table.at(1));
    const next = await table.at(2);

    const staged = h.plane().stage(next);
    const held = h.plane().hold(fence(2), 250);

    expect(await held).toBe(h.workers.length);
    await staged;
    const sent = await everywhere(h);
    expect(served(sent)).toEqual(all(h, null));
    await h.plane().commit(fence(2), true);
    await h.settle();
    expect(served(sent)).toEqual(all(h, 'v2'));
  });

  run(
    'an aborted flip gives everyone back to the old pool, and can be tried again',
    async (h, t) => {
      await h.plane().stage(await t.at(1));
      await h.plane().stage(await t.at(2));
      await h.plane().hold(fence(2), 250);
      const sent = await everywhere(h);
      expect(await h.plane().commit(fence(2), false)).toEqual([]);
      await h.settle();
      expect(served(sent)).toEqual(all(h, 'v1'));

      await h.plane().stage(await t.at(2));
      await h.plane().hold(fence(2), 250);
      await h.plane().commit(fence(2), true);

      expect(served(await everywhere(h))).toEqual(all(h, 'v2'));
    },
  );

  run(
    'a candidate gets no request until the flip that gives it a color; the pool it displaces is gone',
    async (h, t) => {
      const now = await t.at(2);
      const targets = await h.targets('v3');
      const candidate = { id: 'shop.blue.3', release: 'v3', targets };
      const proving = now.services.map((entry) => ({ ...entry, candidate }));
      await h.plane().stage({ ...now, services: proving });
      const before = await everywhere(h);
      const idsAt = async () => {
        const stats = await h.plane().stats();
        return stats.map(({ services }) => services[0]?.pools.map(({ id }) => id).sort());
      };
      const ids = await idsAt();
      await h.plane().stage(await t.at(3));
      await h.plane().hold(fence(3), 250);
      const waiting = await everywhere(h);
      await h.plane().commit(fence(3), true);
      await h.settle();

      expect(served(before)).toEqual(all(h, 'v2'));
      expect(served(waiting)).toEqual(all(h, 'v3'));
      expect(ids).toEqual(all(h, ['shop.blue.1', 'shop.blue.3', 'shop.green.2']));
      expect(await idsAt()).toEqual(all(h, ['shop.blue.3', 'shop.green.2']));
      for (const one of [...before, ...waiting]) await one.finish();
    },
  );

  run('a candidate whose flip is undone is one again, and can be given up', async (h, t) => {
    const now = await t.at(2);
    const candidate = { id: 'shop.blue.3', release: 'v3', targets: await h.targets('v3') };
    const proving = now.services.map((entry) => ({ ...entry, candidate }));
    await h.plane().stage({ ...now, services: proving });
    await h.plane().stage(await t.at(3));
    await h.plane().hold(fence(3), 250);
    await h.plane().commit(fence(3), false);
    const again = await t.at(2);
    await h.plane().stage({ ...again, services: proving });
    const kept = await h.plane().stats();
    await h.plane().stage(await t.at(2));

    const idsOf = (stats: Awaited<ReturnType<DataPlane['stats']>>) =>
      stats.map(({ services }) => services[0]?.pools.map(({ id }) => id).sort());
    expect(served(await everywhere(h))).toEqual(all(h, 'v2'));
    expect(idsOf(kept)).toEqual(all(h, ['shop.blue.1', 'shop.blue.3', 'shop.green.2']));
    expect(idsOf(await h.plane().stats())).toEqual(all(h, ['shop.blue.1', 'shop.green.2']));
  });

  run('a hold of a generation that is not staged is fenced', async (harness, table) => {
    await harness.plane().stage(await table.at(1));

    await expect(harness.plane().hold(fence(2), 250)).rejects.toMatchObject({
      code: 'FLIP_FENCED',
    });

    expect(served(await everywhere(harness))).toEqual(all(harness, 'v1'));
  });

  run('an order of an older flip is not obeyed', async (harness, table) => {
    await harness.plane().stage(await table.at(2));
    await harness.plane().stage(await table.at(3));
    await harness.plane().hold(fence(3), 250);
    await expect(harness.plane().hold(fence(2), 250)).rejects.toMatchObject({
      code: 'FLIP_FENCED',
    });
    await harness
      .plane()
      .commit(fence(2), true)
      .catch(() => undefined);
    const sent = await everywhere(harness);
    expect(served(sent)).toEqual(all(harness, null));
    await harness.plane().commit(fence(3), true);
    await harness.settle();

    expect(served(sent)).toEqual(all(harness, 'v3'));
  });

  run('a commit of what is served already changes nothing', async (harness, table) => {
    await harness.plane().stage(await table.at(1));
    await harness.plane().stage(await table.at(2));
    await harness.plane().hold(fence(2), 250);
    await harness.plane().commit(fence(2), true);

    expect(await harness.plane().commit(fence(2), true)).toEqual([]);
    expect(await harness.plane().commit(fence(2), false)).toEqual([]);

    expect(served(await everywhere(harness))).toEqual(all(harness, 'v2'));
  });

  run('tables of the time of a hold keep it: health may change, traffic waits on', async (h, t) => {
    await h.plane().stage(await t.at(1));
    await h.plane().stage(await t.at(2));
    await h.plane().hold(fence(2), 250);
    await h.plane().stage(await t.at(2));
    const sent = await everywhere(h);
    expect(served(sent)).toEqual(all(h, null));
    await h.plane().commit(fence(2), true);
    await h.settle();

    expect(served(sent)).toEqual(all(h, 'v2'));
  });

  run('a rollback is a flip: the pool that drained is live again, its drain void', async (h, t) => {
    await h.plane().stage(await t.at(1));
    const before = await everywhere(h);
    await h.plane().stage(await t.at(2));
    await h.plane().hold(fence(2), 250);
    await h.plane().commit(fence(2), true);
    const first = await t.at(1);
    const back = first.services.map((entry) => ({ ...entry, generation: 3 }));
    const table = await t.at(3);
    await h.plane().stage({ ...table, services: back });
    await h.plane().hold(fence(3), 250);
    await h.plane().commit(fence(3), true);
    await h.pass(policy.drainMs + 500);

    expect(served(await everywhere(h))).toEqual(all(h, 'v1'));
    for (const one of await h.plane().stats()) {
      const pool = one.services[0]?.pools.find(({ id }) => id === 'shop.blue.1');
      expect(pool).toMatchObject({ inside: { http: 2 }, drained: null });
    }
    for (const one of before) await one.finish();
  });
}

function faults(name: string, make: Make, everywhere: Everywhere, served: Served): void {
  const run = (
    what: string,
    story: (harness: DataPlaneHarness, faults: Faults, tables: Tables) => Promise<void>,
  ) =>
    test(`${name}: ${what}`, async () => {
      const harness = await make();
      try {
        if (harness.faults === null) throw new Error(`${name} has no faults to be tried.`);
        await story(harness, harness.faults, new Tables(harness));
      } finally {
        await harness.close();
      }
    });

  run('a worker that hangs fails the hold, which names it; the others hold on', async (h, f, t) => {
    await h.plane().stage(await t.at(1));
    await h.plane().stage(await t.at(2));
    await f.hang(2);
    const holding = h
      .plane()
      .hold(fence(2), 250)
      .catch((fault: unknown) => fault);
    await h.pass(300);
    expect(await holding).toMatchObject({
      code: 'HOLD_TIMEOUT',
      message: expect.stringContaining('worker 2'),
    });
    const sent = await h.send(1);
    await h.settle();
    expect(sent.served()).toBeNull();

    const released = h.plane().commit(fence(2), false);
    await f.wake(2);
    await released;
    await h.settle();

    expect(sent.served()).toBe('v1');
    expect(served(await everywhere(h))).toEqual(h.workers.map(() => 'v1'));
  });

  run(
    'a hold that a busy worker missed can be asked for again, and then all switch at once',
    async (h, f, t) => {
      await h.plane().stage(await t.at(1));
      await h.plane().stage(await t.at(2));
      await f.hang(2);
      const holding = h
        .plane()
        .hold(fence(2), 250)
        .catch((fault: unknown) => fault);
      await h.pass(300);
      expect(await holding).toMatchObject({ code: 'HOLD_TIMEOUT' });
      const released = h.plane().commit(fence(2), false);
      await f.wake(2);
      await released;
      const between = served(await everywhere(h));

      await h.plane().stage(await t.at(2));
      const held = await h.plane().hold(fence(2), 500);
      const sent = await Promise.all(h.workers.map((worker) => h.send(worker)));
      await h.settle();
      const whileHeld = sent.map((one) => one.served());
      const committed = await h.plane().commit(fence(2), true);
      await h.settle();

      expect(between).toEqual(h.workers.map(() => 'v1'));
      expect(held).toBe(h.workers.length);
      expect(whileHeld).toEqual(h.workers.map(() => null));
      expect(committed).toHaveLength(h.workers.length);
      expect(sent.map((one) => one.served())).toEqual(h.workers.map(() => 'v2'));
    },
  );

  run('a worker that dies between hold and commit is left out of it', async (h, f, t) => {
    await h.plane().stage(await t.at(1));
    await h.plane().stage(await t.at(2));
    await h.plane().hold(fence(2), 250);
    await f.kill(2);

    const committed = await h.plane().commit(fence(2), true);
    await f.start(2);
    await h.settle();

    expect(committed).toHaveLength(h.workers.length - 1);
    expect(served(await everywhere(h))).toEqual(h.workers.map(() => 'v2'));
  });

  run('a worker that starts between hold and commit serves nobody before it', async (h, f, t) => {
    await h.plane().stage(await t.at(1));
    await h.plane().stage(await t.at(2));
    await h.plane().hold(fence(2), 250);
    await f.kill(2);
    await f.start(2);
    await h.settle();
    expect(await f.listens(2)).toBe(false);

    await h.plane().commit(fence(2), true);
    await h.settle();

    expect(served(await everywhere(h))).toEqual(h.workers.map(() => 'v2'));
  });

  run('a worker that starts after an aborted flip knows nothing of it', async (h, f, t) => {
    await h.plane().stage(await t.at(1));
    await h.plane().stage(await t.at(2));
    await h.plane().hold(fence(2), 250);
    await f.kill(2);
    await f.start(2);
    await h.plane().commit(fence(2), false);
    await h.settle();

    expect(served(await everywhere(h))).toEqual(h.workers.map(() => 'v1'));
  });

  run('a controller that starts again can finish what its predecessor held', async (h, f, t) => {
    await h.plane().stage(await t.at(1));
    await h.plane().stage(await t.at(2));
    await h.plane().hold(fence(2), 250);
    const sent = await everywhere(h);
    await f.restartController();
    const next = new Tables(h, 1_000);

    await h.plane().stage(await next.at(2));
    await h.plane().hold(fence(2), 250);
    await h.plane().commit(fence(2), true);
    await h.settle();

    expect(served(sent)).toEqual(h.workers.map(() => 'v2'));
  });

  run('a controller that starts again can undo what its predecessor held', async (h, f, t) => {
    await h.plane().stage(await t.at(1));
    await h.plane().stage(await t.at(2));
    await h.plane().hold(fence(2), 250);
    const sent = await everywhere(h);
    await f.restartController();
    const next = new Tables(h, 1_000);

    await h.plane().stage(await next.at(1));
    await h.plane().commit(fence(2), false);
    await h.settle();

    expect(served(sent)).toEqual(h.workers.map(() => 'v1'));
  });

  run(
    'a flip that is half done is finished beside a worker that has just started',
    async (h, f, t) => {
      await h.plane().stage(await t.at(1));
      await h.plane().stage(await t.at(2));
      await h.plane().hold(fence(2), 250);
      const sent = await h.send(1);
      await f.kill(2);
      await f.start(2);
      await f.restartController();
      const next = new Tables(h, 1_000);

      await h.plane().stage(await next.at(2));
      await h.plane().hold(fence(2), 250);
      expect(await f.listens(2)).toBe(false);
      await h.plane().commit(fence(2), true);
      await h.settle();

      expect(sent.served()).toBe('v2');
      expect(served(await everywhere(h))).toEqual(h.workers.map(() => 'v2'));
    },
  );
}
