/** The deployment that runs, or the last one: its phases as steps, and what was told meanwhile. */
import type { Deployment, Phase } from '../control/model/state.ts';
import { linesOf } from './store.ts';
import { runs, sideWord, timeWord } from './words.ts';

const steps: Readonly<Record<Deployment['direction'], readonly Phase[]>> = {
  deploy: ['starting', 'probing', 'ready', 'flipping', 'draining', 'live'],
  rollback: ['flipping', 'draining', 'live'],
};

export function Timeline({ deployment }: { deployment: Deployment }) {
  const lines = linesOf(deployment.id).value;
  const { phase, direction, error } = deployment;
  const all = steps[direction];
  const at = all.indexOf(phase);
  const what = direction === 'deploy' ? 'Deployment' : 'Rollback';
  const ended = phase === 'failed' || phase === 'aborted';
  return (
    <section class="panel" aria-labelledby="timeline-title" data-phase={phase}>
      <h2 id="timeline-title">
        {what} of {sideWord(deployment.to)}: {phase === 'live' ? 'done' : phase}
      </h2>
      {!ended && (
        <ol class="steps">
          {all.map((step, index) => (
            <li
              key={step}
              class={index < at || phase === 'live' ? 'past' : index === at ? 'now' : ''}
              aria-current={index === at && phase !== 'live' ? 'step' : undefined}
            >
              {step === 'flipping' ? 'flip' : step}
            </li>
          ))}
        </ol>
      )}
      {error && (
        <p class="wrong" role="alert">
          {error.message}
        </p>
      )}
      {lines.length > 0 && (
        <ol
          class="lines"
          aria-live={runs(deployment) ? 'polite' : 'off'}
          // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so keys must reach it.
          tabIndex={0}
          aria-label="What happened"
        >
          {lines.map((line) => (
            <li key={line.id} class={line.kind}>
              <time dateTime={line.at}>{timeWord(line.at)}</time> {line.text}
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}
