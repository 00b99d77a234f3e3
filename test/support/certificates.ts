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
    const args = ['x509', '-req', '-in', made.csr, ...signed, '-set_serial', `0x${serial}`];
    if (from === undefined) args.push('-days', String(days), '-out', made.cert);
    else return this.#signFor(from, until ?? from, made, extensions, serial);
    execFileSync('openssl', args, { stdio: 'pipe' });
    return { cert: made.cert, key: made.key, serial };
  }

  /** `openssl x509` of OpenSSL 3.0 knows days from now alone. */
  #signFor(
    from: string,
    until: string,
    made: { readonly cert: string; readonly key: string; readonly csr: string },
    extensions: string,
    serial: string,
  ): Pair {
    const file = (name: string): string => join(this.dir, name);
    mkdirSync(file('signed'), { recursive: true });
    writeFileSync(file('index.txt'), '');
    writeFileSync(file('serial'), `${serial}\n`);
    const lines = [
      ...['[ca]', 'default_ca=own', '[own]', `database=${file('index.txt')}`],
      ...[`new_certs_dir=${file('signed')}`, `serial=${file('serial')}`, 'default_md=sha256'],
      ...['policy=any', '[any]', 'commonName=optional', ''],
    ];
    writeFileSync(file('ca.cnf'), lines.join('\n'));
    const args = ['ca', '-batch', '-notext', '-config', file('ca.cnf'), '-subj', '/CN=any'];
    args.push('-cert', this.file, '-keyfile', file('ca.key'), '-in', made.csr);
    args.push('-extfile', extensions, '-startdate', from, '-enddate', until, '-out', made.cert);
    execFileSync('openssl', args, { stdio: 'pipe' });
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
