/**
 * Accepts client connections, plain ones and those that begin with a handshake, and gives each on.
 *
 * The rule this file keeps: connections spread over workers. Whoever accepts one while it is ahead
 * of another worker hands it over unread, and one that was handed over is kept.
 */
import net from 'node:net';
import type { Left } from '../../ipc.ts';
import { acceptShare, backlog } from '../../listener.ts';
import type { Scoreboard } from '../../scoreboard.ts';
import type { Plane } from '../plane.ts';

export interface Balance {
  readonly board: Scoreboard;
  /** Sends an unread connection to another worker. */
  readonly handOver: (socket: net.Socket, secure: boolean, to: number) => void;
}

/**
 * While it stops, the process listens on for so long: for clients whose connection was on its way.
 */
const lastCallMs = 300;
const lookEveryMs = 20;
/** The queue of connections is looked at so often before it is closed, full or not. */
const lastLooksMax = 1_000;

/** Who takes a connection that nothing was read from. */
export interface Entrances {
  readonly plain: (socket: net.Socket) => void;
  readonly secure: (socket: net.Socket) => void;
}

export class Listener {
  readonly #plane: Plane;
  readonly #entrances: Entrances;
  readonly #balance: Balance | null;
  readonly #servers: net.Server[] = [];
  readonly #sockets = new Set<net.Socket>();
  /** How many connections came, and when the last one did. */
  #kept = 0;
  #keptMs = 0;
  #connectionsMax = Number.POSITIVE_INFINITY;

  /**
   * @param balance null: there is only this worker.
   */
  constructor(plane: Plane, entrances: Entrances, balance: Balance | null) {
    this.#plane = plane;
    this.#entrances = entrances;
    this.#balance = balance;
  }

  /**
   * May be called for more than one socket.
   *
   * @param where a bound socket: its descriptor, or its handle; or an address.
   * @param secure whether its connections begin with a handshake of TLS.
   * @returns the address it listens on.
   */
  listen(
    where: { fd: number } | { host: string; port: number } | object,
    secure: boolean,
  ): Promise<net.AddressInfo> {
    const pauseOnConnect = this.#balance !== null;
    // Half-open: a client may shut its side after the request and still wants the answer.
    const options = { allowHalfOpen: true, noDelay: true, pauseOnConnect };
    const server = net.createServer(options, (socket) => this.#accepted(socket, secure));
    this.#servers.push(server);
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      const listening = (): void => {
        server.off('error', reject);
        this.#balance?.board.write(this.#sockets.size);
        const address = server.address() as net.AddressInfo;
        if (secure) this.#plane.httpsPort ??= address.port;
        resolve(address);
      };
      if ('handle' in where) server.listen(where.handle, backlog, listening);
      else server.listen({ ...where, backlog }, listening);
    });
  }

  /** Takes at most so many connections; more are closed at once. */
  limit(connectionsMax: number): void {
    this.#connectionsMax = connectionsMax;
  }

  /** A connection that another worker handed over, unread. */
  adopt(socket: net.Socket, secure: boolean): void {
    socket.allowHalfOpen = true;
    this.#keep(socket, secure);
  }

  /**
   * Another process accepts from the same sockets from now on, so that what waits in their queue is
   * not lost. Connections that stand are asked to end with their next answer, and whatever they do
   * may take up to `limitMs`; what is left then ends as with `close`, within `stopMs`.
   *
   * @returns what became of them; null: it was told to accept again meanwhile.
   */
  async leave(limitMs: number, stopMs: number): Promise<Left | null> {
    const { clock } = this.#plane;
    const untilMs = clock.now() + limitMs;
    const before = this.#kept - this.#sockets.size;
    for (const server of this.#servers.splice(0)) server.close();
    this.#plane.leave();
    this.#keptMs = clock.now();
    // One that another worker handed over may still be on its way here.
    const over = (): boolean => this.#sockets.size === 0 && clock.now() - this.#keptMs > lastCallMs;
    while (this.#plane.closing && !over() && clock.now() < untilMs) {
      await new Promise<void>((resolve) => clock.after(lookEveryMs, resolve));
    }
    if (!this.#plane.closing) return null;
    const { upgrade: tunnels } = this.#plane.inside;
    const late = this.#sockets.size;
    const left = late === 0 ? 0 : await this.close(stopMs);
    const connections = this.#kept - before;
    // Tunnels have no end of their own: they were closed as their protocol has it, and count apart.
    const cut = Math.max(0, this.#plane.cut - tunnels) + left;
    return { connections, ended: connections - late, tunnels, cut };
  }

  /**
   * Ends within `limitMs`, whatever is open: answers what is in flight and, for the first half of
   * that time, what comes meanwhile; asks clients to close, then closes what is left.
   *
   * @returns how many requests were in flight even then.
   */
  async close(limitMs: number): Promise<number> {
    const { clock } = this.#plane;
    const startedMs = clock.now();
    const over = (): number => clock.now() - startedMs;
    this.#keptMs = startedMs;
    this.#plane.close(limitMs);
    while (over() < limitMs) {
      // Whoever has just come has not been heard yet.
      if (this.#plane.idle && clock.now() - this.#keptMs >= lastCallMs) break;
      if (over() >= limitMs * acceptShare) this.#stopAccepting();
      await new Promise<void>((resolve) => clock.after(lookEveryMs, resolve));
    }
    for (const server of this.#servers) server.close();
    const { http, sse } = this.#plane.inside;
    for (const socket of this.#sockets) socket.destroy();
    return http + sse;
  }

  /** Once a look at the socket finds nobody in its queue: whoever is in it then is reset. */
  #stopAccepting(looksLeft = lastLooksMax, kept = -1): void {
    const come = this.#kept;
    if (!this.#servers.some((server) => server.listening)) return;
    if (come === kept || looksLeft === 0) for (const server of this.#servers) server.close();
    else setImmediate(() => this.#stopAccepting(looksLeft - 1, come));
  }

  #accepted(socket: net.Socket, secure: boolean): void {
    const balance = this.#balance;
    if (this.#sockets.size >= this.#connectionsMax) {
      socket.destroy();
      return;
    }
    if (balance === null || this.#plane.closing) {
      this.#keep(socket, secure);
      if (balance !== null && !secure) socket.resume();
      return;
    }
    const behind = balance.board.behind(this.#sockets.size + 1, this.#plane.clock.now());
    if (behind === null) {
      this.#keep(socket, secure);
      if (!secure) socket.resume();
    } else {
      balance.handOver(socket, secure, behind);
    }
  }

  #keep(socket: net.Socket, secure: boolean): void {
    this.#kept++;
    this.#keptMs = this.#plane.clock.now();
    this.#sockets.add(socket);
    this.#count();
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.#count();
    });
    if (secure) this.#entrances.secure(socket);
    else this.#entrances.plain(socket);
  }

  #count(): void {
    this.#plane.connections = this.#sockets.size;
    this.#balance?.board.write(this.#sockets.size);
  }
}
