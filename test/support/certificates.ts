/**
 * Certificates for tests, made by openssl: an authority, and what it signs.
 *
 * The rule this file keeps: nothing is kept that was made in another run, so that no test begins to
 * fail on a day when a certificate ends.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Pair {
  /** Paths. */
  readonly cert: string;
  readonly key: string;
  /** As `openssl x509 -serial` has it. */
  readonly serial: string;
}

export interface SignOptions {
  readonly names?: readonly string[];
  readonly key?: 'ec' | 'rsa';
  readonly days?: number;
  /** Where a certificate begins and ends otherwise: YYYYMMDDHHMMSSZ. */
  readonly from?: string;
  readonly until?: string;
}

/** An authority in a folder. */
export class Authority {
  readonly dir: string;
  /** PEM, as clients trust it. */
  readonly pem: string;
  readonly file: string;
  #serial = 1000;

  constructor(dir: string, name = 'Test Authority') {
    this.dir = dir;
    mkdirSync(dir, { recursive: true });
    this.file = join(dir, 'ca.pem');
    openssl(
      'req',
      '-x509',
      ...newKey('ec'),
      '-nodes',
      '-days',
      '30',
      '-subj',
      `/CN=${name}`,
    )(join(dir, 'ca.key'), this.file);
    this.pem = readFileSync(this.file, 'utf8');
  }

  /** Signs a certificate and puts it where it is asked for, the certificate first. */
  sign(file: string, options: SignOptions = {}): Pair {
    const { names = ['shop.example'], key = 'ec', days = 20, from, until } = options;
    const made = { cert: `${file}.pem`, key: `${file}.key`, csr: `${file}.csr` };
    openssl('req', '-new', ...newKey(key), '-nodes', '-subj', '/')(made.key, made.csr);
    const serial = (++this.#serial).toString(16).toUpperCase().padStart(4, '0');
    const extensions = `${file}.ext`;
    const alt = names.map((name) => (/^[\d.:]+$/.test(name) ? `IP:${name}` : `DNS:${name}`));
    writeFileSync(extensions, alt.length === 0 ? '' : `subjectAltName=${alt.join(',')}\n`);
    const signed = ['-CA', this.file, '-CAkey', join(this.dir, 'ca.key'), '-extfile', extensions];
    const time = from === undefined ? ['-days', String(days)] : [];
    const args = [
      'x509',
      '-req',
      '-in',
      made.csr,
      ...signed,
      '-set_serial',
      `0x${serial}`,
      ...time,
    ];
    if (from !== undefined) args.push('-not_before', from, '-not_after', until ?? from);
    execFileSync('openssl', [...args, '-out', made.cert], { stdio: 'pipe' });
    return { cert: made.cert, key: made.key, serial };
  }
}

function newKey(kind: 'ec' | 'rsa'): string[] {
  if (kind === 'rsa') return ['-newkey', 'rsa:2048'];
  return ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
}

function openssl(...args: string[]): (key: string, out: string) => void {
  return (key, out) => {
    execFileSync('openssl', [...args, '-keyout', key, '-out', out], { stdio: 'pipe' });
  };
}
