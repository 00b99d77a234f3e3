/** The live figures: rates and quantiles from what workers counted, over restarts, bounded. */
import { expect, test } from 'vitest';
import {
  quantileMs,
  Sampler,
  samplesKept,
  servicesKept,
} from '../../../src/control/telemetry/samples.ts';
import type { Color, ServiceStats, WorkerStats } from '../../../src/wire.ts';

const zero = new Date(Date.UTC(2026, 0, 1));

test('requests and errors become rates over the time that passed, for each color', () => {
  const sampler = new Sampler();
  sampler.take(zero, 1_000, [worker(1, 100, [service('shop', 'blue', { 'GET 200': 50 })])]);

  const sample = sampler.take(zero, 3_000, [
    worker(1, 100, [service('shop', 'blue', { 'GET 200': 150, 'POST 502': 4 })]),
  ]);

  expect(sample.services.shop?.blue).toMatchObject({ requests: 52, errors: 2 });
  expect(sample.services.shop?.green).toBeNull();
});

test('a worker that was replaced counts from zero and never reads as negative traffic', () => {
  const sampler = new Sampler();
  const other = (count: number) => worker(2, 200, [service('shop', 'green', { 'GET 200': count })]);
  sampler.take(zero, 0, [
    worker(1, 100, [service('shop', 'green', { 'GET 200': 9_000 })]),
    other(5),
  ]);

  const sample = sampler.take(zero, 1_000, [
    worker(1, 101, [service('shop', 'green', { 'GET 200': 30 })]),
    other(25),
  ]);

  expect(sample.services.shop?.green?.requests).toBe(50);
});

test('the first look has no rates but shows what is in flight', () => {
  const sampler = new Sampler();

  const sample = sampler.take(zero, 0, [
    worker(1, 100, [service('shop', 'blue', { 'GET 200': 9_000 }, 7)]),
  ]);

  expect(sample.services.shop?.blue).toEqual({
    requests: 0,
    errors: 0,
    p50: null,
    p99: null,
    inside: 7,
  });
});

test('a service nothing happens in is left out of the sample, so 200 idle ones cost nothing', () => {
  const sampler = new Sampler();
  const idle = Array.from({ length: 200 }, (_, n) =>
    service(`idle-${n}`, 'blue', { 'GET 200': 1 }),
  );
  sampler.take(zero, 0, [worker(0, 1, idle)]);

  const sample = sampler.take(zero, 1_000, [worker(0, 1, idle)]);

  expect(sample.services).toEqual({});
});

test('quantiles are interpolated within a bucket, and bounded where the last has no bound', () => {
  expect(quantileMs([], 0.5)).toBeNull();
  expect(quantileMs([100], 0.5)).toBeCloseTo(0.5);
  expect(quantileMs([0, 0, 0, 10], 0.5)).toBeCloseTo(7.5);
  expect(quantileMs([50, 0, 0, 0, 50], 0.99)).toBeCloseTo(24.7);
  expect(quantileMs([...new Array(15).fill(0), 3], 0.5)).toBe(60_000);
});

test('quantiles speak of the time since the last look, not of all time', () => {
  const sampler = new Sampler();
  const slow = { 'GET 200': 1000 };
  const before = service('shop', 'blue', slow, 0, [0, 0, 0, 0, 0, 0, 0, 0, 0, 1000]);
  sampler.take(zero, 0, [worker(0, 1, [before])]);
  const after = service('shop', 'blue', { 'GET 200': 1010 }, 0, [10, 0, 0, 0, 0, 0, 0, 0, 0, 1000]);

  const sample = sampler.take(zero, 1_000, [worker(0, 1, [after])]);

  expect(sample.services.shop?.blue?.p99).toBeLessThanOrEqual(1);
});

test('only the last quarter of an hour is kept, oldest first, with gaps where nothing happened', () => {
  const sampler = new Sampler();
  const looks = samplesKept + 100;
  for (let n = 0; n < looks; n++) {
    const count = n % 2 === 0 ? n : n - 1;
    const stats = worker(0, 1, [service('shop', 'blue', { 'GET 200': count })]);
    sampler.take(new Date(zero.getTime() + n * 1000), n * 1000, [stats]);
  }

  const points = sampler.recent('shop');

  expect(points).toHaveLength(samplesKept);
  expect(points[0]?.atMs).toBe(zero.getTime() + 100_000);
  expect(points.at(-1)?.atMs).toBe(zero.getTime() + (looks - 1) * 1000);
  expect(points.at(-1)?.blue).toBeNull();
  expect(points.at(-2)?.blue).toMatchObject({ requests: 2, inside: 0, p50: null });
});

test('series are kept for a bounded number of services, and forgotten with the service', () => {
  const sampler = new Sampler();
  const busy = (count: number) =>
    Array.from({ length: servicesKept + 1 }, (_, n) =>
      service(`s${n}`, 'blue', { 'GET 200': count }),
    );
  sampler.take(zero, 0, [worker(0, 1, busy(1))]);
  sampler.take(zero, 1_000, [worker(0, 1, busy(2))]);
  expect(sampler.recent('s0')).toHaveLength(2);
  expect(sampler.recent(`s${servicesKept}`)).toEqual([]);

  sampler.keepOnly(new Set(['s1']));

  expect(sampler.recent('s0')).toEqual([]);
  expect(sampler.recent('s1')).toHaveLength(2);
});

test('who subscribes gets each sample until they end it', () => {
  const sampler = new Sampler();
  const got: number[] = [];
  const end = sampler.subscribe((sample) => got.push(sample.atMs));
  sampler.take(zero, 0, []);
  expect(sampler.watched).toBe(1);

  end();
  sampler.take(zero, 1, []);

  expect(got).toEqual([zero.getTime()]);
  expect(sampler.watched).toBe(0);
});

function worker(slot: number, pid: number, services: readonly ServiceStats[]): WorkerStats {
  return {
    worker: slot,
    pid,
    tableVersion: 1,
    connections: 0,
    rssBytes: 0,
    logLinesDropped: 0,
    unrouted: {},
    lanes: { express: 0, general: 0, http2: 0 },
    handovers: {},
    handshakes: {},
    services,
  };
}

function service(
  name: string,
  color: Color,
  requests: Readonly<Record<string, number>>,
  inside = 0,
  buckets: readonly number[] = [],
): ServiceStats {
  const none = { buckets: [], sum: 0 };
  const pool = {
    id: `${name}.${color}.1`,
    color,
    release: 'v1',
    inside: { http: inside, sse: 0, upgrade: 0 },
    drained: null,
    targets: [],
  };
  const counts = {
    color,
    requests,
    duration: { buckets, sum: 0 },
    upstream: none,
    clientAborts: 0,
    retries: {},
    panics: 0,
  };
  return {
    name,
    generation: 1,
    live: color,
    staged: null,
    holding: false,
    waiting: 0,
    held: 0,
    pools: [pool],
    counts: [counts],
  };
}
