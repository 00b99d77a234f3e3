/**
 * The express lane: plain HTTP/1.1, read and written directly on sockets.
 *
 * The rule this file keeps: a connection is here until it shows something that the strict grammar
 * does not know; then it is given to the general lane with every byte that was not served, and
 * stays there.
 */
import type { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import type { Lessor } from '../balancing/lease.ts';
import { Deadlines } from '../deadlines.ts';
import type { Plane } from '../plane.ts';
import { TrustedProxies } from '../trustedProxies.ts';
import { ClientConnection } from './clientConnection.ts';
import { UpstreamPool } from './upstream.ts';

/** What the connections of one process share. */
export class ExpressLane {
  readonly plane: Plane;
  /** The general lane: takes sockets as `connection` events. */
  readonly general: EventEmitter;
  readonly deadlines: Deadlines;
  readonly #key = Symbol('express upstreams');
  #trusted = new TrustedProxies([]);
  #on = true;

  constructor(plane: Plane, general: EventEmitter, deadlines: Deadlines) {
    this.plane = plane;
    this.general = general;
    this.deadlines = deadlines;
    plane.onEdge((edge) => {
      this.#trusted = new TrustedProxies(edge.trustedProxies);
      this.#on = edge.lanes === 'auto';
    });
  }

  /** Whether the config wants this lane at all. */
  get on(): boolean {
    return this.#on;
  }

  /** Made anew with each table: whoever keeps an answer of it compares by identity. */
  get trusted(): TrustedProxies {
    return this.#trusted;
  }

  upstreamsOf(pool: Lessor): UpstreamPool {
    return pool.upstreams(this.#key, () => new UpstreamPool(this.plane.clock));
  }
}

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
  const lane = new ExpressLane(plane, general, deadlines);
  return (socket) => {
    if (lane.on) {
      new ClientConnection(lane, socket);
    } else {
      plane.countHandover('off');
      general.emit('connection', socket);
    }
  };
}
