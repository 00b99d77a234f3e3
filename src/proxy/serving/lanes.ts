/**
 * The two lanes behind one door: express in front, general for whatever it does not serve.
 *
 * The rule this file keeps: both share one plane and one wheel of deadlines; `lanes: general` in
 * the config is looked at for each new connection.
 */
import type { Socket } from 'node:net';
import { Deadlines } from '../deadlines.ts';
import { connectionHandler } from '../express/lane.ts';
import { createGeneralLane } from '../general/lane.ts';
import type { Plane } from '../plane.ts';

/** @returns serves a client's connection that nothing was read from. */
export function createLanes(plane: Plane): (socket: Socket) => void {
  const deadlines = new Deadlines(plane.clock);
  const { server } = createGeneralLane(plane, deadlines);
  return connectionHandler(plane, server, deadlines);
}
