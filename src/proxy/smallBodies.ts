/**
 * Bodies of requests that are taken whole before a place in a pool is claimed.
 *
 * The rule this file keeps: a client that sends a small body slowly holds some bytes of ours, and
 * nothing of a target; and all bytes that clients hold this way are bounded.
 */

/** What nginx takes by default before it asks a target: forms and calls of APIs are smaller. */
const smallBodyBytesMax = 16 * 1024;
/** In each worker: two thousand of the largest. Beyond it bodies pass as they come. */
const heldBytesMax = 32 * 1024 * 1024;

export class SmallBodies {
  #bytes = 0;

  /**
   * @param length null: it comes in chunks. It passes as it comes, however short it is: its client
   *   may want to be answered part by part.
   * @returns null: it passes as it comes.
   */
  begin(length: number | null): SmallBody | null {
    if (length === null || length > smallBodyBytesMax) return null;
    if (this.#bytes + length > heldBytesMax) return null;
    this.#bytes += length;
    return new SmallBody(length, () => {
      this.#bytes -= length;
    });
  }
}

export class SmallBody {
  readonly #bytesMax: number;
  #release: (() => void) | null;
  /** A first part that is most of it, as it often is all: it is not copied. */
  #part: Buffer | null = null;
  /** In one piece: a client may send it byte by byte, and a byte may keep a whole read in memory. */
  #bytes: Buffer | null = null;
  #length = 0;

  constructor(length: number, release: () => void) {
    this.#bytesMax = length;
    this.#release = release;
  }

  /** @param part no longer than what is missing. */
  add(part: Buffer): void {
    if (this.#length === 0 && part.length * 2 > this.#bytesMax) {
      this.#part = part;
      this.#length = part.length;
      return;
    }
    if (this.#bytes === null) {
      this.#bytes = Buffer.allocUnsafeSlow(this.#bytesMax);
      this.#part?.copy(this.#bytes);
      this.#part = null;
    }
    this.#length += part.copy(this.#bytes, this.#length);
  }

  /** All of it, to be sent now. */
  take(): Buffer {
    this.drop();
    return this.#bytes ?? this.#part ?? Buffer.alloc(0);
  }

  /** Its bytes count no more. May be called again. */
  drop(): void {
    this.#release?.();
    this.#release = null;
  }
}
