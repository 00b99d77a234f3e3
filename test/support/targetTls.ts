/**
 * Applications behind TLS, and those on a socket in the file system, and what they are verified by.
 *
 * The rule this file keeps: an application is Node's server behind a handshake, so that it takes
 * what any application would; and it says what it was reached with.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http, { type RequestListener } from 'node:http';
import net, { type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls, { type TlsOptions } from 'node:tls';
import { onTestFinished } from 'vitest';
import { targetTlsOf } from '../../src/config/targetTrust.ts';
import type { CertificateSet, TargetTls } from '../../src/wireTls.ts';
import type { Pair } from './certificates.ts';

/** The system's authorities, and nothing said: what a service has whose file says nothing. */
export const systemTls: TargetTls = trust({});

/** As a file would say it. */
export function trust(of: Partial<Omit<TargetTls, 'id'>>): TargetTls {
  const { serverName = null, verify = true, ca = null, cert = null, key = null } = of;
  const paths = { ca: ca && 'ca.pem', cert: cert && 'c.pem', key: key && 'c.key' };
  return targetTlsOf({ serverName, verify, ...paths }, { ca, cert, key });
}

/** What a worker is handed that serves no certificate itself. */
export function setOfTrust(...targetTls: readonly TargetTls[]): CertificateSet {
  const challenges = { http01: {}, tlsAlpn01: {} };
  const ticketKeys = Buffer.alloc(48, 7).toString('base64');
  return { certificates: [], challenges, clientAuthorities: [], ticketKeys, targetTls };
}

export interface Application {
  readonly port: number;
  readonly server: http.Server;
  /** Connections that have not ended. */
  readonly sockets: ReadonlySet<Socket>;
  /** Bytes of requests, whatever came of them. */
  readonly received: () => number;
}

/** An application that speaks TLS at a port of loopback. */
export function startSecure(
  pair: Pair,
  handle: RequestListener,
  options: TlsOptions = {},
): Promise<Application> {
  return startFront(pair, http.createServer(handle), options);
}

/** A handshake before a server that listens nowhere itself. */
export async function startFront(
  pair: Pair,
  server: http.Server,
  options: TlsOptions = {},
): Promise<Application> {
  const sockets = new Set<Socket>();
  let received = 0;
  const cert = readFileSync(pair.cert);
  const key = readFileSync(pair.key);
  const front = tls.createServer({ cert, key, ...options }, (socket) => {
    socket.on('data', (bytes) => {
      received += bytes.length;
    });
    server.emit('connection', socket);
  });
  front.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
  });
  front.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    front.close();
    for (const socket of sockets) socket.destroy();
  });
  const { port } = front.address() as AddressInfo;
  return { port, server, sockets, received: () => received };
}

/** @returns the path of a socket at which `server` listens. */
export async function listenOnSocket(server: net.Server): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'pointsman-socket-'));
  const path = join(folder, 'app.sock');
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onTestFinished(() => {
    server.close();
    if (server instanceof http.Server) server.closeAllConnections();
    rmSync(folder, { recursive: true, force: true });
  });
  return path;
}

/** In front of an application that listens at `address`: `https://…`, or `unix:…` without `pair`. */
export async function frontOf(address: string, pair: Pair | null): Promise<string> {
  const [host = '', port = ''] = address.split(':');
  const open = new Set<Socket>();
  const pass = (client: Socket): void => {
    const app = net.connect({ host, port: Number(port), allowHalfOpen: true, noDelay: true });
    for (const [one, other] of [
      [client, app],
      [app, client],
    ] as const) {
      open.add(one);
      one.pipe(other);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        open.delete(one);
        other.destroy();
      });
    }
  };
  onTestFinished(() => {
    for (const socket of open) socket.destroy();
  });
  if (pair === null) {
    return `unix:${await listenOnSocket(net.createServer({ allowHalfOpen: true }, pass))}`;
  }
  const keys = { cert: readFileSync(pair.cert), key: readFileSync(pair.key) };
  const front = tls.createServer({ ...keys, allowHalfOpen: true, noDelay: true }, pass);
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void front.close());
  return `https://127.0.0.1:${(front.address() as AddressInfo).port}`;
}
