/**
 * How long connections are kept, waited for and let go, the same in both lanes.
 *
 * The rule this file keeps: a number that both lanes go by stands here, once. What a service may
 * set is in its policy; what one lane alone does stands there.
 */
/**
 * Between an answer and the next request: above the 60 s after which most load balancers and
 * clients give up an idle connection.
 */
export const keepAliveMs = 75_000;
/** For the first byte of a connection; in the general lane, for the whole of a head. */
export const headMsMax = 10_000;
/** How long a client may go on sending a body that nobody waits for any more. */
export const discardMs = 10_000;
/**
 * How long a connection that we ended is still read from, so that the client can read our last
 * answer.
 */
export const lingerMs = 2_000;

/** A client that shut its side is asked so often whether it is still there. */
export const halfCloseProbeAfterMs = 250;
export const halfCloseProbeEveryMs = 1_000;

/** Idle connections kept for one target; more than that are of no use to two cores. */
export const upstreamIdleMax = 256;
/**
 * Node closes idle connections after 5 s, most others later: a connection is given up before that.
 */
export const upstreamIdleMsMax = 4_000;
/** A target's own word (`Keep-Alive: timeout=`) is taken with so much to spare. */
const upstreamIdleMarginMs = 1_000;

/** How long a connection may be idle whose target keeps it for `saidMs`; 0: not at all. */
export function upstreamIdleMs(saidMs: number): number {
  return Math.max(0, Math.min(upstreamIdleMsMax, saidMs - upstreamIdleMarginMs));
}
