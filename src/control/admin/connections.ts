/**
 * Connections to the admin port: which are kept, and how they end.
 *
 * The rule this file keeps: whoever is refused gets to see why, nobody is waited for longer than a
 * moment, and strangers take places from strangers alone.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '../../clock.ts';
import { Fault } from '../../errors.ts';
import { problemOf, problemType } from './problem.ts';

/** How long a refused body is read and thrown away, so that its sender gets to see the answer. */
const lingerMs = 2_000;

/** Connections that have not shown who they are, at rest. */
export const strangersMax = 128;

/** How many there may be before they have had a chance to: a thousand calls at once are nobody's attack. */
const newcomersMax = 2_048;

/** How long a connection has to show whose it is, where there are too many. */
export const graceMs = 1_000;

/**
 * The connections that nobody has been known on yet. Where there are too many, the oldest end, but
 * not before they had `graceMs` to show a token: what takes places up for nothing is older.
 * Unbounded, they would take the descriptors that the controller probes and writes its state with.
 */
export class Strangers {
  /** By the peer's end, which a connection has in common with what TLS makes of it. */
  readonly #sockets = new Map<string, { readonly socket: Socket; readonly nth: number }>();
  readonly #clock: Clock;
  #admitted = 0;
  #looking = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  admit(socket: Socket): void {
    const peer = peerOf(socket);
    this.#admitted += 1;
    this.#sockets.set(peer, { socket, nth: this.#admitted });
    socket.once('close', () => {
      if (this.#sockets.get(peer)?.socket === socket) this.#sockets.delete(peer);
    });
    if (this.#sockets.size > newcomersMax) {
      const [oldest] = this.#sockets.values();
      oldest?.socket.destroy();
    } else if (this.#sockets.size > strangersMax && !this.#looking) this.#lookLater();
  }

  /** Whose connection it is was shown: it is ended for nobody any more. */
  know(socket: Socket): void {
    this.#sockets.delete(peerOf(socket));
  }

  #lookLater(): void {
    const newest = this.#admitted;
    this.#looking = true;
    // A controller that was busy has read nothing of them yet when its timers run: one turn more.
    this.#clock.after(graceMs, () => setImmediate(() => this.#endOldest(newest)));
  }

  #endOldest(newest: number): void {
    this.#looking = false;
    for (const [peer, { socket, nth }] of this.#sockets) {
      if (this.#sockets.size <= strangersMax || nth > newest) break;
      this.#sockets.delete(peer);
      socket.destroy();
    }
    if (this.#sockets.size > strangersMax) this.#lookLater();
  }
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

/**
 * Whether an answer may end the connection as a whole. Node does so behind one that is the last, as
 * the client wished, by `destroySoon`, which waits for our own end alone; where that is missing it
 * calls `end`.
 */
export function mayDestroy(socket: Socket, may: boolean): void {
  if (may) Reflect.deleteProperty(socket, 'destroySoon');
  else Object.assign(socket, { destroySoon: undefined });
}

/**
 * Closing at once would reset a connection whose client still writes, and the reset may overtake
 * the answer. Node goes on reading what is left and throws it away; whoever takes longer is cut.
 */
export function afterAnswer(req: IncomingMessage, socket: Socket, clock: Clock): void {
  if (req.complete) {
    mayDestroy(socket, true);
    return;
  }
  const cancel = clock.after(lingerMs, () => socket.destroy());
  socket.once('close', cancel);
}

/** What is no HTTP never becomes a request: a bare answer, and the connection ends. */
export function answerNonsense(thrown: Error & { code?: string }, socket: Socket): void {
  if (!socket.writable || thrown.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const status = statusOfNonsense[thrown.code ?? ''] ?? '400 Bad Request';
  const fault = new Fault('CALL_INVALID', `This is not valid HTTP: ${thrown.message}`);
  const text = JSON.stringify({
    ...problemOf(fault, randomUUID()),
    status: Number.parseInt(status, 10),
  });
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: ${problemType}\r\nConnection: close\r\n` +
      `Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  );
}

const statusOfNonsense: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};
