/**
 * Free ports for replicas.
 *
 * The rule this file keeps: one driver never hands out a port twice at once, and hands out only
 * what could be bound a moment ago. Between that moment and the bind of the application somebody
 * else may take the port; nothing can hold it for a process that does not know of it. So ports are
 * drawn from below the range from which systems number outgoing connections (Linux from 32768,
 * macOS from 49152): there a busy proxy would take them itself, and could even connect to itself on
 * a port whose owner is down.
 */
import { createServer } from 'node:net';
import { Fault } from '../../../errors.ts';

const portFirst = 20_000;
const portLast = 31_999;
// Of 12,000 ports; where so many draws all fail, something else is wrong.
const drawsMax = 200;

export class Ports {
  readonly #taken = new Set<number>();
  readonly #random: () => number;

  /** @param random from 0 to below 1. Two controllers on one machine rarely draw the same. */
  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /**
   * @param wanted the port it had before: kept where it is still free.
   * @returns a port that is the caller's until it gives it back.
   * @throws Fault DRIVER_UNAVAILABLE where none is found.
   */
  async take(wanted: number | null): Promise<number> {
    if (wanted !== null) {
      const mine = this.#reserve(wanted);
      if (mine && (await bindable(wanted))) return wanted;
      if (mine) this.free(wanted);
    }
    for (let draw = 0; draw < drawsMax; draw++) {
      const port = portFirst + Math.floor(this.#random() * (portLast - portFirst + 1));
      if (!this.#reserve(port)) continue;
      if (await bindable(port)) return port;
      this.free(port);
    }
    throw new Fault(
      'DRIVER_UNAVAILABLE',
      `None of ${drawsMax} ports drawn from ${portFirst} to ${portLast} is free on 127.0.0.1.`,
    );
  }

  /** For a process that has the port already. */
  hold(port: number): void {
    this.#taken.add(port);
  }

  free(port: number): void {
    this.#taken.delete(port);
  }

  #reserve(port: number): boolean {
    if (this.#taken.has(port)) return false;
    this.#taken.add(port);
    return true;
  }
}

function bindable(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    // `exclusive`: in a cluster's worker, listening would otherwise be done, and kept, by the
    // primary.
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => {
      server.close(() => resolve(true));
    });
  });
}
