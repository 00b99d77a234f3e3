/** Where a WebSocket frame ends, however its bytes arrive. */
import { expect, test } from 'vitest';
import { closeFrame, FrameScanner } from '../../../src/proxy/general/frameScanner.ts';
import { fc } from '../../support/property.ts';

function frame(opcode: number, length: number, masked: boolean): Buffer {
  const mask = masked ? 0x80 : 0;
  const head =
    length < 126
      ? Buffer.from([0x80 | opcode, mask | length])
      : length < 65_536
        ? Buffer.from([0x80 | opcode, mask | 126, length >> 8, length & 0xff])
        : Buffer.concat([Buffer.from([0x80 | opcode, mask | 127]), Buffer.alloc(8)]);
  if (length >= 65_536) head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, Buffer.alloc(masked ? 4 : 0, 1), Buffer.alloc(length, 0x88)]);
}

test('it stops at the first end of a frame, to the byte, wherever the reads are split', () => {
  const frames = fc.array(
    fc.record({
      length: fc.oneof(fc.nat(200), fc.constantFrom(125, 126, 65_535, 65_536, 70_000)),
      masked: fc.boolean(),
    }),
    { minLength: 2, maxLength: 6 },
  );
  fc.assert(
    fc.property(frames, fc.infiniteStream(fc.integer({ min: 1, max: 90_000 })), (list, sizes) => {
      const all = list.map(({ length, masked }) => frame(2, length, masked));
      const bytes = Buffer.concat(all);
      const ends = all.map((_, at) => Buffer.concat(all.slice(0, at + 1)).length);
      const follower = new FrameScanner();
      let at = 0;
      const stops: number[] = [];
      while (at < bytes.length) {
        const size = sizes.next().value ?? 1;
        const chunk = bytes.subarray(at, at + size);
        let from = 0;
        while (from < chunk.length) {
          if (follower.between && at + from > 0) stops.push(at + from);
          // The first byte of a frame is followed by itself: at a border nothing would be.
          if (follower.between) from += follower.follow(chunk.subarray(from, from + 1), false);
          else from += follower.follow(chunk.subarray(from), true);
        }
        at += chunk.length;
      }
      expect(follower.between).toBe(true);
      expect([...stops, bytes.length]).toEqual(ends);
    }),
    { numRuns: 100 },
  );
});

test('it notices a Close frame', () => {
  const follower = new FrameScanner();

  follower.follow(frame(1, 10, false), false);
  const before = follower.closed;
  follower.follow(closeFrame(1000, null), false);

  expect([before, follower.closed, follower.between]).toEqual([false, true, true]);
});

test('a Close frame carries its code, masked towards a server', () => {
  expect(closeFrame(1012, null)).toEqual(Buffer.from([0x88, 2, 0x03, 0xf4]));
  expect(closeFrame(1012, Buffer.from([1, 2, 3, 4]))).toEqual(
    Buffer.from([0x88, 0x82, 1, 2, 3, 4, 0x03 ^ 1, 0xf4 ^ 2]),
  );
});
