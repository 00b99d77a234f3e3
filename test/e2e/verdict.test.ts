/** The judge of the flip contract judges right: or else the end-to-end tests would show nothing. */
import { expect, test } from 'vitest';
import type { Exchange } from '../support/clients.ts';
import { strays } from '../support/verdict.ts';

function exchange(by: string, start: number, head: number): Exchange {
  return { client: 1, start, head, status: 200, by, pid: 1, error: null };
}

const flips = [
  { to: 'old', asked: 0, answered: 1 },
  { to: 'new', asked: 100, answered: 120 },
];

test('around a flip both may answer, and a slow request stays where it began', () => {
  const fine = [exchange('old', 90, 400), exchange('old', 104, 110), exchange('new', 105, 115)];

  expect(strays(flips, fine)).toEqual([]);
});

test('what started after the API answered belongs to the new release', () => {
  expect(strays(flips, [exchange('old', 121, 125)])).toHaveLength(1);
});

test('what started after any client had an answer of the new release belongs to it', () => {
  const seen = [exchange('new', 103, 106), exchange('old', 107, 109)];

  expect(strays(flips, seen)).toHaveLength(1);
});

test('nobody is answered by a release before it was asked for, or by one that is long gone', () => {
  const back = [...flips, { to: 'old', asked: 200, answered: 210 }];

  expect(strays(back, [exchange('new', 50, 60)])).toHaveLength(1);
  expect(strays(back, [exchange('new', 211, 215)])).toHaveLength(1);
  // Slow ones of before the rollback, and of before the flip.
  expect(strays(back, [exchange('new', 150, 300), exchange('old', 90, 190)])).toEqual([]);
});
