/**
 * What is written down of each replica, so that the next controller finds it: one small file a
 * replica, `processes/<pool>/<replica>.json` in the state directory, its output beside it.
 *
 * The rule this file keeps: a record is a claim to be checked against the pid's identity, never an
 * order to kill. It is replaced whole but not synced: what a power cut loses, it has also ended. A
 * record that cannot be read is no record; the mark of the process (`marks.ts`) finds it all the
 * same.
 */
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Mark } from './marks.ts';

export interface ReplicaRecord extends Mark {
  readonly pid: number;
  readonly identity: string;
  /** For people who look into the folder. */
  readonly command: readonly string[];
}

export class Records {
  readonly #root: string;

  /** @param stateDir absolute path. */
  constructor(stateDir: string) {
    this.#root = join(stateDir, 'processes');
  }

  folderOf(poolId: string): string {
    return join(this.#root, poolId);
  }

  async makeFolder(poolId: string): Promise<void> {
    await mkdir(this.folderOf(poolId), { recursive: true });
  }

  async write(record: ReplicaRecord): Promise<void> {
    const file = join(this.folderOf(record.poolId), `${record.replica}.json`);
    await writeFile(`${file}.new`, `${JSON.stringify(record, null, 1)}\n`);
    await rename(`${file}.new`, file);
  }

  /** All records of all pools; those that cannot be read are left out. */
  async read(): Promise<readonly ReplicaRecord[]> {
    const records: ReplicaRecord[] = [];
    for (const poolId of await namesIn(this.#root)) {
      for (const name of await namesIn(this.folderOf(poolId))) {
        if (!name.endsWith('.json')) continue;
        const record = await readRecord(join(this.folderOf(poolId), name));
        if (record?.poolId === poolId) records.push(record);
      }
    }
    return records;
  }

  /** Takes away all of a replica, its output included. */
  async forget(poolId: string, replica: number): Promise<void> {
    for (const ending of ['json', 'json.new', 'log', 'log.1']) {
      await rm(join(this.folderOf(poolId), `${replica}.${ending}`), { force: true });
    }
  }

  async forgetPool(poolId: string): Promise<void> {
    await rm(this.folderOf(poolId), { recursive: true, force: true });
  }
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (caught) {
    const { code } = caught as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw caught;
  }
}

async function readRecord(file: string): Promise<ReplicaRecord | null> {
  try {
    const record = JSON.parse(await readFile(file, 'utf8')) as ReplicaRecord;
    const { pid, replica, port } = record;
    return [pid, replica, port].every((value) => Number.isInteger(value) && value > 0)
      ? record
      : null;
  } catch {
    return null;
  }
}
