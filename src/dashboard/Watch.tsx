/**
 * How the release that is live stands against the one before it: two shares, each with its line,
 * and what was decided by them.
 *
 * The rule this file keeps: what was taken back by itself, and what could not be, is an alert that
 * says why; while nothing is wrong it is one quiet line.
 */
import type { ServiceStatus } from '../control/model/api.ts';
import type { Figures } from '../control/model/state.ts';
import { Act, barredBecause } from './Actions.tsx';
import { nowMs } from './store.ts';
import { plural, spanWord, timeWord } from './words.ts';

export function Watch({ status }: { status: ServiceStatus }) {
  const { watch, latch } = status;
  const shown = watch && watch.phase !== 'superseded' && watch.phase !== 'returned';
  if (!shown && !latch) return null;
  return (
    <section class="panel watch" aria-label="How the release fares" data-watch={watch?.phase}>
      {latch && (
        <>
          <p class="wrong" role="alert">
            {latch.release} was taken back by itself, {timeWord(latch.at)}: {latch.reason}
          </p>
          <Act wish="acknowledge" status={status} why={barredBecause()}>
            Acknowledge
          </Act>
        </>
      )}
      {shown && (
        <>
          {watch.phase === 'held' && (
            <p class="wrong" role="alert">
              {watch.reason}
            </p>
          )}
          <p class="quiet">{wordOf(watch)}</p>
          <Line name={watch.release} figures={watch.figures ?? { sent: 0, failed: 0 }} />
          <Line name="before" figures={watch.baseline} />
        </>
      )}
    </section>
  );
}

function wordOf({ phase, release, until, reason }: NonNullable<ServiceStatus['watch']>): string {
  if (phase === 'watching') {
    const left = spanWord(Math.max(0, Date.parse(until) - nowMs.value));
    return `${release} is watched for another ${left}; it is taken back if it fails more.`;
  }
  if (phase === 'passed') return `${release} fails no more than the release before it.`;
  if (phase === 'inconclusive') return `Nothing can be said of ${release}: ${reason}`;
  return `${release} is worse than the release before it.`;
}

function Line({ name, figures: { sent, failed } }: { name: string; figures: Figures }) {
  const percent = sent === 0 ? 0 : (100 * failed) / sent;
  return (
    <p class="share">
      <span class="name">{name}</span>
      <meter min={0} max={100} value={percent} />
      <span>
        {percent.toFixed(1)} % of {plural(sent, 'request')} failed
      </span>
    </p>
  );
}
