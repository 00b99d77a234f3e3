/**
 * The targets of a pool in a table, in the spirit of HAProxy's statistics page.
 *
 * The rule this file keeps: a target that is not well says why in its own row, in the words of its
 * last probe; nobody has to hover or to look elsewhere.
 */
import type { PoolStatus, ProbeResult, TargetStatus } from '../control/model/pools.ts';
import { useRef } from './preact.ts';
import { nowMs } from './store.ts';
import { agoWord, figures, msWord, spanWord } from './words.ts';

export function Targets({ pool }: { pool: PoolStatus }) {
  const label = `Targets of ${pool.color} ${pool.release}`;
  return (
    <div class="scroll">
      <table class="targets">
        <caption class="unseen">{label}</caption>
        <thead>
          <tr>
            <th scope="col">Target</th>
            <th scope="col">Health</th>
            <th scope="col">Last probe</th>
            <th scope="col" class="number">
              Inside
            </th>
            <th scope="col" class="number">
              Req/s
            </th>
            <th scope="col" class="number" title="mean time to its answer, of the last seconds">
              Latency
            </th>
            <th scope="col" class="number">
              Errors
            </th>
            <th scope="col" class="number" title="requests that went on to another target">
              Retries
            </th>
          </tr>
        </thead>
        {pool.targets.map((target) => (
          <Rows key={`${pool.id} ${target.id}`} target={target} />
        ))}
      </table>
      {pool.targets.length === 0 && <p class="quiet">No target runs yet.</p>}
    </div>
  );
}

/** Its figures, and below them, over all columns, what is wrong with it. */
function Rows({ target }: { target: TargetStatus }) {
  const { probe } = target;
  return (
    <tbody>
      <Row target={target} />
      {target.unresolved !== null && (
        <tr class="why">
          <td colSpan={8} class="bad">
            Its name cannot be resolved for{' '}
            {spanWord(nowMs.value - Date.parse(target.unresolved.since))}, the last good answer
            holds: {target.unresolved.reason}
          </td>
        </tr>
      )}
      {probe && !probe.passed && (
        <tr class="why">
          <td colSpan={8} class="bad">
            {target.failures} failed in a row: {probe.error ?? 'no reason given'}
            {probe.body ? <q>{probe.body}</q> : null}
          </td>
        </tr>
      )}
    </tbody>
  );
}

function Row({ target }: { target: TargetStatus }) {
  const { rate, latency } = useRates(target);
  const { probe } = target;
  return (
    <tr class={target.healthy || target.state === 'frozen' ? '' : 'down'}>
      <th scope="row" data-label="Target">
        {target.address}
        <span class="quiet">{[target.state, target.detail].filter(Boolean).join(', ')}</span>
        {target.addresses.map((one) => (
          <span key={one.address} class={one.used ? 'quiet' : 'bad'}>
            {one.address}
            {one.used ? '' : `, left out: ${one.error ?? 'its probes fail'}`}
          </span>
        ))}
      </th>
      <td data-label="Health">
        <span class={target.healthy ? 'health up' : 'health'}>{healthWord(target)}</span>
        <span class="quiet">{sinceWord(target)}</span>
        {target.ejectedBy > 0 && (
          <span class="bad">
            left out by {target.ejectedBy} worker{target.ejectedBy > 1 ? 's' : ''}
          </span>
        )}
      </td>
      <td data-label="Last probe">{probe ? <Probe probe={probe} /> : 'none yet'}</td>
      <td data-label="Inside" class="number">
        {target.inside}
      </td>
      <td data-label="Req/s" class="number">
        {rate === null ? '–' : figures(rate)}
      </td>
      <td data-label="Latency" class="number">
        {msWord(latency)}
      </td>
      <td data-label="Errors" class={target.errors > 0 ? 'number bad' : 'number'}>
        {target.errors}
      </td>
      <td data-label="Retries" class="number">
        {target.retries}
      </td>
    </tr>
  );
}

function healthWord(target: TargetStatus): string {
  if (target.healthy) return 'UP';
  return target.state === 'frozen' ? 'FROZEN' : 'DOWN';
}

/** Since when it is so; of one that is on its way up, how many probes have passed. */
function sinceWord({ healthy, changedAt, passes }: TargetStatus): string {
  // One that was never healthy has not changed: it is down since it began.
  const since = changedAt === null ? 'never up' : spanWord(nowMs.value - Date.parse(changedAt));
  return healthy || passes === 0 ? since : `${since}, ${passes} passed`;
}

function Probe({ probe }: { probe: ProbeResult }) {
  const age = <span class="quiet">{agoWord(probe.at, nowMs.value)}</span>;
  if (!probe.passed) {
    return (
      <>
        <span class="bad">{probe.status ?? 'failed'}</span> {age}
      </>
    );
  }
  return (
    <>
      {probe.status} in {msWord(probe.ms)} {age}
    </>
  );
}

interface Rates {
  readonly rate: number | null;
  /** Mean of what was answered since, ms; null: nothing was. */
  readonly latency: number | null;
}

/** Requests per second and their mean latency between the last two tellings of the counters. */
function useRates({ requests, answered, answeredMs }: TargetStatus): Rates {
  const none = { rate: null, latency: null };
  const atMs = performance.now();
  const last = useRef({ requests, answered, answeredMs, atMs, rates: none as Rates });
  const before = last.current;
  // Renders come for other reasons too: only a new figure, or a long silence, makes a new rate.
  const due = requests === before?.requests ? 5000 : 1000;
  if (before && atMs - before.atMs >= due) {
    const rate = (1000 * Math.max(0, requests - before.requests)) / (atMs - before.atMs);
    const heads = answered - before.answered;
    const latency = heads > 0 ? Math.max(0, answeredMs - before.answeredMs) / heads : null;
    last.current = { requests, answered, answeredMs, atMs, rates: { rate, latency } };
  }
  return last.current?.rates ?? none;
}
