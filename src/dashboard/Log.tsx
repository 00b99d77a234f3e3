/**
 * What was told of a deployment, a line each.
 *
 * The rule this file keeps: it tails. Whoever scrolls up reads in peace, and whoever scrolls to the
 * end, or asks for it, follows again. A probe that ends as the one before it is counted, not told.
 */
import { useEffect, useRef, useSignal } from './preact.ts';
import type { Line } from './store.ts';
import { timeWord } from './words.ts';

/** So near to its end the log counts as scrolled to it. */
const nearPx = 12;

export function Log({ lines, follows }: { lines: readonly Line[]; follows: boolean }) {
  const list = useRef<HTMLOListElement>(null);
  const tails = useSignal(true);
  const toEnd = (): void => {
    if (list.current) list.current.scrollTop = list.current.scrollHeight;
  };
  useEffect(() => {
    if (follows && tails.peek()) toEnd();
  }, [lines, follows]);
  return (
    <div class="log">
      <ol
        ref={list}
        class="lines"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so keys must reach it.
        tabIndex={0}
        aria-label="What happened"
        aria-live={follows ? 'polite' : 'off'}
        onScroll={({ currentTarget: { scrollTop, clientHeight, scrollHeight } }) => {
          tails.value = scrollHeight - scrollTop - clientHeight < nearPx;
        }}
      >
        {lines.map((line) => (
          <li key={line.firstId} class={line.kind}>
            <time dateTime={line.at}>{timeWord(line.at)}</time> {line.text}
            {line.times > 1 && (
              <span class="times">
                {' '}
                ×{line.times}, last {timeWord(line.lastAt)}
              </span>
            )}
          </li>
        ))}
      </ol>
      {follows && !tails.value && (
        <button
          type="button"
          class="newest"
          onClick={() => {
            tails.value = true;
            toEnd();
          }}
        >
          Follow the newest
        </button>
      )}
    </div>
  );
}
