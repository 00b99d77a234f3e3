/**
 * What all connections of the express lane share.
 *
 * The rule this file keeps: what a table says of the edge is read anew by each request, and holds
 * from the next one on.
 */
import type { EventEmitter } from 'node:events';
import type { Lessor } from '../balancing/lease.ts';
import type { Deadlines } from '../deadlines.ts';
import { TrustedProxies } from '../edge/trustedProxies.ts';
import type { Plane } from '../plane.ts';
import { UpstreamPool } from './upstream.ts';

export class LaneContext {
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
    const { clock, certificates } = this.plane;
    return pool.upstreams(this.#key, () => new UpstreamPool(clock, certificates));
  }
}
