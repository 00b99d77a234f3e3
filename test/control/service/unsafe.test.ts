/**
 * A release that nobody should go back from. The rule: a person who does it all the same repeats
 * why, and nothing goes back by itself; it holds, and says so.
 */
import { expect, test } from 'vitest';
import type { ServiceConfig } from '../../../src/config/config.ts';
import type { DeployOrder } from '../../../src/control/model/api.ts';
import { me, order, refusal, serviceConfig, World } from '../../support/services.ts';

const why = 'v2 drops the column "price"';

/** v1 on blue and warm, v2 on green, live, and not to be gone back from. */
async function unsafe(
  more: Partial<DeployOrder> = {},
  config: Partial<ServiceConfig> = {},
): Promise<World> {
  const world = new World({ services: [serviceConfig('shop', config)] });
  const control = await world.live();
  await control.deploy('shop', order('v2', { rollbackUnsafe: why, ...more }), me);
  while (world.control.service('shop').generation < 2) await world.clock.passAsync(100);
  return world;
}

test('a rollback says why it is unsafe, and is done by who repeats that', async () => {
  const world = await unsafe();
  const { rollback, deployment } = world.control.service('shop');

  const bare = await refusal(world.control.rollback('shop', 'v1', me));
  const other = await refusal(world.control.rollback('shop', 'v1', me, 'because'));
  const said = `  ${why.replaceAll(' ', '\n ')} `;
  const done = await world.control.rollback('shop', 'v1', me, said);

  expect(rollback).toMatchObject({ ready: true, unsafe: why });
  expect(deployment).toMatchObject({ rollbackUnsafe: why });
  expect(bare).toMatchObject({ code: 'ROLLBACK_UNSAFE', status: 409, retry: false });
  expect(bare.message).toContain(`Going back from v2 is unsafe: ${why}`);
  expect(bare.message).toContain('pointsman rollback shop --unsafe');
  expect(other.message).toContain('You said: because');
  expect(done.receipt).toMatchObject({ generation: 3, to: { release: 'v1' } });
});

test('it is said of the release and not of the service: the way forth and the next release are free', async () => {
  const world = await unsafe();

  await world.control.rollback('shop', 'v1', me, why);
  const onV1 = world.control.service('shop').rollback;
  await world.control.rollback('shop', 'v2', me);
  const onV2 = world.control.service('shop').rollback;
  await world.clock.passAsync(60_000);
  await world.control.deploy('shop', order('v3'), me);
  await world.clock.passAsync(20_000);
  const onV3 = world.control.service('shop').rollback;

  expect(onV1.unsafe).toBeNull();
  expect(onV2.unsafe).toBe(why);
  expect(onV3).toMatchObject({ unsafe: null, ready: true, to: { release: 'v2' } });
});

test('it is on disk: a restart forgets nothing of it', async () => {
  const world = await unsafe();

  world.killAll();
  const control = await world.restart();

  expect(control.service('shop').rollback.unsafe).toBe(why);
  expect((await refusal(control.rollback('shop', 'v1', me))).code).toBe('ROLLBACK_UNSAFE');
});

test('the watch over it holds and says so, and does not go back', async () => {
  const protect = { windowMs: 60_000, requestsMin: 50, clientsMin: 2 };
  const world = await unsafe({}, { protect });
  for (const port of world.platform.ports(world.pool('green')?.id ?? '')) {
    world.platform.sick.add(port);
  }

  await world.clock.passAsync(2 * protect.windowMs);

  const { generation, watch } = world.control.service('shop');
  expect({ generation, phase: watch?.phase }).toEqual({ generation: 2, phase: 'held' });
  expect(watch?.reason).toContain(`It is not taken back: Going back from v2 is unsafe: ${why}`);
  const alarms = world.logs.filter((line) => line.startsWith('error') && line.includes(why));
  expect(alarms).toHaveLength(1);
});

test('what nobody confirmed is held beyond its deadline, and can be confirmed or left by hand', async () => {
  const world = await unsafe({ confirmWithinMs: 60_000 });

  await world.clock.passAsync(10 * 60_000);
  const { generation, confirm } = world.control.service('shop');
  await world.control.rollback('shop', 'v1', me, why);

  expect({ generation, phase: confirm?.phase }).toEqual({ generation: 2, phase: 'held' });
  expect(confirm?.reason).toContain(why);
  expect(world.control.service('shop')).toMatchObject({ generation: 3, confirm: null });
  const alarms = world.logs.filter((line) => line.startsWith('error') && line.includes(why));
  expect(alarms).toHaveLength(1);
});
