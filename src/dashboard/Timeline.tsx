/**
 * The deployment that runs, or the last one: its phases, what is left of its time, what was told.
 *
 * The rule this file keeps: while it runs its log is open and follows what comes; once it is over
 * the log folds, and what went wrong stays in sight.
 */
import type { PreviewStatus } from '../control/model/api.ts';
import { type Deployment, type Phase, steps } from '../control/model/state.ts';
import { Checks } from './Checks.tsx';
import { Log } from './Log.tsx';
import { linesOf, nowMs } from './store.ts';
import { runs, sideWord, spanWord, timeWord } from './words.ts';

const wayOf: Readonly<Record<Deployment['direction'], readonly Phase[]>> = {
  deploy: steps,
  rollback: steps.slice(steps.indexOf('flipping')),
};

interface Props {
  readonly deployment: Deployment;
  /** When it fails unless it is healthy before; null: nothing presses it. */
  readonly until: string | null;
  /** How it is seen before its flip; null: it is not. */
  readonly preview: PreviewStatus | null;
}

export function Timeline({ deployment, until, preview }: Props) {
  const lines = linesOf(deployment.id).value;
  const { phase, direction, error } = deployment;
  const what = direction === 'deploy' ? 'Deployment' : 'Rollback';
  const running = runs(deployment);
  return (
    <section class="panel timeline" aria-labelledby="timeline-title" data-phase={phase}>
      <header>
        <h2 id="timeline-title">
          {what} of {sideWord(deployment.to)}: {phase === 'live' ? 'done' : phase}
        </h2>
        {!running && <Ended deployment={deployment} />}
      </header>
      {running && <Steps deployment={deployment} until={until} />}
      <Preview preview={preview} shown={deployment.id} />
      {error && (
        <p class="wrong" role="alert">
          {error.message}
        </p>
      )}
      <Checks deployment={deployment} running={running} />
      {lines.length > 0 && (
        <details open={running}>
          <summary>What happened</summary>
          <Log lines={lines} follows={running} />
        </details>
      )}
    </section>
  );
}

function Steps({ deployment: { phase, direction }, until }: Omit<Props, 'preview'>) {
  const all = wayOf[direction];
  const at = all.indexOf(phase);
  return (
    <>
      <ol class="steps">
        {all.map((step, index) => (
          <li
            key={step}
            class={index < at ? 'past' : index === at ? 'now' : ''}
            aria-current={index === at ? 'step' : undefined}
          >
            {step === 'flipping' ? 'flip' : step}
          </li>
        ))}
      </ol>
      {until !== null && (
        <p class="until">
          Fails in <b>{spanWord(Date.parse(until) - nowMs.value)}</b> unless every target is healthy
          by then.
        </p>
      )}
    </>
  );
}

function Preview({ preview, shown }: Pick<Props, 'preview'> & { readonly shown: string }) {
  if (preview === null || preview.deployment !== shown) return null;
  const { url, header } = preview;
  return (
    <p class="preview">
      {url === null ? (
        <>
          Seen before its flip by the header{' '}
          <code>
            {header}: {shown}
          </code>
        </>
      ) : (
        <a href={url} target="_blank" rel="noreferrer">
          See it before its flip
        </a>
      )}
    </p>
  );
}

function Ended({ deployment: { startedAt, endedAt } }: { deployment: Deployment }) {
  if (endedAt === null) return null;
  const took = spanWord(Date.parse(endedAt) - Date.parse(startedAt));
  return (
    <p class="quiet">
      {timeWord(startedAt)}, took {took}
    </p>
  );
}
