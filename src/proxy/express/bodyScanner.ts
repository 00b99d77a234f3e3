/**
 * Follows the framing of an answer's body, so that its bytes can be passed on as they are.
 *
 * The rule this file keeps: it says where the message ends to the byte, and takes nothing on trust:
 * a chunk line that is not exactly `hex [;extension] CRLF` is malformed, and so is data without its
 * CRLF (RFC 9112 section 7.1).
 */
import { CR, hexValues, LF, wideValueChars } from './grammar.ts';
import { type Framing, framingField, parseLines } from './response.ts';

/** What became of the bytes given to `follow`. */
export type Followed = 'more' | 'ended' | 'malformed';

/** Hexadecimal digits of a chunk's size, small enough to be exact. */
const sizeDigitsMax = 12;
/**
 * A chunk line with its extension, and a trailer section: bounded, like everything that is kept.
 */
const extensionBytesMax = 1024;
const trailerBytesMax = 16 * 1024;
const semicolon = 0x3b;
/** What stands behind the first semicolon: RFC 9112 section 7.1.1, without its bad blanks. */
const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const extension = `${token}(?:=(?:${token}|"(?:[^"\\\\]|\\\\.)*"))?`;
const extensionForm = new RegExp(`^${extension}(?:;${extension})*$`);

type State = 'size' | 'extension' | 'sizeLf' | 'data' | 'dataCr' | 'dataLf' | 'trailer';

export class BodyScanner {
  #framing: Framing = 'none';
  #left = 0;
  #state: State = 'size';
  #digits = 0;
  #extension = '';
  #trailer = '';
  /** How many of the bytes last given may be passed on. */
  passable = 0;
  /** How many of them belong to the message; what is behind does not. */
  taken = 0;
  /**
   * Names and values in turn behind the last chunk: the caller writes them, and the last empty
   * line. null: there were none, and the empty line was passable.
   */
  trailers: string[] | null = null;

  /** @returns whether the message has a body to come at all. */
  begin(framing: Framing, bodyBytes: number): boolean {
    this.#framing = framing;
    this.#left = bodyBytes;
    this.#state = 'size';
    this.#digits = 0;
    this.#extension = '';
    this.#trailer = '';
    this.trailers = null;
    return framing === 'chunked' || framing === 'untilClose' || bodyBytes > 0;
  }

  /** What the end of the connection means for the message. */
  get endsWithConnection(): boolean {
    return this.#framing === 'untilClose';
  }

  /** A chunked body that stands right before the size of its next chunk. */
  get betweenChunks(): boolean {
    return this.#framing === 'chunked' && this.#state === 'size' && this.#digits === 0;
  }

  /** Reads `bytes[from..to)`; `passable` and `taken` say what became of them. */
  follow(bytes: Buffer, from: number, to: number): Followed {
    if (this.#framing === 'untilClose') return this.#passed(to - from, to - from, 'more');
    if (this.#framing === 'chunked') return this.#followChunks(bytes, from, to);
    const here = Math.min(this.#left, to - from);
    this.#left -= here;
    return this.#passed(here, here, this.#left === 0 ? 'ended' : 'more');
  }

  #passed(passable: number, taken: number, followed: Followed): Followed {
    this.passable = passable;
    this.taken = taken;
    return followed;
  }

  #followChunks(bytes: Buffer, from: number, to: number): Followed {
    let at = from;
    while (at < to) {
      if (this.#state === 'data') {
        const here = Math.min(this.#left, to - at);
        at += here;
        this.#left -= here;
        if (this.#left === 0) this.#state = 'dataCr';
        continue;
      }
      if (this.#state === 'trailer') return this.#followTrailer(bytes, from, at, to);
      if (!this.#step(bytes[at] ?? 0)) return this.#passed(0, 0, 'malformed');
      at++;
    }
    return this.#passed(at - from, at - from, 'more');
  }

  /** One byte of what stands between the data. @returns false where it may not stand there. */
  #step(byte: number): boolean {
    switch (this.#state) {
      case 'size':
        return this.#stepSize(byte);
      case 'extension':
        if (byte === CR) {
          this.#state = 'sizeLf';
          return extensionForm.test(this.#extension);
        }
        this.#extension += String.fromCharCode(byte);
        return wideValueChars[byte] === 1 && this.#extension.length <= extensionBytesMax;
      case 'sizeLf':
        this.#state = this.#left === 0 ? 'trailer' : 'data';
        return byte === LF;
      case 'dataCr':
        this.#state = 'dataLf';
        return byte === CR;
      default:
        this.#state = 'size';
        this.#digits = 0;
        this.#extension = '';
        return byte === LF;
    }
  }

  #stepSize(byte: number): boolean {
    const value = hexValues[byte] ?? 255;
    if (value !== 255) {
      this.#left = this.#left * 16 + value;
      return ++this.#digits <= sizeDigitsMax;
    }
    if (this.#digits === 0) return false;
    if (byte === CR) this.#state = 'sizeLf';
    else if (byte === semicolon) this.#state = 'extension';
    else return false;
    return true;
  }

  /** Behind the last chunk: everything up to the empty line is kept, and none of it passed on. */
  #followTrailer(bytes: Buffer, from: number, at: number, to: number): Followed {
    if (this.#trailer === '' && bytes[at] === CR && at + 1 < to && bytes[at + 1] === LF) {
      return this.#passed(at + 2 - from, at + 2 - from, 'ended');
    }
    const before = this.#trailer.length;
    const here = Math.min(to - at, trailerBytesMax - before);
    this.#trailer += bytes.toString('latin1', at, at + here);
    const trailers: string[] = [];
    const end = parseLines(this.#trailer, 0, trailers);
    if (end === -2) return this.#passed(0, 0, 'malformed');
    if (end === -1) {
      const full = this.#trailer.length >= trailerBytesMax;
      return this.#passed(at - from, to - from, full ? 'malformed' : 'more');
    }
    // Behind a body, these can only be meant for a reader who saw it end elsewhere.
    if (trailers.some((name, field) => field % 2 === 0 && framingField.test(name))) {
      return this.#passed(0, 0, 'malformed');
    }
    this.trailers = trailers;
    return this.#passed(at - from, at - from + end - before, 'ended');
  }
}
