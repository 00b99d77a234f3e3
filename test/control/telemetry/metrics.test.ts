/** What the Prometheus page says of a service, where an alert hangs on it. */
import { expect, test } from 'vitest';
import { Metrics } from '../../../src/control/telemetry/metrics.ts';
import { Totals } from '../../../src/control/telemetry/totals.ts';
import { me, order, serviceConfig, World } from '../../support/services.ts';

/** One gauge of `shop`. */
async function gauge(world: World, name: string): Promise<number> {
  const metrics = new Metrics({
    version: '0.0.0',
    totals: new Totals(),
    stats: async () => world.services.stats(),
    services: () => world.control.services(),
    certificates: () => [],
    stateWritable: () => true,
    configLoaded: () => true,
  });
  const { text } = await metrics.page();
  const value = new RegExp(`^pointsman_${name}\\{service="shop"\\} (\\d+)$`, 'm').exec(text)?.[1];
  return Number(value);
}

test('a warm pool that was retired is told from one that a failed deployment has cost', async () => {
  const warm = { forMs: 600_000, replicas: null, freeze: false };
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
