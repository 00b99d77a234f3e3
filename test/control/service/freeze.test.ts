/**
 * A freeze: the config lets nothing be deployed. The rule: what is live stays as it is unless
 * somebody goes back, and whoever is refused is told why, in the words of the config.
 */
import { expect, test } from 'vitest';
import type { ServiceConfig } from '../../../src/config/config.ts';
import { me, order, refusal, serviceConfig, World } from '../../support/services.ts';

const why = 'The quarter closes on Friday';

/** v1 on blue and warm, v2 on green and live, and then the reload that freezes the service. */
async function frozen(more: Partial<ServiceConfig> = {}): Promise<World> {
  const world = new World({ services: [serviceConfig('shop', more)] });
  const control = await world.live();
  await control.deploy('shop', order('v2'), me);
  await world.clock.passAsync(20_000);
  await freeze(world, why, more);
  return world;
}

async function freeze(
  world: World,
  reason: string | null,
  more: Partial<ServiceConfig> = {},
): Promise<void> {
  const services = [serviceConfig('shop', { ...more, freeze: reason })];
  await world.services.reload({ ...world.config, services });
}

test('a frozen service refuses deployments with the reason, dry runs too, and nothing has changed', async () => {
  const world = await frozen();

  const refused = await refusal(world.control.deploy('shop', order('v3'), me));
  const dry = await refusal(world.control.deploy('shop', order('v3', { dryRun: true }), me));

  expect(refused).toMatchObject({ code: 'FROZEN', status: 409, retry: false });
  expect(refused.message).toContain(`shop is frozen: ${why}. Deployments are refused`);
  expect(refused.detail).toEqual({ service: 'shop', freeze: why });
  expect(dry.code).toBe('FROZEN');
  expect(world.control.service('shop')).toMatchObject({
    freeze: why,
    generation: 2,
    deployment: { id: 'shop-2', phase: 'live' },
  });
});

test('the way back is open while a service is frozen', async () => {
  const world = await frozen();

  const back = await world.control.rollback('shop', 'v1', me);

  expect(back.receipt).toMatchObject({ generation: 3, to: { release: 'v1' } });
});

test('a reload takes a freeze back at once, and both are told', async () => {
  const world = await frozen();

  await freeze(world, null);
  await world.control.deploy('shop', order('v3'), me);

  expect(world.control.service('shop')).toMatchObject({
    freeze: null,
    deployment: { to: { release: 'v3' } },
  });
  const told = world.events.flatMap((event) => (event.type === 'service' ? [event.what] : []));
  expect(told).toContain(`is frozen: ${why}`);
  expect(told).toContain('is frozen no more');
});

test('a deployment that waits for a person when the freeze comes is not flipped, and can be aborted', async () => {
  const manual = { deploy: { timeoutMs: 60_000, flip: 'manual' as const } };
  const world = new World({ services: [serviceConfig('shop', manual)] });
  const control = await world.live();
  await control.deploy('shop', order('v2'), me);
  await world.clock.passAsync(20_000);
  await freeze(world, why, manual);

  const refused = await refusal(control.flip('shop', me));
  const aborted = await control.abort('shop-2', me);

  expect(refused.code).toBe('FROZEN');
  expect(aborted.phase).toBe('aborted');
  expect(control.service('shop').generation).toBe(1);
});

test('the freeze that comes while a deployment looks at its platform still refuses it', async () => {
  let look: () => void = () => {};
  const asked = new Promise<void>((resolve) => {
    look = resolve;
  });
  const world = new World({
    dependencies: (dependencies) => ({
      ...dependencies,
      lookup: async () => {
        await asked;
        return { addresses: [], ttlMs: 0, error: 'nobody knows' };
      },
    }),
    services: [
      serviceConfig('shop', { run: { kind: 'static', linkLocal: false }, first: first() }),
    ],
  });
  const control = await world.live();
  const targets = [{ host: 'app.internal', port: 3000 }];

  const deploying = refusal(control.deploy('shop', order('v2', { targets }), me));
  const { config } = world;
  const services = config.services.map((service) => ({ ...service, freeze: why }));
  await world.services.reload({ ...config, services });
  look();

  expect((await deploying).code).toBe('FROZEN');
});

test('a service of which nothing is live is not held up: there is nothing that could be kept', async () => {
  const world = new World({ services: [serviceConfig('shop', { freeze: why })] });

  const control = await world.live();

  expect(control.service('shop')).toMatchObject({ live: 'blue', generation: 1, freeze: why });
});

function first() {
  const targets = [{ host: '127.0.0.1', port: 3001 }];
  return { color: 'blue' as const, release: 'v1', image: null, targets };
}
