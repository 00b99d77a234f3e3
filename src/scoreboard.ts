/**
 * How many client connections each worker has, in a few bytes that all of them share.
 *
 * The rule this file keeps: it is a hint, never a lock. All workers accept from one socket, and the
 * kernel wakes whichever is quickest, so that one may end up with twice its share (seen: 120 of 200 with
 * three workers). A worker that sees on the board that it is ahead hands the connection to the one behind.
 *
 * The board is a small file in memory, without a name, inherited like the listening socket: reading it
 * costs about a microsecond a connection, and no message.
 */
import { closeSync, existsSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What stands in the place of a worker that does not accept. */
const absent = 0xffffffff;
const bytesEach = 4;

/** A new board for `workers` workers, all absent. @returns its descriptor. */
export function openScoreboard(workers: number): number {
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'pointsman-'));
  try {
    const fd = openSync(join(folder, 'board'), 'wx+', 0o600);
    for (let worker = 1; worker <= workers; worker++) leaveBoard(fd, worker);
    return fd;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** For the supervisor: the worker accepts no more. */
export function leaveBoard(fd: number, worker: number): void {
  const absence = Buffer.alloc(bytesEach);
  absence.writeUInt32LE(absent);
  writeSync(fd, absence, 0, bytesEach, (worker - 1) * bytesEach);
}

export class Scoreboard {
  readonly #fd: number;
  readonly #worker: number;
  readonly #board: Buffer;
  readonly #mine = Buffer.alloc(bytesEach);

  constructor(fd: number, worker: number, workers: number) {
    this.#fd = fd;
    this.#worker = worker;
    this.#board = Buffer.alloc(workers * bytesEach);
  }

  /** Says how many connections this worker has now. */
  write(connections: number): void {
    this.#mine.writeUInt32LE(connections);
    writeSync(this.#fd, this.#mine, 0, bytesEach, (this.#worker - 1) * bytesEach);
  }

  /**
   * Who should have the next connection, where that is not this worker: the one with the fewest, once this
   * one is ahead of it by a quarter and four. null: keep it.
   *
   * @param connections what this worker would have with it.
   */
  behind(connections: number): number | null {
    const bytes = readSync(this.#fd, this.#board, 0, this.#board.length, 0);
    let fewest = absent;
    let who = 0;
    for (let at = 0; at + bytesEach <= bytes; at += bytesEach) {
      const has = this.#board.readUInt32LE(at);
      if (has < fewest) {
        fewest = has;
        who = at / bytesEach + 1;
      }
    }
    if (who === 0 || who === this.#worker) return null;
    return connections > fewest * 1.25 + 4 ? who : null;
  }

  close(): void {
    closeSync(this.#fd);
  }
}
