/**
 * What came of a click, where the button was: the receipt of a flip, or a word.
 *
 * The rule this file keeps: it never stands in front of the page. It goes when it is put away, or
 * when the next question is asked.
 */
import { answered } from './asking.ts';
import { ReceiptView } from './ReceiptView.tsx';

export function Answer({ service }: { service: string }) {
  const now = answered.value;
  if (now?.service !== service) return null;
  const { words, answer } = now;
  return (
    <section class="answer" role="status" aria-label="What came of it">
      <h2>{words}</h2>
      {'phase' in answer && <ReceiptView of={answer} />}
      <button
        type="button"
        class="plain"
        onClick={() => {
          answered.value = null;
        }}
      >
        Put away
      </button>
    </section>
  );
}
