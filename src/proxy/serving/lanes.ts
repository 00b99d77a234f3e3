/**
 * The two lanes behind one door: express in front, general for whatever it does not serve; and the
 * front of HTTP/2, whose streams the general lane carries.
 *
 * The rule this file keeps: both share one plane and one wheel of deadlines; `lanes: general` in
 * the config is looked at for each new connection.
 */
import type { Socket } from 'node:net';
import { Deadlines } from '../deadlines.ts';
import { connectionHandler } from '../express/lane.ts';
import { createGeneralLane } from '../general/lane.ts';
import { createHttp2Front } from '../http2/front.ts';
import type { Plane } from '../plane.ts';

/** Each serves a client's connection that nothing was read from. */
export interface Lanes {
  readonly http1: (socket: Socket) => void;
  /** Behind a handshake that agreed on it. */
  readonly http2: (socket: Socket) => void;
}

export function createLanes(plane: Plane): Lanes {
  const deadlines = new Deadlines(plane.clock);
  const { server, around } = createGeneralLane(plane, deadlines);
  return {
    http1: connectionHandler(plane, server, deadlines),
    http2: createHttp2Front(around),
  };
}
