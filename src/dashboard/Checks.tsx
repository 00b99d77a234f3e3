/**
 * What has to pass before a flip, and what is done after it: a step each, with what came of it.
 *
 * The rule this file keeps: what did not pass is in sight, and what it printed one click away.
 */
import { type Check, type Deployment, hookMoments } from '../control/model/state.ts';
import { msWord, plural } from './words.ts';

const titles: Readonly<Record<Check['moment'], string>> = {
  beforeFlip: 'Before the flip',
  afterFlip: 'After the flip',
  afterRollback: 'After the rollback',
  onFailure: 'After the failure',
};

const words: Readonly<Record<Check['phase'], string>> = {
  waiting: 'waits',
  running: 'runs',
  passed: 'passed',
  failed: 'FAILED',
  void: 'void',
  stopped: 'given up',
};

export function Checks({ deployment, running }: { deployment: Deployment; running: boolean }) {
  const { checks = [] } = deployment;
  if (checks.length === 0) return null;
  const passed = checks.filter(({ phase }) => phase === 'passed').length;
  return (
    <details class="checks" open={running || passed < checks.length}>
      <summary>
        {passed} of {plural(checks.length, 'check')} passed
      </summary>
      {hookMoments.map((moment) => {
        const mine = checks.filter((check) => check.moment === moment);
        if (mine.length === 0) return null;
        return (
          <section key={moment} aria-label={titles[moment]}>
            <h3>{titles[moment]}</h3>
            <ol>
              {mine.map((check, at) => (
                <One key={at} check={check} />
              ))}
            </ol>
          </section>
        );
      })}
    </details>
  );
}

function One({ check: { name, phase, runs, ms, result, output } }: { check: Check }) {
  return (
    <li data-phase={phase}>
      <code>{name}</code> <b>{words[phase]}</b>
      {ms !== null && ` in ${msWord(ms)}`}
      {runs > 1 && `, made ${runs} times`}
      {result !== null && <span class="quiet">: {result}</span>}
      {output.length > 0 && (
        <details open={phase === 'failed'}>
          <summary>Its last output</summary>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: keys must scroll it. */}
          <pre tabIndex={0}>{output.join('\n')}</pre>
        </details>
      )}
    </li>
  );
}
