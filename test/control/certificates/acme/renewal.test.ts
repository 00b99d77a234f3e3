/** When certificates are renewed, and when tried again. */
import { expect, test } from 'vitest';
import { chosen, renewAt, waitAfter } from '../../../../src/control/certificates/acme/renewal.ts';

const dayMs = 86_400_000;
const window = { start: 100 * dayMs, end: 102 * dayMs, explanation: null, retryAfterMs: null };

test('without a window a certificate is renewed at two thirds, however short it lasts', () => {
  expect(renewAt({ notBefore: 0, notAfter: 90 * dayMs }, null)).toBe(60 * dayMs);
  expect(renewAt({ notBefore: 0, notAfter: 45 * dayMs }, null)).toBe(30 * dayMs);
  expect(renewAt({ notBefore: 0, notAfter: 6 * dayMs }, null)).toBe(4 * dayMs);
});

test('a moment in a window is chosen once, and anew where the window moves', () => {
  const first = chosen(window, null, 0, 0.25);
  const again = chosen(window, first, dayMs, 0.75);
  const moved = chosen({ ...window, start: 0 }, first, dayMs, 0.5);

  expect(first.at).toBe(100.5 * dayMs);
  expect(again.at).toBe(first.at);
  expect(moved.at).toBe(51 * dayMs);
});

test('the authority is asked for its window when it says, between a minute and a day', () => {
  expect(chosen(window, null, 0, 0).nextLookAt).toBe(6 * 3_600_000);
  expect(chosen({ ...window, retryAfterMs: 0 }, null, 0, 0).nextLookAt).toBe(60_000);
  expect(chosen({ ...window, retryAfterMs: 30 * dayMs }, null, 0, 0).nextLookAt).toBe(dayMs);
});

test('a window behind the end of a certificate does not let it end', () => {
  const late = chosen({ ...window, end: 200 * dayMs }, null, 0, 1);

  expect(renewAt({ notBefore: 0, notAfter: 90 * dayMs }, late)).toBe(81 * dayMs);
});

test('five failures in an hour are never reached', () => {
  const refused = { reached: true, retryAfterMs: null };
  let at = 0;
  let tries = 0;
  while (at < 3_600_000) at += waitAfter(++tries, refused, 0);

  expect(tries).toBeLessThan(5);
});

test('an authority that cannot be reached is tried every quarter of an hour', () => {
  const unreached = { reached: false, retryAfterMs: null };

  expect(waitAfter(1, unreached, 0)).toBe(60_000);
  expect(waitAfter(9, unreached, 0)).toBe(15 * 60_000);
});

test('a wait that the authority asks for is kept', () => {
  expect(waitAfter(1, { reached: true, retryAfterMs: 7 * dayMs }, 0.5)).toBe(7 * dayMs);
});
