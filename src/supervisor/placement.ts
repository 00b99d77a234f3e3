/**
 * Client connections on their way from one worker to another, past the supervisor.
 *
 * The rule this file keeps: no byte of a connection is read on its way, one that nobody can take
 * now waits for the next worker that accepts, and none is left open that was on its way to a worker
 * that has ended: Node gives up neither what that one did not acknowledge nor what waits behind it
 * (`_handleQueue` in its child_process.js).
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

/** Of a connection, as Node has it. */
interface Handle {
  reading: boolean;
  /** Negative once it is closed. */
  readonly fd: number;
  readStop(): void;
  close(): void;
}

/** A connection that a worker was sent. */
interface Sent {
  readonly socket: Socket;
  readonly secure: boolean;
  readonly handle: Handle;
}

export class Placement {
  readonly #workers: readonly Place[];
  /** What was sent, and is not seen to have arrived. */
  readonly #sent = new Map<ChildProcess, readonly Sent[]>();
  /** Connections handed over while no worker could take them. */
  readonly #stranded: [Socket, boolean][] = [];
  #closed = false;

  constructor(workers: readonly Place[]) {
    this.#workers = workers;
  }

  /** Gives a connection to the worker it is meant for, or to any that accepts. */
  place(socket: Socket | undefined, secure: boolean, wanted: number): void {
    // The client may have gone while its connection travelled.
    const handle = socket === undefined ? null : handleOf(socket);
    if (socket === undefined || handle === null) return;
    leaveUnread(handle);
    const meant = this.#workers.find(({ slot }) => slot === wanted);
    const taker = meant?.listening ? meant : this.#workers.find((worker) => worker.listening);
    const process = taker?.process;
    if (process?.connected) {
      const message: ToWorker = { kind: 'connection', secure };
      // Node closes ours once the worker has acknowledged it.
      const before = (this.#sent.get(process) ?? []).filter((one) => one.handle.fd >= 0);
      this.#sent.set(process, [...before, { socket, secure, handle }]);
      process.send(message, socket, { keepOpen: false }, (failed) => {
        if (failed) handle.close();
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

  /**
   * A worker has ended, and its channel is closed. What it was sent may have been read by it: that
   * ends, as all its connections did. What was not sent yet goes to another.
   */
  gone(process: ChildProcess): void {
    const sent = this.#sent.get(process) ?? [];
    this.#sent.delete(process);
    for (const { socket, secure, handle } of sent) {
      if (handleOf(socket) === handle) this.place(socket, secure, 0);
      else handle.close();
    }
  }

  /** Nobody will accept any more. */
  close(): void {
    this.#closed = true;
  }
}

/** @returns null: it is closed, or on its way to a worker. */
function handleOf(socket: Socket): Handle | null {
  return (socket as { _handle?: Handle | null })._handle ?? null;
}

/**
 * Node begins to read a socket as soon as a process is handed one, and goes on until the next
 * process has taken it: what a client sent meanwhile would be read here, and lost. No public call
 * stops that; this is the one that Node's own `pauseOnConnect` makes.
 */
function leaveUnread(handle: Handle): void {
  handle.reading = false;
  handle.readStop();
}
