import { expect, test } from 'vitest';
import {
  durationHint,
  durationPattern,
  formatDuration,
  formatSize,
  parseDuration,
  parseSize,
  sizeHint,
  sizePattern,
} from '../../src/config/units.ts';
import { fc } from '../support/property.ts';

test.each([
  ['0s', 0],
  ['500ms', 500],
  ['1.5m', 90_000],
  ['1.1s', 1100],
  ['0.001s', 1],
  ['2h', 7_200_000],
  ['14d', 1_209_600_000],
])('%s is %d ms', (text, durationMs) => {
  expect(parseDuration(text)).toBe(durationMs);
});

test.each(['', '30', 's', '-1s', '+1s', '1 s', '1S', '1e3s', '.5s', '5.s', '0.5ms', '1m30s', '1y'])(
  '%j is no duration',
  (text) => {
    expect(parseDuration(text)).toBeUndefined();
  },
);

test.each([
  ['0B', 0],
  ['1B', 1],
  ['16KiB', 16_384],
  ['16kB', 16_000],
  ['0.5MiB', 524_288],
  ['1TiB', 1024 ** 4],
])('%s is %d bytes', (text, sizeBytes) => {
  expect(parseSize(text)).toBe(sizeBytes);
});

test.each(['', '100', '100M', '1mib', '0.3B', '1 MiB', '9999999TiB', '1constructor'])(
  '%j is no size',
  (text) => {
    expect(parseSize(text)).toBeUndefined();
  },
);

test.each([
  [90_000, '90s'],
  [60_000, '1m'],
  [1500, '1500ms'],
  [86_400_000, '1d'],
])('%d ms is written %s', (durationMs, text) => {
  expect(formatDuration(durationMs)).toBe(text);
});

test('a duration that is written and read again is the same', () => {
  fc.assert(
    fc.property(fc.nat({ max: 2 ** 31 - 1 }), (durationMs) => {
      const text = formatDuration(durationMs);
      expect(parseDuration(text)).toBe(durationMs);
      expect(text).toMatch(new RegExp(durationPattern));
    }),
  );
});

test('a size that is written and read again is the same', () => {
  const sizes = fc.oneof(
    fc.maxSafeNat(),
    fc.nat({ max: 4096 }).map((mebibytes) => mebibytes * 1024 ** 2),
  );
  fc.assert(
    fc.property(sizes, (sizeBytes) => {
      const text = formatSize(sizeBytes);
      expect(parseSize(text)).toBe(sizeBytes);
      expect(text).toMatch(new RegExp(sizePattern));
    }),
  );
});

test('what a hint proposes is right', () => {
  for (const text of ['30 seconds', '5min', '10 MS', '2 h']) {
    const proposed = /did you mean (.*)\?/.exec(durationHint(text))?.[1] ?? 'nothing';
    expect(parseDuration(proposed), text).toBeDefined();
  }
  for (const text of ['16k', '100M', '1gb', '2 MiB', '5b']) {
    const proposed = /did you mean (.*)\?/.exec(sizeHint(text))?.[1] ?? 'nothing';
    expect(parseSize(proposed), text).toBeDefined();
  }
});
