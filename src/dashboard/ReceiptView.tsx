/**
 * What a flip reports about itself, and what has become of the pool it left.
 *
 * The rule this file keeps: it shows the newest telling of the deployment, so that the counts of
 * the draining pool grow before one's eyes.
 */
import type { Deployment, Receipt } from '../control/model/state.ts';
import { deployments } from './store.ts';
import { insideWord, msWord, sideWord, timeWord } from './words.ts';

export function ReceiptView({ of }: { of: Deployment }) {
  const deployment = deployments.value.find((one) => one.id === of.id) ?? of;
  const { receipt } = deployment;
  if (!receipt) return <p>There was no flip.</p>;
  return (
    <dl class="facts receipt">
      <dt>Traffic went</dt>
      <dd>
        from {sideWord(receipt.from)} to {sideWord(receipt.to)}
      </dd>
      <dt>At</dt>
      <dd>
        {timeWord(receipt.committedAt)}, generation {receipt.generation}
      </dd>
      <dt>Switch time</dt>
      <dd>
        {msWord(receipt.holdMs)} held over {receipt.workers} worker
        {receipt.workers === 1 ? '' : 's'}, {msWord(receipt.flipMs)} in all
        {(receipt.attempts ?? 1) > 1 ? `, in attempt ${receipt.attempts}` : ''}
      </dd>
      <dt>Waited</dt>
      <dd>
        {receipt.waited} request{receipt.waited === 1 ? '' : 's'}
        {receipt.waited > 0 ? `, the longest ${msWord(receipt.waitedMsMax)}` : ''}
      </dd>
      <dt>Were inside</dt>
      <dd>{insideWord(receipt.inflight)}</dd>
      {receipt.warmUp !== undefined && (
        <>
          <dt>Warmed up</dt>
          <dd>{receipt.warmUp}</dd>
        </>
      )}
      <dt>Of these</dt>
      <dd>{drainWord(receipt)}</dd>
    </dl>
  );
}

/** How those ended that were inside the old pool. */
export function drainWord(receipt: Receipt): string {
  const { drained, from } = receipt;
  if (from === null) return 'nothing was live before';
  if (!drained) return 'all are still draining';
  const { finished, clientAborted, cut, stillOpen } = drained;
  const open =
    stillOpen > 0 ? `, ${stillOpen} ${drained.done ? 'stay open' : 'still draining'}` : '';
  return `${finished} finished, ${clientAborted} left by their client, ${cut} cut${open}`;
}
