/**
 * What is kept of an authority between two lives: `acme/account-*.json`, one per authority, and
 * `acme/certificate-*.json`, one per certificate with its key, its order and its tries.
 *
 * The rule this file keeps: a certificate and its key are one file, so that no crash makes one pair
 * of two halves. To lose a damaged one costs one order, and stops nobody from starting.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { RecordFiles } from '../../stores/recordFiles.ts';
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

export class AcmeFiles {
  readonly #files: RecordFiles;

  /** @param damaged told of a file that was put aside. */
  constructor(stateDir: string, damaged: (file: string) => void) {
    this.#files = new RecordFiles(join(stateDir, 'acme'), damaged);
  }

  async account(directory: string): Promise<AccountRecord | null> {
    const found = await this.#files.read(accountFile(directory));
    return found === null ? null : { ...(found as unknown as AccountRecord), directory };
  }

  async saveAccount(record: AccountRecord): Promise<void> {
    await this.#files.write(accountFile(record.directory), record);
  }

  async certificate(id: string): Promise<CertificateRecord | null> {
    const found = await this.#files.read(certificateFile(id));
    if (found === null) return null;
    const { tries = noTries, order = null, current = null, ...rest } = found;
    return { ...rest, tries, order, current, id } as CertificateRecord;
  }

  async saveCertificate(record: CertificateRecord): Promise<void> {
    await this.#files.write(certificateFile(record.id), record);
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
