/**
 * Connections to the admin port: which are kept, and how they end.
 *
 * The rule this file keeps: whoever is refused gets to see why, nobody is waited for longer than a
 * moment, and strangers take places from strangers alone.
 */
import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import type { Clock } from '../../clock.ts';
import { Fault } from '../../errors.ts';
import { problemOf, problemType } from './problem.ts';

/** How long a refused body is read and thrown away, so that its sender gets to see the answer. */
const lingerMs = 2_000;

/** Connections that have not shown who they are, at once. */
export const strangersMax = 128;

/**
 * The connections that nobody has been known on yet. Where there are too many, the oldest ends: a
 * newcomer shows its token at once, while what takes places up for nothing is old. Unbounded, they
 * would take the descriptors that the controller probes and writes its state with.
 */
export class Strangers {
  /** By the peer's end, which a connection has in common with what TLS makes of it. */
  readonly #sockets = new Map<string, Socket>();

  admit(socket: Socket): void {
    const peer = peerOf(socket);
    this.#sockets.set(peer, socket);
    socket.once('close', () => {
      if (this.#sockets.get(peer) === socket) this.#sockets.delete(peer);
    });
    if (this.#sockets.size <= strangersMax) return;
    const [oldest] = this.#sockets.values();
    oldest?.destroy();
  }

  /** Whose connection it is was shown: it is ended for nobody any more. */
  know(socket: Socket): void {
    this.#sockets.delete(peerOf(socket));
  }
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

/**
 * Closing at once would reset a connection whose client still writes, and the reset may overtake
 * the answer. Node goes on reading what is left and throws it away; whoever takes longer is cut.
 */
export function linger(socket: Socket, clock: Clock): void {
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
