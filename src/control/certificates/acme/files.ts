/**
 * What is kept of an authority between two lives: `acme/account-*.json`, one per authority, and
 * `acme/certificate-*.json`, one per certificate with its key, its order and its tries.
 *
 * The rule this file keeps: readable for the owner alone (0600 in a folder of 0700), and whole at
 * every moment: written aside, synced, renamed, the folder synced. A certificate and its key are
 * one file, so that no crash makes a pair of two halves. A file that cannot be read is kept aside
 * as `.damaged`: losing it costs one order, and stops nobody from starting.
 */
import { createHash } from 'node:crypto';
import { chmod, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault } from '../../../errors.ts';
import { syncFolder } from '../../stores/history.ts';
import type { SavedOrder } from './order.ts';
import { noTries, type Renewal, type Tries } from './renewal.ts';

export interface AccountRecord {
  readonly directory: string;
  /** PKCS #8 PEM. */
  readonly key: string;
  /** null: not registered yet. */
  readonly url: string | null;
  readonly email: string | null;
  readonly tries: Tries;
}

export interface CertificateRecord {
  readonly id: string;
  /** The authority's directory, and what it was asked for. */
  readonly directory: string;
  readonly names: readonly string[];
  readonly current: CurrentCertificate | null;
  readonly order: SavedOrder | null;
  readonly tries: Tries;
}

export interface CurrentCertificate {
  readonly directory: string;
  readonly keyType: string;
  readonly chain: string;
  readonly key: string;
  readonly renewal: Renewal | null;
}

const format = 1;

export class AcmeFiles {
  readonly #dir: string;
  readonly #damaged: (file: string) => void;

  /** @param damaged told of a file that was put aside. */
  constructor(stateDir: string, damaged: (file: string) => void) {
    this.#dir = join(stateDir, 'acme');
    this.#damaged = damaged;
  }

  async account(directory: string): Promise<AccountRecord | null> {
    const found = await this.#read(accountFile(directory));
    return found === null ? null : { ...(found as unknown as AccountRecord), directory };
  }

  async saveAccount(record: AccountRecord): Promise<void> {
    await this.#write(accountFile(record.directory), record);
  }

  async certificate(id: string): Promise<CertificateRecord | null> {
    const found = await this.#read(certificateFile(id));
    if (found === null) return null;
    const { tries = noTries, order = null, current = null, ...rest } = found;
    return { ...rest, tries, order, current, id } as CertificateRecord;
  }

  async saveCertificate(record: CertificateRecord): Promise<void> {
    await this.#write(certificateFile(record.id), record);
  }

  async #read(name: string): Promise<Record<string, unknown> | null> {
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

  async #write(name: string, record: object): Promise<void> {
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

/** One account per authority: those of staging and of production know nothing of each other. */
function accountFile(directory: string): string {
  return `account-${createHash('sha256').update(directory).digest('hex').slice(0, 16)}.json`;
}

/** @param id of a service's name, so of a-z, 0-9 and -. */
function certificateFile(id: string): string {
  return `certificate-${id}.json`;
}

function checksum(record: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(record) ?? '')
    .digest('hex');
}
