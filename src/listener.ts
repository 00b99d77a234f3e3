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
 * cluster binds with (checked on 20, 24 and 26), and it is called here only.
 */
import { lookup } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import net, { isIPv4 } from 'node:net';
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
  readonly address: Address;
  close(): void;
}

interface ServerHandle {
  readonly fd: number;
  getsockname(out: { address?: string; port?: number }): number;
  close(): void;
}

type CreateServerHandle = (
  host: string,
  port: number,
  family: 4 | 6,
  fd: undefined,
  flags: number,
) => ServerHandle | number;

/** UV_TCP_IPV6ONLY of libuv. */
const ipv6OnlyFlag = 1;

/** After a kill -9 the children of a supervisor have it so long to let go of its sockets. */
export const letGoMs = 2_000;
export const letGoLookMs = 50;

/**
 * Binds each, or none. An IPv6 address for everybody is for IPv6 alone where IPv4 has a socket of
 * its own at the same port; else it takes both.
 *
 * @throws as `holdListener`
 */
export async function holdListeners(wanted: readonly Address[]): Promise<HeldListener[]> {
  const held: HeldListener[] = [];
  try {
    for (const one of wanted) {
      const beside = wanted.some(({ host, port }) => port === one.port && isIPv4(host));
      held.push(await holdListener(one, one.host === '::' && one.port !== 0 && beside));
    }
    return held;
  } catch (thrown) {
    for (const one of held) one.close();
    throw thrown;
  }
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
  const create = (net as unknown as { _createServerHandle: CreateServerHandle })
    ._createServerHandle;
  const flags = ipv6Only ? ipv6OnlyFlag : 0;
  const handle = create(host, wanted.port, family === 6 ? 6 : 4, undefined, flags);
  if (typeof handle === 'number') throw refused(wanted, `the system says error ${-handle}`);
  const bound: { address?: string; port?: number } = {};
  // A port that is taken shows only as a socket that is bound to no port, or to another one.
  const failed = handle.getsockname(bound) !== 0 || bound.port === undefined || bound.port === 0;
  if (failed || (wanted.port !== 0 && bound.port !== wanted.port)) {
    handle.close();
    return null;
  }
  return {
    fd: handle.fd,
    handle,
    address: { host: wanted.host, port: bound.port ?? wanted.port },
    close: () => handle.close(),
  };
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
