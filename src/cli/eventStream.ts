/**
 * Events without an end: a stream that is opened again whenever it breaks.
 *
 * The rule this file keeps: it goes on behind the last event it gave, so none that is still kept is
 * missed or told twice; and it says when it was away, since what was not kept must be read again.
 */
import { pause } from '../clock.ts';
import type { PointsmanEvent } from '../control/model/api.ts';
import type { EventStream } from './client.ts';
import type { Context } from './context.ts';
import { exits, Failure } from './exits.ts';

const backoffMsMin = 100;
const backoffMsMax = 2_000;

export type StreamItem =
  /** The stream is open (again): read what you show, then listen. */
  | { readonly kind: 'open' }
  | { readonly kind: 'away'; readonly why: string }
  | { readonly kind: 'event'; readonly event: PointsmanEvent };

export interface HappeningsQuery {
  readonly service?: string;
  /** null: from now on. */
  readonly after: number | null;
}

/**
 * @throws Failure when it cannot be opened the first time, when it is refused (a token that
 *   changed), or when the command is to stop.
 */
export async function* streamEvents(
  context: Context,
  query: HappeningsQuery,
): AsyncGenerator<StreamItem, never> {
  let after = query.after;
  let backoffMs = backoffMsMin;
  let everOpen = false;
  for (;;) {
    let stream: EventStream | null = null;
    let why = 'The stream of events ended.';
    try {
      stream = await context.client.open({ ...query, after, follow: true });
      everOpen = true;
      backoffMs = backoffMsMin;
      yield { kind: 'open' };
      for await (const event of stream.events) {
        after = event.id;
        yield { kind: 'event', event };
      }
    } catch (thrown) {
      if (!everOpen || !isAway(thrown)) throw thrown;
      why = thrown.message;
    } finally {
      stream?.end();
    }
    yield { kind: 'away', why };
    await pause(context.io.clock, backoffMs, context.stop);
    context.stop.throwIfAborted();
    backoffMs = Math.min(backoffMsMax, backoffMs * 2);
  }
}

/** Whether Pointsman cannot be reached right now, which passes. */
export function isAway(thrown: unknown): thrown is Failure {
  return thrown instanceof Failure && thrown.exit === exits.unreachable;
}
