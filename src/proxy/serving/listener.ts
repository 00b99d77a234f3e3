/**
 * Accepts client connections and gives each to the lanes.
 *
 * The rule this file keeps: connections spread over workers. Whoever accepts one while it is ahead
 * of another worker hands it over unread, and one that was handed over is kept.
 */
import net from 'node:net';
import { acceptShare, backlog } from '../../listener.ts';
import type { Scoreboard } from '../../scoreboard.ts';
import type { Plane } from '../plane.ts';

export interface Balance {
  readonly board: Scoreboard;
  /** Sends an unread connection to another worker. */
  readonly handOver: (socket: net.Socket, to: number) => void;
}

/**
 * While it stops, the process listens on for so long: for clients whose connection was on its way.
 */
const lastCallMs = 300;
const lookEveryMs = 20;
/** The queue of connections is looked at so often before it is closed, full or not. */
const lastLooksMax = 1_000;

export class Listener {
  readonly #plane: Plane;
  readonly #serve: (socket: net.Socket) => void;
  readonly #balance: Balance | null;
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();
  /** How many connections came, and when the last one did. */
  #kept = 0;
  #keptMs = 0;

  /**
   * @param serve takes a connection that nothing was read from.
   * @param balance null: there is only this worker.
   */
  constructor(plane: Plane, serve: (socket: net.Socket) => void, balance: Balance | null) {
    this.#plane = plane;
    this.#serve = serve;
    this.#balance = balance;
    // Half-open: a client may shut its side after the request and still wants the answer.
    const options = { allowHalfOpen: true, noDelay: true, pauseOnConnect: balance !== null };
    this.#server = net.createServer(options, (socket) => this.#accepted(socket));
  }

  /**
   * @param where a bound socket: its descriptor, or its handle; or an address.
   * @returns the address it listens on.
   */
  listen(
    where: { fd: number } | { host: string; port: number } | object,
  ): Promise<net.AddressInfo> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      const listening = (): void => {
        this.#server.off('error', reject);
        this.#balance?.board.write(this.#sockets.size);
        resolve(this.#server.address() as net.AddressInfo);
      };
      if ('handle' in where) this.#server.listen(where.handle, backlog, listening);
      else this.#server.listen({ ...where, backlog }, listening);
    });
  }

  /** Takes at most so many connections; more are closed at once. */
  limit(connectionsMax: number): void {
    if (Number.isFinite(connectionsMax)) this.#server.maxConnections = connectionsMax;
  }

  /** A connection that another worker handed over, unread. */
  adopt(socket: net.Socket): void {
    socket.allowHalfOpen = true;
    this.#keep(socket);
  }

  /**
   * Ends within `limitMs`, whatever is open: answers what is in flight and, for the first half of
   * that time, what comes meanwhile; asks clients to close, then closes what is left.
   */
  async close(limitMs: number): Promise<void> {
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
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Once a look at the socket finds nobody in its queue: whoever is in it then is reset. */
  #stopAccepting(looksLeft = lastLooksMax, kept = -1): void {
    const come = this.#kept;
    if (!this.#server.listening) return;
    if (come === kept || looksLeft === 0) this.#server.close();
    else setImmediate(() => this.#stopAccepting(looksLeft - 1, come));
  }

  #accepted(socket: net.Socket): void {
    const balance = this.#balance;
    if (balance === null || this.#plane.closing) {
      this.#keep(socket);
      if (balance !== null) socket.resume();
      return;
    }
    const behind = balance.board.behind(this.#sockets.size + 1, this.#plane.clock.now());
    if (behind === null) {
      this.#keep(socket);
      socket.resume();
    } else {
      balance.handOver(socket, behind);
    }
  }

  #keep(socket: net.Socket): void {
    this.#kept++;
    this.#keptMs = this.#plane.clock.now();
    this.#sockets.add(socket);
    this.#count();
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.#count();
    });
    this.#serve(socket);
  }

  #count(): void {
    this.#plane.connections = this.#sockets.size;
    this.#balance?.board.write(this.#sockets.size);
  }
}
