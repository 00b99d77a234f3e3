/**
 * Whether a process that was just started is there to stay.
 *
 * The rule this file keeps: it answers the cheap question only (did it fall over at once?); whether
 * the application works is the prober's.
 */
import { connect } from 'node:net';
import { type Clock, pause } from '../../../clock.ts';

// A process that lives so long was started. A wrong argument, a missing module or a port in use
// shows sooner, also on a busy machine; whoever listens sooner waits less, and whoever is slower is
// waited for by the prober anyway.
const graceMs = 1_000;

const knockEveryMs = 20;

/**
 * Resolves at the first of: the process ended, its port accepts a connection, it has lived for
 * `graceMs`, `abort` aborts.
 *
 * @param end resolves with what there is to say of the end of the process.
 * @returns what `end` said; null: it lives.
 */
export async function checkStartup(
  end: Promise<string>,
  port: number,
  clock: Clock,
  abort: AbortSignal,
): Promise<string | null> {
  const over = new AbortController();
  const stop = AbortSignal.any([over.signal, abort]);
  try {
    return await Promise.race([
      end,
      pause(clock, graceMs, stop).then(() => null),
      accepts(port, clock, stop).then(() => null),
    ]);
  } finally {
    over.abort();
  }
}

/** Resolves when somebody accepts connections on the port, or `stop` aborts. */
async function accepts(port: number, clock: Clock, stop: AbortSignal): Promise<void> {
  while (!stop.aborted && !(await knock(port))) await pause(clock, knockEveryMs, stop);
}

function knock(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
