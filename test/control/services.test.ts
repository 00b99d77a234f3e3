/** Reloads. The rule: config is what was meant, and changes nothing that happened. */
import { expect, test } from 'vitest';
import { me, order, refusal, serviceConfig, World } from '../support/services.ts';

test('bug of traefik #13218: a reload does not reset health to up', async () => {
  const world = new World();
  const control = await world.live();
  const [port] = world.platform.ports('shop.blue.1');
  world.platform.sick.add(port ?? 0);
  await world.clock.passAsync(10_000);
  expect(control.service('shop').pools.blue?.healthy).toBe(1);

  const health = { ...serviceConfig('shop').health, path: '/healthz' };
  const done = await world.services.reload({
    ...world.config,
    services: [serviceConfig('shop', { health })],
  });
  await world.clock.passAsync(50);

  expect(done).toMatchObject({ added: [], removed: [], changed: ['shop'] });
  expect(control.service('shop').pools.blue?.healthy).toBe(1);
  const [shown] = world.cluster.worker(1).stats().services;
  expect(shown?.pools[0]?.targets.map(({ healthy }) => healthy)).toEqual([false, true]);
});

test('bug of kamal-proxy: new options of a release do not reach the old pool', async () => {
  const world = new World();
  const control = await world.live();
  const base = serviceConfig('shop');
  const run = { ...base.run, replicas: 3 } as typeof base.run;
  await world.services.reload({ ...world.config, services: [{ ...base, run }] });
  await world.clock.passAsync(10_000);
  expect(world.platform.ports('shop.blue.1')).toHaveLength(2);

  await control.deploy('shop', order('v2'), me);
  await world.clock.passAsync(10_000);
  expect(world.platform.ports('shop.green.2')).toHaveLength(3);
  world.kill();
  await world.restart();

  expect(world.platform.ports('shop.blue.1')).toHaveLength(2);
});

test('a service that is added gets its first release; one that is removed drains and is stopped', async () => {
  const world = new World();
  const control = await world.live();
  world.request('shop');
  const services = [serviceConfig('cart')];
  const done = await world.services.reload({ ...world.config, services });
  expect(done).toMatchObject({ added: ['cart'], removed: ['shop'] });
  await world.clock.passAsync(60_000);

  expect(control.services().map(({ name }) => name)).toEqual(['cart']);
  expect(await refusal(control.deploy('shop', order('v2'), me))).toMatchObject({
    code: 'SERVICE_UNKNOWN',
  });
  expect(control.service('cart')).toMatchObject({ generation: 1, live: 'blue' });
  expect([...world.platform.pools.keys()]).toEqual(['cart.blue.1']);
});

test('a service that comes back after its removal begins anew, and no number is used twice', async () => {
  const world = new World();
  const control = await world.live();
  await world.services.reload({ ...world.config, services: [] });
  await world.clock.passAsync(60_000);
  await world.services.reload(world.config);
  await world.clock.passAsync(20_000);

  expect(control.service('shop')).toMatchObject({ generation: 2, deployment: { id: 'shop-2' } });
  expect(world.platform.started).toEqual(['shop.blue.1', 'shop.green.2']);
  expect(world.platform.stopped).toEqual(['shop.blue.1']);
});

test('a change of another service leaves a tunnel alone (caddy #7222)', async () => {
  const world = new World({ services: [serviceConfig('shop'), serviceConfig('chat')], workers: 1 });
  const control = await world.live();
  world.request('chat');
  world.cluster.worker(1).upgrade('chat');
  await control.deploy('shop', order('v2'), me);
  await world.clock.passAsync(60_000);
  await control.retire('shop', me);
  await world.services.reload({ ...world.config, services: [serviceConfig('chat')] });
  await world.clock.passAsync(60_000);

  expect(control.service('chat').pools.blue?.inside).toEqual({ http: 0, sse: 0, upgrade: 1 });
});

/** v2 is about to take the traffic: the disk is being told, and takes its time. */
async function decidedToFlip() {
  const world = new World({ saveMs: () => 500 });
  const control = await world.live();
  const deploying = control.deploy('shop', order('v2'), me);
  while (control.service('shop').deployment?.phase !== 'ready') await world.clock.passAsync(10);
  await deploying;
  return { world, control };
}

const without = (world: World) => ({ ...world.config, services: [] });

test('a service that is put back while its last flip is under way stays, and is served', async () => {
  const { world, control } = await decidedToFlip();

  const removed = await world.services.reload(without(world));
  const hosts = ['other.example'];
  const back = await world.services.reload({
    ...world.config,
    services: [serviceConfig('shop', { hosts })],
  });
  await world.clock.passAsync(60_000);

  expect([removed.removed, back.added]).toEqual([['shop'], ['shop']]);
  expect(control.service('shop')).toMatchObject({ generation: 2, hosts });
  expect(world.cluster.worker(1).request('shop')).toBe('claimed');
  expect(world.platform.stopped).toEqual([]);
});

test('one that is taken out, put back and taken out again during a flip is gone', async () => {
  const { world, control } = await decidedToFlip();

  await world.services.reload(without(world));
  await world.services.reload(world.config);
  await world.services.reload(without(world));
  await world.clock.passAsync(60_000);

  expect(control.services()).toEqual([]);
  expect([...world.platform.pools.keys()]).toEqual([]);
});

test('a service that is put back while its old pool drains leaves that pool to its requests', async () => {
  const world = new World({ workers: 1 });
  const control = await world.live();
  const worker = world.cluster.worker(1);
  worker.request('shop');
  await world.services.reload(without(world));
  await world.clock.passAsync(100);

  await world.services.reload(world.config);
  // Longer than two looks at what runs on the platform.
  await world.clock.passAsync(20_000);
  expect(world.platform.stopped).toEqual([]);
  expect(control.service('shop').pools.green?.role).toBe('live');
  worker.finish('shop', 'blue', 'http', 'finished');
  await world.clock.passAsync(20_000);

  expect(world.platform.stopped).toEqual(['shop.blue.1']);
  expect([...world.platform.pools.keys()]).toEqual(['shop.green.2']);
});

test('a service that is taken out while its deployment is on its way to the disk is gone', async () => {
  const world = new World({ saveMs: () => 50, services: [serviceConfig('shop', { first: null })] });
  const control = await world.live();
  const asked = control.deploy('shop', order('v1'), me);
  await world.clock.passAsync(10);

  await world.services.reload(without(world));
  await world.clock.passAsync(60_000);

  expect(await asked).toMatchObject({ id: 'shop-1' });
  expect(control.services()).toEqual([]);
  expect(await control.deployment('shop-1')).toMatchObject({ phase: 'aborted' });
});
