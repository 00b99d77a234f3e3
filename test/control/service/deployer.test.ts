/** Deployments as an operator lives them. The rule: every refusal leaves traffic where it was. */

import { expect, test } from 'vitest';
import { sidesOf } from '../../../src/control/model/api.ts';
import { me, order, refusal, serviceConfig, World } from '../../support/services.ts';

const manual = { timeoutMs: 60_000, flip: 'manual' as const };

test('the first release becomes live at generation 1 when it is healthy, and not before', async () => {
  const world = new World();
  const booting = world.boot();
  await world.clock.passAsync(100);
  const control = await booting;

  expect(control.service('shop')).toMatchObject({
    generation: 0,
    live: null,
    pools: { blue: { role: 'probing' }, green: null },
    deployment: { phase: 'probing' },
  });
  world.request();
  expect(world.claimsOf()).toEqual([]);
  await world.clock.passAsync(5_000);

  const status = control.service('shop');
  expect(status).toMatchObject({ generation: 1, live: 'blue', problem: null });
  expect(status.deployment).toMatchObject({ phase: 'live', from: null, to: { release: 'v1' } });
  expect(status.rollback).toMatchObject({ ready: false, to: null });
});

test('a deployment goes through its phases, flips, drains, and leaves a warm way back', async () => {
  const world = new World();
  const control = await world.live();
  world.request();

  const begun = await control.deploy('shop', order('v2'), { ...me, why: 'because' });
  await world.clock.passAsync(5_000);

  expect(begun).toMatchObject({ id: 'shop-2', phase: 'starting', by: 'test', why: 'because' });
  expect(control.service('shop')).toMatchObject({ generation: 2, live: 'green' });
  expect(control.service('shop').deployment).toMatchObject({
    phase: 'draining',
    receipt: { generation: 2, workers: 2, inflight: { http: 2 }, drained: null },
  });
  for (const worker of world.cluster.workers.values()) {
    worker.finish('shop', 'blue', 'http', 'finished');
  }
  await world.clock.passAsync(2_000);

  const { deployment, rollback, pools } = control.service('shop');
  expect(deployment).toMatchObject({
    phase: 'live',
    receipt: { drained: { finished: 2, clientAborted: 0, cut: 0, stillOpen: 0, done: true } },
  });
  expect(pools.blue?.role).toBe('warm');
  expect(rollback).toEqual({
    asleep: false,
    unsafe: null,
    ready: true,
    to: { color: 'blue', release: 'v1' },
    reason: null,
  });
  const phases = world.events.flatMap((event) =>
    event.type === 'deployment' && event.deployment.id === 'shop-2' ? [event.deployment.phase] : [],
  );
  expect(phases).toEqual(['starting', 'probing', 'ready', 'flipping', 'draining', 'live']);
  const history = await control.deployments({ limit: 10 });
  expect(history.map(({ id }) => id)).toEqual(['shop-2', 'shop-1']);
});

test('bug of kamal-proxy: new requests do not wait for the drain of the old pool', async () => {
  const world = new World();
  const control = await world.live();
  world.request();

  await control.deploy('shop', order('v2'), me);
  await world.clock.passAsync(5_000);
  world.request();

  expect(control.service('shop').deployment?.phase).toBe('draining');
  expect(world.claimsOf().at(-1)).toMatchObject({ release: 'v2', generation: 2 });
  await world.clock.passAsync(40_000);
  expect(control.service('shop').deployment?.receipt?.drained).toMatchObject({
    cut: 2,
    done: true,
  });
});

test('of two deployments at the same moment one is accepted, the other names it', async () => {
  const world = new World();
  const control = await world.live();

  const both = await Promise.allSettled([
    control.deploy('shop', order('v2'), me),
    control.deploy('shop', order('v3'), me),
  ]);

  expect(both[0]).toMatchObject({ status: 'fulfilled', value: { id: 'shop-2' } });
  expect(both[1]).toMatchObject({ status: 'rejected', reason: { code: 'DEPLOYMENT_IN_PROGRESS' } });
  expect(String((both[1] as PromiseRejectedResult).reason.message)).toContain('shop-2');
});

test('a deployment that waits for a person flips when asked, once', async () => {
  const world = new World({ services: [serviceConfig('shop', { deploy: manual })] });
  const control = await world.live();
  await control.deploy('shop', order('v2'), me);
  await world.clock.passAsync(200_000);

  expect(control.service('shop').deployment?.phase).toBe('ready');
  const [first, second] = await Promise.allSettled([
    control.flip('shop', { ...me, generation: 1 }),
    control.flip('shop', { ...me, generation: 1 }),
  ]);

  expect(first).toMatchObject({ status: 'fulfilled', value: { phase: 'draining' } });
  expect(second).toMatchObject({ status: 'rejected', reason: { code: 'FLIP_NOT_READY' } });
  expect(await refusal(control.flip('shop', { ...me, generation: 1 }))).toMatchObject({
    code: 'GENERATION_STALE',
  });
});

test('bug of argo #3724: a target lost during the gate starts the gate again', async () => {
  const world = new World({ services: [serviceConfig('shop', { deploy: manual })] });
  const control = await world.live();
  await control.deploy('shop', order('v2'), me);
  await world.clock.passAsync(5_000);
  const [port] = world.platform.ports('shop.green.2');

  world.platform.sick.add(port ?? 0);
  await world.clock.passAsync(2_500);
  expect(control.service('shop').deployment?.phase).toBe('probing');
  expect(await refusal(control.flip('shop', me))).toMatchObject({ code: 'FLIP_NOT_READY' });
  world.platform.sick.clear();
  await world.clock.passAsync(5_000);

  expect(control.service('shop').deployment?.phase).toBe('ready');
  expect(control.service('shop').live).toBe('blue');
});

test('a target lost in the turn of the commit undoes the flip; nobody was served by it', async () => {
  const world = new World({
    services: [serviceConfig('shop', { deploy: manual })],
    orderMs: () => 10,
  });
  const control = await world.live();
  await control.deploy('shop', order('v2'), me);
  await world.clock.passAsync(5_000);

  const flipping = refusal(control.flip('shop', me));
  await world.clock.passAsync(5);
  world.platform.become('shop.green.2', 0, 'down');
  world.request();
  await world.clock.passAsync(100);

  expect(await flipping).toMatchObject({ code: 'FLIP_NOT_READY' });
  expect(control.service('shop')).toMatchObject({
    generation: 1,
    deployment: { phase: 'probing' },
  });
  expect(world.claimsOf().map(({ release }) => release)).toEqual(['v1', 'v1']);
  world.platform.become('shop.green.2', 0, 'running');
  await world.clock.passAsync(5_000);
  const again = control.flip('shop', me);
  await world.clock.passAsync(100);
  expect(await again).toMatchObject({ receipt: { generation: 2 } });
});

test('a release that stays sick fails, and says which target, what it answered, what it printed', async () => {
  const world = new World();
  const control = await world.live();
  await control.deploy('shop', order('v2'), me);
  await world.clock.passAsync(10);
  const ports = world.platform.ports('shop.green.2');
  for (const port of ports) world.platform.sick.add(port);
  world.platform.print('shop.green.2', 'r1', 'cannot reach the database');
  await world.clock.passAsync(61_000);

  const { deployment, pools, live } = control.service('shop');
  expect(deployment).toMatchObject({ phase: 'failed', error: { code: 'GATE_TIMEOUT' } });
  expect(deployment?.error?.message).toContain(`answered 500 to /up`);
  expect(deployment?.error?.message).toContain('"db down"');
  expect(deployment?.error?.message).toContain('r1: cannot reach the database');
  expect([live, pools.green]).toEqual(['blue', null]);
  expect(world.platform.stopped).toEqual(['shop.green.2']);
});

test('an abort stops the standby and nothing else, and the next deployment has the slot', async () => {
  const world = new World({ services: [serviceConfig('shop', { deploy: manual })] });
  const control = await world.live();
  const { id } = await control.deploy('shop', order('v2'), me);
  await world.clock.passAsync(5_000);

  const aborted = await control.abort(id, me);
  await control.deploy('shop', order('v3'), me);
  await world.clock.passAsync(5_000);

  expect(aborted).toMatchObject({ phase: 'aborted', error: { code: 'ABORTED' } });
  expect(world.platform.stopped).toEqual(['shop.green.2']);
  expect(control.service('shop').pools.green).toMatchObject({ release: 'v3', role: 'ready' });
});

test('bug of argo #1292: an abort with nothing in progress harms nobody', async () => {
  const world = new World();
  const control = await world.live();

  expect(await refusal(control.abort('shop-1', me))).toMatchObject({ code: 'ABORT_TOO_LATE' });
  expect(await refusal(control.abort('shop-9', me))).toMatchObject({ code: 'DEPLOYMENT_UNKNOWN' });

  expect(control.service('shop')).toMatchObject({ generation: 1, live: 'blue' });
  expect(world.platform.stopped).toEqual([]);
});

test('bug of kamal-proxy: a slow old deployment that starts late changes nothing', async () => {
  const late: (() => void)[] = [];
  const world = new World({
    platform: {
      onStart: (given) =>
        given.release.name === 'v2' ? new Promise((resolve) => late.push(resolve)) : undefined,
    },
  });
  const control = await world.live();
  const slow = await control.deploy('shop', order('v2'), me);
  await world.clock.passAsync(100);
  await control.abort(slow.id, me);
  await control.deploy('shop', order('v3'), me);
  await world.clock.passAsync(30_000);
  for (const start of late) start();
  await world.clock.passAsync(30_000);

  expect(control.service('shop')).toMatchObject({ generation: 2, deployment: { id: 'shop-3' } });
  expect([...world.platform.pools.keys()].sort()).toEqual(['shop.blue.1', 'shop.green.3']);
});

test('what is live is not deployed again, and what is warm is not thrown away to start it anew', async () => {
  const world = new World();
  const control = await world.live();
  const code = async (release: string) =>
    (await refusal(control.deploy('shop', order(release), me))).code;
  expect(await code('v1')).toBe('RELEASE_LIVE');
  await control.deploy('shop', order('v2'), me);
  await world.clock.passAsync(20_000);
  const warm = control.service('shop').pools.blue?.id;

  expect(await code('v1')).toBe('RELEASE_WARM');

  expect(control.service('shop')).toMatchObject({ live: 'green', rollback: { ready: true } });
  expect(control.service('shop').pools.blue?.id).toBe(warm);
  await control.retire('shop', me);
  await world.clock.passAsync(20_000);
  expect(await control.deploy('shop', order('v1'), me)).toMatchObject({ phase: 'starting' });
});

test('a release of before is deployed again as it ran, by its name alone', async () => {
  const fixed = serviceConfig('fixed', { run: { kind: 'static', linkLocal: false }, first: null });
  const world = new World({ services: [fixed] });
  const control = await world.live();
  const at = (port: number) => ({ targets: [{ host: '127.0.0.1', port }] });
  for (const [release, port] of [
    ['v1', 3001],
    ['v2', 3002],
    ['v3', 3003],
  ] as const) {
    await control.deploy('fixed', order(release, at(port)), me);
    await world.clock.passAsync(20_000);
  }
  const { releases } = control.service('fixed');

  expect(releases).toEqual([{ name: 'v1', source: '127.0.0.1:3001' }]);
  const again = (release: string, more = {}) =>
    control.deploy('fixed', { ...order(release, more), again: true }, me);
  expect((await refusal(again('v9'))).message).toMatch(/knows no release of this name/);
  expect((await refusal(again('v1', at(3009)))).message).toMatch(/neither image nor targets/);
  expect((await refusal(again('v2'))).code).toBe('RELEASE_WARM');
  await again('v1');
  await world.clock.passAsync(20_000);
  expect(sidesOf(control.service('fixed')).live).toMatchObject({
    release: 'v1',
    source: '127.0.0.1:3001',
  });
});

test('a name means one release: what was another is refused', async () => {
  const world = new World();
  const control = await world.live();
  await control.deploy('shop', order('v2'), me);
  await world.clock.passAsync(20_000);
  const service = serviceConfig('shop');
  const run = { ...service.run, env: { A: 'other' } } as typeof service.run;
  await world.services.reload({ ...world.config, services: [{ ...service, run }] });

  expect(await refusal(control.deploy('shop', order('v1'), me))).toMatchObject({
    code: 'RELEASE_TAKEN',
  });
  expect(await control.deploy('shop', order('v3'), me)).toMatchObject({ phase: 'starting' });
});

test('orders that no service can run are refused, and change nothing', async () => {
  const fixed = serviceConfig('fixed', { run: { kind: 'static', linkLocal: false }, first: null });
  const world = new World({ services: [serviceConfig('shop'), fixed] });
  const control = await world.live();
  const target = { host: '127.0.0.1', port: 0 };
  const code = async (service: string, what: ReturnType<typeof order>) =>
    (await refusal(control.deploy(service, what, me))).code;

  expect(await code('nope', order('v2'))).toBe('SERVICE_UNKNOWN');
  expect(await code('shop', order('../v2'))).toBe('RELEASE_INVALID');
  expect(await code('shop', order('v2', { image: 'shop:v2' }))).toBe('RELEASE_INVALID');
  expect(await code('fixed', order('v2'))).toBe('RELEASE_INVALID');
  expect(await code('fixed', order('v2', { targets: [target] }))).toBe('TARGET_INVALID');
  expect(await code('fixed', order('v2', { targets: [{ host: 'a b', port: 1 }] }))).toBe(
    'TARGET_INVALID',
  );
  expect(control.service('shop').deployment?.id).toBe('shop-1');
  expect(control.service('fixed').deployment).toBeNull();
});

test('a dry run says what would happen, and nothing does', async () => {
  const world = new World();
  const control = await world.live();
  const saved = world.store.stored;

  const told = await control.deploy('shop', order('v2', { dryRun: true }), me);
  await world.clock.passAsync(10_000);

  expect(told).toMatchObject({ id: 'shop-2', to: { color: 'green', release: 'v2' } });
  expect(world.store.stored).toEqual(saved);
  expect(world.platform.pools.size).toBe(1);
});

test('a new deployment waits for the drain of the standby, then retires it', async () => {
  const world = new World();
  const control = await world.live();
  world.request();
  await control.deploy('shop', order('v2'), me);
  await world.clock.passAsync(5_000);

  await control.deploy('shop', order('v3'), me);
  await world.clock.passAsync(10_000);
  expect(world.platform.stopped).toEqual([]);
  expect(control.service('shop').deployment).toMatchObject({ id: 'shop-3', phase: 'starting' });
  for (const worker of world.cluster.workers.values()) {
    worker.finish('shop', 'blue', 'http', 'clientAborted');
  }
  await world.clock.passAsync(10_000);

  expect(world.platform.stopped).toEqual(['shop.blue.1']);
  expect(control.service('shop')).toMatchObject({ generation: 3, live: 'blue' });
  expect(await control.deployment('shop-2')).toMatchObject({
    phase: 'live',
    receipt: { drained: { clientAborted: 2, stillOpen: 0 } },
  });
});

test('an abort while the standby still drains leaves it as the way back', async () => {
  const world = new World();
  const control = await world.live();
  world.request();
  await control.deploy('shop', order('v2'), me);
  await world.clock.passAsync(5_000);
  const { id } = await control.deploy('shop', order('v3'), me);
  await world.clock.passAsync(1_000);

  await control.abort(id, me);
  await world.clock.passAsync(60_000);

  expect(control.service('shop').rollback).toMatchObject({ ready: true, to: { release: 'v1' } });
  expect(world.platform.stopped).toEqual([]);
});

test('the warm pool is retired by itself when its time is over', async () => {
  const warm = { forMs: 600_000, replicas: null, freeze: false, until: 'flip' as const };
  const world = new World({ services: [serviceConfig('shop', { warm })] });
  const control = await world.live();
  await control.deploy('shop', order('v2'), me);
  await world.clock.passAsync(500_000);
  expect(control.service('shop').rollback.ready).toBe(true);

  await world.clock.passAsync(200_000);

  expect(control.service('shop').pools.blue).toBeNull();
  expect(world.platform.stopped).toEqual(['shop.blue.1']);
  expect(control.service('shop').rollback.reason).toBe(
    'There is no warm pool to go back to: it was retired.',
  );
});

test('what targets cost is looked up now and then, and less often where that takes long', async () => {
  const world = new World();
  const control = await world.live();
  const costs = () => {
    return control.service('shop').pools.blue?.targets.map(({ memoryBytes, cpuPercent }) => {
      return [memoryBytes, cpuPercent];
    });
  };
  expect(costs()).toEqual([
    [undefined, undefined],
    [undefined, undefined],
  ]);
  world.platform.cost = { memoryBytes: 50_000_000, cpuPercent: 12.5 };
  await world.clock.passAsync(6_000);
  world.platform.become('shop.blue.1', 0, 'down');

  expect(costs()).toEqual([
    [50_000_000, 12.5],
    [50_000_000, 12.5],
  ]);

  world.platform.listMs = 3_000;
  await world.clock.passAsync(8_000);
  const before = world.platform.listed;
  await world.clock.passAsync(180_000);
  expect(world.platform.listed - before).toBe(10);
});

test('retire empties the standby: tunnels first, then the platform; a second one is refused', async () => {
  const world = new World();
  const control = await world.live();
  await control.deploy('shop', order('v2'), me);
  await world.clock.passAsync(10_000);

  const [first, second] = await Promise.allSettled([
    control.retire('shop', me),
    control.retire('shop', me),
  ]);
  await world.clock.passAsync(15_000);

  expect(first).toMatchObject({
    status: 'fulfilled',
    value: { pools: { blue: { role: 'retiring' } } },
  });
  expect(second).toMatchObject({ status: 'rejected', reason: { code: 'RETIRE_REFUSED' } });
  expect(world.platform.stopped).toEqual(['shop.blue.1']);
  expect(await refusal(control.retire('shop', me))).toMatchObject({ code: 'RETIRE_REFUSED' });
});

test('a paused service lets its requests wait, through a restart and through a flip', async () => {
  const world = new World();
  const control = await world.live();

  await control.pause('shop', false, me);
  world.request();
  await control.deploy('shop', order('v2'), me);
  await world.clock.passAsync(10_000);
  world.kill();
  const successor = await world.restart();
  expect(successor.service('shop')).toMatchObject({ paused: true, waiting: 2, generation: 2 });
  expect(world.claimsOf()).toEqual([]);
  await successor.resume('shop', me);
  await world.clock.passAsync(1_000);

  expect(world.claimsOf().map(({ release }) => release)).toEqual(['v2', 'v2']);
});

test('a platform that is away: traffic goes on, deployments are refused with its reason', async () => {
  const world = new World();
  const control = await world.live();
  world.platform.away('the engine does not answer');

  expect(await refusal(control.deploy('shop', order('v2'), me))).toMatchObject({
    code: 'DRIVER_UNAVAILABLE',
  });
  expect(control.service('shop').problem).toContain('does not answer');
  world.request();
  expect(world.claimsOf()).toHaveLength(2);
  world.platform.away(null);
  await world.clock.passAsync(10_000);

  expect(control.service('shop').problem).toBeNull();
  expect(world.platform.started).toEqual(['shop.blue.1']);
});
