/**
 * A release that has to be confirmed. The rule: unless somebody says in time that it stays, it is
 * gone back from, once, whoever was killed meanwhile; and the way back is kept until then.
 */
import { expect, test } from 'vitest';
import type { ServiceConfig } from '../../../src/config/config.ts';
import type { Call } from '../../../src/control/model/api.ts';
import { memoryStore } from '../../support/memoryStore.ts';
import { me, order, refusal, serviceConfig, World } from '../../support/services.ts';

const withinMs = 60_000;
const at2: Call = { ...me, generation: 2 };

/** v1 on blue and warm, v2 on green, live since this moment, and to be confirmed within a minute. */
async function unconfirmed(more: Partial<ServiceConfig> = {}, saveMs = 0): Promise<World> {
  let slowMs = 0;
  const world = new World({ services: [serviceConfig('shop', more)], saveMs: () => slowMs });
  const control = await world.live();
  await control.deploy('shop', order('v2', { confirmWithinMs: withinMs }), me);
  while (world.control.service('shop').generation < 2) await world.clock.passAsync(100);
  slowMs = saveMs;
  return world;
}

/** How often the service has gone back by itself, as its history tells. */
async function returns(world: World): Promise<number> {
  const all = await world.control.deployments({ service: 'shop', limit: 100 });
  return all.filter(({ cause, receipt }) => cause !== undefined && receipt !== null).length;
}

test('what nobody confirms is gone back from at its deadline, once, and the next one needs no word', async () => {
  const world = await unconfirmed();
  const { confirm } = world.control.service('shop');

  await world.clock.passAsync(withinMs - 2_000);
  const before = world.control.service('shop');
  await world.clock.passAsync(4_000);
  const after = world.control.service('shop');

  expect(confirm).toMatchObject({ deployment: 'shop-2', generation: 2, release: 'v2' });
  expect(confirm).toMatchObject({ phase: 'waiting', reason: null });
  const [since, until] = [Date.parse(confirm?.since ?? ''), Date.parse(confirm?.until ?? '')];
  expect(until - since).toBe(withinMs);
  expect(before).toMatchObject({ generation: 2, confirm: { phase: 'waiting' } });
  expect(after).toMatchObject({
    generation: 3,
    live: 'blue',
    confirm: null,
    latch: null,
    deployment: {
      direction: 'rollback',
      by: 'pointsman',
      why: 'Nobody confirmed v2 within 60 s.',
      cause: { kind: 'unconfirmed', release: 'v2' },
    },
  });
  await world.clock.passAsync(2 * withinMs);
  expect(world.control.service('shop').generation).toBe(3);
  await world.control.deploy('shop', order('v3'), me);
});

test('a word in time, and it stays', async () => {
  const world = await unconfirmed();

  const said = await world.control.confirm('shop', null, at2);
  await world.clock.passAsync(2 * withinMs);

  expect(said.confirm).toBeNull();
  expect(world.control.service('shop')).toMatchObject({ generation: 2, live: 'green' });
  expect((await world.control.confirm('shop', null, at2)).confirm).toBeNull();
});

test('a word with a time moves the deadline, counted from then', async () => {
  const world = await unconfirmed();
  await world.clock.passAsync(30_000);

  await world.control.confirm('shop', withinMs, at2);
  await world.clock.passAsync(withinMs - 2_000);
  const before = world.control.service('shop').generation;
  await world.clock.passAsync(4_000);

  expect(before).toBe(2);
  expect(world.control.service('shop').generation).toBe(3);
});

test('a word names what it is for: none, another generation, and nothing to extend are refused', async () => {
  const world = await unconfirmed();

  const unsaid = await refusal(world.control.confirm('shop', null, me));
  const stale = await refusal(world.control.confirm('shop', null, { ...me, generation: 1 }));
  await world.control.confirm('shop', null, at2);
  const nothing = await refusal(world.control.confirm('shop', 10_000, at2));

  expect(unsaid.code).toBe('CALL_INVALID');
  expect(stale.code).toBe('GENERATION_STALE');
  expect(nothing).toMatchObject({ code: 'CONFIRM_REFUSED', status: 409 });
});

test('until then the way back is kept: no deployment takes its place, nobody retires it, it is not laid to rest', async () => {
  const world = await unconfirmed({
    warm: { forMs: 10_000, replicas: 1, freeze: false, until: 'flip' },
  });

  const deploy = await refusal(world.control.deploy('shop', order('v3'), me));
  // A pipeline that runs a second time is told that there is nothing to do.
  const again = await refusal(world.control.deploy('shop', order('v2'), me));
  const retire = await refusal(world.control.retire('shop', me));
  await world.clock.passAsync(40_000);

  expect(deploy).toMatchObject({ code: 'CONFIRM_PENDING', status: 409, retry: true });
  expect(deploy.message).toContain('pointsman confirm shop');
  expect(again.code).toBe('RELEASE_LIVE');
  expect(retire.code).toBe('RETIRE_REFUSED');
  expect(world.control.service('shop')).toMatchObject({
    rollback: { ready: true, to: { release: 'v1' } },
    pools: { blue: { targets: [{}, {}] } },
  });
});

test('where nothing is live there is nothing to go back to, and that is said at once', async () => {
  const world = new World({ services: [serviceConfig('shop', { first: null })] });
  const control = await world.live();

  const asked = control.deploy('shop', order('v1', { confirmWithinMs: withinMs }), me);

  expect((await refusal(asked)).code).toBe('CONFIRM_REFUSED');
});

test('going back by hand ends the wait, and nothing goes to and fro afterwards', async () => {
  const world = await unconfirmed();

  await world.control.rollback('shop', 'v1', me);
  await world.clock.passAsync(2 * withinMs);

  expect(world.control.service('shop')).toMatchObject({ generation: 3, confirm: null });
});

test('a word that was given in time counts, though the disk takes it after the deadline', async () => {
  const world = await unconfirmed({}, 10_000);
  await world.clock.passAsync(withinMs - 5_000);

  const said = world.control.confirm('shop', null, at2);
  await world.clock.passAsync(30_000);

  expect((await said).confirm).toBeNull();
  expect(world.control.service('shop').generation).toBe(2);
});

test('a word that comes once the way back is decided is refused, and does not stop it', async () => {
  const world = await unconfirmed({}, 5_000);
  while (world.control.service('shop').deployment?.id !== 'shop-3') {
    // The decision is on its way to the disk: no record of it is there yet.
    await world.clock.passAsync(1_000);
    if (world.clock.date().getTime() > until(world) + 1_000) break;
  }

  const late = await refusal(world.control.confirm('shop', null, at2));
  await world.clock.passAsync(30_000);

  expect(late.code).toBe('DEPLOYMENT_IN_PROGRESS');
  expect(world.control.service('shop').generation).toBe(3);
});

test.each(['kill', 'killAll'] as const)(
  '%s before the deadline, and a start after it: it goes back at once, exactly once',
  async (how) => {
    const world = await unconfirmed();
    await world.clock.passAsync(20_000);
    world[how]();
    await world.clock.passAsync(3 * withinMs);

    await world.restart(how === 'kill' ? 2_000 : 10_000);

    expect(world.control.service('shop')).toMatchObject({ generation: 3, live: 'blue' });
    expect(world.control.service('shop').confirm).toBeNull();
    await world.clock.passAsync(3 * withinMs);
    expect(world.control.service('shop').generation).toBe(3);
    expect(await returns(world)).toBe(1);
  },
);

test('a controller that was killed before the deadline goes on with what is left of it', async () => {
  const world = await unconfirmed();
  await world.clock.passAsync(20_000);
  world.kill();
  await world.restart(20_000);

  const before = world.control.service('shop').generation;
  await world.clock.passAsync(25_000);

  expect(before).toBe(2);
  expect(world.control.service('shop').generation).toBe(3);
});

test('a wall clock that was set back does not give it more time than it had', async () => {
  const world = await unconfirmed();
  world.kill();
  const back = 2 * 86_400_000;
  const date = world.clock.date.bind(world.clock);
  world.clock.date = () => new Date(date().getTime() - back);
  await world.restart(2_000);

  await world.clock.passAsync(withinMs + 2_000);

  expect(world.control.service('shop').generation).toBe(3);
});

test('killed at every step of the way back: it is gone back once, and never forgotten', async () => {
  for (let step = 0; step <= 400; step += 20) {
    const world = await unconfirmed({}, 100);
    await world.clock.passAsync(withinMs - 100 + step);
    world.kill();

    await world.restart(30_000);

    const { generation, live, confirm } = world.control.service('shop');
    expect({ step, generation, live, confirm }).toEqual({
      step,
      generation: 3,
      live: 'blue',
      confirm: null,
    });
    expect(await returns(world)).toBe(1);
  }
});

test('the way back is not whole: it holds, says so, and goes back as soon as it is', async () => {
  const world = await unconfirmed();
  const blue = world.pool('blue')?.id ?? '';
  for (const port of world.platform.ports(blue)) world.platform.sick.add(port);

  await world.clock.passAsync(withinMs + 10_000);
  const held = world.control.service('shop');
  world.platform.sick.clear();
  await world.clock.passAsync(10_000);

  expect(held).toMatchObject({ generation: 2, confirm: { phase: 'held' } });
  expect(held.confirm?.reason).toMatch(/The warm pool \(v1 on blue\) is not wholly healthy/);
  const alarms = world.logs.filter((line) => line.startsWith('error shop: Nobody confirmed v2'));
  expect(alarms).toHaveLength(1);
  expect(world.control.service('shop')).toMatchObject({ generation: 3, confirm: null });
});

test('what is held can still be confirmed', async () => {
  const world = await unconfirmed();
  const blue = world.pool('blue')?.id ?? '';
  for (const port of world.platform.ports(blue)) world.platform.sick.add(port);
  await world.clock.passAsync(withinMs + 10_000);

  await world.control.confirm('shop', null, at2);
  world.platform.sick.clear();
  await world.clock.passAsync(2 * withinMs);

  expect(world.control.service('shop')).toMatchObject({ generation: 2, confirm: null });
});

test('a disk that refuses the word leaves the deadline as it was', async () => {
  let fate: 'keep' | 'refuse' = 'keep';
  const store = memoryStore({ onSave: () => fate, onAppend: () => 'keep' });
  const world = new World({ services: [serviceConfig('shop')], store });
  const control = await world.live();
  await control.deploy('shop', order('v2', { confirmWithinMs: withinMs }), me);
  await world.clock.passAsync(20_000);

  fate = 'refuse';
  const refused = await refusal(control.confirm('shop', null, at2));
  fate = 'keep';
  await world.clock.passAsync(withinMs);

  expect(refused.code).toBe('STATE_NOT_WRITABLE');
  expect(control.service('shop').generation).toBe(3);
});

test('a watch that takes it back first leaves nothing to confirm', async () => {
  const protect = { windowMs: 30_000, requestsMin: 50, clientsMin: 2 };
  const world = await unconfirmed({ protect });
  const green = world.pool('green')?.id ?? '';
  for (const port of world.platform.ports(green)) world.platform.sick.add(port);

  await world.clock.passAsync(3 * withinMs);

  expect(world.control.service('shop')).toMatchObject({
    generation: 3,
    confirm: null,
    deployment: { cause: { kind: 'down' } },
  });
});

function until(world: World): number {
  return Date.parse(world.control.service('shop').confirm?.until ?? '');
}
