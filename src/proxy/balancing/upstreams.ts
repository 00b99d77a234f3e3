/**
 * Connections to targets that a lane keeps for one pool, as the pool sees them.
 *
 * The rule this file keeps: a pool never looks into them. It says when they are of no use any more,
 * and each lane has a kind of its own.
 */
import type { Target } from './target.ts';

export interface Upstreams {
  /**
   * The target is down or gone: idle connections to it are of no use, or worse, reach somebody
   * else.
   */
  forget(target: Target): void;
  /** Closes all, those in use too. */
  close(): void;
}
