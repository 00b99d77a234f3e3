/**
 * A worker: accepts, routes, forwards. It knows only the last table it was given.
 *
 * The rule this file keeps: it does not listen before it has a table and certificates, and it ends
 * with the supervisor.
 */
import type { Socket } from 'node:net';
import { systemClock } from '../../clock.ts';
import { childEnv, type FromWorker, inherited, type ToWorker } from '../../ipc.ts';
import { openLog } from '../../log.ts';
import { Scoreboard } from '../../scoreboard.ts';
import { Plane } from '../plane.ts';
import { createEntrances } from './entrances.ts';
import { type Balance, Listener } from './listener.ts';

/** How soon a worker ends where nothing tells it that the supervisor is gone. */
const orphanLookMs = 50;

/** Runs until the supervisor says stop, or is gone. */
export function runWorker(): void {
  const slot = Number(process.env[childEnv.slot]);
  const workers = Number(process.env[childEnv.workers]);
  const sink = openLog(`worker-${slot}`);
  const plane = new Plane({ clock: systemClock, worker: slot, sink });
  const firstSlot = Number(process.env[childEnv.firstSlot]);
  const entrances = createEntrances(plane);
  const listener = new Listener(plane, entrances, balance(slot, firstSlot, workers));
  const plain = Number(process.env[childEnv.plain]);
  const secure = Number(process.env[childEnv.secure]);
  let listening = false;
  let stopping = false;

  const send = (message: FromWorker): void => {
    // A supervisor that is gone is told of by 'disconnect'.
    process.send?.(message, undefined, undefined, () => {});
  };
  const end = (): void => void sink.written().then(() => process.exit(0));
  const stop = async (limitMs: number): Promise<void> => {
    if (stopping) return;
    stopping = true;
    await listener.close(limitMs);
    end();
  };
  const leave = async (limitMs: number, stopMs: number): Promise<void> => {
    const left = await listener.leave(limitMs, stopMs);
    if (left === null || stopping) return;
    send({ kind: 'left', left });
    end();
  };
  process.on('message', (message: ToWorker, handle?: Socket) => {
    if (message.kind === 'stop') {
      void stop(message.limitMs);
    } else if (message.kind === 'leave') {
      void leave(message.limitMs, message.stopMs);
    } else if (message.kind === 'return') {
      plane.comeBack();
      if (handle !== undefined) void listener.listen({ handle }, message.secure);
    } else if (message.kind === 'connection') {
      if (handle !== undefined) listener.adopt(handle, message.secure);
    } else {
      send(plane.obey(message));
      // A handshake before the certificates have come would be refused.
      if (listening || plane.version === 0 || (secure > 0 && plane.certificates.set === null))
        return;
      listening = true;
      const all = Array.from({ length: plain + secure }, (_, at) =>
        listener.listen({ fd: inherited.listeners + at }, at >= plain),
      );
      void Promise.all(all).then(() => send({ kind: 'listening' }));
    }
  });
  process.on('disconnect', end);
  // Node keeps that to itself while a connection that was handed over has not been acknowledged
  // (`_handleQueue` in its child_process.js), which a supervisor that was killed never does.
  const look = (): void => {
    if (process.connected) systemClock.after(orphanLookMs, look);
    else end();
  };
  // It may have gone while this process read its code.
  look();
  // A terminal sends these to the whole group; the supervisor says what to do about them.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
  send({ kind: 'loaded' });
}

/** On the board, and between workers of one supervisor, their places count from 1. */
function balance(slot: number, firstSlot: number, workers: number): Balance | null {
  if (workers < 2) return null;
  return {
    board: new Scoreboard(inherited.scoreboard, slot - firstSlot + 1, workers),
    handOver: (socket, secure, place) => {
      const to = place + firstSlot - 1;
      process.send?.({ kind: 'connection', secure, to }, socket, { keepOpen: false }, (failed) => {
        if (failed) socket.destroy();
      });
    },
  };
}
