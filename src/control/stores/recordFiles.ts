/**
 * Small records beside the state that are kept between two lives, each a file of its own.
 *
 * The rule this file keeps: readable for the owner alone (0600 in a folder of 0700), and whole at
 * every moment: written aside, synced, renamed, the folder synced. A file that cannot be read as
 * what was written is kept aside as `.damaged`, and counts as none.
 */
import { createHash } from 'node:crypto';
import { chmod, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault } from '../../errors.ts';
import { syncFolder } from './history.ts';

const format = 1;

export class RecordFiles {
  readonly #dir: string;
  readonly #damaged: (file: string) => void;

  /** @param damaged told of a file that was put aside. */
  constructor(dir: string, damaged: (file: string) => void) {
    this.#dir = dir;
    this.#damaged = damaged;
  }

  /** @returns null: there is none. @throws Fault STATE_UNREADABLE */
  async read(name: string): Promise<Record<string, unknown> | null> {
    const file = join(this.#dir, name);
    try {
      const value = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
      if (value?.format === format && value.checksum === checksum(value.record)) {
        return value.record as Record<string, unknown>;
      }
    } catch (caught) {
      const { code } = caught as NodeJS.ErrnoException;
      if (code === 'ENOENT') return null;
      if (code !== undefined) {
        throw new Fault('STATE_UNREADABLE', `${file} cannot be read (${code}).`, { cause: caught });
      }
    }
    await rename(file, `${file}.damaged`);
    this.#damaged(file);
    return null;
  }

  /** @throws Fault STATE_NOT_WRITABLE */
  async write(name: string, record: object): Promise<void> {
    const file = join(this.#dir, name);
    try {
      await mkdir(this.#dir, { recursive: true, mode: 0o700 });
      await chmod(this.#dir, 0o700);
      const plain = JSON.parse(JSON.stringify(record));
      const text = JSON.stringify({ format, checksum: checksum(plain), record: plain }, null, 1);
      await rm(`${file}.new`, { force: true });
      const aside = await open(`${file}.new`, 'wx', 0o600);
      try {
        await aside.writeFile(`${text}\n`);
        await aside.sync();
      } finally {
        await aside.close();
      }
      await rename(`${file}.new`, file);
      await syncFolder(this.#dir);
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException;
      throw new Fault('STATE_NOT_WRITABLE', `${file} cannot be written (${code ?? message}).`, {
        file,
        cause,
      });
    }
  }
}

function checksum(record: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(record) ?? '')
    .digest('hex');
}
