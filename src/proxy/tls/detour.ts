/**
 * What a request gets that may not go to its service on the connection it came on.
 *
 * The rule this file keeps: plain HTTP is sent to HTTPS only where HTTPS would answer with a
 * certificate that somebody trusts, and never for what asks whether we are alive or whose a name
 * is; and a service that wants to know its clients is reached by nobody it does not know.
 */
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { FaultCode } from '../../errors.ts';
import type { ServiceEntry } from '../../wire.ts';
import type { EdgeTls } from '../../wireTls.ts';
import type { Certificates } from './certificates.ts';
import { isKnownTo } from './entrance.ts';

export type Detour =
  | { readonly kind: 'challenge'; readonly keyAuthorization: string }
  | { readonly kind: 'redirect'; readonly location: string }
  | {
      readonly kind: 'refused';
      readonly code: FaultCode;
      /** What WWW-Authenticate says. */
      readonly challenge?: string;
    };

export interface Coming {
  readonly socket: Duplex;
  /** Of the connection itself. */
  readonly proto: 'http' | 'https';
  /** Of the client, where a trusted proxy in front of us says it (X-Forwarded-Proto). */
  readonly clientProto: 'http' | 'https';
  /** As in the Host header. */
  readonly host: string;
  readonly target: string;
}

/** What of the worker decides. */
export interface Around {
  readonly certificates: Certificates;
  readonly edge: { readonly tls: EdgeTls | null };
  readonly httpsPort: number | null;
}

type Wanted = Pick<ServiceEntry, 'name' | 'tls'>;

const challengePath = '/.well-known/acme-challenge/';

/** @returns null: it goes its way. Call it only where the edge has TLS. */
export function detourOf(
  around: Around,
  service: Wanted | undefined,
  coming: Coming,
): Detour | null {
  const { proto, target } = coming;
  const challenge = proto === 'http' && target.startsWith(challengePath);
  if (challenge) {
    const answers = around.certificates.set?.challenges.http01 ?? {};
    const token = target.slice(challengePath.length);
    const keyAuthorization = Object.hasOwn(answers, token) ? answers[token] : undefined;
    if (keyAuthorization !== undefined) return { kind: 'challenge', keyAuthorization };
  }
  if (service === undefined) return null;
  if (proto === 'http' && !challenge) {
    const location = httpsOf(around, service, coming);
    if (location !== null) return { kind: 'redirect', location };
  }
  if (proto === 'https' && service.tls.mode === 'off') {
    return { kind: 'refused', code: 'REQUEST_MISDIRECTED' };
  }
  const authority = around.certificates.authorityOf(service.name);
  if (authority === undefined || isKnownTo(coming.socket, authority)) return null;
  const code = isShared(coming) ? 'REQUEST_MISDIRECTED' : 'CLIENT_CERTIFICATE_REQUIRED';
  return { kind: 'refused', code };
}

/**
 * Whether it was opened for another host: browsers take one connection of HTTP/2 for several names
 * of a certificate. One for this host would have asked for the client's (RFC 9110 section 15.5.20).
 */
function isShared({ socket, host }: Coming): boolean {
  const { alpnProtocol, servername } = socket as Partial<TLSSocket>;
  return alpnProtocol === 'h2' && `${servername}`.toLowerCase() !== nameOf(host).toLowerCase();
}

function nameOf(host: string): string {
  return host.replace(/:\d*$/, '').replace(/\.$/, '');
}

/** Where a plain request is to be made again; null: here is right. */
function httpsOf(around: Around, service: Wanted, coming: Coming): string | null {
  const { tls } = around.edge;
  const { mode, healthPath } = service.tls;
  if (tls === null || !tls.redirect || mode === 'off' || coming.clientProto === 'https')
    return null;
  const name = nameOf(coming.host);
  const certificate = around.certificates.certificate(name);
  if (certificate === undefined || certificate.kind === 'temporary') return null;
  if (coming.target === healthPath) return null;
  const port = tls.redirectPort ?? around.httpsPort ?? 443;
  return `https://${name}${port === 443 ? '' : `:${port}`}${coming.target}`;
}
