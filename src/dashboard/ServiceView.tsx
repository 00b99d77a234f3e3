/**
 * One service: what is live, the way back, the deployment, the traffic, the pools, the
 * history.
 *
 * The rule this file keeps: what is looked at first comes first, and nothing changes its place.
 */
import { type ServiceStatus, sidesOf } from '../control/model/api.ts';
import { colors } from '../wire.ts';
import { Actions } from './Actions.tsx';
import { Confirm } from './Confirm.tsx';
import { History } from './History.tsx';
import { CandidateCard, PoolCard } from './PoolCard.tsx';
import { Releases } from './Releases.tsx';
import { names, statusOf } from './store.ts';
import { Timeline } from './Timeline.tsx';
import { Traffic } from './Traffic.tsx';
import { Watch } from './Watch.tsx';
import { sideWord, waitWord } from './words.ts';

export function ServiceView({ name }: { name: string }) {
  const status = statusOf(name).value;
  if (!status) {
    return (
      <section>
        <h1>{name}</h1>
        <p>
          There is no such service. <a href="#/">All services</a>
        </p>
      </section>
    );
  }
  return (
    <section aria-labelledby="service-title">
      <div class="headline">
        {(names.value?.length ?? 0) > 1 && (
          <a class="back" href="#/">
            All services
          </a>
        )}
        <h1 id="service-title">{name}</h1>
        <p class="quiet">
          {status.hosts.join(', ') || 'any host'} · {status.paths.join(', ')} · generation{' '}
          {status.generation}
        </p>
        <p
          class={`lead ${status.paused ? 'paused' : (status.live ?? 'none')}`}
          data-live={status.live}
        >
          {leadOf(status)}
        </p>
      </div>
      {status.problem && (
        <p class="wrong panel" role="alert">
          {status.problem}
        </p>
      )}
      {status.freeze !== null && (
        <p class="frozen panel doubt" role="status">
          FROZEN (deployments are refused, the way back is open): {status.freeze}
        </p>
      )}
      <Actions status={status} />
      <Confirm status={status} />
      <Watch status={status} />
      {status.deployment && (
        <Timeline
          key={status.deployment.id}
          deployment={status.deployment}
          until={status.limits.until}
          preview={status.preview}
        />
      )}
      <Traffic service={name} />
      <div class={`pools ${emptiness(status)}`}>
        {colors.map((color) => (
          <PoolCard key={color} color={color} pool={status.pools[color]} service={status} />
        ))}
        {status.candidate && <CandidateCard pool={status.candidate} />}
      </div>
      <Releases status={status} />
      <History service={name} />
    </section>
  );
}

function leadOf(status: ServiceStatus): string {
  const { paused, pausePage, waiting } = status;
  const { live: pool } = sidesOf(status);
  if (!pool) return 'Nothing takes the traffic: there is no release yet';
  const side = sideWord(pool);
  if (pausePage) return `PAUSED: requests for ${side} get a 503`;
  return paused ? `PAUSED: ${waitWord(waiting)} for ${side}` : `${side} takes the traffic`;
}

/** An empty pool has little to say, and takes little room. */
function emptiness({ pools }: ServiceStatus): string {
  if (pools.blue && !pools.green) return 'green-empty';
  return pools.green && !pools.blue ? 'blue-empty' : '';
}
