/**
 * What a replica writes to stdout and stderr: a file, because a pipe would break the replica
 * (SIGPIPE) when the controller that reads it dies.
 *
 * The rule this file keeps: the file is bounded. Above `logBytesMax` it is copied to `<name>.1`,
 * over the copy before, and cut to nothing; the replica appends, so it goes on at the beginning.
 * What it writes between the copy and the cut is lost.
 */
import { copyFile, type FileHandle, open, stat, truncate } from 'node:fs/promises';

/** A replica keeps at most twice this, and what it writes in the second between two looks. */
const logBytesMax = 8 * 1024 * 1024;
// Of what came since the last look, no more is told than this; the rest stays in the file.
const newsBytesMax = 64 * 1024;
const lineCharsMax = 500;

export class Output {
  readonly #file: string;
  readonly #bytesMax: number;
  /** Told up to here. */
  #readTo = 0;
  /** Where the present run of the replica began to write. */
  #began = 0;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(file: string, bytesMax: number = logBytesMax) {
    this.#file = file;
    this.#bytesMax = bytesMax;
  }

  /** Opens the file for a new run of the replica; the caller closes it once the replica has it. */
  async openForWriting(): Promise<FileHandle> {
    const file = await open(this.#file, 'a', 0o600);
    this.#began = (await file.stat()).size;
    this.#readTo = Math.min(this.#readTo, this.#began);
    return file;
  }

  /** Begins at the present end: what was written before was told by somebody else. */
  async skip(): Promise<void> {
    this.#readTo = await sizeOf(this.#file);
    this.#began = Math.max(0, this.#readTo - newsBytesMax);
  }

  /**
   * The whole lines written since the last call, clean of control characters.
   *
   * @param all also a last line without its newline: the replica has ended.
   */
  news(all: boolean): Promise<readonly string[]> {
    const mine = this.#turn.then(() => this.#news(all)).catch(() => []);
    this.#turn = mine;
    return mine;
  }

  /** The last lines of the present run. @param count at most so many. */
  async last(count: number): Promise<readonly string[]> {
    const size = await sizeOf(this.#file);
    const from = Math.max(size < this.#began ? 0 : this.#began, size - 16 * 1024);
    const bytes = await this.#read(from, size).catch(() => Buffer.alloc(0));
    return linesOf(bytes).slice(-count);
  }

  /** Keeps the file within its bounds. */
  async bound(): Promise<void> {
    if ((await sizeOf(this.#file)) <= this.#bytesMax) return;
    // On a full disk the copy fails, and the cut is what is needed most.
    await copyFile(this.#file, `${this.#file}.1`).catch(() => {});
    await truncate(this.#file, 0).catch(() => {});
    this.#readTo = 0;
    this.#began = 0;
  }

  async #news(all: boolean): Promise<readonly string[]> {
    const size = await sizeOf(this.#file);
    if (size < this.#readTo) this.#readTo = 0;
    if (size === this.#readTo) return [];
    const from = Math.max(this.#readTo, size - newsBytesMax);
    const bytes = await this.#read(from, size);
    const end = all || bytes.length === newsBytesMax ? bytes.length : bytes.lastIndexOf(0x0a) + 1;
    const skipped = from - this.#readTo;
    this.#readTo = from + end;
    const lines = linesOf(bytes.subarray(0, end));
    return skipped > 0 ? [`(${skipped} bytes of output are left out here)`, ...lines] : lines;
  }

  async #read(from: number, to: number): Promise<Buffer> {
    const file = await open(this.#file, 'r');
    try {
      const length = Math.max(0, to - from);
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, from);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  }
}

function linesOf(bytes: Buffer): string[] {
  return bytes
    .toString('utf8')
    .split('\n')
    .map((line) => clean(line).slice(0, lineCharsMax))
    .filter((line) => line !== '');
}

/** Without terminal colors and control characters: a log line must not steer a terminal. */
export function clean(line: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  return line.replace(/\u001b\[[0-9;]*[A-Za-z]/g, '').replace(/[\u0000-\u001f\u007f-\u009f]/g, '');
}

async function sizeOf(file: string): Promise<number> {
  return stat(file).then(
    (found) => found.size,
    () => 0,
  );
}
