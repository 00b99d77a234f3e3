/**
 * What the workers are told to show of a release before its flip. The rule: the pool of the
 * deployment that runs, and nothing once that has flipped or ended.
 */
import { expect, test } from 'vitest';
import { me, order, serviceConfig, World } from '../../support/services.ts';

const preview = {
  host: 'preview.shop.example',
  header: '',
  auth: null,
  url: 'http://preview.shop.example:8080',
};

async function shop(flip: 'auto' | 'manual' = 'manual') {
  const world = new World({
    services: [serviceConfig('shop', { preview, deploy: { timeoutMs: 60_000, flip: 'auto' } })],
  });
  await world.live();
  const { services } = world.config;
  const after = services.map((one) => ({ ...one, deploy: { ...one.deploy, flip } }));
  await world.services.reload({ ...world.config, services: after });
  const shown = () => {
    const { entry } = world.cluster.worker(1).services.get('shop') ?? {};
    return entry?.preview && { pool: entry.preview.pool, deployment: entry.preview.deployment };
  };
  return { world, shown, status: () => world.control.service('shop').preview };
}

const none = { pool: null, deployment: null };

test('the pool of a deployment is shown from the end of its start until its flip, and the address is told', async () => {
  const { world, shown, status } = await shop();
  expect(shown()).toEqual(none);

  await world.control.deploy('shop', order('v2'), me);
  await world.clock.passAsync(20_000);

  expect(world.control.service('shop').deployment?.phase).toBe('ready');
  expect(shown()).toEqual({ pool: world.pool('green')?.id, deployment: 'shop-2' });
  expect(status()).toEqual({
    url: preview.url,
    host: preview.host,
    header: '',
    deployment: 'shop-2',
  });
  const lines = world.events.flatMap((event) => (event.type === 'progress' ? [event.line] : []));
  expect(lines).toContain(`v2 is seen before its flip: ${preview.url}`);

  await world.control.flip('shop', me);
  await world.clock.passAsync(20_000);
  expect(shown()).toEqual(none);
  expect(status()?.deployment).toBeNull();
});

test.each(['abort', 'sick'] as const)('after its end (%s) nothing is shown', async (how) => {
  const { world, shown } = await shop();
  await world.control.deploy('shop', order('v2'), me);
  await world.clock.passAsync(20_000);
  expect(shown()).not.toEqual(none);

  if (how === 'abort') await world.control.abort('shop-2', me);
  else
    for (const port of world.platform.ports(world.pool('green')?.id ?? ''))
      world.platform.sick.add(port);
  await world.clock.passAsync(100_000);

  expect(shown()).toEqual(none);
});

test('neither a rollback nor the warm pool is shown; nor anything after a restart in the middle', async () => {
  const { world, shown } = await shop('auto');
  await world.control.deploy('shop', order('v2'), me);
  await world.clock.passAsync(20_000);
  await world.control.rollback('shop', 'v1', me);
  await world.clock.passAsync(1_000);
  expect(shown()).toEqual(none);

  await world.control.deploy('shop', order('v3'), me);
  await world.clock.passAsync(10);
  world.kill();
  await world.restart();

  expect(world.control.service('shop').deployment).toMatchObject({ phase: 'failed' });
  expect(shown()).toEqual(none);
});

test('a service that wants no preview tells the workers of none', async () => {
  const world = new World();
  await world.live();

  expect(world.cluster.worker(1).services.get('shop')?.entry).not.toHaveProperty('preview');
  expect(world.control.service('shop').preview).toBeNull();
});
