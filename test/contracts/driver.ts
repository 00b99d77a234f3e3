/**
 * What every driver must do. A new driver is done when `driverContract('mine', makeMine)` passes.
 *
 * The rule this file keeps: what only a driver that runs things can promise is asked only of those
 * (`runs`), and everything else of all.
 */
import { afterEach, describe, expect, test } from 'vitest';
import type {
  Driver,
  DriverEvent,
  RunningTarget,
  StartOrder,
} from '../../src/control/drivers/driver.ts';
import type { Release } from '../../src/control/model/state.ts';
import type { Color } from '../../src/wire.ts';

export interface DriverUnderTest {
  readonly driver: Driver;
  /** A release that works, with two targets; two names run the same. */
  release(name: string): Release;
  /** A release of a kind that is another driver's. */
  readonly foreign: Release;
  /** What only drivers that run things have; null: targets come with the release. */
  readonly runs: {
    /** A release that ends right after its start, having written `says`. */
    readonly failing: Release;
    readonly says: string;
    /** Ends what runs behind a target, as a crash does. */
    kill(target: RunningTarget): Promise<void>;
    /** Whether something answers there. */
    answers(target: RunningTarget): Promise<boolean>;
  } | null;
  /** A driver as a restarted controller has it; `driver` has died and is not used afterwards. */
  reopen(): Promise<Driver>;
  /** Ends all that was started. */
  close(): Promise<void>;
}

/** An order to fill `service.color.1` with the release. */
export function orderOf(release: Release, more: Partial<StartOrder> = {}): StartOrder {
  const color: Color = more.color ?? 'blue';
  return {
    service: 'shop',
    color,
    poolId: `shop.${color}.1`,
    generation: 1,
    release,
    replicas: null,
    frozen: false,
    progress: () => {},
    signal: new AbortController().signal,
    ...more,
  };
}

/** Resolves with the first event that `wanted` takes. */
export function eventOf(
  driver: Driver,
  wanted: (event: DriverEvent) => boolean,
): Promise<DriverEvent> {
  return new Promise((resolve) => {
    const end = driver.watch((event) => {
      if (!wanted(event)) return;
      end();
      resolve(event);
    });
  });
}

/** @param kind.runs whether the driver runs things; then `make` gives `runs` too. */
export function driverContract(
  name: string,
  kind: { readonly runs: boolean },
  make: () => Promise<DriverUnderTest>,
): void {
  describe(`the driver contract, kept by ${name}`, () => {
    const made: DriverUnderTest[] = [];
    const fresh = async (): Promise<DriverUnderTest> => {
      const one = await make();
      made.push(one);
      return one;
    };
    afterEach(async () => {
      for (const one of made.splice(0)) await one.close();
    });
    const runner = async () => {
      const one = await fresh();
      if (!one.runs) throw new Error(`${name} says that it runs things, and does not say how`);
      return { ...one, runs: one.runs };
    };

    test('a pool that was started has targets with addresses and ids of their own', async () => {
      const { driver, release } = await fresh();
      expect(await driver.list()).toEqual([]);

      const started = await driver.start(orderOf(release('v1')));

      expect(started.release.name).toBe('v1');
      expect(started.targets).toHaveLength(2);
      expect(new Set(started.targets.map(({ id }) => id)).size).toBe(2);
      expect(new Set(started.targets.map(({ host, port }) => `${host}:${port}`)).size).toBe(2);
      for (const target of started.targets) expect(target.state).not.toBe('down');
    });

    test('list tells every pool, whose it is and what it runs', async () => {
      const { driver, release } = await fresh();
      const blue = await driver.start(orderOf(release('v1')));
      const green = await driver.start(orderOf(release('v2'), { color: 'green' }));

      const pools = await driver.list();

      const wanted = [
        { poolId: 'shop.blue.1', color: 'blue', release: 'v1', targets: blue.targets },
        { poolId: 'shop.green.1', color: 'green', release: 'v2', targets: green.targets },
      ];
      expect(pools).toHaveLength(2);
      for (const { targets, ...pool } of wanted) {
        const found = pools.find((one) => one.poolId === pool.poolId);
        expect(found).toMatchObject({ ...pool, service: 'shop' });
        expect(found?.targets.map(addressOf)).toEqual(targets.map(addressOf));
      }
    });

    test('a second start of the same starts nothing twice', async () => {
      const { driver, release } = await fresh();
      const first = await driver.start(orderOf(release('v1')));

      const second = await driver.start(orderOf(first.release));

      expect(second.targets).toEqual(first.targets);
      expect(await driver.list()).toHaveLength(1);
    });

    test('two starts of the same at once start it once', async () => {
      const { driver, release } = await fresh();

      const [one, other] = await Promise.all([
        driver.start(orderOf(release('v1'))),
        driver.start(orderOf(release('v1'))),
      ]);

      expect(one.targets).toEqual(other.targets);
    });

    test('a pool that was stopped is gone, and the other color is not touched', async () => {
      const { driver, release } = await fresh();
      await driver.start(orderOf(release('v1')));
      const green = await driver.start(orderOf(release('v2'), { color: 'green' }));

      await driver.stop('shop.blue.1');

      const pools = await driver.list();
      expect(pools.map(({ poolId }) => poolId)).toEqual(['shop.green.1']);
      expect(pools[0]?.targets.map(addressOf)).toEqual(green.targets.map(addressOf));
    });

    test('a pool that is unknown, or stopped already, is stopped without complaint', async () => {
      const { driver, release } = await fresh();
      await driver.start(orderOf(release('v1')));

      await driver.stop('shop.green.7');
      await driver.stop('shop.blue.1');
      await driver.stop('shop.blue.1');

      expect(await driver.list()).toEqual([]);
    });

    test('a pool that was stopped can be started again', async () => {
      const { driver, release } = await fresh();
      await driver.start(orderOf(release('v1')));
      await driver.stop('shop.blue.1');

      const { targets } = await driver.start(orderOf(release('v1')));

      expect(targets).toHaveLength(2);
    });

    test('a start that was aborted before it began leaves nothing', async () => {
      const { driver, release } = await fresh();
      const signal = AbortSignal.abort();

      await expect(driver.start(orderOf(release('v1'), { signal }))).rejects.toMatchObject({
        code: 'ABORTED',
      });

      expect(await driver.list()).toEqual([]);
    });

    test('a release of another kind is refused, and nothing is started', async () => {
      const { driver, foreign } = await fresh();

      await expect(driver.start(orderOf(foreign))).rejects.toMatchObject({
        code: 'RELEASE_INVALID',
      });

      expect(await driver.list()).toEqual([]);
    });

    test('the next controller starts the same pool again, and it is the same', async () => {
      const one = await fresh();
      const before = await one.driver.start(orderOf(one.release('v1')));

      const driver = await one.reopen();
      const after = await driver.start(orderOf(before.release));

      expect(after.targets.map(addressOf)).toEqual(before.targets.map(addressOf));
      await driver.stop('shop.blue.1');
      expect(await driver.list()).toEqual([]);
    });

    test('the next controller can stop a pool that it never started', async () => {
      const one = await fresh();
      const { targets } = await one.driver.start(orderOf(one.release('v1')));

      const driver = await one.reopen();
      await driver.stop('shop.blue.1');

      expect(await driver.list()).toEqual([]);
      for (const target of targets) expect(await one.runs?.answers(target)).not.toBe(true);
    });

    if (!kind.runs) return;

    test('what runs is found by the next controller before it starts anything', async () => {
      const one = await runner();
      const { targets } = await one.driver.start(orderOf(one.release('v1')));

      const pools = await (await one.reopen()).list();

      expect(pools).toMatchObject([
        { poolId: 'shop.blue.1', service: 'shop', color: 'blue', release: 'v1' },
      ]);
      expect(pools[0]?.targets.map(addressOf)).toEqual(targets.map(addressOf));
      expect(pools[0]?.targets.map(({ state }) => state)).not.toContain('down');
    });

    test('a pool grows and shrinks to the replicas that are asked for, and keeps those it had', async () => {
      const one = await runner();
      const { driver, release } = one;
      const two = await driver.start(orderOf(release('v1'), { replicas: 2 }));

      const three = await driver.start(orderOf(release('v1'), { replicas: 3 }));
      const single = await driver.start(orderOf(release('v1'), { replicas: 1 }));

      expect(three.targets).toHaveLength(3);
      expect(three.targets).toEqual(expect.arrayContaining([...two.targets]));
      expect(single.targets).toHaveLength(1);
      expect(two.targets).toEqual(expect.arrayContaining([...single.targets]));
      const gone = three.targets.filter(({ id }) => id !== single.targets[0]?.id);
      for (const target of gone) expect(await one.runs.answers(target)).toBe(false);
    });

    test('a stop resolves when nothing of the pool answers any more', async () => {
      const one = await runner();
      const { targets } = await one.driver.start(orderOf(one.release('v1')));

      await one.driver.stop('shop.blue.1');

      for (const target of targets) expect(await one.runs.answers(target)).toBe(false);
    });

    test('a target that dies is told as down, comes back with its id, and is told again', async () => {
      const one = await runner();
      const { targets } = await one.driver.start(orderOf(one.release('v1')));
      const [victim] = targets;
      if (!victim) throw new Error('no target');
      const seen = (state: string) => (event: DriverEvent) =>
        event.kind === 'targets' &&
        event.targets.some((target) => target.id === victim.id && target.state === state);
      const down = eventOf(one.driver, seen('down'));
      const back = down.then(() => eventOf(one.driver, seen('running')));

      await one.runs.kill(victim);

      expect(await down).toMatchObject({ poolId: 'shop.blue.1' });
      const { targets: after } = (await back) as Extract<DriverEvent, { kind: 'targets' }>;
      expect(after.map(({ id }) => id)).toEqual(targets.map(({ id }) => id));
    });

    test('a release that ends at its start fails with what it said, and leaves nothing', async () => {
      const one = await runner();

      await expect(one.driver.start(orderOf(one.runs.failing))).rejects.toMatchObject({
        code: 'START_FAILED',
        message: expect.stringContaining(one.runs.says),
      });

      expect(await one.driver.list()).toEqual([]);
    });

    test('a start that is aborted while it goes on is over soon, and leaves nothing', async () => {
      const one = await runner();
      const abort = new AbortController();
      const starting = one.driver.start(orderOf(one.release('v1'), { signal: abort.signal }));

      abort.abort();

      await expect(starting).rejects.toMatchObject({ code: 'ABORTED' });
      expect(await one.driver.list()).toEqual([]);
    });

    test('who watches no more is told nothing', async () => {
      const one = await runner();
      const { targets } = await one.driver.start(orderOf(one.release('v1')));
      const told: DriverEvent[] = [];
      one.driver.watch((event) => told.push(event))();
      const [victim] = targets;
      if (!victim) throw new Error('no target');

      const down = eventOf(one.driver, ({ kind }) => kind === 'targets');
      await one.runs.kill(victim);
      await down;

      expect(told).toEqual([]);
    });
  });
}

function addressOf({ id, host, port }: RunningTarget): string {
  return `${id} ${host}:${port}`;
}
