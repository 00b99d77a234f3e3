/**
 * The ends of connections to the admin port.
 *
 * The rule this file keeps: whoever is refused gets to see why, and nobody is waited for longer
 * than a moment.
 */
import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import type { Clock } from '../../clock.ts';
import { Fault } from '../../errors.ts';
import { problemOf, problemType } from './problem.ts';

/** How long a refused body is read and thrown away, so that its sender gets to see the answer. */
const lingerMs = 2_000;

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
