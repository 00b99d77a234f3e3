/**
 * A connection of our own to a target, beside those of its clients, and what is said where it
 * fails.
 *
 * The rule this file keeps: it is made as workers make theirs, so that what a look at a target says
 * is what requests meet; and what went wrong is one sentence that a person can act on.
 */
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { formatTarget } from '../../config/address.ts';
import { certificateReason, targetTlsOptions } from '../../targetTls.ts';
import type { TargetTls } from '../../wireTls.ts';
import type { RunningTarget } from '../drivers/driver.ts';

export interface ProbedTarget extends Pick<RunningTarget, 'host' | 'port' | 'scheme'> {
  /** Which of the addresses of its name is asked; absent: it is no name. */
  readonly address?: string;
}

/**
 * For `createConnection` of a request.
 *
 * @param tls and whether it is to be spoken to by HTTP/2.
 * @param done is called for TLS, which is not written to before its target is verified.
 */
export function connectTarget(
  target: ProbedTarget,
  tls: TargetTls & { readonly http2?: boolean },
  where: string,
  done: (error: Error | null, socket: Socket) => void,
): Socket {
  const { port, scheme } = target;
  const host = target.address ?? target.host;
  if (scheme === 'unix') return connect({ path: host });
  if (scheme === undefined) return connect({ host, port });
  // Verified below, where what the target showed can still be looked at.
  const spoken = tls.http2 ? { ALPNProtocols: ['h2'] } : {};
  const options = { ...targetTlsOptions(tls, target.host), ...spoken, rejectUnauthorized: false };
  const socket = connectTls({ ...options, host, port });
  const failed = (error: Error): void => done(error, socket);
  socket.once('error', failed);
  socket.once('secureConnect', () => {
    socket.off('error', failed);
    if (socket.authorized || !tls.verify) return done(null, socket);
    const code = String(socket.authorizationError);
    const reason = certificateReason(code, socket.getPeerCertificate(), where, tls);
    socket.destroy();
    done(new CertificateError(reason), socket);
  });
  return socket;
}

/** The Host field of a request to it where the config says none. */
export function hostOf(target: ProbedTarget): string {
  if (target.scheme === 'unix') return 'localhost';
  const authority = formatTarget({ host: target.host, port: target.port });
  return target.scheme === 'https' ? authority.replace(/:443$/, '') : authority;
}

const sentences: Readonly<Record<string, (where: string) => string>> = {
  ECONNREFUSED: (where) => `connection refused: nothing listens on ${where}`,
  ECONNRESET: (where) => `${where} closed the connection without an answer`,
  EPIPE: (where) => `${where} closed the connection without an answer`,
  ETIMEDOUT: (where) => `${where} does not take connections (timed out)`,
  EHOSTUNREACH: (where) => `no route to ${where}: the host is down or the address is wrong`,
  ENETUNREACH: (where) => `no network to ${where}: the address is wrong, or a route is missing`,
  ENOTFOUND: (where) => `the name in ${where} does not resolve`,
  EAI_AGAIN: (where) => `the name in ${where} cannot be resolved now: the name server is silent`,
  EADDRNOTAVAIL: (where) => `no local port is free for a connection to ${where}`,
  ENOENT: (where) => `there is no socket at ${where}`,
  EACCES: (where) => `Pointsman may not connect to ${where}: the socket is not open to its user`,
  ERR_SSL_WRONG_VERSION_NUMBER: (where) => `${where} does not speak TLS`,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: (where) => `${where} does not speak TLS`,
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: (where) => wantsCertificate(where),
  ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE: (where) =>
    `${where} refuses the handshake: it may want a certificate of ours (targetTls.cert)`,
  EMFILE: () => 'Pointsman has no file descriptor left for a probe',
};

function wantsCertificate(where: string): string {
  return `${where} wants a certificate of ours, and targetTls.cert names none`;
}

/** What went wrong, for the end of a sentence. @param where the target, as people are told of it. */
export function sentenceOf(error: NodeJS.ErrnoException, where: string): string {
  if (error instanceof CertificateError) return error.message;
  const code = error.code ?? '';
  const known = sentences[code];
  if (known !== undefined) return known(where);
  if (code.startsWith('ERR_HTTP2_')) return `${where} sent something that is not HTTP/2`;
  if (code.startsWith('HPE_')) return `${where} sent something that is not HTTP`;
  return `${where} could not be asked: ${cleaned(Buffer.from(error.message.slice(0, 200)))}`;
}

/** Readable on one line whatever it was: control characters become blanks, runs of blanks one. */
export function cleaned(bytes: Buffer): string {
  const text = bytes.toString('utf8').replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\uFFFD]+/gu, ' ');
  return text.replace(/\s+/g, ' ').trim();
}

/** Why no request was made: the message is a sentence. */
class CertificateError extends Error {}
