/** Names that are asked for again: one truth for all who use one, and the last good one kept. */
import { expect, test } from 'vitest';
import type { Answer } from '../../../src/control/names/lookup.ts';
import { Names } from '../../../src/control/names/names.ts';
import { fakeClock } from '../../support/clock.ts';

const good = (addresses: readonly string[], ttlMs = 30_000): Answer => {
  return { addresses, ttlMs, error: null };
};
const bad = (error: string): Answer => ({ addresses: [], ttlMs: 0, error });

function book(first: Answer) {
  const clock = fakeClock();
  const said = { answer: first };
  const asked: number[] = [];
  const changed: string[] = [];
  const logs: string[] = [];
  const log = (_: unknown, message: string) => void logs.push(message);
  const names = new Names(
    clock,
    async () => {
      asked.push(clock.now());
      return said.answer;
    },
    { info: log, warn: log, error: log },
    (name) => void changed.push(name),
  );
  const use = (...wanted: string[]) => names.use('a pool', new Set(wanted));
  return { clock, said, asked, changed, logs, names, use };
}

test('a name is asked for once for all who use it, again when its TTL is over, and no more when nobody does', async () => {
  const { clock, said, asked, changed, names, use } = book(good(['10.0.0.1']));
  use('app.test');
  names.use('another pool', new Set(['app.test']));
  await names.settled('app.test');
  expect([asked.length, names.of('app.test').addresses]).toEqual([1, ['10.0.0.1']]);

  await clock.passAsync(29_999);
  expect(asked).toHaveLength(1);
  said.answer = good(['10.0.0.2'], 5_000);
  await clock.passAsync(1);
  expect([asked.length, names.of('app.test').addresses]).toEqual([2, ['10.0.0.2']]);
  await clock.passAsync(5_000);
  expect([asked.length, changed.length]).toEqual([3, 2]);

  use();
  names.use('another pool', new Set());
  await clock.passAsync(60_000);
  expect(asked).toHaveLength(3);
});

test('the last good answer holds while nobody can say, and it is said since when, once', async () => {
  const { clock, said, asked, logs, names, use } = book(good(['10.0.0.1'], 1_000));
  use('app.test');
  await names.settled('app.test');
  const lost = clock.date().toISOString();

  said.answer = bad('DNS does not say what app.test is (ETIMEOUT)');
  await clock.passAsync(1_000);
  const first = asked.length;
  await clock.passAsync(61_000);

  const { addresses, problem, since } = names.of('app.test');
  expect([addresses, problem]).toEqual([
    ['10.0.0.1'],
    'DNS does not say what app.test is (ETIMEOUT)',
  ]);
  expect(Date.parse(since ?? '') - Date.parse(lost)).toBe(1_000);
  expect(logs).toEqual([
    'A name of targets cannot be resolved: DNS does not say what app.test is (ETIMEOUT); 10.0.0.1 is kept.',
  ]);
  // After 1, 2, 4 and 8 s, then every 10 s.
  expect(asked.length - first).toBe(4 + 4);

  said.answer = good(['10.0.0.2']);
  await clock.passAsync(10_000);
  expect(names.of('app.test')).toEqual({ addresses: ['10.0.0.2'], problem: null, since: null });
  expect(logs[1]).toBe(
    'A name of targets, app.test, can be resolved again, and stands for 10.0.0.2 now, and stood for 10.0.0.1.',
  );
});

test('a name that never stood for anything is known to stand for nothing', async () => {
  const { names, use, changed } = book(bad('there is no such name as app.test'));
  use('app.test');
  await names.settled('app.test');

  expect(names.of('app.test')).toMatchObject({
    addresses: null,
    problem: 'there is no such name as app.test',
  });
  expect(changed).toEqual(['app.test']);
});

test('what the workers know holds for a controller that starts while DNS is down', async () => {
  const { clock, names, use } = book(bad('DNS does not say what app.test is (ETIMEOUT)'));
  use('app.test');
  names.recall('app.test', ['10.0.0.1']);
  await names.settled('app.test');
  await clock.passAsync(30_000);
  names.recall('app.test', ['10.0.0.9']);

  expect(names.of('app.test')).toMatchObject({ addresses: ['10.0.0.1'] });
});
