/**
 * The way back while a release is proved. The rule: what is warm stays so until the flip of the
 * next release, whatever becomes of that one, and nothing is left running behind it.
 */
import { expect, test } from 'vitest';
import type { Warm } from '../../../src/config/config.ts';
import { memoryStore } from '../../support/memoryStore.ts';
import {
  me,
  order,
  refusal,
  serviceConfig,
  World,
  type WorldOptions,
} from '../../support/services.ts';

const manual = { timeoutMs: 60_000, flip: 'manual' as const };
const warm: Warm = { forMs: null, replicas: null, freeze: false, until: 'flip' };

/** v1 on blue and warm, v2 on green and live. */
async function twoReleases(
  more: Parameters<typeof serviceConfig>[1] = {},
  options: WorldOptions = {},
): Promise<World> {
  const world = new World({ services: [serviceConfig('shop', more)], ...options });
  const control = await world.live();
  await control.deploy('shop', order('v2'), me);
  await world.clock.passAsync(10_000);
  if (more.deploy?.flip === 'manual') await control.flip('shop', me);
  await world.clock.passAsync(1_000);
  return world;
}

/** The next one is being proved beside them, and goes no further by itself. */
async function proving(more: Parameters<typeof serviceConfig>[1] = {}): Promise<World> {
  const world = await twoReleases({ deploy: manual, ...more });
  await world.control.deploy('shop', order('v3'), me);
  await world.clock.passAsync(10_000);
  return world;
}

test('a release is proved beside the warm pool, takes its color at the flip, and only then is it emptied', async () => {
  const world = await proving();
  const before = world.control.service('shop');
  const runs = [...world.platform.pools.keys()];
  const shown = world.cluster.worker(1).services.get('shop')?.candidate?.entry.id;

  await world.control.flip('shop', me);
  const after = world.control.service('shop');
  await world.clock.passAsync(10_000);

  expect(before).toMatchObject({
    live: 'green',
    pools: { blue: { release: 'v1', role: 'warm' }, green: { release: 'v2', role: 'live' } },
    candidate: { id: 'shop.blue.3', color: 'blue', release: 'v3', role: 'ready', healthy: 2 },
    rollback: { ready: true, to: { color: 'blue', release: 'v1' } },
  });
  expect(runs.sort()).toEqual(['shop.blue.1', 'shop.blue.3', 'shop.green.2']);
  expect(shown).toBe('shop.blue.3');
  expect(after).toMatchObject({
    live: 'blue',
    candidate: null,
    pools: { blue: { id: 'shop.blue.3', role: 'live' }, green: { release: 'v2' } },
  });
  expect(world.platform.stopped).toEqual(['shop.blue.1']);
  expect(world.control.service('shop').rollback).toMatchObject({
    ready: true,
    to: { release: 'v2' },
  });
});

test('a release that fails leaves the way back as it was, ready all the time', async () => {
  const world = await twoReleases({ deploy: { timeoutMs: 20_000, flip: 'auto' } });
  await world.control.deploy('shop', order('v3'), me);
  await world.clock.passAsync(100);
  for (const port of world.platform.ports('shop.blue.3')) world.platform.sick.add(port);

  const ready = [];
  for (let second = 0; second < 40; second++) {
    await world.clock.passAsync(1_000);
    ready.push(world.control.service('shop').rollback.ready);
  }
  const failed = world.control.service('shop');
  const back = await world.control.rollback('shop', 'v1', me);

  expect(new Set(ready)).toEqual(new Set([true]));
  expect(failed).toMatchObject({ candidate: null, deployment: { phase: 'failed' } });
  expect(world.platform.stopped).toEqual(['shop.blue.3']);
  expect(back.receipt).toMatchObject({ generation: 3, to: { color: 'blue', release: 'v1' } });
});

test.each(['starting', 'probing', 'ready'])(
  'a rollback while the next release is %s aborts it, and leaves nothing of it',
  async (phase) => {
    let startMs = 0;
    const world = await twoReleases({ deploy: manual }, { platform: { startMs: () => startMs } });
    startMs = phase === 'starting' ? 60_000 : 0;
    const { id } = await world.control.deploy('shop', order('v3'), me);
    await world.clock.passAsync(phase === 'ready' ? 10_000 : 100);
    const before = world.control.service('shop').deployment?.phase;

    const back = await world.control.rollback('shop', 'v1', { ...me, by: 'ann' });
    await world.clock.passAsync(20_000);

    expect(before).toBe(phase);
    expect(back.receipt).toMatchObject({ generation: 3, to: { release: 'v1' } });
    expect(await world.control.deployment(id)).toMatchObject({
      phase: 'aborted',
      error: { code: 'ABORTED', message: 'ann rolled shop back meanwhile.' },
    });
    expect([...world.platform.pools.keys()].sort()).toEqual(['shop.blue.1', 'shop.green.2']);
    expect(world.control.service('shop')).toMatchObject({
      live: 'blue',
      candidate: null,
      rollback: { ready: true, to: { release: 'v2' } },
    });
  },
);

test('a rollback that is refused ends no deployment', async () => {
  const world = await proving();
  for (const port of world.platform.ports('shop.blue.1')) world.platform.sick.add(port);
  await world.clock.passAsync(10_000);

  const sick = await refusal(world.control.rollback('shop', 'v1', me));
  const other = await refusal(world.control.rollback('shop', 'v0', me));

  expect([sick.code, other.code]).toEqual(['ROLLBACK_NOT_READY', 'ROLLBACK_NOT_READY']);
  expect(world.control.service('shop').deployment).toMatchObject({ id: 'shop-3', phase: 'ready' });
});

test('a disk that refuses the way back moves nothing, and the way back stays', async () => {
  let fate: 'keep' | 'refuse' = 'keep';
  const store = memoryStore({ onSave: () => fate, onAppend: () => 'keep' });
  const world = await twoReleases({ deploy: manual }, { store });
  await world.control.deploy('shop', order('v3'), me);
  await world.clock.passAsync(10_000);

  fate = 'refuse';
  const refused = await refusal(world.control.rollback('shop', 'v1', me));
  fate = 'keep';
  await world.clock.passAsync(10_000);

  expect(refused.code).toBe('STATE_NOT_WRITABLE');
  expect(world.control.service('shop')).toMatchObject({
    generation: 2,
    deployment: { phase: 'aborted' },
    rollback: { ready: true },
  });
  expect(world.platform.stopped).toEqual(['shop.blue.3']);
});

test('until: deploy stops what is warm first, and there is no way back until the flip', async () => {
  const world = await proving({ warm: { ...warm, until: 'deploy' } });
  const { candidate, rollback, pools } = world.control.service('shop');

  const refused = await refusal(world.control.rollback('shop', 'v1', me));

  expect(candidate).toBeNull();
  expect(pools.blue).toMatchObject({ release: 'v3', role: 'ready' });
  expect(rollback.ready).toBe(false);
  expect(refused.code).toBe('DEPLOYMENT_IN_PROGRESS');
  expect(world.platform.stopped).toEqual(['shop.blue.1']);
});

test('static: what is warm stays, unless the new release is at its address', async () => {
  const run = { kind: 'static' as const, linkLocal: false };
  const at = (...ports: number[]) => ports.map((port) => ({ host: '10.0.0.1', port }));
  const first = { color: 'blue' as const, release: 'v1', image: null, targets: at(1) };
  const world = new World({ services: [serviceConfig('shop', { run, first, deploy: manual })] });
  const control = await world.live();
  await control.flip('shop', me).catch(() => undefined);
  const proved = async (release: string, ports: number[]) => {
    await control.deploy('shop', order(release, { targets: at(...ports) }), me);
    await world.clock.passAsync(10_000);
    const { candidate, pools } = control.service('shop');
    return [candidate?.release ?? null, pools.blue?.release, pools.green?.release];
  };
  await proved('v2', [2]);
  await control.flip('shop', me);
  await world.clock.passAsync(1_000);

  const beside = await proved('v3', [3]);
  await control.abort('shop-3', me);
  const instead = await proved('v4', [4, 1]);

  expect(beside).toEqual(['v3', 'v1', 'v2']);
  expect(instead).toEqual([null, 'v4', 'v2']);
});

test.each(['the controller', 'everything'])(
  'kill -9 of %s while the next one is proved: it is emptied, and the way back is there',
  async (what) => {
    const world = await proving();

    if (what === 'the controller') world.kill();
    else world.killAll();
    const control = await world.restart();

    expect(control.service('shop')).toMatchObject({
      live: 'green',
      candidate: null,
      deployment: { id: 'shop-3', phase: 'failed', error: { code: 'INTERRUPTED' } },
      rollback: { ready: true, to: { release: 'v1' } },
    });
    expect([...world.platform.pools.keys()].sort()).toEqual(['shop.blue.1', 'shop.green.2']);
  },
);

test('kill -9 once the flip is decided: it is done, and what was warm is emptied', async () => {
  let orderMs = 0;
  const world = await twoReleases({ deploy: manual }, { orderMs: () => orderMs });
  await world.control.deploy('shop', order('v3'), me);
  await world.clock.passAsync(10_000);
  const warmAt = world.store.stored?.services.shop?.pools.blue?.id;
  orderMs = 50;
  world.control.flip('shop', me).catch(() => undefined);
  await world.clock.passAsync(20);
  const onDisk = world.store.stored?.services.shop;

  world.killAll();
  orderMs = 0;
  const control = await world.restart();

  expect(warmAt).toBe('shop.blue.1');
  expect(onDisk).toMatchObject({ generation: 2, candidate: { id: 'shop.blue.3' } });
  expect(onDisk?.intent).toMatchObject({ generation: 3, live: 'blue' });
  expect(control.service('shop')).toMatchObject({
    generation: 3,
    live: 'blue',
    candidate: null,
    pools: { blue: { id: 'shop.blue.3', role: 'live' }, green: { release: 'v2', role: 'warm' } },
  });
  expect([...world.platform.pools.keys()].sort()).toEqual(['shop.blue.3', 'shop.green.2']);
});
