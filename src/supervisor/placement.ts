/**
 * Client connections on their way from one worker to another, past the supervisor.
 *
 * The rule this file keeps: no byte of a connection is read on its way, and one that nobody can
 * take now waits for the next worker that accepts.
 */
import type { ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import type { ToWorker } from '../ipc.ts';

/** A worker as a place for connections. */
export interface Place {
  readonly slot: number;
  readonly process: ChildProcess | null;
  readonly listening: boolean;
}

export class Placement {
  readonly #workers: readonly Place[];
  /** Connections handed over while no worker could take them. */
  readonly #stranded: [Socket, boolean][] = [];
  #closed = false;

  constructor(workers: readonly Place[]) {
    this.#workers = workers;
  }

  /** Gives a connection to the worker it is meant for, or to any that accepts. */
  place(socket: Socket | undefined, secure: boolean, wanted: number): void {
    // The client may have gone while its connection travelled.
    if (socket === undefined) return;
    leaveUnread(socket);
    const meant = this.#workers.find(({ slot }) => slot === wanted);
    const taker = meant?.listening ? meant : this.#workers.find((worker) => worker.listening);
    if (taker?.process?.connected) {
      const message: ToWorker = { kind: 'connection', secure };
      taker.process.send(message, socket, { keepOpen: false }, (failed) => {
        if (failed) socket.destroy();
      });
    } else if (this.#closed) {
      socket.destroy();
    } else {
      this.#stranded.push([socket, secure]);
    }
  }

  /** A worker accepts. */
  arrived(slot: number): void {
    for (const [waiting, secure] of this.#stranded.splice(0)) this.place(waiting, secure, slot);
  }

  /** Nobody will accept any more. */
  close(): void {
    this.#closed = true;
  }
}

/**
 * Node begins to read a socket as soon as a process is handed one, and goes on until the next
 * process has taken it: what a client sent meanwhile would be read here, and lost. No public call
 * stops that; this is the one that Node's own `pauseOnConnect` makes.
 */
function leaveUnread(socket: Socket): void {
  const handle = (socket as { _handle?: { reading: boolean; readStop(): void } })._handle;
  if (!handle) return;
  handle.reading = false;
  handle.readStop();
}
