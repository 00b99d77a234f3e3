/**
 * The ended deployments: one JSON line each in `history.jsonl`, and one older file once that is
 * full.
 *
 * The rule this file keeps: an append is durable when it resolves, and takes nothing back. A line
 * that a crash or a full disk tore off is nobody's news: it is cut away by the next append and
 * skipped by readers. A deployment that was appended twice (a crash between the append and the
 * save) is listed once.
 */
import { type FileHandle, open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Deployment } from '../model/state.ts';
import { makeWay, NotRegular, openRegular } from './regular.ts';
import type { History } from './store.ts';

/** One file holds so much, at some 1 KiB a deployment a few thousand; two files are kept. */
export const historyBytesMax = 4 * 1024 * 1024;

const chunkBytes = 64 * 1024;
const newline = 0x0a;

export class HistoryFile {
  readonly #dir: string;
  readonly #bytesMax: number;
  readonly #files: readonly [string, string];

  /** @param bytesMax above it the file becomes the older one and a new one is begun. */
  constructor(dir: string, bytesMax: number = historyBytesMax) {
    this.#dir = dir;
    this.#bytesMax = bytesMax;
    this.#files = [join(dir, 'history.jsonl'), join(dir, 'history.previous.jsonl')];
  }

  /**
   * Not to be called twice at once.
   * @throws what the file system said; the file then ends where it did.
   */
  async append(deployment: Deployment): Promise<void> {
    const line = Buffer.from(`${JSON.stringify(deployment)}\n`);
    for (const path of this.#files) await makeWay(path);
    const rotated = await this.#rotate(line.length);
    const file = await open(this.#files[0], 'a+', 0o600);
    try {
      const end = await wholeLinesEnd(file);
      if (end < (await file.stat()).size) await file.truncate(end);
      try {
        await file.appendFile(line);
        await file.sync();
      } catch (caught) {
        await file.truncate(end).catch(() => {});
        throw caught;
      }
      if (rotated || end === 0) await syncFolder(this.#dir);
    } finally {
      await file.close();
    }
  }

  /**
   * @param query.limit how many at most, newest first. Lines beyond them are not read and not
   *   counted.
   */
  async read(query: { readonly service?: string; readonly limit: number }): Promise<History> {
    const deployments: Deployment[] = [];
    const seen = new Set<string>();
    let unreadable = 0;
    for (const path of this.#files) {
      for await (const line of linesFromTheEnd(path)) {
        if (deployments.length >= query.limit) return { deployments, unreadable };
        const deployment = parse(line);
        if (deployment === null) unreadable++;
        else if (seen.has(deployment.id)) continue;
        else if (query.service === undefined || deployment.service === query.service) {
          deployments.push(deployment);
        }
        if (deployment) seen.add(deployment.id);
      }
    }
    return { deployments, unreadable };
  }

  async #rotate(bytes: number): Promise<boolean> {
    const file = await openToRead(this.#files[0]);
    if (!file) return false;
    const size = await file.stat().then((stat) => stat.size);
    await file.close();
    if (size === 0 || size + bytes <= this.#bytesMax) return false;
    await rename(this.#files[0], this.#files[1]);
    return true;
  }
}

/** Makes the names in a folder durable. */
export async function syncFolder(dir: string): Promise<void> {
  const folder = await open(dir, 'r');
  try {
    await folder.sync();
  } catch (caught) {
    if (!unableToSync.has((caught as NodeJS.ErrnoException).code ?? '')) throw caught;
  } finally {
    leave(folder);
  }
}

/** Closes what is done with: it is synced, or given up, and nobody waits for that. */
export function leave(file: FileHandle): void {
  void file.close().catch(() => {});
}

/**
 * What file systems say that sync no folders, as some over a network and in user space do not: a
 * new name there is as durable as it gets.
 */
const unableToSync = new Set(['EINVAL', 'ENOTSUP', 'ENOSYS']);

/** Whole lines, the last first. What follows the last newline was torn off and is left out. */
async function* linesFromTheEnd(path: string): AsyncGenerator<string> {
  const file = await openToRead(path);
  if (!file) return;
  try {
    let at = await wholeLinesEnd(file);
    // Of the lines that begin in chunks still to come; its last newline is taken off.
    let rest = Buffer.alloc(0);
    let first = true;
    while (at > 0) {
      const from = Math.max(0, at - chunkBytes);
      const chunk = Buffer.concat([await readAt(file, from, at - from), rest]);
      rest = first ? chunk.subarray(0, -1) : chunk;
      first = false;
      for (let cut = rest.lastIndexOf(newline); cut >= 0; cut = rest.lastIndexOf(newline)) {
        yield rest.toString('utf8', cut + 1);
        rest = rest.subarray(0, cut);
      }
      at = from;
    }
    if (!first) yield rest.toString('utf8');
  } finally {
    await file.close();
  }
}

/** The position after the last newline; 0 where there is none. */
async function wholeLinesEnd(file: FileHandle): Promise<number> {
  let at = (await file.stat()).size;
  while (at > 0) {
    const from = Math.max(0, at - chunkBytes);
    const found = (await readAt(file, from, at - from)).lastIndexOf(newline);
    if (found >= 0) return from + found + 1;
    at = from;
  }
  return 0;
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}

/** @returns null where there is none, or something that is no file. */
async function openToRead(path: string): Promise<FileHandle | null> {
  try {
    return await openRegular(path, Number.POSITIVE_INFINITY);
  } catch (caught) {
    if (caught instanceof NotRegular) return null;
    if ((caught as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw caught;
  }
}

function parse(line: string): Deployment | null {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value !== 'object' || value === null) return null;
    const { id, service } = value as Partial<Deployment>;
    return typeof id === 'string' && typeof service === 'string' ? (value as Deployment) : null;
  } catch {
    return null;
  }
}
