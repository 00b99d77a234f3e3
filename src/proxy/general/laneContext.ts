/**
 * What all requests of the general lane share.
 *
 * The rule this file keeps: it is read anew by each request, so that a table which changes who is
 * trusted holds from the next one on.
 */
import type { Deadlines } from '../deadlines.ts';
import type { TrustedProxies } from '../edge/trustedProxies.ts';
import type { Plane } from '../plane.ts';
import type { Forwarder } from './forwarder.ts';

export interface LaneContext {
  readonly plane: Plane;
  readonly forwarder: Forwarder;
  readonly deadlines: Deadlines;
  trusted: TrustedProxies;
}
