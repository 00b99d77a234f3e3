/** The same call again under the same key is answered, not done again. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Idempotency, keptMs, keysMax } from '../../../src/control/admin/idempotency.ts';
import { Fault } from '../../../src/errors.ts';
import { type Served, serveAdmin } from '../../support/admin.ts';
import { fakeClock } from '../../support/clock.ts';

let served: Served;

beforeEach(async () => {
  served = await serveAdmin();
});

afterEach(() => served.close());

const deploy = (release: string, key: string) =>
  served.call('POST', '/v1/services/shop/deployments', {
    headers: { 'idempotency-key': key },
    body: { release, targets: ['127.0.0.1:4001'] },
  });

test('a repeated call gets the first answer, headers and all, and Control is asked once', async () => {
  const first = await deploy('v2', 'key-1');
  const second = await deploy('v2', 'key-1');

  expect(second.status).toBe(202);
  expect(second.json).toEqual(first.json);
  expect(second.headers.location).toBe(first.headers.location);
  expect(served.control.calls).toHaveLength(1);
});

test('a call repeated while the first still runs waits for it', async () => {
  const go = served.control.hold();
  const both = [deploy('v2', 'key-1'), deploy('v2', 'key-1')];
  await expect.poll(() => served.control.calls.length).toBe(1);
  go();

  const [first, second] = await Promise.all(both);

  expect(second?.json).toEqual(first?.json);
  expect(served.control.calls).toHaveLength(1);
});

test('the same key with another call is refused', async () => {
  await deploy('v2', 'key-1');

  const other = await deploy('v3', 'key-1');
  const elsewhere = await served.call('POST', '/v1/services/shop/pause', {
    headers: { 'idempotency-key': 'key-1' },
  });

  expect([other.status, other.json.code]).toEqual([422, 'IDEMPOTENCY_MISMATCH']);
  expect(elsewhere.json.code).toBe('IDEMPOTENCY_MISMATCH');
  expect(served.control.calls).toHaveLength(1);
});

test('a refusal is not remembered: the same call may succeed when its time has come', async () => {
  served.control.failNext(new Fault('DRIVER_UNAVAILABLE'));

  expect((await deploy('v2', 'key-1')).status).toBe(503);
  expect((await deploy('v2', 'key-1')).status).toBe(202);
});

test('a key that is no token is refused', async () => {
  expect((await deploy('v2', 'two words')).json.code).toBe('CALL_INVALID');
  expect((await deploy('v2', 'x'.repeat(201))).json.code).toBe('CALL_INVALID');
});

test('answers are kept for a day, and for so many keys at once', async () => {
  const clock = fakeClock();
  const calls = new Idempotency<number>(clock);
  let made = 0;
  const make = async (): Promise<number> => ++made;

  await calls.once('first', ['a'], make);
  clock.pass(keptMs - 1);
  expect(await calls.once('first', ['a'], make)).toBe(1);
  clock.pass(1);
  expect(await calls.once('first', ['a'], make)).toBe(2);

  for (let i = 0; i < keysMax; i++) await calls.once(`key-${i}`, ['b'], make);
  expect(await calls.once(`key-${keysMax - 1}`, ['b'], make)).toBe(2 + keysMax);
  expect(await calls.once('first', ['a'], make)).toBe(3 + keysMax);
});

test('a key of a call that still runs is never forgotten to make room', async () => {
  const calls = new Idempotency<number>(fakeClock());
  const never = (): Promise<number> => new Promise(() => {});
  for (let i = 0; i < keysMax; i++) void calls.once(`key-${i}`, ['a'], never);

  expect(() => calls.once('one more', ['a'], never)).toThrow(
    expect.objectContaining({ code: 'RATE_LIMITED' }),
  );
});
