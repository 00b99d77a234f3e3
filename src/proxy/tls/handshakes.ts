/**
 * Connections whose handshake has not ended.
 *
 * The rule this file keeps: each has so much time, from its first byte to its last, and all of them
 * together have so many places. Where there are more, the oldest goes: a handshake takes
 * milliseconds, so whoever is oldest is not going to end it.
 */
import type { Socket } from 'node:net';
import type { Clock } from '../../clock.ts';
import { carryAddress } from './saidAddress.ts';

export const handshakeMsMax = 9_500;
/** In each worker; each costs some 50 KiB while it lasts. */
export const handshakesMax = 2_000;

/** How handshakes ended. */
export interface HandshakeCounts {
  completed: number;
  timeout: number;
  crowded: number;
  refused: number;
}

export class Handshakes {
  readonly #clock: Clock;
  readonly #pending = new Map<string, { readonly socket: Socket; readonly cancel: () => void }>();
  readonly #counts: HandshakeCounts;

  constructor(clock: Clock, counts: HandshakeCounts) {
    this.#clock = clock;
    this.#counts = counts;
  }

  begin(socket: Socket): void {
    const key = keyOf(socket);
    if (this.#pending.size >= handshakesMax) this.#endOldest();
    const cancel = this.#clock.after(handshakeMsMax, () => {
      this.#counts.timeout++;
      socket.destroy();
    });
    this.#pending.set(key, { socket, cancel });
    socket.once('close', () => {
      if (this.#pending.get(key)?.socket === socket) this.#forget(key);
    });
  }

  /**
   * @param socket the TLS one: it has the addresses of the one beneath it, and takes over what was
   *   said of that.
   */
  done(socket: Socket): void {
    this.#counts.completed++;
    const beneath = this.#pending.get(keyOf(socket))?.socket;
    if (beneath !== undefined) carryAddress(beneath, socket);
    this.#forget(keyOf(socket));
  }

  /** It did not come to an agreement. */
  failed(): void {
    this.#counts.refused++;
  }

  #forget(key: string): void {
    const pending = this.#pending.get(key);
    if (pending === undefined) return;
    pending.cancel();
    this.#pending.delete(key);
  }

  #endOldest(): void {
    for (const [key, { socket }] of this.#pending) {
      this.#counts.crowded++;
      this.#forget(key);
      socket.destroy();
      return;
    }
  }
}

/** Both ends of a connection: the same on the TLS socket and on the one beneath it. */
function keyOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort} ${socket.localAddress} ${socket.localPort}`;
}
