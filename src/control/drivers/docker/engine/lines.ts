/**
 * Lines out of streams of bytes, and the engine's framing of a container's two outputs.
 *
 * The rule this file keeps: memory stays bounded whatever comes. A line longer than `lineBytesMax`
 * is passed on in pieces.
 */
import type { Readable } from 'node:stream';

const lineBytesMax = 64 * 1024;

/**
 * Each line without its end; the last one too where no newline follows.
 * @throws what the stream fails with.
 */
export async function* linesOf(chunks: AsyncIterable<Buffer> | Readable): AsyncGenerator<string> {
  let rest = '';
  const decoder = new TextDecoder();
  for await (const chunk of chunks as AsyncIterable<Buffer>) {
    rest += decoder.decode(chunk, { stream: true });
    for (let at = rest.indexOf('\n'); at >= 0; at = rest.indexOf('\n')) {
      const line = rest.slice(0, at).replace(/\r$/, '');
      rest = rest.slice(at + 1);
      if (line !== '') yield line;
    }
    if (rest.length > lineBytesMax) {
      yield rest;
      rest = '';
    }
  }
  if (rest !== '') yield rest;
}

/**
 * Takes stdout and stderr out of the engine's frames (Engine API, "Stream format"): one byte that
 * says which, three of nothing, four of length, then so many of output.
 *
 * @param tty a container with a terminal is not framed.
 */
export async function* unframed(stream: Readable, tty: boolean): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    if (tty) {
      yield chunk;
      continue;
    }
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= 8) {
      const length = rest.readUInt32BE(4);
      if (rest.length < 8 + length) break;
      yield rest.subarray(8, 8 + length);
      rest = rest.subarray(8 + length);
    }
  }
}
