/**
 * A certificate and its key, out of two files.
 *
 * The rule this file keeps: there is a pair that a client can be shown, or one sentence that says
 * which file was looked at, what was wanted and what was found; and no sentence says anything of a
 * key.
 */
import { createHash, createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { open, stat } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { Fault, reasonOf } from '../../errors.ts';
import type { CertificateEntry } from '../../wireTls.ts';

/** A chain has some 6 KiB. */
const fileBytesMax = 256 * 1024;
const namesMax = 1_000;

const certificateBlock = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
const keyBlock = /-----BEGIN ([A-Z]+ )?PRIVATE KEY-----[\s\S]+?-----END ([A-Z]+ )?PRIVATE KEY-----/;

export interface Pair extends CertificateEntry {
  readonly issuer: string;
  /** ISO */
  readonly notBefore: string;
}

export interface PairFiles {
  readonly cert: string;
  /** May be the same file. */
  readonly key: string;
}

/** What changes with the content of two files: cheap to ask for every second. @throws Fault */
export async function stampOf({ cert, key }: PairFiles): Promise<string> {
  const stamps = await Promise.all(
    [cert, key].map(async (file) => {
      const { ino, size, mtimeMs, ctimeMs } = await stat(file).catch((cause) =>
        unreadable(file, cause),
      );
      return `${ino} ${size} ${mtimeMs} ${ctimeMs}`;
    }),
  );
  return stamps.join(' ');
}

/** Whether everybody on this machine may read the key. */
export async function isOpenToAll({ key }: PairFiles): Promise<boolean> {
  const { mode } = await stat(key);
  return (mode & 0o004) !== 0;
}

/** @throws Fault CERTIFICATE_INVALID saying which file, what was wanted, what was found. */
export async function readPair(files: PairFiles): Promise<Pair> {
  const certText = await readText(files.cert);
  const keyText = files.key === files.cert ? certText : await readText(files.key);
  return pairOf(certText, keyText, files);
}

/** @throws Fault CERTIFICATE_INVALID */
export function pairOf(certText: string, keyText: string, files: PairFiles): Pair {
  const chain = certText.match(certificateBlock) ?? [];
  const [first] = chain;
  if (first === undefined) throw invalid(files.cert, 'wanted a certificate in PEM, found none');
  const leaf = parsedLeaf(first, files.cert);
  const key = parsedKey(keyText, files.key);
  if (!leaf.checkPrivateKey(key)) {
    const wanted = `wanted the key of the certificate in ${files.cert}`;
    throw invalid(
      files.key,
      `${wanted} (serial ${leaf.serialNumber}), found the key of another one`,
    );
  }
  const names = namesOf(leaf);
  if (names.length === 0) {
    throw invalid(files.cert, 'wanted a certificate with names (subjectAltName), found none in it');
  }
  const cert = `${chain.join('\n')}\n`;
  const pem = `${keyBlock.exec(keyText)?.[0] ?? ''}\n`;
  try {
    createSecureContext({ cert, key: pem });
  } catch (cause) {
    throw invalid(files.cert, `wanted a pair that TLS can be spoken with: ${reasonOf(cause)}`);
  }
  return {
    id: createHash('sha256').update(cert).update(pem).digest('hex'),
    names,
    cert,
    key: pem,
    serial: leaf.serialNumber,
    notBefore: new Date(leaf.validFrom).toISOString(),
    notAfter: new Date(leaf.validTo).toISOString(),
    issuer: issuerOf(leaf),
    kind: 'file',
  };
}

/** DNS names and addresses of a certificate, lower case. */
export function namesOf(leaf: X509Certificate): readonly string[] {
  const names: string[] = [];
  for (const part of (leaf.subjectAltName ?? '').split(', ')) {
    const found = /^(?:DNS|IP Address):([0-9A-Za-z_*.:-]+)$/.exec(part)?.[1];
    if (found !== undefined && names.length < namesMax) names.push(found.toLowerCase());
  }
  return names;
}

/** Who signed it, in a word or two. */
export function issuerOf(leaf: X509Certificate): string {
  const said = new Map(
    leaf.issuer.split('\n').map((line) => line.split('=', 2) as [string, string]),
  );
  return said.get('CN') ?? said.get('O') ?? leaf.issuer.replaceAll('\n', ', ');
}

/**
 * Certificates that others are signed by, in PEM, and nothing else that stands in the file.
 *
 * @throws Fault CERTIFICATE_INVALID where there is none, or one that cannot be read: TLS would
 *   take them for an authority that knows nobody, and say nothing.
 */
export async function readAuthority(file: string): Promise<string> {
  const all = (await readText(file)).match(certificateBlock) ?? [];
  if (all.length === 0) throw invalid(file, 'wanted certificates in PEM, found none');
  for (const one of all) parsedLeaf(one, file);
  return `${all.join('\n')}\n`;
}

/** @throws Fault CERTIFICATE_INVALID */
export async function readText(file: string): Promise<string> {
  const handle = await open(file).catch((cause) => unreadable(file, cause));
  try {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(fileBytesMax + 1), 0);
    if (bytesRead > fileBytesMax) throw invalid(file, 'wanted at most 256 KiB, found more');
    return buffer.toString('latin1', 0, bytesRead);
  } catch (cause) {
    if (cause instanceof Fault) throw cause;
    return unreadable(file, cause);
  } finally {
    await handle.close();
  }
}

export function invalid(file: string, message: string): Fault {
  return new Fault('CERTIFICATE_INVALID', `${file}: ${message}`, { file });
}

function unreadable(file: string, cause: unknown): never {
  throw invalid(file, `wanted a file that can be read: ${reasonOf(cause)}`);
}

function parsedLeaf(pem: string, file: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw invalid(file, 'wanted a certificate in PEM, found one that cannot be read');
  }
}

function parsedKey(text: string, file: string): KeyObject {
  const block = keyBlock.exec(text)?.[0];
  if (block === undefined) throw invalid(file, 'wanted a private key in PEM, found none');
  if (/ENCRYPTED/.test(block)) {
    throw invalid(file, 'wanted a private key without a passphrase, found one that has one');
  }
  try {
    return createPrivateKey(block);
  } catch {
    // What OpenSSL says of it may quote it.
    throw invalid(file, 'wanted a private key in PEM, found one that cannot be read');
  }
}
