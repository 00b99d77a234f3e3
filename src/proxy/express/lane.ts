/**
 * The express lane: plain HTTP/1.1, read and written directly on sockets.
 *
 * The rule this file keeps: a connection is here until it shows something that the strict grammar
 * does not know; then it is given to the general lane with every byte that was not served, and
 * stays there.
 */
import type { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import { Deadlines } from '../deadlines.ts';
import type { Plane } from '../plane.ts';
import { ClientConnection } from './clientConnection.ts';
import { LaneContext } from './laneContext.ts';

/**
 * @param general what takes connections that are left: an `http.Server` that listens to nothing.
 * @param deadlines shared with the general lane.
 * @returns serves a client's connection that nothing was read from, flowing or paused.
 */
export function connectionHandler(
  plane: Plane,
  general: EventEmitter,
  deadlines: Deadlines = new Deadlines(plane.clock),
): (socket: Duplex) => void {
  const lane = new LaneContext(plane, general, deadlines);
  return (socket) => {
    if (lane.on) {
      new ClientConnection(lane, socket);
    } else {
      plane.countHandover('off');
      general.emit('connection', socket);
    }
  };
}
