/**
 * Controllers that die. The rule: the service comes back on one color, the one the state leads to.
 */
import { expect, test } from 'vitest';
import type { ServiceState } from '../../../src/control/model/state.ts';
import { Fault } from '../../../src/errors.ts';
import { memoryStore } from '../../support/memoryStore.ts';
import { me, order, refusal, serviceConfig, World } from '../../support/services.ts';

const stored = (world: World): ServiceState | undefined => world.store.stored?.services.shop;
const manual = { deploy: { timeoutMs: 60_000, flip: 'manual' as const } };

test('a controller that starts again finds what runs, and resets no health', async () => {
  const world = new World();
  await world.live();
  await world.control.deploy('shop', order('v2'), me);
  await world.clock.passAsync(10_000);
  world.kill();
  const control = await world.restart(100);
  world.request();

  expect(control.service('shop')).toMatchObject({
    generation: 2,
    live: 'green',
    rollback: { ready: true },
    pools: { green: { healthy: 2 }, blue: { healthy: 2, role: 'warm' } },
  });
  expect(world.claimsOf().map(({ release }) => release)).toEqual(['v2', 'v2']);
  expect(world.platform.started).toEqual(['shop.blue.1', 'shop.green.2']);
});

test('a live pool is served at once after a restart of everything, then probed', async () => {
  const world = new World();
  await world.live();
  world.killAll();
  for (const port of world.platform.ports('shop.blue.1')) world.platform.sick.add(port);
  const control = await world.restart(50);
  expect(control.service('shop').pools.blue?.healthy).toBe(2);

  await world.clock.passAsync(10_000);

  expect(control.service('shop').pools.blue?.healthy).toBe(0);
});

test('an interrupted deployment has failed; its standby is stopped, the live pool untouched', async () => {
  const world = new World({ services: [serviceConfig('shop', manual)] });
  await world.live();
  await world.control.deploy('shop', order('v2'), me);
  await world.clock.passAsync(5_000);
  world.kill();
  const control = await world.restart();

  expect(control.service('shop')).toMatchObject({
    generation: 1,
    pools: { green: null },
    deployment: { id: 'shop-2', phase: 'failed', error: { code: 'INTERRUPTED' } },
  });
  expect(world.platform.stopped).toEqual(['shop.green.2']);
  expect((await control.deployments({ limit: 5 }))[0]).toMatchObject({ id: 'shop-2' });
});

/** Kills the controller at the n-th call of an order, before it is sent. */
function dyingAt(kind: 'stage' | 'hold' | 'commit', go: boolean): World {
  const world: World = new World({
    services: [serviceConfig('shop', manual)],
    dependencies: (dependencies) => {
      const { plane } = dependencies;
      const die = (): Promise<never> => {
        world.kill();
        return new Promise(() => {});
      };
      const armed = (): boolean => stored(world)?.intent?.generation === 2 && !died;
      const once = <T>(work: () => Promise<T>, is: boolean): Promise<T> => {
        if (!is || !armed()) return work();
        died = true;
        return go ? work().then(die) : die();
      };
      return {
        ...dependencies,
        plane: {
          stage: (table) => once(() => plane.stage(table), kind === 'stage'),
          hold: (fence, limitMs) => once(() => plane.hold(fence, limitMs), kind === 'hold'),
          commit: (fence, really) =>
            once(() => plane.commit(fence, really), kind === 'commit' && really),
          stats: () => plane.stats(),
        },
      };
    },
  });
  let died = false;
  return world;
}

/** `v1` is live, a flip to `v2` is asked for, and the controller dies at that order. */
async function flippedAt(kind: 'stage' | 'hold' | 'commit', go: boolean): Promise<World> {
  const world = dyingAt(kind, go);
  await world.live();
  await world.control.deploy('shop', order('v2'), me);
  await world.clock.passAsync(5_000);
  void world.control.flip('shop', me);
  await world.clock.passAsync(100);
  return world;
}

for (const [kind, done] of [
  ['stage', false],
  ['stage', true],
  ['hold', true],
  ['commit', false],
] as const) {
  const when = `${done ? 'after' : 'before'} the ${kind}`;
  test(`killed ${when}, workers living on: nobody serves the new one, so it is undone`, async () => {
    const world = await flippedAt(kind, done);
    world.request();
    const control = await world.restart();

    expect(control.service('shop')).toMatchObject({
      generation: 1,
      live: 'blue',
      deployment: { phase: 'failed', error: { code: 'INTERRUPTED' } },
    });
    expect(world.claimsOf().map(({ release }) => release)).toEqual(['v1', 'v1']);
    expect(stored(world)).toMatchObject({ intent: null, pools: { green: null } });
  });
}

test('killed after the commit, before the record: workers serve it, so it is finished', async () => {
  const world = await flippedAt('commit', true);
  expect(stored(world)).toMatchObject({ generation: 1, intent: { generation: 2 } });
  world.request();
  const control = await world.restart();

  expect(world.claimsOf().map(({ release }) => release)).toEqual(['v2', 'v2']);
  expect(control.service('shop')).toMatchObject({
    generation: 2,
    live: 'green',
    deployment: { phase: 'live', receipt: { generation: 2 } },
  });
  expect(stored(world)).toMatchObject({ generation: 2, intent: null });
});

test('everything killed with an intent on disk: the first table is the new one', async () => {
  const world = await flippedAt('hold', true);
  world.killAll();
  const control = await world.restart(100);
  world.request();

  expect(world.claimsOf().map(({ release }) => release)).toEqual(['v2', 'v2']);
  await world.clock.passAsync(1_000);
  expect(control.service('shop')).toMatchObject({ generation: 2, live: 'green' });
});

test('a service that is put back goes where its intent leads, and that is not retired before it is there', async () => {
  const world = await flippedAt('hold', true);
  world.killAll();
  const { services } = world.config;
  world.config = { ...world.config, services: [] };
  await world.restart();
  world.config = { ...world.config, services };
  const put = world.services.reload(world.config);

  const codes = new Set<string>();
  for (let passed = 0; passed < 2_000 && stored(world)?.generation !== 2; passed++) {
    const asked = world.control.retire('shop', me);
    codes.add(
      await asked.then(
        () => 'accepted',
        (fault: Fault) => fault.code,
      ),
    );
    await world.clock.passAsync(1);
  }
  await put;

  expect([...codes]).toEqual(['RETIRE_REFUSED']);
  expect(world.control.service('shop')).toMatchObject({
    live: 'green',
    pools: { green: { release: 'v2' }, blue: { release: 'v1' } },
  });
});

test('the worker that served the new release died with the controller: still no way back', async () => {
  const world = new World({ services: [serviceConfig('shop', manual)] });
  await world.live();
  await world.control.deploy('shop', order('v2'), me);
  await world.clock.passAsync(5_000);
  // Worker 2 holds and then hangs, so only worker 1 obeys the commit, serves a request, and dies.
  const first = world.cluster.worker(1);
  const flipping = world.control.flip('shop', me).catch(() => undefined);
  for (let turn = 0; turn < 200 && first.services.get('shop')?.entry.generation !== 2; turn++) {
    const holds = world.cluster.worker(2).services.get('shop')?.heldSince !== null;
    if (holds && !world.cluster.worker(2).hung) world.cluster.hang(2);
    await undefined;
  }
  expect(first.request('shop')).toBe('claimed');
  world.kill();
  world.cluster.kill(1);
  world.cluster.start(1);
  const booting = world.boot();
  await world.clock.passAsync(1_500);
  world.cluster.worker(1).request('shop');
  world.cluster.wake(2);
  await world.clock.passAsync(20_000);
  await booting;
  world.request();
  void flipping;

  expect(new Set(world.claimsOf().map(({ release }) => release))).toEqual(new Set(['v2']));
  expect(world.control.service('shop')).toMatchObject({ generation: 2, live: 'green' });
});

test('two controllers that die one after the other leave no worker holding', async () => {
  const world = await flippedAt('hold', true);
  // The second one withdraws the intent, and dies before it tells the workers; one of them is hung.
  void world.boot();
  for (let turn = 0; turn < 500 && stored(world)?.intent !== null; turn++) await undefined;
  world.kill();
  world.cluster.hang(2);
  expect(stored(world)).toMatchObject({ intent: null, generation: 1 });
  expect(world.cluster.worker(1).stats().services[0]).toMatchObject({ holding: true });
  const booting = world.boot();
  await world.clock.passAsync(3_000);
  world.cluster.wake(2);
  await world.clock.passAsync(10_000);
  await booting;
  world.request();

  expect(world.claimsOf().map(({ release }) => release)).toEqual(['v1', 'v1']);
});

test('a disk that refuses the intent refuses the flip; it stays ready, and works later', async () => {
  let refuse = false;
  const store = memoryStore({ onSave: () => (refuse ? 'refuse' : 'keep') });
  const world = new World({ services: [serviceConfig('shop', manual)], store });
  const control = await world.live();
  await control.deploy('shop', order('v2'), me);
  await world.clock.passAsync(5_000);
  refuse = true;

  expect(await refusal(control.flip('shop', me))).toMatchObject({ code: 'STATE_NOT_WRITABLE' });
  expect(control.service('shop')).toMatchObject({ generation: 1, deployment: { phase: 'ready' } });
  expect(control.service('shop').problem).toContain('cannot be written');
  refuse = false;
  await world.clock.passAsync(2_000);

  expect(control.service('shop').problem).toBeNull();
  expect(await control.flip('shop', me)).toMatchObject({ receipt: { generation: 2 } });
});

test('a disk that refuses the record does not undo the flip: it is written later', async () => {
  let refuse = false;
  const store = memoryStore({
    onSave: (_save, state) => (refuse && state.services.shop?.generation === 2 ? 'refuse' : 'keep'),
  });
  const world = new World({ store });
  const control = await world.live();
  refuse = true;
  await control.deploy('shop', order('v2'), me);
  await world.clock.passAsync(10_000);

  expect(control.service('shop')).toMatchObject({ generation: 2, live: 'green' });
  expect(control.service('shop').problem).toContain('cannot be written');
  expect(stored(world)).toMatchObject({ generation: 1, intent: { generation: 2, live: 'green' } });
  refuse = false;
  await world.clock.passAsync(2_000);

  expect(stored(world)).toMatchObject({ generation: 2, intent: null });
  expect(control.service('shop').problem).toBeNull();
});

test('state that cannot be read stops the start, and nothing was touched', async () => {
  const world = new World();
  await world.live();
  world.kill();
  world.store = {
    ...world.store,
    load: () => Promise.reject(new Fault('STATE_UNREADABLE', 'state.json:1: not JSON')),
  };
  const booting = refusal(world.boot());

  expect(await booting).toMatchObject({ code: 'STATE_UNREADABLE' });
  world.request();
  expect(world.claimsOf()).toHaveLength(2);
  expect(world.platform.stopped).toEqual([]);
});

test('one service that cannot come back takes no other down', async () => {
  const broken = serviceConfig('broken');
  let away = false;
  const world = new World({
    services: [broken, serviceConfig('shop')],
    platform: {
      onStart: (given) => {
        if (away && given.service === 'broken') throw new Fault('START_FAILED', 'no such command');
        return undefined;
      },
    },
  });
  await world.live();
  world.killAll();
  away = true;
  world.platform.pools.delete('broken.blue.1');
  const control = await world.restart(100);
  world.request('shop');

  expect(world.claimsOf('shop')).toHaveLength(2);
  expect(control.service('shop').problem).toBeNull();
  expect(control.service('broken').problem).toContain('no such command');
  away = false;
  await world.clock.passAsync(40_000);
  expect(control.service('broken').problem).toBeNull();
});

test('a platform that is away at the restart: traffic goes on at the addresses the workers have', async () => {
  const world = new World();
  await world.live();
  world.kill();
  world.platform.available = false;
  const control = await world.restart(3_000);
  world.request();

  expect(world.claimsOf()).toHaveLength(2);
  expect(control.service('shop').pools.blue).toMatchObject({ healthy: 2 });
  expect(control.service('shop').problem).toContain('cannot be run');
});

test('what runs under a name that no record knows is stopped; what is not ours is left alone', async () => {
  const world = new World();
  await world.live();
  world.kill();
  const pool = { color: 'green' as const, release: 'v9', replicas: [] };
  world.platform.pools.set('shop.green.1', { service: 'shop', ...pool });
  world.platform.pools.set('other.green.1', { service: 'other', ...pool });
  await world.restart();

  expect(world.platform.stopped).toEqual(['shop.green.1']);
  expect([...world.platform.pools.keys()]).toEqual(['shop.blue.1', 'other.green.1']);
});

test('a worker that did not answer at the start, and has a later table, is caught up with', async () => {
  const world = new World({ workers: 1 });
  await world.live();
  for (let round = 0; round < 3; round++) {
    world.kill();
    await world.restart(2_000);
  }
  world.cluster.hang(1);
  world.kill();
  const booting = world.boot();
  await world.clock.passAsync(1_500);
  world.cluster.wake(1);
  await world.clock.passAsync(5_000);
  const control = await booting;
  await control.pause('shop', false, me);
  await world.clock.passAsync(100);

  expect(world.cluster.worker(1).request('shop')).toBe('waits');
});

test('a drain that a restart interrupts is counted on', async () => {
  const world = new World();
  await world.live();
  world.request();
  await world.control.deploy('shop', order('v2'), me);
  await world.clock.passAsync(5_000);
  world.kill();
  const control = await world.restart(1_000);
  expect(control.service('shop').deployment?.phase).toBe('draining');
  for (const worker of world.cluster.workers.values()) {
    worker.finish('shop', 'blue', 'http', 'finished');
  }
  await world.clock.passAsync(5_000);

  expect(control.service('shop').deployment).toMatchObject({
    phase: 'live',
    receipt: { inflight: { http: 2 }, drained: { finished: 2, cut: 0, done: true } },
  });
});

test('what a worker had inside when it died in mid-drain counts as cut', async () => {
  const world = new World();
  const control = await world.live();
  world.request();
  await control.deploy('shop', order('v2'), me);
  await world.clock.passAsync(5_000);
  world.cluster.kill(1);
  world.cluster.start(1);
  world.cluster.worker(2).finish('shop', 'blue', 'http', 'finished');
  await world.clock.passAsync(3_000);

  expect(control.service('shop').deployment?.receipt?.drained).toMatchObject({
    finished: 1,
    cut: 1,
    stillOpen: 0,
    done: true,
  });
});
