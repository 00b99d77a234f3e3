/**
 * A lane in front of real origins, and clients that say exactly what a test wants them to say.
 *
 * The rule this file keeps: real sockets on port 0, and everything that was opened is closed after
 * the test.
 */
import { scryptSync } from 'node:crypto';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { type Clock, systemClock } from '../../src/clock.ts';

import { Plane } from '../../src/proxy/plane.ts';
import type { Color, Edge, Policy, PoolEntry, ServiceEntry, Table } from '../../src/wire.ts';
import type { PasswordHash, ServiceEdge } from '../../src/wireEdge.ts';

/** Makes the connection handler of a lane, or of the lanes together. */
export type MakeLane = (plane: Plane) => (socket: net.Socket) => void;

export const policy: Policy = {
  connectMs: 2_000,
  responseMs: 10_000,
  idleMs: 10_000,
  queueMs: 5_000,
  bodyBytesMax: 200 * 1024 * 1024,
  headerBytesMax: 16 * 1024,
  responseHeaderBytesMax: 64 * 1024,
  queueMax: 1_000,
  connectionsPerTargetMax: 512,
  bytesPerSecondMin: 240,
  drainMs: 10_000,
  retryAfterSeconds: 2,
  hstsSeconds: 0,
};

const plainEdge: Edge = {
  trustedProxies: [],
  proxyProtocol: [],
  accessLog: 'all',
  lanes: 'auto',
  tls: null,
};

/** A pool entry whose targets are healthy, at these ports of loopback. */
export function pool(id: string, ports: readonly number[], healthy = true): PoolEntry {
  const targets = ports.map((port) => ({ id: `${port}`, host: '127.0.0.1', port, healthy }));
  return { id, release: `release of ${id}`, targets };
}

export function entry(is: Partial<ServiceEntry> & { pools: ServiceEntry['pools'] }): ServiceEntry {
  return {
    name: 'shop',
    hosts: [],
    paths: ['/'],
    generation: 1,
    live: 'blue',
    policy,
    tls: { mode: 'default', healthPath: '/up' },
    edge: null,
    via: { request: 'pointsman-1-shop', probe: 'pointsman-1-probe' },
    paused: false,
    pausePage: false,
    ...is,
  };
}

/** As cheap as a hash may be. */
export function passwordHash(password: string): PasswordHash {
  const cost = { ln: 12, r: 1, p: 1 };
  const salt = Buffer.from('0123456789abcdef');
  const hash = scryptSync(password, salt, 32, { N: 2 ** cost.ln, r: cost.r, p: cost.p });
  return { ...cost, salt: salt.toString('base64'), hash: hash.toString('base64') };
}

/** The edge of a service that does nothing at all, but for what is said. */
export function serviceEdge(is: Partial<ServiceEdge>): ServiceEdge {
  return {
    request: { remove: [], set: [], add: [] },
    response: { remove: [], set: [], add: [] },
    forwarded: false,
    stripPrefix: '',
    addPrefix: '',
    redirects: {},
    allow: [],
    basicAuth: null,
    sticky: '',
    pages: {},
    ...is,
  };
}

export interface TestProxy {
  readonly port: number;
  readonly plane: Plane;
  /** Access log lines, as they were written. */
  readonly lines: Readonly<Record<string, unknown>>[];
  readonly sockets: ReadonlySet<net.Socket>;
  stage(services: readonly ServiceEntry[], edge?: Partial<Edge>): void;
  /** Stages, holds and commits in one go. */
  flip(service: ServiceEntry): void;
}

export interface ProxySetup {
  readonly services: readonly ServiceEntry[];
  readonly edge?: Partial<Edge>;
  readonly clock?: Clock;
}

/** A proxy that listens on a port of its own. */
export async function startProxy(makeLane: MakeLane, setup: ProxySetup): Promise<TestProxy> {
  const lines: Record<string, unknown>[] = [];
  const sink = { line: (fields: object) => void lines.push({ ...fields }), dropped: 0 };
  const plane = new Plane({ clock: setup.clock ?? systemClock, worker: 0, sink });
  let version = 0;
  let edge = { ...plainEdge, ...setup.edge };
  const table = (services: readonly ServiceEntry[]): Table => ({
    version: ++version,
    edge,
    services,
  });
  const serve = makeLane(plane);
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    serve(socket);
  });
  plane.stage(table(setup.services));
  const port = await listening(server);
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
    plane.close(0);
  });
  return {
    port,
    plane,
    lines,
    sockets,
    stage(services, change) {
      edge = { ...edge, ...change };
      plane.stage(table(services));
    },
    flip(service) {
      const fence = { service: service.name, generation: service.generation };
      plane.stage(table([service]));
      plane.hold(fence);
      plane.commit(fence, true);
    },
  };
}

/** Requests inside the first pool of the first service. */
export function inside({ plane }: TestProxy): number {
  const found = plane.stats().services[0]?.pools[0]?.inside;
  return found === undefined ? 0 : found.http + found.sse + found.upgrade;
}

/** The usual: one service, one target on blue, and nothing on green. */
export function oneService(
  port: number | readonly number[],
  change: Partial<Policy> = {},
): ProxySetup {
  const ports = typeof port === 'number' ? [port] : port;
  const pools = { blue: pool('shop.blue.1', ports), green: null };
  return { services: [entry({ pools, policy: { ...policy, ...change } })] };
}

export function flipped(to: Color, generation: number, pools: ServiceEntry['pools']): ServiceEntry {
  return entry({ live: to, generation, pools });
}

export interface Origin {
  readonly port: number;
  readonly server: http.Server;
  readonly sockets: ReadonlySet<net.Socket>;
}

/** An application on Node's server, lenient in nothing. */
export async function startOrigin(
  handle: (req: IncomingMessage, res: ServerResponse) => void,
  options: http.ServerOptions = {},
): Promise<Origin> {
  const server = http.createServer(options, handle);
  const sockets = tracked(server);
  const port = await listening(server);
  closeAfterTest(server, sockets);
  return { port, server, sockets };
}

export interface RawOrigin {
  readonly port: number;
  readonly server: net.Server;
  /** What every connection sent, by connection, as latin1. */
  readonly received: string[];
  readonly sockets: ReadonlySet<net.Socket>;
}

/**
 * An upstream that says what it likes.
 * @param react called for each read, with all that came so far.
 */
export async function startRawOrigin(
  react: (socket: net.Socket, soFar: string, connection: number) => void,
): Promise<RawOrigin> {
  const received: string[] = [];
  const server = net.createServer((socket) => {
    const at = received.push('') - 1;
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      received[at] += chunk.toString('latin1');
      react(socket, received[at] ?? '', at);
    });
  });
  const sockets = tracked(server);
  const port = await listening(server);
  closeAfterTest(server, sockets);
  return { port, server, received, sockets };
}

/** A port on which nothing listens. */
export async function deadPort(): Promise<number> {
  const server = net.createServer();
  const port = await listening(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function tracked(server: net.Server): Set<net.Socket> {
  const sockets = new Set<net.Socket>();
  server.on('connection', (socket: net.Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  return sockets;
}

function closeAfterTest(server: net.Server, sockets: ReadonlySet<net.Socket>): void {
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
}

async function listening(server: net.Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}
