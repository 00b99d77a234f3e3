/**
 * Follows WebSocket frames as their bytes pass (RFC 6455 section 5.2), to know where one ends.
 *
 * The rule this file keeps: it reads lengths and nothing else. Between two frames a control frame
 * of ours may stand, in the middle of a message too; within a frame it would be garbage.
 */

const closeOpcode = 8;
/** Flags, length, extended length, mask. */
const headBytesMax = 14;

export class FrameScanner {
  readonly #head = Buffer.alloc(headBytesMax);
  #headBytes = 0;
  #left = 0;
  /** A Close frame has passed: what is said is said. */
  closed = false;

  /** Whether the next byte begins a frame. */
  get between(): boolean {
    return this.#headBytes === 0 && this.#left === 0;
  }

  /**
   * @param untilBetween stop at the first end of a frame, which may be at once.
   * @returns how many bytes of `chunk` were followed.
   */
  follow(chunk: Buffer, untilBetween: boolean): number {
    let at = 0;
    while (at < chunk.length) {
      if (untilBetween && this.between) return at;
      if (this.#left > 0) {
        const passed = Math.min(this.#left, chunk.length - at);
        this.#left -= passed;
        at += passed;
      } else {
        this.#head[this.#headBytes++] = chunk[at++] ?? 0;
        this.#readHead();
      }
    }
    return at;
  }

  #readHead(): void {
    if (this.#headBytes < 2) return;
    const head = this.#head;
    const short = (head[1] ?? 0) & 0x7f;
    const mask = (head[1] ?? 0) & 0x80 ? 4 : 0;
    const extended = short === 126 ? 2 : short === 127 ? 8 : 0;
    if (this.#headBytes < 2 + extended + mask) return;
    if (((head[0] ?? 0) & 0x0f) === closeOpcode) this.closed = true;
    this.#headBytes = 0;
    if (extended === 0) this.#left = short;
    else if (extended === 2) this.#left = head.readUInt16BE(2);
    else this.#left = head.readUInt32BE(2) * 2 ** 32 + head.readUInt32BE(6);
  }
}

/**
 * A Close frame.
 *
 * @param code 1000 to 4999, e.g. 1012, Service Restart.
 * @param mask four bytes, towards a server; null towards a client.
 */
export function closeFrame(code: number, mask: Buffer | null): Buffer {
  const payload = Buffer.from([code >> 8, code & 0xff]);
  if (mask === null) return Buffer.concat([Buffer.from([0x88, 2]), payload]);
  const masked = payload.map((byte, at) => byte ^ (mask[at] ?? 0));
  return Buffer.concat([Buffer.from([0x88, 0x82]), mask, masked]);
}
