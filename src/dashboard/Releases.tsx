/**
 * The releases that were live before and are in neither pool now: each is deployed again, as it ran
 * then, by one click and its confirmation.
 */
import type { ServiceStatus } from '../control/model/api.ts';
import { barredBecause, frozenBecause, unconfirmedBecause } from './Actions.tsx';
import { askAgain } from './asking.ts';
import { runs } from './words.ts';

export function Releases({ status }: { status: ServiceStatus }) {
  const { releases, deployment } = status;
  if (releases.length === 0) return null;
  const busy = runs(deployment) ? `Deployment ${deployment.id} runs.` : null;
  const why = barredBecause() ?? frozenBecause(status) ?? unconfirmedBecause(status) ?? busy;
  return (
    <section class="panel" aria-labelledby="releases-title">
      <h2 id="releases-title">Releases of before</h2>
      <ul class="releases">
        {releases.map(({ name, source }) => (
          <li key={name}>
            <b>{name}</b>
            <span class="source quiet">{source}</span>
            <button
              type="button"
              data-again={name}
              aria-disabled={why !== null}
              title={why ?? undefined}
              onClick={() => {
                if (why === null) askAgain(name, status);
              }}
            >
              Deploy {name} again
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
