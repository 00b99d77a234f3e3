/**
 * One service: what is live, the way back, both pools, the deployment, the traffic, the history.
 */
import { colors } from '../wire.ts';
import { Actions } from './Actions.tsx';
import { History } from './History.tsx';
import { PoolCard } from './PoolCard.tsx';
import { names, statusOf } from './store.ts';
import { Timeline } from './Timeline.tsx';
import { Traffic } from './Traffic.tsx';
import { sideWord } from './words.ts';

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
  const live = status.pools[status.live];
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
        <p class={`lead ${status.live}`} data-live={status.live}>
          {status.paused
            ? `PAUSED: ${status.waiting} requests wait for ${sideWord(live && { color: status.live, release: live.release })}`
            : live
              ? `${sideWord({ color: status.live, release: live.release })} takes the traffic`
              : 'Nothing takes the traffic: there is no release yet'}
        </p>
      </div>
      {status.problem && (
        <p class="wrong panel" role="alert">
          {status.problem}
        </p>
      )}
      <Actions status={status} />
      <div class={`pools to-${status.live}`}>
        {colors.map((color) => (
          <PoolCard key={color} color={color} pool={status.pools[color]} service={status} />
        ))}
      </div>
      {status.deployment && <Timeline deployment={status.deployment} />}
      <Traffic service={name} />
      <History service={name} />
    </section>
  );
}
