/** Deployments and rollbacks of a service: who, when, why, how it ended, and the receipt. */
import type { Deployment } from '../control/model/state.ts';
import { useSignal } from './preact.ts';
import { drainWord } from './ReceiptView.tsx';
import { deployments } from './store.ts';
import { endWord, msWord, sideWord, timeWord } from './words.ts';

const firstShown = 10;

export function History({ service }: { service: string }) {
  const all = useSignal(false);
  const mine = deployments.value.filter((one) => one.service === service);
  const liveId = mine.find(({ receipt }) => receipt !== null)?.id;
  const shown = all.value ? mine : mine.slice(0, firstShown);
  return (
    <section class="panel" aria-labelledby="history-title">
      <h2 id="history-title">History</h2>
      {mine.length === 0 && <p class="quiet">Nothing has been deployed yet.</p>}
      <ol class="history">
        {shown.map((one) => (
          <Entry key={one.id} one={one} liveId={liveId} />
        ))}
      </ol>
      {mine.length > firstShown && (
        <button
          type="button"
          onClick={() => {
            all.value = !all.value;
          }}
        >
          {all.value ? 'Show fewer' : `Show all ${mine.length}`}
        </button>
      )}
    </section>
  );
}

function Entry({ one, liveId }: { one: Deployment; liveId: string | undefined }) {
  const { receipt, phase } = one;
  const how = endWord(one, liveId);
  return (
    <li>
      <time dateTime={one.startedAt}>{timeWord(one.startedAt)}</time>
      <span>
        <b>
          {one.direction === 'deploy' ? 'Deploy' : 'Rollback'} {sideWord(one.from)} →{' '}
          {sideWord(one.to)}
        </b>
        : <span class={phase === 'failed' ? 'bad' : how === 'live' ? 'good' : ''}>{how}</span>, by{' '}
        {one.by || 'nobody named'}
        {one.why ? ` – ${one.why}` : ''}
        {one.error && <span class="bad block">{one.error.message}</span>}
        {receipt && (
          <span class="quiet block">
            generation {receipt.generation}: held {msWord(receipt.holdMs)}, {receipt.waited} waited;{' '}
            {drainWord(receipt)}
          </span>
        )}
      </span>
    </li>
  );
}
