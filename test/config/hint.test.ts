import { expect, test } from 'vitest';
import { distance, nearest } from '../../src/config/hint.ts';
import { fc } from '../support/property.ts';

const keys = ['listen', 'health', 'timeouts', 'connectionsPerTarget', 'run', 'port'];

test.each([
  ['lisen', 'listen'],
  ['helth', 'health'],
  ['timeout', 'timeouts'],
  ['connections-per-target', 'connectionsPerTarget'],
  ['CONNECTIONS_PER_TARGETS', 'connectionsPerTarget'],
  ['rnu', 'run'],
  ['prot', 'port'],
])('%s was meant to be %s', (written, meant) => {
  expect(nearest(written, keys)).toBe(meant);
});

test.each(['', 'x', 'replicas', 'constructor'])('for %j there is no guess', (written) => {
  expect(nearest(written, keys)).toBeUndefined();
});

test('a distance is the same both ways, and 0 only for the same word', () => {
  const word = fc.string({ maxLength: 12 });
  fc.assert(
    fc.property(word, word, (one, other) => {
      expect(distance(one, other)).toBe(distance(other, one));
      expect(distance(one, other) === 0).toBe(one === other);
    }),
  );
});
