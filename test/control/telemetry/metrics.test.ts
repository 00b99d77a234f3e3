/** What the Prometheus page says of a service, where an alert hangs on it. */
import { expect, test } from 'vitest';
import { Metrics } from '../../../src/control/telemetry/metrics.ts';
import { Totals } from '../../../src/control/telemetry/totals.ts';
import { me, order, serviceConfig, World } from '../../support/services.ts';

async function pageOf(world: World): Promise<string> {
  const metrics = new Metrics({
    version: '0.0.0',
    totals: new Totals(),
    stats: async () => world.services.stats(),
    services: () => world.control.services(),
    certificates: () => [],
    notifier: () => [],
    stateWritable: () => true,
    configLoaded: () => true,
  });
  return (await metrics.page()).text;
}

/** One gauge of `shop`. */
async function gauge(world: World, name: string): Promise<number> {
  const text = await pageOf(world);
  const value = new RegExp(`^pointsman_${name}\\{service="shop"\\} (\\d+)$`, 'm').exec(text)?.[1];
  return Number(value);
}

test('before a first release is healthy no color is live', async () => {
  const world = new World();
  const live = async (): Promise<readonly string[]> =>
    (await pageOf(world)).match(/^pointsman_live\{.*/gm) ?? [];
  const booting = world.boot();
  await world.clock.passAsync(100);
  await booting;

  const before = await live();
  await world.clock.passAsync(20_000);

  const of = (color: string, value: number) =>
    `pointsman_live{service="shop",color="${color}"} ${value}`;
  expect(before).toEqual([of('blue', 0), of('green', 0)]);
  expect(await live()).toEqual([of('blue', 1), of('green', 0)]);
});

test('a warm pool that was retired is told from one that a failed deployment has cost', async () => {
  const warm = { forMs: 600_000, replicas: null, freeze: false, until: 'deploy' as const };
  const world = new World({ services: [serviceConfig('shop', { warm })] });
  const control = await world.live();
  const told = async () => ({
    ready: await gauge(world, 'rollback_ready'),
    retired: await gauge(world, 'rollback_retired'),
  });
  // Nothing was ever there to go back to.
  expect(await told()).toEqual({ ready: 0, retired: 0 });
  await control.deploy('shop', order('v2'), me);
  await world.clock.passAsync(10_000);
  expect(await told()).toEqual({ ready: 1, retired: 0 });

  const { id } = await control.deploy('shop', order('v3', { flip: 'manual' }), me);
  await world.clock.passAsync(10_000);
  await control.abort(id, me);
  await world.clock.passAsync(10_000);
  expect(await told()).toEqual({ ready: 0, retired: 0 });
  expect(control.service('shop').rollback.reason).toBe(
    'There is no warm pool to go back to: the standby was for shop-3, which was aborted.',
  );

  await control.deploy('shop', order('v3'), me);
  await world.clock.passAsync(700_000);
  expect(await told()).toEqual({ ready: 0, retired: 1 });
});

test('a warm pool that a deployment keeps is cost by none: where it is no more, it was retired', async () => {
  const warm = { forMs: 600_000, replicas: null, freeze: false, until: 'flip' as const };
  const world = new World({ services: [serviceConfig('shop', { warm })] });
  const control = await world.live();
  const told = async () => [
    await gauge(world, 'rollback_ready'),
    await gauge(world, 'rollback_retired'),
  ];
  await control.deploy('shop', order('v2'), me);
  await world.clock.passAsync(10_000);

  const { id } = await control.deploy('shop', order('v3', { flip: 'manual' }), me);
  await world.clock.passAsync(10_000);
  const meanwhile = await told();
  await control.abort(id, me);
  await world.clock.passAsync(10_000);
  const aborted = await told();
  await world.clock.passAsync(700_000);

  expect([meanwhile, aborted, await told()]).toEqual([
    [1, 0],
    [1, 0],
    [0, 1],
  ]);
  expect(control.service('shop').rollback.reason).toContain('it was retired');
});
