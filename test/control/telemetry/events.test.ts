/** Events. The rule: telling costs the teller nothing, and nobody has to have been there. */
import { expect, test } from 'vitest';
import type { EventBody } from '../../../src/control/model/api.ts';
import { EventRing, eventsKept, listenersMax } from '../../../src/control/telemetry/events.ts';
import { silentLog } from '../../../src/log.ts';
import { fakeClock } from '../../support/clock.ts';

const body = (what: string): EventBody => ({ type: 'service', service: 'shop', what });
const what = (event: object): unknown => Reflect.get(event, 'what');

test('who comes late gets what is kept above the id it names, then what is new', () => {
  const ring = new EventRing(fakeClock(), silentLog);
  const [first] = ['a', 'b', 'c'].map((one) => ring.emit(body(one)));
  const got: unknown[] = [];

  const end = ring.subscribe(first?.id ?? 0, (event) => got.push(what(event)));
  ring.emit(body('d'));
  end();
  ring.emit(body('e'));

  expect(got).toEqual(['b', 'c', 'd']);
});

test('the ring is bounded; ids grow by one', () => {
  const ring = new EventRing(fakeClock(), silentLog);
  const first = ring.emit(body('0')).id;
  for (let at = 1; at < eventsKept + 50; at++) ring.emit(body(String(at)));
  const ids: number[] = [];
  ring.subscribe(0, (event) => ids.push(event.id));

  expect(ids).toHaveLength(eventsKept);
  expect(ids[0]).toBe(first + 50);
  expect(ids.at(-1)).toBe(first + eventsKept + 49);
});

test('after a restart ids begin far above the last', () => {
  const clock = fakeClock();
  const before = new EventRing(clock, silentLog);
  let last = 0;
  for (let at = 0; at < 900; at++) last = before.emit(body('x')).id;
  clock.pass(1);

  const after = new EventRing(clock, silentLog).emit(body('y')).id;

  expect(after).toBeGreaterThan(last);
  expect(Number.isSafeInteger(after)).toBe(true);
});

test('a listener that throws is put off; the others hear on', () => {
  const logs: string[] = [];
  const ring = new EventRing(fakeClock(), {
    ...silentLog,
    warn: (_detail, message) => logs.push(message),
  });
  const got: unknown[] = [];
  ring.subscribe(0, () => {
    throw new Error('broken pipe');
  });
  ring.subscribe(0, (event) => got.push(what(event)));
  ring.emit(body('a'));
  ring.emit(body('b'));

  expect(got).toEqual(['a', 'b']);
  expect(logs).toHaveLength(1);
  expect(ring.listeners).toBe(1);
});

test('the number of listeners is bounded', () => {
  const ring = new EventRing(fakeClock(), silentLog);
  for (let at = 0; at < listenersMax; at++) ring.subscribe(0, () => {});

  expect(() => ring.subscribe(0, () => {})).toThrow(RangeError);
});
