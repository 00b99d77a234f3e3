/**
 * How a service's targets with `https://` are verified: the keys of a file, and the PEM files that
 * they name.
 *
 * The rule this file keeps: the files are read with the config, so what cannot be used is a mistake
 * of it, and what was right before stays. Nothing but `verify: false` makes an unverified target.
 */
import { createHash } from 'node:crypto';
import { resolve as absolute } from 'node:path';
import { createSecureContext } from 'node:tls';
import { Fault, reasonOf } from '../errors.ts';
import type { TargetTls } from '../wireTls.ts';
import { isHostName } from './address.ts';
import { flag, scalar, text } from './kinds.ts';
import type { Reading } from './reading.ts';
import { type Fields, optional, preset, record } from './records.ts';
import { readTextFile } from './textFile.ts';

/** A private authority has some KiB; the bundle of a system has some hundred. */
const fileBytesMax = 512 * 1024;

const serverName = scalar<string>(
  {
    wanted: 'a host such as app.internal',
    bounds: 'a host',
    json: { type: 'string', pattern: '^[A-Za-z0-9_.-]+$' },
  },
  ({ text: written }) => (isHostName(written) ? written.toLowerCase() : undefined),
);

const keys = {
  ca: optional(
    text('a path'),
    'A PEM file with the authorities that their certificates must come from.',
    "the system's",
  ),
  serverName: optional(
    serverName,
    'The name that their certificates must be for, and that they are asked for (SNI).',
    'the host of each target',
  ),
  cert: optional(
    text('a path'),
    'A PEM file with a certificate that is shown to them, where they ask for one.',
  ),
  key: optional(text('a path'), 'A PEM file with its private key; strangers may not read it.'),
  verify: preset(
    flag,
    true,
    'false: whatever certificate they show is taken, so anybody in between can read and change all.',
  ),
};

export const targetTlsKind = record(keys);

export type TargetTlsFields = Fields<typeof keys>;

/** What the PEM files hold; null where none is named. */
export type TargetPems = Pick<TargetTls, 'ca' | 'cert' | 'key'>;

export const noTargetPems: TargetPems = { ca: null, cert: null, key: null };

export function targetTlsOf({ serverName, verify }: TargetTlsFields, pems: TargetPems): TargetTls {
  const { ca, cert, key } = pems;
  const all = { serverName, verify, ca, cert, key };
  return { id: createHash('sha256').update(JSON.stringify(all)).digest('hex'), ...all };
}

/** Reports what does not go together. */
export function checkTargetTls(of: TargetTlsFields, path: string, reading: Reading): void {
  const report = (key: string, message: string): void =>
    reading.report(`${path}.${key}`, reading.at(`${path}.${key}`), message);
  if (of.cert !== null && of.key === null) report('key', 'wanted the key of cert, got none');
  if (of.key !== null && of.cert === null) {
    report('cert', 'wanted the certificate that key belongs to, got none');
  }
  if (of.verify) return;
  for (const key of ['ca', 'serverName'] as const) {
    if (of[key] !== null) report(key, 'wanted none beside `verify: false`, got one');
  }
}

/** Reports what cannot be used. @param path of the record. */
export async function readTargetPems(
  of: TargetTlsFields,
  path: string,
  reading: Reading,
  folder: string,
): Promise<TargetPems> {
  const read = async (name: 'ca' | 'cert' | 'key'): Promise<string | null> => {
    const file = of[name];
    if (file === null) return null;
    const key = `${path}.${name}`;
    const report = (message: string): void => reading.report(key, reading.at(key), message);
    try {
      const { text: pem, mode } = await readTextFile(
        absolute(folder, file),
        'The file',
        fileBytesMax,
      );
      const wanted = name === 'key' ? 'PRIVATE KEY' : 'CERTIFICATE';
      if (!new RegExp(`-----BEGIN [A-Z ]*${wanted}-----`).test(pem)) {
        report(`wanted a PEM file with a ${wanted.toLowerCase()}, got none in ${file}`);
      } else if (name === 'key' && (mode & 0o007) !== 0) {
        const got = (mode & 0o777).toString(8).padStart(4, '0');
        report(`wanted a file that strangers cannot read, got mode ${got}: chmod 640 ${file}`);
      }
      return pem;
    } catch (thrown) {
      if (!(thrown instanceof Fault)) throw thrown;
      report(`wanted a PEM file, got none: ${thrown.message}`);
      return null;
    }
  };
  const pems = { ca: await read('ca'), cert: await read('cert'), key: await read('key') };
  const spoilt = (['ca', 'cert', 'key'] as const).some((name) => reading.spoilt(`${path}.${name}`));
  if (!spoilt) tryOut(pems, path, reading);
  return pems;
}

/** A pair that does not belong together is found now, and not by the first request. */
function tryOut({ ca, cert, key }: TargetPems, path: string, reading: Reading): void {
  try {
    createSecureContext({
      ...(ca !== null && { ca }),
      ...(cert !== null && { cert }),
      ...(key !== null && { key }),
    });
  } catch (thrown) {
    const at = cert === null ? `${path}.ca` : `${path}.cert`;
    const message = `wanted what TLS can be spoken with, got something else: ${reasonOf(thrown)}`;
    reading.report(at, reading.at(at), message);
  }
}
