/**
 * How connections come into the lanes: as they are, or by way of a TLS handshake.
 *
 * The rule this file keeps: behind the handshake a connection is one like any other; both ways lead
 * to the same lanes.
 */

import type { Plane } from '../plane.ts';
import { createTlsEntrance } from '../tls/entrance.ts';
import { behindProxy } from './behindProxy.ts';
import { createLanes } from './lanes.ts';
import type { Entrances } from './listener.ts';

export function createEntrances(plane: Plane): Entrances {
  const { http1: plain, http2 } = createLanes(plane);
  const secure = createTlsEntrance(plane, plain, http2);
  return {
    plain: behindProxy(plane, false, plain),
    secure: behindProxy(plane, true, secure),
  };
}
