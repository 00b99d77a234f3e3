/**
 * What an operator sets on a service beside its releases: the pause, and the word that a release
 * which was taken back by itself has been seen.
 *
 * The rule this file keeps: it is on disk before it is true, and what is set already is let be.
 */
import type { Call } from '../model/api.ts';
import type { ControlContext } from './context.ts';
import type { ServiceRecord } from './record.ts';
import { refuseStale } from './refusals.ts';
import { acknowledged } from './watching.ts';

/** What becomes of new requests: they are served, wait, or are answered at once. */
export type Traffic = 'flows' | 'waits' | 'turnedAway';

/** See `Control.pause` and `resume`. */
export async function setTraffic(
  record: ServiceRecord,
  { publisher }: ControlContext,
  traffic: Traffic,
  call: Call,
): Promise<void> {
  refuseStale(record.state, record.name, call.generation);
  const paused = traffic !== 'flows';
  const pausePage = traffic === 'turnedAway';
  const before = record.state;
  if (before.paused === paused && (before.pausePage ?? false) === pausePage) return;
  await record.save((state) => ({ ...state, paused, pausePage }));
  // It is on record: workers that do not take this table get the next one.
  await publisher.publish().catch(() => undefined);
  record.changed(`${said[traffic]} by ${call.by}`);
}

const said: Readonly<Record<Traffic, string>> = {
  flows: 'resumed',
  waits: 'paused',
  turnedAway: 'paused with a page',
};

/** See `Control.acknowledge`. */
export async function acknowledge(record: ServiceRecord, call: Call): Promise<void> {
  refuseStale(record.state, record.name, call.generation);
  if (!record.state.latch) return;
  await record.save(acknowledged);
  record.changed(`the release that was taken back is acknowledged by ${call.by}`);
}
