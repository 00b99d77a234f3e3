/**
 * The way back. The rule: it names where it goes, starts nothing, and waits for nothing but health.
 */
import { expect, test } from 'vitest';
import type { StartOrder } from '../../../src/control/drivers/driver.ts';
import { Fault } from '../../../src/errors.ts';
import {
  me,
  order,
  refusal,
  serviceConfig,
  World,
  type WorldOptions,
} from '../../support/services.ts';

/** v1 on blue and warm, v2 on green and live. */
async function flipped(options: WorldOptions = {}): Promise<World> {
  const world = new World(options);
  const control = await world.live();
  await control.deploy('shop', order('v2'), me);
  await world.clock.passAsync(10_000);
  return world;
}

test('a rollback moves all traffic in one step, and starts nothing', async () => {
  const world = await flipped();
  const started = [...world.platform.started];

  const done = await world.control.rollback('shop', 'v1', { ...me, generation: 2 });
  world.request();

  expect(done).toMatchObject({
    direction: 'rollback',
    from: { color: 'green', release: 'v2' },
    to: { color: 'blue', release: 'v1' },
    receipt: { generation: 3, direction: 'rollback' },
  });
  expect(world.claimsOf().map(({ release }) => release)).toEqual(['v1', 'v1']);
  expect(world.platform.started).toEqual(started);
});

test('a double click on rollback returns to the good version, once', async () => {
  const world = await flipped();

  const both = await Promise.allSettled([
    world.control.rollback('shop', 'v1', me),
    world.control.rollback('shop', 'v1', me),
  ]);
  expect(both[0].status).toBe('fulfilled');
  expect(both[1]).toMatchObject({ reason: { status: 409 } });
  await world.clock.passAsync(10_000);

  expect(await refusal(world.control.rollback('shop', 'v1', me))).toMatchObject({
    code: 'ROLLBACK_NOT_READY',
    message: expect.stringContaining('v1 is live already'),
  });
  expect(
    await refusal(world.control.rollback('shop', null, { ...me, generation: 2 })),
  ).toMatchObject({
    code: 'GENERATION_STALE',
  });
  expect(world.control.service('shop')).toMatchObject({ generation: 3, live: 'blue' });
});

test('a rollback that does not say where it goes is refused: it is no toggle', async () => {
  const world = await flipped();

  expect(await refusal(world.control.rollback('shop', null, me))).toMatchObject({
    code: 'CALL_INVALID',
  });
  expect(await refusal(world.control.rollback('shop', 'v0', me))).toMatchObject({
    code: 'ROLLBACK_NOT_READY',
    message: expect.stringContaining('holds v1, not v0'),
  });

  expect(world.control.service('shop').generation).toBe(2);
});

test('bug of argo #3304: a rollback after a rollback works, and after that too', async () => {
  const world = await flipped();

  for (const [to, generation] of [
    ['v1', 3],
    ['v2', 4],
    ['v1', 5],
  ] as const) {
    await world.control.rollback('shop', to, me);
    await world.clock.passAsync(2_000);
    world.request();

    expect(world.control.service('shop')).toMatchObject({
      generation,
      deployment: { phase: 'live' },
    });
    expect(world.claimsOf().at(-1)).toMatchObject({ release: to });
    for (const worker of world.cluster.workers.values()) {
      worker.finish('shop', 'blue', 'http', 'finished');
      worker.finish('shop', 'green', 'http', 'finished');
    }
  }
});

test('a rollback while the old pool still drains makes its drain void', async () => {
  const world = new World();
  const control = await world.live();
  world.request();
  await control.deploy('shop', order('v2'), me);
  await world.clock.passAsync(5_000);
  expect(control.service('shop').pools.blue?.role).toBe('draining');

  await control.rollback('shop', 'v1', me);
  await world.clock.passAsync(60_000);

  const first = await control.deployment('shop-2');
  expect(first).toMatchObject({ phase: 'live', receipt: { drained: { cut: 0, stillOpen: 2 } } });
  expect(control.service('shop')).toMatchObject({
    live: 'blue',
    pools: { blue: { inside: { http: 2 } } },
  });
});

test('a warm pool that is not wholly healthy is no way back, and says which target', async () => {
  const world = await flipped();
  world.platform.become('shop.blue.1', 1, 'down');

  const { rollback } = world.control.service('shop');
  expect(rollback).toMatchObject({ ready: false, to: { release: 'v1' } });
  expect(rollback.reason).toContain('target r2 is not running');
  expect(await refusal(world.control.rollback('shop', 'v1', me))).toMatchObject({
    code: 'ROLLBACK_NOT_READY',
    message: rollback.reason,
  });
  world.platform.become('shop.blue.1', 1, 'running');
  await world.clock.passAsync(5_000);

  expect(world.control.service('shop').rollback.ready).toBe(true);
});

/** The first rollback is refused and wakes the pool; the one after that goes through. */
async function backAfterWaking(world: World, meanwhile: string): Promise<void> {
  expect(await refusal(world.control.rollback('shop', 'v1', me))).toMatchObject({
    code: 'ROLLBACK_NOT_READY',
  });
  expect(world.control.service('shop').rollback.reason).toContain(meanwhile);
  await world.clock.passAsync(10_000);
  await world.control.rollback('shop', 'v1', me);

  expect(world.control.service('shop')).toMatchObject({
    live: 'blue',
    pools: { blue: { healthy: 2 } },
  });
}

test('a warm pool kept small is grown back before a rollback counts as ready', async () => {
  const warm = { forMs: null, replicas: 1, freeze: false, until: 'flip' as const };
  const world = await flipped({ services: [serviceConfig('shop', { warm })] });
  expect(world.platform.ports('shop.blue.1')).toHaveLength(1);
  expect(world.control.service('shop').rollback.reason).toContain('kept at 1 of 2 replicas');

  await backAfterWaking(world, 'growing back to 2');
});

test('a warm pool that is frozen is not probed, and thawed before a rollback counts as ready', async () => {
  const warm = { forMs: null, replicas: null, freeze: true, until: 'flip' as const };
  const world = await flipped({ services: [serviceConfig('shop', { warm })] });
  await world.clock.passAsync(60_000);
  const frozen = world.control.service('shop');
  expect(frozen.pools.blue?.targets).toMatchObject([
    { state: 'frozen', healthy: false, failures: 0 },
    { state: 'frozen', healthy: false, failures: 0 },
  ]);
  expect(frozen.rollback.reason).toBe(
    'The warm pool (v1 on blue) is kept frozen; `pointsman wake` thaws it, then roll back.',
  );

  await backAfterWaking(world, 'is thawing');
});

test('wake makes a rollback ready and switches nothing; a pool that is awake is let be', async () => {
  const warm = { forMs: null, replicas: null, freeze: true, until: 'flip' as const };
  const world = await flipped({ services: [serviceConfig('shop', { warm })] });
  expect(world.control.service('shop').rollback.asleep).toBe(true);

  expect(await refusal(world.control.wake('shop', { ...me, generation: 1 }))).toMatchObject({
    code: 'GENERATION_STALE',
  });
  const waking = await world.control.wake('shop', me);
  await world.clock.passAsync(10_000);
  const again = await world.control.wake('shop', me);

  expect(waking.rollback).toMatchObject({ ready: false, asleep: false });
  expect(again).toMatchObject({ live: 'green', generation: 2, rollback: { ready: true } });
});

test('a warm pool that is kept small and frozen is made whole and thawed', async () => {
  const warm = { forMs: null, replicas: 1, freeze: true, until: 'flip' as const };
  const world = await flipped({ services: [serviceConfig('shop', { warm })] });
  expect(world.control.service('shop').rollback.reason).toContain('kept frozen at 1 of 2 replicas');

  await refusal(world.control.rollback('shop', 'v1', me));
  expect(world.control.service('shop').rollback.reason).toContain(
    'thawing and growing back to 2 replicas',
  );
  await world.clock.passAsync(10_000);

  expect(world.control.service('shop')).toMatchObject({
    rollback: { ready: true },
    pools: { blue: { healthy: 2 } },
  });
});

test('a platform that cannot freeze leaves the warm pool awake, and says so', async () => {
  const warm = { forMs: null, replicas: null, freeze: true, until: 'flip' as const };
  const refuse = async ({ frozen }: StartOrder): Promise<void> => {
    if (frozen) throw new Fault('START_FAILED', 'there is no freezer here');
  };
  const world = await flipped({
    services: [serviceConfig('shop', { warm })],
    platform: { onStart: refuse },
  });
  await world.clock.passAsync(10_000);

  expect(world.control.service('shop').rollback.ready).toBe(true);
  expect(world.logs.join('\n')).toContain('there is no freezer here');
});

test('a frozen warm pool is found again after a restart of everything, and frozen again', async () => {
  const warm = { forMs: null, replicas: null, freeze: true, until: 'flip' as const };
  const world = await flipped({ services: [serviceConfig('shop', { warm })] });
  await world.clock.passAsync(10_000);

  await world.restart();
  await world.clock.passAsync(10_000);

  expect(world.control.service('shop').pools.blue?.targets[0]?.state).toBe('frozen');
  await refusal(world.control.rollback('shop', 'v1', me));
  await world.clock.passAsync(10_000);
  expect(world.control.service('shop').rollback.ready).toBe(true);
});

test('a warm pool with a tunnel inside does not shrink', async () => {
  const warm = { forMs: null, replicas: 1, freeze: false, until: 'flip' as const };
  const world = new World({ services: [serviceConfig('shop', { warm })], workers: 1 });
  const control = await world.live();
  world.request();
  world.cluster.worker(1).upgrade('shop');
  await control.deploy('shop', order('v2'), me);
  await world.clock.passAsync(60_000);
  expect(world.platform.ports('shop.blue.1')).toHaveLength(2);
  expect(control.service('shop').deployment?.receipt?.drained).toMatchObject({
    stillOpen: 1,
    cut: 0,
  });

  world.cluster.worker(1).finish('shop', 'blue', 'upgrade', 'finished');
  await world.clock.passAsync(5_000);

  expect(world.platform.ports('shop.blue.1')).toHaveLength(1);
});

test('a worker too busy to hold is asked again, with more time, and nobody waits meanwhile', async () => {
  const world = await flipped();
  world.cluster.hang(2);
  const rolling = world.control.rollback('shop', 'v1', me);
  await world.clock.passAsync(0);
  expect(world.cluster.worker(1).request('shop')).toBe('waits');
  await world.clock.passAsync(1_000);
  expect(world.claimsOf().map(({ release }) => release)).toEqual(['v2']);
  expect(world.cluster.worker(1).request('shop')).toBe('claimed');
  world.cluster.wake(2);
  await world.clock.passAsync(1_000);

  const { receipt } = await rolling;
  world.request();
  expect(receipt).toMatchObject({ generation: 3, attempts: 2, workers: 2 });
  expect(receipt?.holdMs).toBeLessThan(100);
  expect(world.claimsOf().map(({ release }) => release)).toEqual(['v2', 'v2', 'v1', 'v1']);
  const lines = world.events.flatMap((event) => (event.type === 'progress' ? event.line : []));
  expect(lines.join()).toContain('worker 2');
});

/** Worker 2 answers nothing until each hold of generation 3 has timed out. */
function alwaysLate(): { readonly world: World; readonly holds: number[] } {
  const holds: number[] = [];
  const world: World = new World({
    dependencies: (dependencies) => {
      const { plane, clock } = dependencies;
      const hold: typeof plane.hold = (fence, limitMs) => {
        if (fence.generation === 3) {
          holds.push(limitMs);
          world.cluster.hang(2);
          clock.after(limitMs + 50, () => world.cluster.wake(2));
        }
        return plane.hold(fence, limitMs);
      };
      const { stage, commit, stats } = plane;
      const rest = {
        stage: stage.bind(plane),
        commit: commit.bind(plane),
        stats: stats.bind(plane),
      };
      return { ...dependencies, plane: { ...plane, ...rest, hold } };
    },
  });
  return { world, holds };
}

test('a worker that never holds in time aborts the flip, is named, and traffic stays', async () => {
  const { world, holds } = alwaysLate();
  const control = await world.live();
  await control.deploy('shop', order('v2'), me);
  await world.clock.passAsync(10_000);

  const asked = refusal(control.rollback('shop', 'v1', me));
  await world.clock.passAsync(10);
  expect(world.cluster.worker(1).request('shop')).toBe('waits');
  await world.clock.passAsync(5_000);

  const fault = await asked;
  expect(holds).toEqual([250, 500, 900]);
  expect(fault).toMatchObject({ code: 'HOLD_TIMEOUT', detail: { attempts: 3 } });
  expect(fault.message).toContain('worker 2');
  expect(fault.message).toContain('tried 3 times');
  world.request();
  expect(world.claimsOf().map(({ release }) => release)).toEqual(['v2', 'v2', 'v2']);
  expect(control.service('shop')).toMatchObject({
    generation: 2,
    deployment: { phase: 'failed', error: { code: 'HOLD_TIMEOUT' } },
  });
  expect(world.store.stored?.services.shop?.intent).toBeNull();
});

test('a standby that is lost between two attempts is not gone back to, and holds nobody more', async () => {
  const { world, holds } = alwaysLate();
  const control = await world.live();
  await control.deploy('shop', order('v2'), me);
  await world.clock.passAsync(10_000);

  const asked = refusal(control.rollback('shop', 'v1', me));
  await world.clock.passAsync(100);
  world.platform.become('shop.blue.1', 0, 'down');
  await world.clock.passAsync(5_000);

  expect((await asked).code).toBe('ROLLBACK_NOT_READY');
  expect(holds).toEqual([250]);
  expect(control.service('shop').generation).toBe(2);
});
