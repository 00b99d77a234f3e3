/** Choosing and counting in one breath. */
import { expect, test } from 'vitest';
import type { Lease } from '../../../src/proxy/balancing/lease.ts';
import { Pool } from '../../../src/proxy/balancing/pool.ts';
import { ejectAfterErrors, ejectForMs } from '../../../src/proxy/balancing/target.ts';
import type { PoolEntry } from '../../../src/wire.ts';
import { fakeClock } from '../../support/clock.ts';

function entry(names: string, sick = ''): PoolEntry {
  return {
    id: 'shop.blue.1',
    release: 'v1',
    targets: [...names].map((id) => ({ id, host: id, port: 80, healthy: !sick.includes(id) })),
  };
}

function setUp(names: string, sick = '') {
  const clock = fakeClock();
  let released = 0;
  const pool = new Pool('blue', entry(names, sick), clock, () => released++);
  const claim = (avoid?: Lease): Lease => {
    const lease = pool.claim(1, 100, avoid?.target);
    if (lease === null) throw new Error('nothing could be claimed');
    return lease;
  };
  const chosen = (count: number): string =>
    Array.from({ length: count }, () => claim().target.id).join('');
  return { clock, pool, claim, chosen, released: () => released };
}

test('targets take turns', () => {
  const { chosen } = setUp('abc');

  expect(chosen(7)).toBe('abcabca');
});

test('of several whose turn it is, the one with the fewest inside is chosen', () => {
  const { pool, claim, chosen } = setUp('ab');
  claim();
  claim().release('finished');

  expect(chosen(1)).toBe('b');
  expect(pool.inside.http).toBe(2);
});

test('a target that comes back, or is new, gets its share and not everything', () => {
  const { pool, chosen } = setUp('ab', 'b');
  chosen(50);

  pool.update(entry('abc'));

  const counts = [...chosen(30)].reduce<Record<string, number>>((sum, id) => {
    sum[id] = (sum[id] ?? 0) + 1;
    return sum;
  }, {});
  for (const id of ['a', 'b', 'c']) expect(counts[id]).toBeGreaterThanOrEqual(9);
});

test('only healthy targets are chosen; where there is none, one is chosen all the same, and it is said', () => {
  const { pool, claim, chosen } = setUp('abc', 'ac');
  const healthy = chosen(3);

  pool.update(entry('abc', 'abc'));
  const panic = claim();

  expect([healthy, panic.panic]).toEqual(['bbb', true]);
});

test('the target that just failed is avoided while there is another one that is usable', () => {
  const { claim } = setUp('ab');
  const first = claim();

  expect(claim(first).target.id).toBe('b');
  expect(claim(first).target.id).toBe('b');
});

test('a usable target that just failed is preferred to a panic, and waited for where it is full', () => {
  const { pool, claim } = setUp('ab', 'b');
  const first = claim();
  const again = claim(first);

  expect([first.target.id, again.target.id, again.panic]).toEqual(['a', 'a', false]);
  expect(pool.claim(1, 2, first.target)).toBeNull();
});

test('in a panic the target that just failed is avoided while there is another', () => {
  const { claim } = setUp('ab', 'ab');
  const first = claim();
  const second = claim(first);
  const third = claim(first);
  const alone = setUp('a', 'a');
  const failed = alone.claim();

  expect([first, second, third].map((lease) => [lease.target.id, lease.panic])).toEqual([
    ['a', true],
    ['b', true],
    ['b', true],
  ]);
  expect(alone.claim(failed).target.id).toBe('a');
});

test('no target gets more requests than it has places', () => {
  const { pool } = setUp('ab');
  const leases = Array.from({ length: 5 }, () => pool.claim(1, 2));

  expect(leases.map((lease) => lease?.target.id)).toEqual(['a', 'b', 'a', 'b', undefined]);
  leases[0]?.release('finished');
  expect(pool.claim(1, 2)?.target.id).toBe('a');
});

test('a lease ends once, whoever ends it', () => {
  const { pool, claim, released } = setUp('a');
  const lease = claim();

  lease.release('finished');
  lease.release('clientAborted');
  lease.cut('drain');
  lease.become('upgrade');

  expect(pool.inside).toEqual({ http: 0, sse: 0, upgrade: 0 });
  expect([lease.wasCut, released(), pool.targets[0]?.inside]).toEqual([null, 1, 0]);
});

test('errors in a row take a target out for a while, and never more than half of a pool', () => {
  const { clock, pool, claim, chosen } = setUp('abcd');
  for (let round = 0; round < 4 * (ejectAfterErrors + 1); round++) claim().failed();
  const out = pool.stats().targets.filter((target) => target.ejected);

  expect(out).toHaveLength(2);
  expect(new Set(chosen(20)).size).toBe(2);
  clock.pass(ejectForMs);
  // Back in the round, and not flooded with all the turns they missed.
  const back = chosen(20);
  for (const id of ['a', 'b', 'c', 'd']) expect(back.split(id).length - 1).toBeLessThanOrEqual(6);
  expect(new Set(back).size).toBe(4);
});

test('the only target is never taken out, and one success begins the count anew', () => {
  const alone = setUp('a');
  for (let round = 0; round < 20; round++) alone.claim().failed();
  const two = setUp('ab');
  for (let round = 0; round < 40; round++) {
    const lease = two.claim();
    if (round % 4 < 2) lease.failed();
    else lease.succeeded(1);
  }

  expect(alone.pool.stats().targets[0]?.ejected).toBe(false);
  expect(two.pool.stats().targets.some((target) => target.ejected)).toBe(false);
});

test('a target whose address changed is another target', () => {
  const { pool, claim } = setUp('a');
  const before = claim();
  const moved = entry('a').targets.map((target) => ({ ...target, port: 81 }));

  pool.update({ ...entry('a'), targets: moved });

  expect(claim().target).not.toBe(before.target);
  before.release('finished');
  expect(pool.targets[0]).toMatchObject({ port: 81, inside: 1 });
});
