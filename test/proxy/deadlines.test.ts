/** Deadlines on the wheel: never early, and no later than a tick. */
import { expect, test } from 'vitest';
import { Deadline, Deadlines } from '../../src/proxy/deadlines.ts';
import { type FakeClock, fakeClock } from '../support/clock.ts';
import { fc } from '../support/property.ts';

function setUp(): {
  clock: FakeClock;
  deadlines: Deadlines;
  fired: [string, number][];
  make: (name: string) => Deadline;
} {
  const clock = fakeClock();
  const fired: [string, number][] = [];
  const make = (name: string) =>
    new Deadline({ expired: () => void fired.push([name, clock.now()]) });
  return { clock, deadlines: new Deadlines(clock), fired, make };
}

test('a deadline fires within a tick of its time, and once', () => {
  const { clock, deadlines, fired, make } = setUp();
  const start = clock.now();

  deadlines.arm(make('a'), 250);
  clock.pass(10_000);

  expect(fired).toHaveLength(1);
  expect((fired[0]?.[1] ?? 0) - start).toBeGreaterThanOrEqual(250);
  expect((fired[0]?.[1] ?? 0) - start).toBeLessThanOrEqual(350);
});

test('one that is taken back does not fire, and one that is moved fires at its new time', () => {
  const { clock, deadlines, fired, make } = setUp();
  const [gone, later, sooner] = [make('gone'), make('later'), make('sooner')];
  for (const one of [gone, later, sooner]) deadlines.arm(one, 1_000);

  deadlines.disarm(gone);
  deadlines.arm(later, 5_000);
  deadlines.arm(sooner, 100);
  clock.pass(1_500);
  const early = fired.map(([name]) => name);
  clock.pass(5_000);

  expect(early).toEqual(['sooner']);
  expect(fired.map(([name]) => name)).toEqual(['sooner', 'later']);
});

test('while nothing is set, nothing ticks', () => {
  const { clock, deadlines, make } = setUp();
  const one = make('a');

  deadlines.arm(one, 60_000);
  deadlines.disarm(one);
  clock.pass(200);

  expect([deadlines.size, clock.pending]).toEqual([0, 0]);
});

test('one that is set again from its own end fires again', () => {
  const clock = fakeClock();
  const deadlines = new Deadlines(clock);
  let fired = 0;
  const again: Deadline = new Deadline({
    expired() {
      if (++fired < 5) deadlines.arm(again, 1_000);
    },
  });

  deadlines.arm(again, 1_000);
  clock.pass(20_000);

  expect([fired, deadlines.size]).toEqual([5, 0]);
});

test('however they are set, moved and taken back, none is early, late or lost', () => {
  const step = fc.record({
    which: fc.nat(9),
    delay: fc.oneof(fc.constant(-1), fc.integer({ min: 0, max: 200_000 })),
    wait: fc.integer({ min: 0, max: 3_000 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const clock = fakeClock();
      const deadlines = new Deadlines(clock);
      const due: (number | null)[] = Array(10).fill(null);
      const all = due.map(
        (_, at) =>
          new Deadline({
            expired() {
              const was = due[at] ?? Number.POSITIVE_INFINITY;
              expect(clock.now()).toBeGreaterThanOrEqual(was);
              expect(clock.now()).toBeLessThanOrEqual(was + 100);
              due[at] = null;
            },
          }),
      );
      for (const { which, delay, wait } of steps) {
        const one = all[which];
        if (one === undefined) continue;
        if (delay < 0) deadlines.disarm(one);
        else deadlines.arm(one, delay);
        due[which] = delay < 0 ? null : clock.now() + delay;
        clock.pass(wait);
      }
      clock.pass(300_000);
      expect(due.every((left) => left === null)).toBe(true);
      expect(deadlines.size).toBe(0);
    }),
    { numRuns: 300 },
  );
});
