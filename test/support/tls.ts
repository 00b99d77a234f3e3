/**
 * A worker's TLS entrance in this process, in front of both lanes, and clients that shake hands
 * with it.
 *
 * The rule this file keeps: certificates come out of files by the code that reads them in use, so
 * that a test never hands a worker what no controller would.
 */
import net, { type AddressInfo, type Socket } from 'node:net';
import tls from 'node:tls';
import { onTestFinished } from 'vitest';
import { readPair } from '../../src/control/certificates/pair.ts';
import { createEntrances } from '../../src/proxy/serving/entrances.ts';
import type { CertificateSet, EdgeTls } from '../../src/wireTls.ts';
import type { Pair } from './certificates.ts';
import { type ProxySetup, startProxy, type TestProxy } from './proxy.ts';

export const edgeTls: EdgeTls = {
  minimum: '1.2',
  unknown: 'default',
  redirect: true,
  redirectPort: null,
  http2: true,
};

const noChallenges = { http01: {}, tlsAlpn01: {} };

/** What a worker would be handed of these, the first the default. */
export async function setOf(
  pairs: readonly Pair[],
  change: Partial<CertificateSet> = {},
): Promise<CertificateSet> {
  const read = await Promise.all(pairs.map((pair) => readPair(pair)));
  const certificates = read.map(({ issuer: _, notBefore: __, ...entry }) => entry);
  const ticketKeys = Buffer.alloc(48, 7).toString('base64');
  const rest = { challenges: noChallenges, clientAuthorities: [], ticketKeys };
  return { certificates, ...rest, ...change };
}

export async function startTls(
  setup: ProxySetup,
  set: CertificateSet,
  change: Partial<EdgeTls> = {},
): Promise<TestProxy> {
  const edge = { ...setup.edge, tls: { ...edgeTls, ...change } };
  const proxy = await startProxy((plane) => createEntrances(plane).secure, { ...setup, edge });
  proxy.plane.certificates.replace(set);
  return proxy;
}

/** The first bytes that Node's own client sends. */
export async function helloOf(options: tls.ConnectionOptions): Promise<Buffer> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const client = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
  client.on('error', () => {});
  return new Promise((resolve) => {
    server.once('connection', (socket) => {
      socket.on('error', () => {});
      socket.once('data', (bytes) => {
        client.destroy();
        socket.destroy();
        resolve(bytes);
      });
    });
  });
}

/** What came of a handshake. */
export interface Shaken {
  /** undefined: there was none, and why. */
  readonly error?: string;
  readonly serial?: string;
  readonly protocol?: string | null;
  readonly alpn?: string | false | null;
  readonly reused?: boolean;
  /** For the next connection; TLS 1.3 has none without an answer. */
  readonly session?: Buffer | undefined;
  /** The status of the answer, where something was asked. */
  readonly status?: number;
}

export interface Shake extends tls.ConnectionOptions {
  /** Asks for `/` with this Host, once it has shaken hands. */
  readonly host?: string;
}

/** Shakes hands, asks where it was told to, and leaves. Never rejects. */
export function shake(port: number, options: Shake = {}): Promise<Shaken> {
  const { host: asked, ...rest } = options;
  return new Promise((resolve) => {
    const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...rest });
    leaveAfterTest(socket);
    let session: Buffer | undefined;
    let got = '';
    socket.on('session', (one) => {
      session = one;
    });
    socket.once('error', (error: NodeJS.ErrnoException) =>
      resolve({ error: error.code ?? error.message }),
    );
    socket.once('close', () => resolve({ error: 'closed' }));
    const done = (): void => {
      const answered = asked === undefined ? {} : { status: Number(got.split(' ', 2)[1]) };
      resolve({
        serial: socket.getPeerCertificate().serialNumber,
        protocol: socket.getProtocol(),
        alpn: socket.alpnProtocol,
        reused: socket.isSessionReused(),
        session,
        ...answered,
      });
      socket.destroy();
    };
    socket.once('secureConnect', () => {
      if (asked === undefined) done();
      else socket.write(`GET / HTTP/1.1\r\nHost: ${asked}\r\nConnection: close\r\n\r\n`);
    });
    socket.on('data', (part) => {
      got += part.toString('latin1');
    });
    socket.once('end', () => {
      if (asked !== undefined) done();
    });
  });
}

function leaveAfterTest(socket: Socket): void {
  onTestFinished(() => void socket.destroy());
}
