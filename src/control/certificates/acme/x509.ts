/**
 * The only importer of @peculiar/x509: keys, certificate requests, challenge and temporary
 * certificates, and the name by which an authority knows a certificate (RFC 9773).
 *
 * The rule this file keeps: what is encoded as ASN.1 is encoded here, and the protocol around it
 * (`protocol/`) stands on `node:crypto` alone. It is loaded on first use: the library and the
 * polyfill of Reflect that it asks for take 0.3 s and some MB, which only services with `tls: auto`
 * are to pay.
 *
 * Why not acme-client: it has the protocol too, but is unmaintained since 2024, brings axios and
 * node-forge (51 packages), cannot be told where its nonces, retries and waits end, and knows
 * neither renewal information nor profiles. Why not our own encoder: a request is thirty lines of
 * DER, and every one of them is a line in which a mistake shows at the authority only.
 */
import {
  createPrivateKey,
  generateKeyPair,
  type KeyObject,
  randomBytes,
  webcrypto,
  X509Certificate,
} from 'node:crypto';
import { isIP } from 'node:net';
import { promisify } from 'node:util';
import type * as X509 from '@peculiar/x509';

/** What a certificate's key is. The field's abbreviations, as Caddy and Traefik write them. */
export type KeyType = 'p256' | 'p384' | 'rsa2048' | 'rsa4096';

export const keyTypes = [
  'p256',
  'p384',
  'rsa2048',
  'rsa4096',
] as const satisfies readonly KeyType[];

/** A certificate with its key, both PEM. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
}

const make = promisify(generateKeyPair);

/** A new private key, PKCS #8 PEM. */
export async function newKey(type: KeyType): Promise<string> {
  const { privateKey } = await pairOf(type);
  return privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
}

function pairOf(type: KeyType): Promise<{ readonly privateKey: KeyObject }> {
  if (type === 'p256') return make('ec', { namedCurve: 'P-256' });
  if (type === 'p384') return make('ec', { namedCurve: 'P-384' });
  return make('rsa', { modulusLength: type === 'rsa2048' ? 2048 : 4096 });
}

/**
 * A certificate request for `names`, signed with `key`.
 *
 * The subject is empty: the names stand in the extension, and an authority that wants a common
 * name takes one from there (a CN has room for 64 characters only).
 *
 * @returns DER.
 */
export async function certificateRequest(names: readonly string[], key: string): Promise<Buffer> {
  const { x509, keys, signingAlgorithm } = await withKey(key);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    keys,
    signingAlgorithm,
    extensions: [alternativeNames(x509, names)],
  });
  return Buffer.from(request.rawData);
}

/**
 * The certificate that answers tls-alpn-01 (RFC 8737, 3): self-signed, for one name, with the
 * digest of the key authorization in a critical extension.
 *
 * Its key is of P-256 whatever the certificate's will be, so it needs a secure context of its own:
 * set beside a default certificate of another key type, the default one is served instead.
 *
 * @param digest 32 bytes.
 */
export async function challengeCertificate(name: string, digest: Buffer, now: Date): Promise<Pair> {
  const x509 = await load();
  // An OCTET STRING of 32 bytes.
  const value = Buffer.concat([Buffer.from([0x04, digest.length]), digest]);
  const identifier = new x509.Extension('1.3.6.1.5.5.7.1.31', true, value);
  return selfSigned([name], identifier, now, 7);
}

/** What a service answers with until the authority has given a certificate: nobody trusts it. */
export async function temporaryCertificate(names: readonly string[], now: Date): Promise<Pair> {
  return selfSigned(names, null, now, 90);
}

/**
 * The unique identifier of a certificate for renewal information (RFC 9773, 4.1).
 * @returns null where the certificate does not say which key signed it.
 */
export async function renewalId(cert: string): Promise<string | null> {
  const x509 = await load();
  const parsed = new x509.X509Certificate(cert);
  const authority = parsed.getExtension(x509.AuthorityKeyIdentifierExtension)?.keyId;
  if (authority === undefined) return null;
  const parts = [authority, parsed.serialNumber].map((hex) => Buffer.from(hex, 'hex'));
  return parts.map((part) => part.toString('base64url')).join('.');
}

/** What Pointsman needs to know of a chain; the leaf stands first. */
export interface Facts {
  readonly names: readonly string[];
  /** ms since 1970. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly issuer: string;
  readonly serial: string;
}

/**
 * Reads a chain of an authority before it takes the place of another one.
 *
 * @param chain PEM, leaf first.
 * @returns a sentence where the chain is not one that `key` and `names` can be served with.
 */
export function judgeChain(chain: string, key: string, names: readonly string[]): Facts | string {
  let leaf: X509Certificate;
  try {
    leaf = new X509Certificate(chain);
  } catch {
    return 'what came is no certificate';
  }
  if (!leaf.checkPrivateKey(createPrivateKey(key))) return 'it is for another key';
  const covered = alternativeNamesOf(leaf);
  const missing = names.filter((name) => !covered.includes(name));
  if (missing.length > 0) return `it is not for ${missing.join(', ')}`;
  return factsOf(leaf);
}

/** @param chain PEM that was judged before. */
export function factsOfChain(chain: string): Facts {
  return factsOf(new X509Certificate(chain));
}

function factsOf(leaf: X509Certificate): Facts {
  return {
    names: alternativeNamesOf(leaf),
    notBefore: Date.parse(leaf.validFrom),
    notAfter: Date.parse(leaf.validTo),
    issuer: /^(?:CN|O)=(.*)$/m.exec(leaf.issuer)?.[1] ?? leaf.issuer.replaceAll('\n', ', '),
    serial: leaf.serialNumber.toLowerCase(),
  };
}

function alternativeNamesOf(leaf: X509Certificate): string[] {
  return (leaf.subjectAltName ?? '')
    .split(', ')
    .flatMap((entry) => /^(?:DNS|IP Address):(.+)$/.exec(entry)?.[1]?.toLowerCase() ?? []);
}

let loaded: Promise<typeof X509> | null = null;

function load(): Promise<typeof X509> {
  loaded ??= (async () => {
    await import('reflect-metadata');
    const x509 = await import('@peculiar/x509');
    x509.cryptoProvider.set(webcrypto as unknown as Crypto);
    return x509;
  })();
  return loaded;
}

type Crypto = Parameters<typeof X509.cryptoProvider.set>[0] & object;

async function selfSigned(
  names: readonly string[],
  extension: X509.Extension | null,
  now: Date,
  days: number,
): Promise<Pair> {
  const key = await newKey('p256');
  const { x509, keys, signingAlgorithm } = await withKey(key);
  const dayMs = 86_400_000;
  const cert = await x509.X509CertificateGenerator.createSelfSigned({
    // Positive and without a leading zero, whatever chance says.
    serialNumber: `4${randomBytes(8).toString('hex').slice(1)}`,
    name: 'CN=Pointsman: not from an authority',
    // Clocks of clients may be behind.
    notBefore: new Date(now.getTime() - dayMs),
    notAfter: new Date(now.getTime() + days * dayMs),
    keys,
    signingAlgorithm,
    extensions: [
      alternativeNames(x509, names),
      new x509.BasicConstraintsExtension(false, undefined, true),
      ...(extension === null ? [] : [extension]),
    ],
  });
  return { cert: `${cert.toString('pem')}\n`, key };
}

function alternativeNames(x509: typeof X509, names: readonly string[]): X509.Extension {
  return new x509.SubjectAlternativeNameExtension(
    names.map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value })),
  );
}

/** A PEM key as the library wants it. */
async function withKey(pem: string) {
  const x509 = await load();
  const key = createPrivateKey(pem);
  const isRsa = key.asymmetricKeyType === 'rsa';
  const isP384 = key.asymmetricKeyDetails?.namedCurve === 'secp384r1';
  const hash = isP384 ? 'SHA-384' : 'SHA-256';
  const algorithm = isRsa
    ? { name: 'RSASSA-PKCS1-v1_5', hash }
    : { name: 'ECDSA', namedCurve: isP384 ? 'P-384' : 'P-256' };
  const { subtle } = webcrypto;
  const der = key.export({ type: 'pkcs8', format: 'der' });
  const privateKey = await subtle.importKey('pkcs8', der, algorithm, true, ['sign']);
  const { d: _, p: _p, q: _q, dp: _dp, dq: _dq, qi: _qi, ...open } = key.export({ format: 'jwk' });
  const publicKey = await subtle.importKey('jwk', open, algorithm, true, ['verify']);
  const keys = { privateKey, publicKey };
  return { x509, keys, signingAlgorithm: { name: algorithm.name, hash } };
}
