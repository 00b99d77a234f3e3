/**
 * How a target with `https://` is spoken to: what it is verified by, and what is said of one that
 * cannot be.
 *
 * The rule this file keeps: workers and probes make connections by the same options, so what a
 * probe says is what requests meet; and the name that a certificate is held against comes from the
 * config or the target's address, never from a request. Sessions are not resumed: each connection
 * sees the certificate that its target has now.
 */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import tls, { type PeerCertificate, type SecureContext, type TLSSocket } from 'node:tls';
import type { TargetTls } from './wireTls.ts';

/** Where systems keep the authorities they trust: Debian and Alpine, Fedora, SUSE, BSD and macOS. */
const systemFiles = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/**
 * Reading some hundred authorities takes tens of ms, so it is done once for all who say the same: a
 * context is kept for as long as one of them is.
 */
const contexts = new WeakMap<TargetTls, SecureContext>();
const byId = new Map<string, WeakRef<SecureContext>>();

/**
 * @param host of the target: a name or an address.
 * @throws what OpenSSL says of a certificate or key that cannot be used.
 */
export function targetTlsOptions(by: TargetTls, host: string): tls.ConnectionOptions {
  const name = by.serverName ?? host;
  return {
    secureContext: contextOf(by),
    // RFC 6066 section 3: an address is no server name.
    servername: isIP(name) === 0 ? name : '',
    rejectUnauthorized: by.verify,
    checkServerIdentity: (_, certificate) => tls.checkServerIdentity(name, certificate),
    ALPNProtocols: ['http/1.1'],
  };
}

/** Whether a connection was given up because of the certificate that its target showed. */
export function isUnverified(socket: object | null): boolean {
  if (socket === null) return false;
  const { authorizationError, authorized } = socket as TLSSocket;
  return authorized === false && authorizationError != null;
}

/**
 * Why the certificate of a target is not taken, in words.
 *
 * @param code of the error: `authorizationError` of the socket.
 * @param where the target, as people are told of it.
 */
export function certificateReason(
  code: string,
  shown: PeerCertificate,
  where: string,
  by: TargetTls,
): string {
  const trusted = by.ca === null ? "the system's authorities" : 'the authorities of targetTls.ca';
  const subject = `the certificate of ${where}`;
  switch (code) {
    case 'CERT_HAS_EXPIRED':
      return `${subject} has expired, or one above it: it was valid until ${shown.valid_to}`;
    case 'CERT_NOT_YET_VALID':
      return `${subject} is not valid yet, or one above it: it is from ${shown.valid_from}`;
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `${subject} is for another name: it is for ${namesOf(shown)}`;
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
      return `${subject} is signed by itself, and is none of ${trusted}`;
    case 'SELF_SIGNED_CERT_IN_CHAIN':
      return `${subject} leads to a root that is not trusted: it is none of ${trusted}`;
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
      return (
        `the issuer of ${subject} is unknown: ${issuerOf(shown)} is none of ${trusted}, and nothing ` +
        'that leads to one of them came with it'
      );
    default:
      return `${subject} is not taken: ${code}`;
  }
}

function contextOf(by: TargetTls): SecureContext {
  const known = contexts.get(by);
  if (known !== undefined) return known;
  const made = byId.get(by.id)?.deref() ?? makeContext(by);
  for (const [id, context] of byId) if (context.deref() === undefined) byId.delete(id);
  byId.set(by.id, new WeakRef(made));
  contexts.set(by, made);
  return made;
}

function makeContext(by: TargetTls): SecureContext {
  const ca = by.ca ?? systemAuthorities();
  return tls.createSecureContext({
    minVersion: 'TLSv1.2',
    ...(ca !== null && { ca }),
    ...(by.cert !== null && { cert: by.cert }),
    ...(by.key !== null && { key: by.key }),
  });
}

let system: string | null | undefined;

/** PEM; null where the system has none at a place that is known: then Node's own hold. */
function systemAuthorities(): string | null {
  if (system !== undefined) return system;
  const said = process.env.SSL_CERT_FILE ?? '';
  const files = said === '' ? systemFiles : [said];
  for (const file of files) {
    try {
      system = readFileSync(file, 'utf8');
      return system;
    } catch {
      // Another system keeps them elsewhere.
    }
  }
  system = null;
  return system;
}

function namesOf({ subjectaltname, subject }: PeerCertificate): string {
  const names = (subjectaltname ?? '').split(', ').map((one) => one.replace(/^[^:]*:/, ''));
  const some = names.filter((name) => name !== '').slice(0, 5);
  return some.length === 0 ? String(subject?.CN ?? 'no name at all') : some.join(', ');
}

function issuerOf({ issuer }: PeerCertificate): string {
  return String(issuer?.CN ?? issuer?.O ?? 'who signed it');
}
