/** The targets that a deployment brings along. */
import { expect, test } from 'vitest';
import { staticDriver } from '../../../src/control/drivers/static.ts';
import type { Call, DeployOrder } from '../../../src/control/model/api.ts';
import type { ProbeResult } from '../../../src/control/model/pools.ts';
import type { Answer } from '../../../src/control/names/lookup.ts';
import { refusal, serviceConfig, World, type WorldOptions } from '../../support/services.ts';

const me: Call = { by: 'me', why: '', generation: null };
const to = (host: string, port: number, more: Partial<DeployOrder> = {}): DeployOrder => ({
  ...{ release: 'v1', image: null, targets: [{ host, port }], flip: null, dryRun: false },
  ...more,
});

const answer = (addresses: readonly string[] = []): Answer => {
  return { addresses, ttlMs: 1_000, error: addresses.length === 0 ? 'no such name' : null };
};

async function worldOf(linkLocal: boolean, more: WorldOptions = {}): Promise<World> {
  const shop = serviceConfig('shop', { run: { kind: 'static', linkLocal }, first: null });
  const world = new World({ services: [shop], ...more });
  world.config = {
    ...world.config,
    listen: [{ host: '0.0.0.0', port: 8080 }],
    admin: { ...world.config.admin, listen: { host: '127.0.0.1', port: 9400 } },
  };
  await world.live();
  return world;
}

test('what the config refuses for a target a deployment refuses too, dry or not', async () => {
  const { control } = await worldOf(false);

  for (const [host, port] of [
    ['localhost', 8080],
    ['127.0.0.1', 8080],
    ['127.0.0.1', 9400],
    ['169.254.169.254', 80],
    ['fe80::1', 80],
  ] as const) {
    for (const dryRun of [true, false]) {
      const got = await refusal(control.deploy('shop', to(host, port, { dryRun }), me));
      expect(got).toMatchObject({ code: 'TARGET_INVALID', status: 422 });
    }
  }

  expect(control.service('shop').deployment).toBeNull();
});

test('a name is refused for what it stands for, and one that stands for nothing is not', async () => {
  const names: Readonly<Record<string, readonly string[]>> = {
    'metadata.internal': ['169.254.169.254'],
    'proxy.internal': ['10.0.0.9', '127.0.0.1'],
    'shop.internal': ['10.0.0.7'],
  };
  const { control } = await worldOf(false, {
    dependencies: (given) => ({ ...given, lookup: async (name) => answer(names[name]) }),
  });
  const ask = (host: string, port: number) =>
    control.deploy('shop', to(host, port, { dryRun: true }), me);

  const metadata = await refusal(ask('metadata.internal', 80));
  const proxy = await refusal(ask('proxy.internal', 8080));

  expect(metadata.message).toContain('metadata.internal:80, which is 169.254.169.254');
  expect(proxy.message).toContain('proxy.internal:8080, which is 127.0.0.1');
  expect(await ask('shop.internal', 8080)).toMatchObject({ to: { release: 'v1' } });
  expect(await ask('unknown.internal', 8080)).toMatchObject({ to: { release: 'v1' } });
});

test('a name server that says nothing holds a deployment up for two seconds and no longer', async () => {
  const world = await worldOf(false, {
    dependencies: (given) => ({ ...given, lookup: () => new Promise(() => {}) }),
  });
  let answered = false;

  const asked = world.control
    .deploy('shop', to('shop.internal', 80, { dryRun: true }), me)
    .then(() => {
      answered = true;
    });
  await world.clock.passAsync(1_900);
  const before = answered;
  await world.clock.passAsync(200);
  await asked;

  expect([before, answered]).toEqual([false, true]);
});

test('with run.static.linkLocal a link-local address is a target like any other', async () => {
  const { control } = await worldOf(true);

  const told = await control.deploy('shop', to('169.254.169.254', 80, { dryRun: true }), me);

  expect(told).toMatchObject({ to: { release: 'v1' } });
});

test('a release that was live by another config is refused by the one of now', async () => {
  const world = await worldOf(true);
  const { control } = world;
  for (const [release, host] of [
    ['v1', '169.254.1.1'],
    ['v2', '10.0.0.2'],
    ['v3', '10.0.0.3'],
  ] as const) {
    await control.deploy('shop', to(host, 80, { release }), me);
    await world.clock.passAsync(20_000);
  }
  const shop = serviceConfig('shop', { run: { kind: 'static', linkLocal: false }, first: null });
  await world.services.reload({ ...world.config, services: [shop] });

  const again = to('', 0, { targets: [], again: true });
  const got = await refusal(control.deploy('shop', again, me));

  expect(got.code).toBe('TARGET_INVALID');
});

test('what a name may not stand for at its deployment it may not stand for later: nobody goes there', async () => {
  let now = ['10.0.0.7'];
  const world = await worldOf(false, {
    dependencies: (given) => ({
      ...given,
      drivers: { ...given.drivers, static: staticDriver },
      lookup: async () => answer(now),
      probe: async (): Promise<ProbeResult> => {
        return { at: '', ms: 1, passed: true, status: 200, error: null, body: null };
      },
    }),
  });
  const { control, clock } = world;
  await control.deploy('shop', to('shop.internal', 80), me);
  await clock.passAsync(10_000);
  const target = () => world.pool('blue')?.targets[0];
  expect(target()?.addresses).toEqual([{ address: '10.0.0.7', used: true, error: null }]);

  now = ['10.0.0.7', '169.254.169.254'];
  await clock.passAsync(1_000);

  expect(target()?.addresses).toEqual([
    { address: '10.0.0.7', used: true, error: null },
    {
      address: '169.254.169.254',
      used: false,
      error: expect.stringContaining('wanted no link-local address'),
    },
  ]);
});
