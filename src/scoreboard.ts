/**
 * How many client connections each worker has, in a few bytes that all of them share.
 *
 * The rule this file keeps: it is a hint, never a lock. All workers accept from one socket, and the
 * kernel wakes whichever is quickest, so that one may end up with twice its share (seen: 120 of 200
 * with three workers). A worker that sees on the board that it is ahead hands the connection to the
 * one behind. What is on its way stands on no board yet, so each worker remembers what it gave to
 * whom: a burst that one worker accepts in one go would else all go to the same other one (seen:
 * 180 of 200).
 *
 * The board is a small file in memory, without a name, inherited like the listening socket: reading
 * it costs about a microsecond a connection, and no message.
 */
import { closeSync, existsSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What stands in the place of a worker that does not accept. */
const absent = 0xffffffff;
const bytesEach = 4;
/** A connection that was handed over and is not seen to have arrived by then is not waited for. */
const travelMsMax = 1_000;

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
  /** By worker: what the board said last, and when each connection on its way there was sent. */
  readonly #seen: number[];
  readonly #travelling: number[][];

  constructor(fd: number, worker: number, workers: number) {
    this.#fd = fd;
    this.#worker = worker;
    this.#board = Buffer.alloc(workers * bytesEach);
    this.#seen = Array.from({ length: workers }, () => absent);
    this.#travelling = Array.from({ length: workers }, () => []);
  }

  /** Says how many connections this worker has now. */
  write(connections: number): void {
    this.#mine.writeUInt32LE(connections);
    writeSync(this.#fd, this.#mine, 0, bytesEach, (this.#worker - 1) * bytesEach);
  }

  /**
   * Who should have the next connection, where that is not this worker: the one with the fewest,
   * once this one is ahead of it by a quarter and four; it then counts as on its way there. null:
   * keep it.
   *
   * @param connections what this worker would have with it.
   * @param nowMs of a clock that only goes forward.
   */
  behind(connections: number, nowMs: number): number | null {
    const bytes = readSync(this.#fd, this.#board, 0, this.#board.length, 0);
    let fewest = absent;
    let who = 0;
    for (let at = 0; at + bytesEach <= bytes; at += bytesEach) {
      const worker = at / bytesEach + 1;
      const has = this.#expected(worker, this.#board.readUInt32LE(at), nowMs);
      if (has < fewest) {
        fewest = has;
        who = worker;
      }
    }
    if (who === 0 || who === this.#worker || connections <= fewest * 1.25 + 4) return null;
    this.#travelling[who - 1]?.push(nowMs);
    return who;
  }

  /** What a worker has and what is on its way to it, as far as this one knows. */
  #expected(worker: number, has: number, nowMs: number): number {
    const travelling = this.#travelling[worker - 1] ?? [];
    const seen = this.#seen[worker - 1] ?? absent;
    this.#seen[worker - 1] = has;
    if (has === absent) {
      travelling.length = 0;
      return absent;
    }
    const arrived = seen === absent ? 0 : Math.max(0, has - seen);
    travelling.splice(0, arrived);
    while (travelling.length > 0 && nowMs - (travelling[0] ?? 0) > travelMsMax) travelling.shift();
    return has + travelling.length;
  }

  close(): void {
    closeSync(this.#fd);
  }
}
