/**
 * The targets of a pool in a table, in the spirit of HAProxy's statistics page.
 *
 * The rule this file keeps: a target that is not well says why in its own row, in the words of its
 * last probe; nobody has to hover or to look elsewhere.
 */
import type { PoolStatus, ProbeResult, TargetStatus } from '../control/model/api.ts';
import { useRef } from './preact.ts';
import { nowMs } from './store.ts';
import { agoWord, figures, msWord } from './words.ts';

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
            <th scope="col" title="passes or failures in a row">
              In a row
            </th>
            <th scope="col">In flight</th>
            <th scope="col">Req/s</th>
            <th scope="col">Errors</th>
            <th scope="col">Changed</th>
          </tr>
        </thead>
        <tbody>
          {pool.targets.map((target) => (
            <Row key={`${pool.id} ${target.id}`} target={target} />
          ))}
        </tbody>
      </table>
      {pool.targets.length === 0 && <p class="quiet">No target runs yet.</p>}
    </div>
  );
}

function Row({ target }: { target: TargetStatus }) {
  const rate = useRate(target.requests);
  const { probe } = target;
  return (
    <tr class={target.healthy || target.state === 'frozen' ? '' : 'down'}>
      <th scope="row" data-label="Target">
        {target.address}
        <span class="quiet">{[target.state, target.detail].filter(Boolean).join(', ')}</span>
      </th>
      <td data-label="Health">
        <span class={target.healthy ? 'health up' : 'health'}>{healthWord(target)}</span>
        {target.ejectedBy > 0 && (
          <span class="bad">
            {' '}
            left out by {target.ejectedBy} worker{target.ejectedBy > 1 ? 's' : ''}
          </span>
        )}
      </td>
      <td data-label="Last probe">{probe ? <Probe probe={probe} /> : 'none yet'}</td>
      <td data-label="In a row">
        {target.failures > 0 ? `${target.failures} failed` : `${target.passes} passed`}
      </td>
      <td data-label="In flight">{target.inside}</td>
      <td data-label="Req/s">{rate}</td>
      <td data-label="Errors" class={target.errors > 0 ? 'bad' : ''}>
        {target.errors}
      </td>
      <td data-label="Changed">{agoWord(target.changedAt, nowMs.value)}</td>
    </tr>
  );
}

function healthWord(target: TargetStatus): string {
  if (target.healthy) return 'UP';
  return target.state === 'frozen' ? 'FROZEN' : 'DOWN';
}

function Probe({ probe }: { probe: ProbeResult }) {
  const age = agoWord(probe.at, nowMs.value);
  if (probe.passed) {
    return (
      <>
        {probe.status} in {msWord(probe.ms)}, {age}
      </>
    );
  }
  return (
    <span class="bad">
      {probe.error ?? 'failed'}
      {probe.body ? <q>{probe.body}</q> : null} <span class="quiet">{age}</span>
    </span>
  );
}

/** Requests per second between the last two tellings of a counter. */
function useRate(count: number): string {
  const last = useRef({ count, atMs: performance.now(), rate: null as number | null });
  const now = performance.now();
  const before = last.current;
  // Renders come for other reasons too: only a new figure, or a long silence, makes a new rate.
  const due = count === before?.count ? 5000 : 1000;
  if (before && now - before.atMs >= due) {
    const rate = (1000 * Math.max(0, count - before.count)) / (now - before.atMs);
    last.current = { count, atMs: now, rate };
  }
  const rate = last.current?.rate ?? null;
  return rate === null ? '–' : figures(rate);
}
