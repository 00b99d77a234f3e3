/** Words, columns and streams, taken apart. */
import { expect, test } from 'vitest';
import { messagesOf } from '../../src/cli/sse.ts';
import { ago, bytes, clip, duration, table, wrap } from '../../src/cli/text.ts';

test.each([
  [0.8249, '0.82 ms'],
  [1, '1 ms'],
  [249.6, '250 ms'],
  [12_340, '12.3 s'],
  [60_000, '1 min'],
  [7_200_000, '2 h'],
  [864_000_000, '10 d'],
])('%d ms are %s', (ms, text) => {
  expect(duration(ms)).toBe(text);
});

test('a moment that has just been, or lies ahead by a clock that jumped, is now', () => {
  const now = new Date('2026-01-01T00:00:00.500Z');

  expect(ago('2026-01-01T00:00:00.000Z', now)).toBe('just now');
  expect(ago('2026-01-03T00:00:00.000Z', now)).toBe('just now');
  expect(ago('2025-12-31T23:59:58.000Z', now)).toBe('2 s ago');
});

test('a table gives way where it is widest, and never gets wider than the terminal', () => {
  const rows = [
    ['NAME', 'WHY'],
    ['a', 'x'.repeat(100)],
    ['b'.repeat(50), 'y'],
  ];

  for (const width of [40, 60, 80]) {
    for (const line of table(rows, width).split('\n')) {
      expect([...line].length).toBeLessThanOrEqual(width);
    }
  }
});

test('text is clipped by characters, not by halves of them', () => {
  expect(clip('🚂🚃🚃🚃', 3)).toBe('🚂🚃…');
});

test('text wraps behind its name', () => {
  expect(wrap('  why  ', 'one two three four five six', 27)).toBe(
    '  why  one two three four\n       five six',
  );
});

test('sizes are binary', () => {
  expect([bytes(0), bytes(1536), bytes(52_428_800)]).toEqual(['0 B', '1.5 KiB', '50 MiB']);
});

async function read(chunks: readonly (string | Uint8Array)[]): Promise<unknown[]> {
  const encoder = new TextEncoder();
  const messages: unknown[] = [];
  const stream = (async function* () {
    for (const chunk of chunks) yield typeof chunk === 'string' ? encoder.encode(chunk) : chunk;
  })();
  for await (const message of messagesOf(stream)) messages.push(message);
  return messages;
}

test('events are the same however their bytes are cut', async () => {
  const text =
    ': hello\nretry: 5\n\nid: 1\nevent: x\ndata: ä\n\nid: 2\r\ndata: b\r\ndata: c\r\n\r\n';
  const whole = [
    { id: '1', data: 'ä' },
    { id: '2', data: 'b\nc' },
  ];
  const all = new TextEncoder().encode(text);

  expect(await read([text])).toEqual(whole);
  for (let at = 1; at < all.length; at++) {
    expect(await read([all.slice(0, at), all.slice(at)])).toEqual(whole);
  }
  expect(await read([...all].map((byte) => Uint8Array.of(byte)))).toEqual(whole);
});

test('an event without an end is given up on', async () => {
  const large = 'x'.repeat(1024 * 1024);

  await expect(read(['data: ', large, large, large, large, large])).rejects.toThrow(RangeError);
});
