/**
 * A worker: accepts, routes, forwards. It knows only the last table it was given.
 *
 * The rule this file keeps: it does not listen before it has a table, and it ends with the
 * supervisor.
 */
import type { Socket } from 'node:net';
import { systemClock } from '../../clock.ts';
import { childEnv, type FromWorker, inherited, type ToWorker } from '../../ipc.ts';
import { openLog } from '../../log.ts';
import { Scoreboard } from '../../scoreboard.ts';
import { Plane } from '../plane.ts';
import { createLanes } from './lanes.ts';
import { type Balance, Listener } from './listener.ts';

/** Runs until the supervisor says stop, or is gone. */
export function runWorker(): void {
  const slot = Number(process.env[childEnv.slot]);
  const workers = Number(process.env[childEnv.workers]);
  const sink = openLog(`worker-${slot}`);
  const plane = new Plane({ clock: systemClock, worker: slot, sink });
  const listener = new Listener(plane, createLanes(plane), balance(slot, workers));
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
  process.on('message', (message: ToWorker, handle?: Socket) => {
    if (message.kind === 'stop') {
      void stop(message.limitMs);
    } else if (message.kind === 'connection') {
      if (handle !== undefined) listener.adopt(handle);
    } else {
      send(plane.obey(message));
      if (listening || plane.version === 0) return;
      listening = true;
      void listener.listen({ fd: inherited.listener }).then(() => send({ kind: 'listening' }));
    }
  });
  process.on('disconnect', end);
  // A terminal sends these to the whole group; the supervisor says what to do about them.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
}

function balance(slot: number, workers: number): Balance | null {
  if (workers < 2) return null;
  return {
    board: new Scoreboard(inherited.scoreboard, slot, workers),
    handOver: (socket, to) => {
      process.send?.({ kind: 'connection', to }, socket, { keepOpen: false }, (failed) => {
        if (failed) socket.destroy();
      });
    },
  };
}
