/**
 * The barrier: stage, hold, commit over every worker, as one instant.
 *
 * The rule this file keeps: the intent is durable before it is entered, and what the table says of
 * the service moves in the same turn as the order that makes it true (`begun`, `undone`). Between
 * hold and commit nothing is waited for: clients are.
 *
 * Before the commit everything can be undone, and is, on any doubt. After it nothing is: a worker
 * that does not answer it holds, so it serves nobody from the old pool, and obeys when it can.
 */
import { type Clock, pause } from '../../clock.ts';
import { Fault, reasonOf } from '../../errors.ts';
import type { Log } from '../../log.ts';
import type { Color, Committed, Fence, Inside } from '../../wire.ts';
import type { Direction, Receipt } from '../model/state.ts';
import type { DataPlane } from '../workers/dataPlane.ts';
import { type Publisher, within } from '../workers/publisher.ts';

/**
 * By when every worker must hold, each time the flip is tried: first longer than any pause of a
 * process that gets its share of the CPU, last what clients may be made to wait at most, with the
 * commit well below a second.
 */
export const holdsMs = [250, 500, 900] as const;
/** What is finished after a restart is tried by itself, again and again. */
const forwardHoldMs = holdsMs[0];
/** So long the receipt waits for the counts of a worker. */
const commitMsMax = 5_000;

export interface Barrier {
  readonly clock: Clock;
  readonly plane: DataPlane;
  readonly log: Log;
  /** Stages the table as it stands. */
  readonly publisher: Pick<Publisher, 'publish' | 'publishAnd'>;
}

export interface Flip {
  readonly fence: Fence;
  /** By when every worker must hold. */
  readonly holdMs: number;
  /** From now on the table shows the service at the new generation. */
  readonly begun: () => void;
  /** From now on the table shows it at the old one again. */
  readonly undone: () => void;
  /** Asked in the turn of the commit: why the new pool may not have the traffic; null: it may. */
  readonly refusal: () => Fault | null;
}

export interface Flipped {
  readonly committedAt: string;
  readonly flipMs: number;
  readonly workers: number;
  /** How often the workers were asked to hold. */
  readonly attempts: number;
  readonly committed: readonly Committed[];
}

/**
 * @returns once every worker has switched, or has been left to.
 * @throws Fault HOLD_TIMEOUT naming the worker, or what `refusal` said; then every worker is on the
 *   old generation and nobody waits.
 */
export async function flipOver(barrier: Barrier, flip: Flip): Promise<Flipped> {
  const { clock, plane, publisher, log } = barrier;
  const begun = clock.now();
  let workers = 0;
  try {
    flip.begun();
    // Both in one breath: a worker that is asked to hold has the table by then, and the flip is
    // shorter by a trip to all of them.
    workers = await publisher.publishAnd(() => plane.hold(flip.fence, flip.holdMs));
    const refusal = flip.refusal();
    if (refusal !== null) throw refusal;
  } catch (thrown) {
    flip.undone();
    await release(barrier, flip.fence);
    throw thrown instanceof Fault ? asHoldTimeout(thrown) : thrown;
  }
  const committedAt = clock.date().toISOString();
  const committed = await commit(barrier, flip.fence).catch((thrown: unknown) => {
    log.error({ ...flip.fence }, `Workers did not answer a commit: ${reasonOf(thrown)}`);
    return [];
  });
  return { committedAt, flipMs: clock.now() - begun, workers, attempts: 1, committed };
}

/**
 * Leads every worker to a generation that some of them may serve already: there is no way back.
 *
 * @param arrived whether every worker that answers serves it.
 * @param tries how often that is worked for; who has not arrived then is left to the next table.
 */
export async function flipForward(
  barrier: Barrier,
  fence: Fence,
  arrived: () => Promise<boolean>,
  tries: number,
): Promise<Flipped> {
  const { clock, log } = barrier;
  const begun = clock.now();
  let workers = 0;
  let attempts = 0;
  const committed: Committed[] = [];
  for (let left = tries; left > 0; left--) {
    const last = left === 1;
    attempts++;
    try {
      await barrier.publisher.publish();
      workers = Math.max(workers, await held(barrier, fence));
    } catch (thrown) {
      log.warn({ ...fence }, `A flip is being finished: ${reasonOf(thrown)}`);
      // Those that hold go on holding; that is better than to serve two releases at once.
      if (!last) {
        await pause(clock, forwardHoldMs);
        continue;
      }
    }
    const done = await commit(barrier, fence).catch((thrown: unknown) => {
      log.error({ ...fence }, `Workers did not answer a commit: ${reasonOf(thrown)}`);
      return [];
    });
    committed.push(...done);
    if (await arrived()) break;
    if (!last) await pause(clock, forwardHoldMs);
  }
  const committedAt = clock.date().toISOString();
  return { committedAt, flipMs: clock.now() - begun, workers, attempts, committed };
}

/** Fenced: a worker serves that generation already; those that do not have held since before. */
async function held(barrier: Barrier, fence: Fence): Promise<number> {
  try {
    return await barrier.plane.hold(fence, forwardHoldMs);
  } catch (thrown) {
    if (thrown instanceof Fault && thrown.code === 'FLIP_FENCED') return 0;
    throw thrown;
  }
}

/**
 * Gives every worker back to the old generation; a worker that has nothing staged has nothing to
 * do.
 */
export async function release(barrier: Barrier, fence: Fence): Promise<void> {
  try {
    await within(barrier.clock, commitMsMax, barrier.plane.commit(fence, false), tooLate);
  } catch (thrown) {
    barrier.log.warn({ ...fence }, `A flip was undone: ${reasonOf(thrown)}`);
  }
}

/** What a flip reports, from what the workers said. */
export function receiptOf(
  service: string,
  generation: number,
  direction: Direction,
  from: { readonly color: Color; readonly release: string } | null,
  to: { readonly color: Color; readonly release: string },
  flipped: Flipped,
): Receipt {
  const { committed } = flipped;
  const most = (of: (one: Committed) => number): number => Math.max(0, ...committed.map(of));
  return {
    service,
    generation,
    direction,
    from,
    to,
    committedAt: flipped.committedAt,
    holdMs: most((one) => one.heldMs),
    flipMs: flipped.flipMs,
    workers: Math.max(flipped.workers, committed.length),
    attempts: flipped.attempts,
    waited: committed.reduce((sum, one) => sum + one.waited, 0),
    waitedMsMax: most((one) => one.waitedMsMax),
    inflight: committed.reduce((sum, one) => addInside(sum, one.inflight), nobody),
    drained: null,
  };
}

export const nobody: Inside = { http: 0, sse: 0, upgrade: 0 };

export function addInside(a: Inside, b: Inside): Inside {
  return { http: a.http + b.http, sse: a.sse + b.sse, upgrade: a.upgrade + b.upgrade };
}

export function countOf(inside: Inside): number {
  return inside.http + inside.sse + inside.upgrade;
}

function commit(barrier: Barrier, fence: Fence): Promise<readonly Committed[]> {
  return within(barrier.clock, commitMsMax, barrier.plane.commit(fence, true), tooLate);
}

function tooLate(): Fault {
  return new Fault('HOLD_TIMEOUT', `A worker did not answer within ${commitMsMax / 1000} s.`);
}

/**
 * A worker that was replaced in mid-flip knows nothing of it: for the caller, one that did not
 * hold.
 */
function asHoldTimeout(fault: Fault): Fault {
  if (fault.code !== 'FLIP_FENCED') return fault;
  const text = `A worker changed during the flip, which was undone: ${fault.message}`;
  return new Fault('HOLD_TIMEOUT', text, { cause: fault });
}
