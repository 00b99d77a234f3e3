/**
 * Listening sockets that outlive the processes which accept from them.
 *
 * The rule this file keeps: the supervisor binds a socket and never accepts from it; children
 * inherit the descriptor and listen on it. While any process holds it, the kernel queues new
 * connections, so a worker that dies, even the only one, costs nobody a refused connection.
 *
 * Why not `node:cluster`: its primary closes a shared handle together with the last worker that
 * uses it, and the connections that wait in its queue are reset (seen with one worker). Why an
 * undocumented call: a documented `listen()` always accepts as well. It is the call that Node's own
 * cluster binds with (checked on 20, 24 and 26), and it is called here only; it also takes a
 * socket that was bound by somebody else.
 */
import { lookup } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import net, { isIPv4 } from 'node:net';
import { formatAddress } from './config/address.ts';
import type { Address } from './config/config.ts';
import { Fault } from './errors.ts';
import { portOwnerText } from './portOwner.ts';

/**
 * Connections the kernel keeps for us while nobody accepts; it takes the smaller of this and
 * somaxconn.
 */
export const backlog = 4096;
/**
 * Of the time a stop may take: so long new connections are accepted while requests are in flight,
 * for load balancers that have not noticed. The rest is for what is in flight, which would else
 * never end under a load that goes on.
 */
export const acceptShare = 0.5;

export interface HeldListener {
  /** Inherited by children; give it to `server.listen({ fd })` there. */
  readonly fd: number;
  /** For `server.listen(handle)` in this process. */
  readonly handle: object;
  /** As the config has it: its port may be 0. */
  readonly wanted: Address;
  readonly address: Address;
  close(): void;
}

/** A listening socket that somebody else bound, and this process was started with. */
export interface GivenListener {
  readonly fd: number;
  /** What its giver wanted when it bound it; null: it does not say. */
  readonly wanted: Address | null;
}

interface ServerHandle {
  readonly fd: number;
  /** Only where it is a TCP socket. */
  getsockname?(out: { address?: string; port?: number }): number;
  close(): void;
}

type CreateServerHandle = (
  host: string | undefined,
  port: number | undefined,
  family: 4 | 6 | undefined,
  /** One that is bound already. */
  fd: number | undefined,
  flags: number,
) => ServerHandle | number;

const { _createServerHandle: createServerHandle } = net as unknown as {
  readonly _createServerHandle: CreateServerHandle;
};

/** UV_TCP_IPV6ONLY of libuv. */
const ipv6OnlyFlag = 1;

/** After a kill -9 the children of a supervisor have it so long to let go of its sockets. */
export const letGoMs = 2_000;
export const letGoLookMs = 50;

/**
 * Takes each from those that were given, or binds it: all, or none. An IPv6 address for everybody
 * is for IPv6 alone where IPv4 has a socket of its own at the same port; else it takes both. Of the
 * given ones, those that nobody wants are closed.
 *
 * @throws as `holdListener`; Fault CONFIG_INVALID where a service manager gave one that nobody
 *   wants.
 */
export async function holdListeners(
  wanted: readonly Address[],
  given: readonly GivenListener[] = [],
): Promise<HeldListener[]> {
  const adopted = given.map(adopt);
  const held: HeldListener[] = [];
  try {
    for (const one of wanted) {
      const there = await takeFrom(adopted, one);
      if (there !== null) {
        held.push(there);
        continue;
      }
      const beside = wanted.some(({ host, port }) => port === one.port && isIPv4(host));
      held.push(await holdListener(one, one.host === '::' && one.port !== 0 && beside));
    }
    refuseUnwanted(adopted);
    return held;
  } catch (thrown) {
    for (const one of held) one.close();
    throw thrown;
  } finally {
    for (const { handle } of adopted) handle?.close();
  }
}

interface Adopted extends GivenListener {
  /** null: it is no socket that takes TCP connections. */
  readonly handle: ServerHandle | null;
  readonly bound: Address;
}

function adopt(given: GivenListener): Adopted {
  const none = { ...given, handle: null, bound: { host: '', port: 0 } };
  try {
    const handle = createServerHandle(undefined, undefined, undefined, given.fd, 0);
    if (typeof handle === 'number') return none;
    const { address, port } = boundTo(handle);
    if (address === undefined || port === undefined) return none;
    return { ...given, handle, bound: { host: address, port } };
  } catch {
    return none;
  }
}

/** Takes the socket for an address out of those that are there; null: there is none. */
async function takeFrom(adopted: Adopted[], wanted: Address): Promise<HeldListener | null> {
  let at = adopted.findIndex((one) => isSame(one.wanted, wanted));
  if (at < 0 && adopted.length > 0) {
    const { address } = await resolve(wanted);
    at = adopted.findIndex((one) => one.wanted === null && serves(one.bound, address, wanted.port));
  }
  const [one] = at < 0 ? [] : adopted.splice(at, 1);
  if (!one?.handle) return null;
  const { handle, bound } = one;
  const address = { host: wanted.host, port: bound.port };
  return { fd: handle.fd, handle, wanted, address, close: () => handle.close() };
}

function isSame(one: Address | null, other: Address): boolean {
  return one?.host === other.host && one.port === other.port;
}

/** What a service manager holds, and nobody here accepts from, would let clients wait for ever. */
function refuseUnwanted(adopted: readonly Adopted[]): void {
  const wrong = adopted
    .filter(({ wanted }) => wanted === null)
    .map(({ fd, handle, bound }) =>
      handle === null
        ? `descriptor ${fd} is no TCP socket`
        : `${formatAddress(bound)} is in none of listen, tls.listen and admin.listen`,
    );
  if (wrong.length === 0) return;
  const next = 'Name the address in the config, or take it out of the .socket unit.';
  throw new Fault('CONFIG_INVALID', `Sockets of LISTEN_FDS: ${wrong.join('; ')}. ${next}`);
}

/** Whether a socket takes what comes to an address: it has it, or has the port for everybody. */
function serves(bound: Address, host: string, port: number): boolean {
  const everybody = bound.host === '::' || (bound.host === '0.0.0.0' && isIPv4(host));
  return bound.port === port && (everybody || bound.host === host);
}

/**
 * Binds, and does not accept. A port that is taken is tried again for `letGoMs`: whoever had it before
 * may be ending.
 *
 * @param wanted port 0 asks the system for a free one.
 * @param ipv6Only of an IPv6 address: whether it leaves IPv4 to another socket.
 * @throws Fault PORT_IN_USE naming the address, what is wrong with it, and what to do.
 */
export async function holdListener(wanted: Address, ipv6Only = false): Promise<HeldListener> {
  const { address, family } = await resolve(wanted);
  const untilMs = performance.now() + letGoMs;
  for (;;) {
    const held = tryToHold(wanted, address, family, ipv6Only);
    if (held !== null) return held;
    if (performance.now() > untilMs)
      throw refused(wanted, `${portOwnerText(wanted)} listens on it`);
    await new Promise((resolve) => setTimeout(resolve, letGoLookMs));
  }
}

/** @returns null where it is taken. */
function tryToHold(
  wanted: Address,
  host: string,
  family: number,
  ipv6Only: boolean,
): HeldListener | null {
  const flags = ipv6Only ? ipv6OnlyFlag : 0;
  const handle = createServerHandle(host, wanted.port, family === 6 ? 6 : 4, undefined, flags);
  if (typeof handle === 'number') throw refused(wanted, `the system says error ${-handle}`);
  const bound = boundTo(handle);
  // A port that is taken shows only as a socket that is bound to no port, or to another one.
  if (
    bound.port === undefined ||
    bound.port === 0 ||
    (wanted.port !== 0 && bound.port !== wanted.port)
  ) {
    handle.close();
    return null;
  }
  return {
    fd: handle.fd,
    handle,
    wanted,
    address: { host: wanted.host, port: bound.port ?? wanted.port },
    close: () => handle.close(),
  };
}

/** Empty where it is no socket, or a bad one. */
function boundTo(handle: ServerHandle): { address?: string; port?: number } {
  const bound: { address?: string; port?: number } = {};
  return handle.getsockname?.(bound) === 0 ? bound : {};
}

/**
 * How many files and sockets this process may have open; Infinity where the system does not tell.
 */
export function descriptorsMax(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8');
    return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

async function resolve({ host, port }: Address): Promise<{ address: string; family: number }> {
  try {
    return await lookup(host);
  } catch (cause) {
    throw new Fault('PORT_IN_USE', `Cannot listen on ${host}:${port}: the name does not resolve.`, {
      cause,
    });
  }
}

function refused({ host, port }: Address, why: string): Fault {
  const next = `Find it with "ss -ltnp sport = :${port}", or choose another address in the config.`;
  return new Fault('PORT_IN_USE', `Cannot listen on ${host}:${port}: ${why}. ${next}`);
}
