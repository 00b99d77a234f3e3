/**
 * Writes parts of an answer to its client, together with the text in front of them.
 *
 * The rule this file keeps: as few writes as it takes, and bytes are not copied where they are
 * many. Each function says whether the bytes are still being read when it returns: then their
 * buffer must not be used again.
 */
import type { Duplex } from 'node:stream';

/**
 * Bodies up to there are joined to the head as text: one small write is cheaper than a gathered
 * one.
 */
const joinBytesMax = 4096;

/** @param before text in front of the bytes: the head, or nothing. */
export function writePart(
  socket: Duplex,
  before: string,
  bytes: Buffer,
  from: number,
  length: number,
): boolean {
  if (length === 0) {
    if (before !== '') socket.write(before, 'latin1');
    return false;
  }
  if (before !== '' && length <= joinBytesMax) {
    socket.write(before + bytes.toString('latin1', from, from + length), 'latin1');
    return false;
  }
  const part = bytes.subarray(from, from + length);
  if (before === '') {
    socket.write(part);
  } else {
    socket.cork();
    socket.write(before, 'latin1');
    socket.write(part);
    socket.uncork();
  }
  // Where the kernel did not take all, what is left is read from this very buffer later.
  return socket.writableLength > 0;
}

/**
 * The same as one chunk. A body that ends with its connection goes on in chunks: the client's
 * connection may live on.
 */
export function writeChunk(
  socket: Duplex,
  before: string,
  bytes: Buffer,
  from: number,
  length: number,
): boolean {
  socket.cork();
  writePart(socket, `${before}${length.toString(16)}\r\n`, bytes, from, length);
  socket.write('\r\n', 'latin1');
  socket.uncork();
  return socket.writableLength > 0;
}

const noBytes = Buffer.alloc(0);

/** 'drain' comes only behind a write that was told to wait; this is called in any case. */
export function tellWhenTaken(socket: Duplex, taken: () => void): void {
  socket.write(noBytes, taken);
}
