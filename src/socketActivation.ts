/**
 * Listening sockets that a service manager holds for us: systemd's `LISTEN_FDS` (sd_listen_fds(3)).
 *
 * The rule this file keeps: they are taken only where they were meant for this very process, and
 * what this process starts never sees the word of them. While the manager holds a socket, the
 * kernel queues connections also when nothing of us runs, so that a stop and a start refuse nobody.
 */
import type { GivenListener } from './listener.ts';

/** Where they begin, by the protocol. */
const firstFd = 3;
/** More listeners than any config has. */
const socketsMax = 256;

/** @param env loses the variables of the protocol. */
export function activatedSockets(env: NodeJS.ProcessEnv, pid: number): readonly GivenListener[] {
  const { LISTEN_PID: meant, LISTEN_FDS: count } = env;
  for (const key of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete env[key];
  const sockets = Number(count);
  if (Number(meant) !== pid || !Number.isInteger(sockets)) return [];
  return Array.from({ length: Math.min(Math.max(sockets, 0), socketsMax) }, (_, at) => ({
    fd: firstFd + at,
    wanted: null,
  }));
}
