/**
 * The watch over a release that has just become live. The rule: it is taken back once, on evidence,
 * and where it cannot be, that is said and nothing moves.
 */
import { expect, test } from 'vitest';
import type { ServiceConfig } from '../../../src/config/config.ts';
import {
  me,
  order,
  refusal,
  serviceConfig,
  World,
  type WorldOptions,
} from '../../support/services.ts';

const protect = { windowMs: 60_000, requestsMin: 50, clientsMin: 2 };

/** v1 on blue and warm after some traffic, v2 on green and live since this moment. */
async function flipped(
  more: Partial<ServiceConfig> = {},
  options: WorldOptions = {},
  beforeSeconds = 20,
): Promise<World> {
  const world = new World({ services: [serviceConfig('shop', { protect, ...more })], ...options });
  const control = await world.live();
  await traffic(world, beforeSeconds, 0);
  // A slow disk is only done when time passes.
  void control.deploy('shop', order('v2'), me);
  while (world.control.service('shop').generation < 2) await world.clock.passAsync(100);
  return world;
}

/** 100 requests a second, of which so many fail for one client in turn. */
async function traffic(world: World, seconds: number, failing: number, clients = 5): Promise<void> {
  let turn = 0;
  for (let tenth = 0; tenth < seconds * 10; tenth++) {
    const { live } = world.control.service('shop');
    for (let one = 0; one < 10; one++) {
      const worker = world.cluster.worker(1 + (one % 2));
      turn++;
      if (turn % 100 < failing) worker.fail('shop', `10.0.0.${turn % clients}`);
      else {
        worker.request('shop');
        worker.finish('shop', live ?? 'blue', 'http', 'finished');
      }
    }
    await world.clock.passAsync(100);
  }
}

test('a release that fails a fifth of its requests is back within three seconds, exactly once', async () => {
  const world = await flipped();

  await traffic(world, 3, 20);

  expect(world.control.service('shop')).toMatchObject({
    generation: 3,
    live: 'blue',
    watch: { phase: 'returned', release: 'v2' },
    latch: { release: 'v2', deployment: 'shop-3' },
    deployment: {
      direction: 'rollback',
      by: 'pointsman',
      why: expect.stringMatching(/of v2 failed, against 0 of \d+ requests .* of v1 in the minutes/),
      cause: { kind: 'errors', release: 'v2', baseline: { failed: 0 } },
    },
  });
  await traffic(world, 62, 20);
  expect(world.control.service('shop').generation).toBe(3);
  const told = world.events.filter(
    (event) => event.type === 'watch' && event.watch.phase === 'returned',
  );
  expect(told).toHaveLength(1);
});

test('after that the next deployment waits until somebody has acknowledged', async () => {
  const world = await flipped();
  await traffic(world, 4, 20);

  const refused = await refusal(world.control.deploy('shop', order('v3'), me));
  await world.control.acknowledge('shop', me);
  await world.control.deploy('shop', order('v3'), me);

  expect(refused).toMatchObject({ code: 'LATCHED', status: 409 });
  expect(refused.message).toContain('pointsman acknowledge shop');
  expect(world.control.service('shop')).toMatchObject({
    latch: null,
    deployment: { to: { release: 'v3' } },
  });
});

test('a release that fares as the one before it is let be, and called good in the end', async () => {
  const world = await flipped();

  await traffic(world, 61, 0);

  expect(world.control.service('shop')).toMatchObject({
    generation: 2,
    watch: { phase: 'passed', reason: null, figures: { failed: 0 } },
    latch: null,
  });
});

test('what fails for one client alone is no evidence', async () => {
  const world = await flipped();

  await traffic(world, 61, 20, 1);

  expect(world.control.service('shop')).toMatchObject({
    generation: 2,
    watch: { phase: 'inconclusive', reason: expect.stringContaining('for one client') },
  });
});

test('without traffic nothing is concluded, and that is said', async () => {
  const world = await flipped();
  for (let one = 0; one < 3; one++) world.cluster.worker(1).fail('shop', `10.0.0.${one}`);

  await world.clock.passAsync(61_000);

  expect(world.control.service('shop')).toMatchObject({
    generation: 2,
    watch: { phase: 'inconclusive', reason: expect.stringContaining('v2 had 3 requests') },
  });
});

test('where the one before failed as often, it is not gone back to', async () => {
  const world = new World({ services: [serviceConfig('shop', { protect })] });
  const control = await world.live();
  await traffic(world, 20, 20);
  await control.deploy('shop', order('v2'), me);

  await traffic(world, 70, 20);

  expect(world.control.service('shop')).toMatchObject({
    generation: 2,
    watch: { phase: 'passed' },
  });
});

test('a warm pool that is not whole is not gone back to: it holds, and says so', async () => {
  const world = await flipped();
  const blue = world.pool('blue')?.id ?? '';
  world.platform.become(blue, 0, 'down');

  await traffic(world, 61, 20);

  const { generation, watch, latch } = world.control.service('shop');
  expect([generation, latch]).toEqual([2, null]);
  expect(watch).toMatchObject({ phase: 'held', release: 'v2' });
  expect(watch?.reason).toContain('It is not taken back: The warm pool');
  const errors = world.logs.filter(
    (line) => line.startsWith('error') && line.includes('not taken back'),
  );
  expect(errors).toHaveLength(1);
});

test('one that becomes whole again within the time is gone back to after all', async () => {
  const world = await flipped();
  const blue = world.pool('blue')?.id ?? '';
  world.platform.become(blue, 0, 'down');
  await traffic(world, 5, 20);
  expect(world.control.service('shop').watch?.phase).toBe('held');

  world.platform.become(blue, 0, 'running');
  await traffic(world, 15, 20);

  expect(world.control.service('shop')).toMatchObject({ live: 'blue', latch: { release: 'v2' } });
});

test('a release none of whose targets works is taken back at once, whatever the figures', async () => {
  const world = await flipped();
  const green = world.pool('green')?.id ?? '';
  for (const at of [0, 1]) world.platform.become(green, at, 'down');

  await world.clock.passAsync(1_500);

  expect(world.control.service('shop')).toMatchObject({
    live: 'blue',
    deployment: { cause: { kind: 'down' }, why: 'No target of v2 is healthy.' },
  });
});

test('turned off, it is a person who goes back', async () => {
  const world = await flipped({ protect: null });

  await traffic(world, 61, 50);

  expect(world.control.service('shop')).toMatchObject({ generation: 2, watch: null });
});

test('a controller that is killed meanwhile goes on with what the workers know', async () => {
  const world = await flipped();
  await traffic(world, 1, 20);

  world.kill();
  await world.restart(2_000);
  await traffic(world, 2, 20);

  expect(world.control.service('shop')).toMatchObject({
    generation: 3,
    watch: { phase: 'returned' },
    latch: { release: 'v2' },
  });
});

test('killed at any moment of the way back, it is gone once, and latched', async () => {
  for (let ms = 0; ms < 48; ms += 6) {
    const world = await flipped({}, { orderMs: () => 5, saveMs: () => 5 }, 4);
    await traffic(world, 2, 20);
    while (world.control.service('shop').deployment?.direction !== 'rollback') {
      await world.clock.passAsync(1);
    }

    await world.clock.passAsync(ms);
    world.kill();
    await world.restart(5_000);
    await traffic(world, 3, 20);

    expect(world.control.service('shop'), `killed after ${ms} ms`).toMatchObject({
      generation: 3,
      live: 'blue',
      latch: { release: 'v2' },
    });
  }
});

test('another deployment ends the watch: nothing is gone back to from under it', async () => {
  const world = await flipped();
  await traffic(world, 1, 0);
  await world.control.deploy('shop', order('v3', { flip: 'manual' }), me);

  await traffic(world, 10, 50);

  expect(world.control.service('shop')).toMatchObject({
    generation: 2,
    watch: { phase: 'superseded', reason: 'Deployment shop-3 began.' },
    latch: null,
  });
});

test('a warm pool that is to rest rests only when the release is no longer watched', async () => {
  const world = await flipped({ warm: { forMs: null, replicas: 1, freeze: false, until: 'flip' } });
  await traffic(world, 30, 0);
  const during = world.pool('blue')?.targets.length;

  await traffic(world, 35, 0);

  expect([during, world.pool('blue')?.targets.length]).toEqual([2, 1]);
});
