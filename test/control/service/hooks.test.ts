/**
 * What has to pass before a flip, and what is done after one. The rule: a release that has not passed
 * is never live, the live pool is untouched whatever happens, and the record says what was done and
 * how often.
 */
import { expect, test } from 'vitest';
import type { Hook, HookMoment } from '../../../src/config/hook.ts';
import { type Notification, ofChecks } from '../../../src/control/notify/notification.ts';
import { FakeGates, smoke, warmUp } from '../../support/fakeGates.ts';
import { me, order, serviceConfig, World } from '../../support/services.ts';

const nothing = { beforeFlip: [], afterFlip: [], afterRollback: [], onFailure: [] };

/** v1 is live on blue, and its hooks are over. */
async function shop(
  hooks: Partial<Record<HookMoment, readonly Hook[]>>,
  flip: 'auto' | 'manual' = 'auto',
) {
  const gates = new FakeGates();
  const config = serviceConfig('shop', {
    hooks: { ...nothing, ...hooks },
    deploy: { timeoutMs: 60_000, flip: 'auto' },
  });
  const world = new World({
    services: [config],
    dependencies: (given) => ({ ...given, gates: gates.connect() }),
  });
  await world.live();
  if (flip === 'manual') {
    const { services } = world.config;
    const manual = services.map((one) => ({ ...one, deploy: { ...one.deploy, flip } }));
    await world.services.reload({ ...world.config, services: manual });
  }
  gates.begun.length = 0;
  return { world, gates, status: () => world.control.service('shop') };
}

async function deploy(world: World, release = 'v2', seconds = 20): Promise<void> {
  await world.control.deploy('shop', order(release), me);
  await world.clock.passAsync(seconds * 1_000);
}

const checks = (world: World) =>
  world.control
    .service('shop')
    .deployment?.checks?.map((one) => `${one.name} ${one.phase} ${one.runs}`);

test('all of it passes in turn, once every target is healthy, and then it flips', async () => {
  const { world, gates, status } = await shop({ beforeFlip: [smoke('/'), smoke('/login')] });

  await deploy(world);

  expect(status()).toMatchObject({ generation: 2, live: 'green' });
  expect(gates.begun).toEqual(['beforeFlip GET / shop-2', 'beforeFlip GET /login shop-2']);
  expect(checks(world)).toEqual(['GET / passed 1', 'GET /login passed 1']);
});

test('a check is told what it is about, and asks the targets of the pool that is proved', async () => {
  const { world, gates, status } = await shop({ beforeFlip: [smoke('/')] });
  gates.fate = () => null;

  await deploy(world);

  const { subject } = gates.only;
  expect(subject).toMatchObject({
    moment: 'beforeFlip',
    service: 'shop',
    deployment: 'shop-2',
    release: 'v2',
    color: 'green',
    generation: 2,
    before: 'v1',
    error: null,
  });
  const standby = status().pools.green?.targets.map(({ address }) => address);
  expect(subject.targets.map(({ host, port }) => `${host}:${port}`)).toEqual(standby);
  expect(status()).toMatchObject({ generation: 1, deployment: { phase: 'probing' } });
});

test('one that fails ends the deployment with its reason and output, and the live pool is untouched', async () => {
  const { world, gates, status } = await shop({ beforeFlip: [smoke('/'), smoke('/login')] });
  gates.fate = () => null;
  await deploy(world);
  for (let line = 1; line <= 30; line++) gates.only.said(`line ${line}`);

  gates.only.end({ passed: false, result: 'it ended with 1' });
  await world.clock.passAsync(20_000);

  const { deployment } = status();
  expect(deployment).toMatchObject({
    phase: 'failed',
    error: {
      code: 'HOOK_FAILED',
      message:
        'v2 has not passed GET /: it ended with 1. Last output: line 26 | line 27 | line 28 | line 29 | line 30',
    },
  });
  expect(checks(world)).toEqual(['GET / failed 1', 'GET /login waiting 0']);
  expect(deployment?.checks?.[0]?.output).toHaveLength(20);
  expect(status()).toMatchObject({ generation: 1, live: 'blue', pools: { green: null } });
  expect(world.platform.stopped).not.toContain(status().pools.blue?.id);
});

test('no time of the gate presses a check, which has one of its own', async () => {
  const { world, gates, status } = await shop({ beforeFlip: [smoke('/')] });
  gates.fate = () => null;
  await deploy(world, 'v2', 300);

  expect(status()).toMatchObject({ limits: { until: null }, deployment: { phase: 'probing' } });
  gates.only.end({ passed: true, result: 'as wanted' });
  await world.clock.passAsync(1_000);

  expect(status().generation).toBe(2);
});

test('a target that is lost in the middle voids what has passed; all of it is made again, and the record says so', async () => {
  const { world, gates, status } = await shop({ beforeFlip: [smoke('/'), smoke('/login')] });
  gates.fate = (name) => (name === 'GET /' ? { passed: true, result: 'as wanted' } : null);
  await deploy(world);
  const lost = gates.only;
  const pool = status().pools.green?.id ?? '';

  world.platform.become(pool, 0, 'down');
  await world.clock.passAsync(100);

  expect(lost.signal.aborted).toBe(true);
  expect(checks(world)).toEqual(['GET / void 1', 'GET /login void 1']);
  expect(status().limits.until).not.toBeNull();
  // What came of it in the end counts no more.
  lost.end({ passed: true, result: 'as wanted' });
  await world.clock.passAsync(1_000);
  expect(status().generation).toBe(1);

  gates.fate = () => ({ passed: true, result: 'as wanted' });
  world.platform.become(pool, 0, 'running');
  await world.clock.passAsync(20_000);
  expect(status().generation).toBe(2);
  expect(checks(world)).toEqual(['GET / passed 2', 'GET /login passed 2']);
});

test('a target that is lost in the middle again and again ends it', async () => {
  const { world, gates, status } = await shop({ beforeFlip: [smoke('/')] });
  gates.fate = () => null;
  await deploy(world);
  const pool = status().pools.green?.id ?? '';

  for (let round = 0; round < 3; round++) {
    world.platform.become(pool, 0, 'down');
    await world.clock.passAsync(100);
    world.platform.become(pool, 0, 'running');
    await world.clock.passAsync(10_000);
  }

  expect(gates.begun).toHaveLength(3);
  expect(status()).toMatchObject({
    generation: 1,
    deployment: {
      phase: 'failed',
      error: { code: 'HOOK_FAILED', message: expect.stringContaining('3 times') },
    },
  });
});

test('a release that waits for a person and loses a target has to pass again', async () => {
  const { world, gates, status } = await shop({ beforeFlip: [smoke('/')] }, 'manual');
  await deploy(world);
  expect(status().deployment?.phase).toBe('ready');
  gates.fate = () => null;
  const pool = status().pools.green?.id ?? '';

  world.platform.become(pool, 0, 'down');
  world.platform.become(pool, 0, 'running');
  await world.clock.passAsync(10_000);

  expect(status().deployment?.phase).toBe('probing');
  gates.only.end({ passed: true, result: 'as wanted' });
  await world.clock.passAsync(1_000);
  expect(status().deployment?.phase).toBe('ready');
  expect(checks(world)).toEqual(['GET / passed 2']);
});

test('an abort in the middle gives it up', async () => {
  const { world, gates, status } = await shop({ beforeFlip: [smoke('/')] });
  gates.fate = () => null;
  await deploy(world);
  const { signal } = gates.only;

  await world.control.abort('shop-2', me);

  expect(signal.aborted).toBe(true);
  expect(status().deployment?.phase).toBe('aborted');
  expect(checks(world)).toEqual(['GET / stopped 1']);
});

test('kill -9 of the controller in the middle: INTERRUPTED, not passed, and what runs is ended', async () => {
  const { world, gates, status } = await shop({ beforeFlip: [smoke('/'), smoke('/login')] });
  gates.fate = (name) => (name === 'GET /' ? { passed: true, result: 'as wanted' } : null);
  await deploy(world);
  expect(gates.running.size).toBe(1);

  world.kill();
  await world.restart();

  expect(status()).toMatchObject({
    generation: 1,
    live: 'blue',
    deployment: { phase: 'failed', error: { code: 'INTERRUPTED' } },
  });
  expect(checks(world)).toEqual(['GET / passed 1', 'GET /login stopped 1']);
  expect(gates.swept).toEqual(['shop-2']);
  expect(gates.begun).toHaveLength(2);
});

test('what is done after a flip holds up nothing; what fails of it is recorded and told, and moves nothing', async () => {
  const { world, gates, status } = await shop({ afterFlip: [smoke('/purge'), smoke('/tell')] });
  gates.fate = () => null;

  await deploy(world);

  expect(status()).toMatchObject({ generation: 2, deployment: { phase: 'live' } });
  gates.only.end({ passed: false, result: 'it ended with 1' });
  await world.clock.passAsync(100);
  gates.only.end({ passed: true, result: 'as wanted' });
  await world.clock.passAsync(1_000);
  expect(checks(world)).toEqual(['GET /purge failed 1', 'GET /tell passed 1']);
  expect(status()).toMatchObject({ generation: 2, deployment: { phase: 'live', error: null } });
  const kept = (await world.control.deployments({ service: 'shop', limit: 1 }))[0];
  expect(kept?.checks).toEqual(status().deployment?.checks);
  expect(told(world)).toEqual([
    {
      id: 'shop-2.afterFlip',
      text: 'shop: afterFlip of v2: GET /purge has failed: it ended with 1',
    },
  ]);
});

test('after a rollback, and after a failure, it is what the config says for those', async () => {
  const { world, gates, status } = await shop({
    beforeFlip: [smoke('/')],
    afterFlip: [smoke('/flipped')],
    afterRollback: [smoke('/back')],
    onFailure: [smoke('/failed')],
  });
  await deploy(world);
  await world.control.rollback('shop', 'v1', me);
  await world.clock.passAsync(1_000);
  gates.fate = (name) => ({ passed: name !== 'GET /', result: 'it ended with 1' });

  await deploy(world, 'v3');

  expect(status().deployment?.phase).toBe('failed');
  expect(gates.begun).toEqual([
    'beforeFlip GET / shop-2',
    'afterFlip GET /flipped shop-2',
    'afterRollback GET /back shop-3',
    'beforeFlip GET / shop-4',
    'onFailure GET /failed shop-4',
  ]);
  expect(checks(world)).toEqual(['GET / failed 1', 'GET /failed passed 1']);
});

test('when the service moves on, what is under way after the last flip is given up, and history says so', async () => {
  const { world, gates, status } = await shop({ afterFlip: [smoke('/purge')] });
  gates.fate = () => null;
  await deploy(world);
  const { signal } = gates.only;

  await world.control.rollback('shop', 'v1', me);
  await world.clock.passAsync(20_000);

  expect(signal.aborted).toBe(true);
  expect(status().generation).toBe(3);
  const before = await world.control.deployment('shop-2');
  expect(before).toMatchObject({ phase: 'live', receipt: { drained: { done: true } } });
  expect(before.checks).toMatchObject([{ phase: 'stopped', result: 'shop-3 began' }]);
});

test('a restart in the middle of what is done after a flip ends it, and does not do it twice', async () => {
  const { world, gates, status } = await shop({ afterFlip: [smoke('/purge')] });
  gates.fate = () => null;
  await deploy(world);

  world.kill();
  await world.restart();

  expect(status()).toMatchObject({ generation: 2, deployment: { phase: 'live' } });
  expect(checks(world)).toEqual(['GET /purge stopped 1']);
  expect(gates.begun).toHaveLength(1);
  expect(gates.swept).toEqual(['shop-2']);
});

function told(world: World): readonly Pick<Notification, 'id' | 'text'>[] {
  const all = world.events.flatMap((event) =>
    event.type === 'deployment' ? ofChecks(event.deployment) : [],
  );
  return [...new Map(all.map(({ id, text }) => [id, { id, text }])).values()];
}

test('what warming up came to stands in the receipt of the flip, and not in that of a rollback', async () => {
  const { world, gates, status } = await shop({ beforeFlip: [smoke('/'), warmUp('/')] });
  gates.fate = (name) => ({ passed: true, result: name === 'warm-up' ? 'p95 2 ms' : 'as wanted' });

  await deploy(world);
  const { deployment } = status();
  const back = await world.control.rollback('shop', 'v1', { ...me, generation: 2 });

  expect(deployment?.receipt?.warmUp).toBe('p95 2 ms');
  expect(back.receipt).not.toHaveProperty('warmUp');
});
