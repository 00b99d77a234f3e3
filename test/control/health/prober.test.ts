/** Probing. The rule: unknown is down, and a result speaks only for the target it was asked of. */
import { expect, test } from 'vitest';
import type { Health } from '../../../src/config/config.ts';
import type { RunningTarget } from '../../../src/control/drivers/driver.ts';
import type { Naming } from '../../../src/control/health/namedTarget.ts';
import { Prober } from '../../../src/control/health/prober.ts';
import type { ProbeResult } from '../../../src/control/model/pools.ts';
import { fakeClock } from '../../support/clock.ts';
import { seeded } from '../../support/random.ts';
import { systemTls } from '../../support/targetTls.ts';

const health: Health = {
  path: '/up',
  host: null,
  port: null,
  intervalMs: 2_000,
  timeoutMs: 2_000,
  rise: 2,
  fall: 3,
  status: { from: 200, to: 299 },
  tls: systemTls,
};
const named = { poolId: 'shop.blue.1', service: 'shop', color: 'blue' as const };
const target = (id: string, more: Partial<RunningTarget> = {}): RunningTarget => {
  return { id, host: '127.0.0.1', port: 3000, state: 'running', detail: '', ...more };
};
const result = (passed: boolean): ProbeResult => {
  const error = passed ? null : 'connection refused: nothing listens on 127.0.0.1:3000';
  return { at: '', ms: 1, passed, status: passed ? 200 : null, error, body: null };
};

const unnamed: Naming = {
  names: {
    use: () => {},
    of: () => ({ addresses: null, problem: null, since: null }),
    settled: async () => {},
  },
  refusal: () => null,
  moved: () => {},
};

/** A prober whose probes answer as `answers` says; a probe of a `slow` port waits to be let go. */
function probing(random: () => number = () => 0.5) {
  const clock = fakeClock();
  const answers = new Map<number, boolean>();
  const waiting: ((passed: boolean) => void)[] = [];
  const slow = new Set<number>();
  const asked: number[] = [];
  const changes: string[] = [];
  const told: string[] = [];
  const prober = new Prober(
    clock,
    random,
    async ({ port }) => {
      asked.push(clock.now());
      if (!slow.has(port)) return result(answers.get(port) ?? true);
      return result(await new Promise<boolean>((answer) => waiting.push(answer)));
    },
    unnamed,
    {
      changed: (_pool, view, why) => changes.push(`${view.target.id} ${view.healthy} ${why}`),
      probed: (_pool, view) => told.push(`${view.target.id} ${view.last?.passed} ${view.passes}`),
    },
  );
  const healthy = () => prober.view(named.poolId).map((view) => view.healthy);
  return { clock, prober, answers, waiting, slow, asked, changes, told, healthy };
}

test('a target is down until it has passed `rise` times in a row', async () => {
  const { clock, prober, healthy, answers } = probing();
  prober.watch(named, health, false, () => false);
  prober.targets(named.poolId, [target('r1')]);
  expect(healthy()).toEqual([false]);

  await clock.passAsync(1_500);
  answers.set(3000, false);
  await clock.passAsync(2_000);
  answers.set(3000, true);
  await clock.passAsync(2_000);
  expect(healthy()).toEqual([false]);
  await clock.passAsync(2_000);

  expect(healthy()).toEqual([true]);
});

test('a live pool found at the start is taken for up until `fall` failures', async () => {
  const { clock, prober, healthy, answers, changes } = probing();
  answers.set(3000, false);
  prober.watch(named, health, false, () => true);
  prober.targets(named.poolId, [target('r1')]);
  await clock.passAsync(3_500);
  expect(healthy()).toEqual([true]);

  await clock.passAsync(2_000);

  expect(healthy()).toEqual([false]);
  expect(changes).toEqual(['r1 false connection refused: nothing listens on 127.0.0.1:3000']);
});

test('a health port is asked in place of the own one, and what the platform says of it goes first', async () => {
  const { clock, prober, healthy, answers } = probing();
  answers.set(3000, false).set(9000, true).set(40_001, false);
  prober.watch(named, { ...health, port: 9000 }, false, () => false);
  prober.targets(named.poolId, [target('r1'), target('r2', { healthPort: 40_001 })]);
  await clock.passAsync(10_000);
  expect(healthy()).toEqual([true, false]);

  // It is published elsewhere since a restart: what was known is of another place.
  prober.targets(named.poolId, [target('r1', { healthPort: 3000 }), target('r2')]);
  expect(healthy()).toEqual([false, false]);
  await clock.passAsync(10_000);

  expect(healthy()).toEqual([false, true]);
});

test('a target that joins later is down, whatever was assumed of the first ones', () => {
  const { prober, healthy } = probing();
  prober.watch(named, health, false, () => true);
  prober.targets(named.poolId, [target('r1')]);
  prober.targets(named.poolId, [target('r1'), target('r2', { port: 3001 })]);

  expect(healthy()).toEqual([true, false]);
});

test('bug of docker-rollout: "unhealthy" is not healthy, whatever the probe says', async () => {
  const { clock, prober, healthy } = probing();
  for (const state of ['unhealthy', 'starting', 'down'] as const) {
    prober.watch(named, health, true, () => true);
    prober.targets(named.poolId, [target('r1', { state })]);
    await clock.passAsync(20_000);

    expect(healthy()).toEqual([false]);
  }
});

test('a target whose driver says down is down at once, and is asked again when it is back', async () => {
  const { clock, prober, healthy, changes } = probing();
  prober.watch(named, health, false, () => true);
  prober.targets(named.poolId, [target('r1')]);
  prober.targets(named.poolId, [target('r1', { state: 'down', detail: 'exit code 1' })]);
  expect(healthy()).toEqual([false]);
  prober.targets(named.poolId, [target('r1')]);
  expect(healthy()).toEqual([false]);
  await clock.passAsync(4_000);

  expect(healthy()).toEqual([true]);
  expect(changes[0]).toBe('r1 false it is not running (exit code 1)');
});

test('bug of dokku: a target that moved to another address is another target', async () => {
  const { clock, prober, healthy, slow, waiting } = probing();
  slow.add(3000);
  prober.watch(named, health, false, () => true);
  prober.targets(named.poolId, [target('r1')]);
  await clock.passAsync(1_500);
  prober.targets(named.poolId, [target('r1', { port: 4000 })]);
  expect(healthy()).toEqual([false]);

  waiting[0]?.(true);
  waiting[0]?.(true);
  await clock.passAsync(1);

  expect(prober.view(named.poolId)[0]?.passes).toBeLessThan(2);
  expect(healthy()).toEqual([false]);
});

test('at most one probe of a target is in flight, however slow it is', async () => {
  const { clock, prober, slow, asked } = probing();
  slow.add(3000);
  prober.watch(named, health, false, () => false);
  prober.targets(named.poolId, [target('r1')]);

  await clock.passAsync(60_000);

  expect(asked).toHaveLength(1);
});

test('a result that comes after its target has left is dropped', async () => {
  const { clock, prober, slow, waiting, told } = probing();
  slow.add(3000);
  prober.watch(named, health, true, () => false);
  prober.targets(named.poolId, [target('r1')]);
  await clock.passAsync(10);
  prober.forget(named.poolId);
  prober.watch(named, health, true, () => false);
  prober.targets(named.poolId, [target('r1')]);

  waiting[0]?.(true);
  await clock.passAsync(0);

  expect(told).toEqual([]);
  expect(prober.view(named.poolId)[0]?.passes).toBe(0);
});

test('a gate asks at once, asks failing targets soon again, and counts strictly', async () => {
  const { clock, prober, answers, asked, healthy, told } = probing();
  answers.set(3000, false);
  prober.watch(named, health, true, () => false);
  prober.targets(named.poolId, [target('r1')]);
  await clock.passAsync(600);
  expect(asked.map((at) => at - 1_000)).toEqual([0, 250, 500]);
  answers.set(3000, true);
  await clock.passAsync(2_300);
  expect(healthy()).toEqual([true]);

  answers.set(3000, false);
  await clock.passAsync(2_000);

  expect(healthy()).toEqual([false]);
  expect(told.length).toBe(asked.length);
});

test('outside a gate a probe is told of only where its outcome differs', async () => {
  const { clock, prober, answers, told } = probing();
  prober.watch(named, health, false, () => true);
  prober.targets(named.poolId, [target('r1')]);
  await clock.passAsync(20_000);
  answers.set(3000, false);
  await clock.passAsync(20_000);

  expect(told).toEqual(['r1 true 1', 'r1 false 0']);
});

test('a thousand targets do not fire together', async () => {
  const { clock, prober, asked } = probing(seeded(7));
  const many = Array.from({ length: 1000 }, (_, at) => target(`r${at}`, { port: 3000 + at }));
  prober.watch(named, health, false, () => true);
  prober.targets(named.poolId, many);

  await clock.passAsync(2_500);

  const busiest = new Map<number, number>();
  for (const at of asked) {
    const slot = Math.floor(at / 100);
    busiest.set(slot, (busiest.get(slot) ?? 0) + 1);
  }
  expect(asked.length).toBeGreaterThan(1_000);
  expect(Math.max(...busiest.values())).toBeLessThan(100);
});
