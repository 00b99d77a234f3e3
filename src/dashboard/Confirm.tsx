/**
 * The release that is live and has to be confirmed: how long there is for it, and the word itself.
 *
 * The rule this file keeps: the time that is left counts by itself; once it is over and there is no
 * way back, that is an alert which says why.
 */
import type { ServiceStatus } from '../control/model/api.ts';
import { Act, barredBecause } from './Actions.tsx';
import { nowMs } from './store.ts';
import { spanWord, timeWord } from './words.ts';

export function Confirm({ status }: { status: ServiceStatus }) {
  const { confirm } = status;
  if (confirm === null) return null;
  const left = Date.parse(confirm.until) - nowMs.value;
  return (
    <section class="panel confirm" aria-label="To be confirmed" data-confirm={confirm.phase}>
      {confirm.phase === 'held' ? (
        <p class="wrong" role="alert">
          {confirm.release} was not confirmed in time and is not gone back from: {confirm.reason}
        </p>
      ) : (
        <p role="timer">
          <b>{confirm.release} is to be confirmed.</b> It is gone back from in{' '}
          <b>{spanWord(left)}</b>, at {timeWord(confirm.until)}, unless somebody says that it stays.
        </p>
      )}
      <Act wish="confirm" status={status} why={barredBecause()}>
        Confirm {confirm.release}
      </Act>
    </section>
  );
}
