/**
 * Every service in one row each: what is live, what stands by, whether going back is possible.
 *
 * The rule this file keeps: a row reads only its own service, so that 200 of them cost what
 * changes.
 */
import type { ServiceStatus } from '../control/model/api.ts';
import { type Color, colors } from '../wire.ts';
import { useComputed, useSignal } from './preact.ts';
import { names, sample, statusOf } from './store.ts';
import { figures, roleWord, runs } from './words.ts';

const filterFrom = 8;

export function Overview() {
  const wanted = useSignal('');
  const onlyTroubled = useSignal(false);
  const all = names.value ?? [];
  const troubled = useComputed(() =>
    (names.value ?? []).filter((name) => troubleOf(statusOf(name).value) !== null),
  );
  const bad = new Set(troubled.value);
  const shown = all.filter(
    (name) =>
      name.toLowerCase().includes(wanted.value.toLowerCase()) &&
      (!onlyTroubled.value || bad.has(name)),
  );
  return (
    <section aria-labelledby="services-title">
      <div class="headline">
        <h1 id="services-title">Services</h1>
        <p class="quiet">
          {all.length} in all; {bad.size === 0 ? 'all are well' : `${bad.size} need a look`}
        </p>
      </div>
      {all.length >= filterFrom && (
        <form class="filter" onSubmit={(event) => event.preventDefault()}>
          <label>
            Name contains
            <input
              type="search"
              value={wanted.value}
              onInput={(event) => {
                wanted.value = event.currentTarget.value;
              }}
            />
          </label>
          <label class="check">
            <input
              type="checkbox"
              checked={onlyTroubled.value}
              onChange={(event) => {
                onlyTroubled.value = event.currentTarget.checked;
              }}
            />
            Only those that need a look
          </label>
        </form>
      )}
      {all.length === 0 && <p>No service is configured.</p>}
      <ul class="rows">
        {shown.map((name) => (
          <Row key={name} name={name} />
        ))}
      </ul>
    </section>
  );
}

function Row({ name }: { name: string }) {
  const status = statusOf(name).value;
  const rate = useComputed(() => {
    const mine = sample.value?.services[name];
    return `${figures((mine?.blue?.requests ?? 0) + (mine?.green?.requests ?? 0))} /s`;
  });
  if (!status) return null;
  const trouble = troubleOf(status);
  return (
    <li class="row">
      <a href={`#/${encodeURIComponent(name)}`}>
        <strong>{name}</strong>
        <span class="quiet">generation {status.generation}</span>
      </a>
      <span class="minis">
        {colors.map((color) => (
          <Mini key={color} status={status} color={color} />
        ))}
      </span>
      <span class="rate">{rate}</span>
      <span class={trouble ? 'state bad' : 'state'}>{trouble ?? backWord(status)}</span>
    </li>
  );
}

function Mini({ status, color }: { status: ServiceStatus; color: Color }) {
  const pool = status.pools[color];
  const role = pool?.role ?? 'empty';
  return (
    <span class={`mini ${color} ${role}`}>
      {color.toUpperCase()} <b>{roleWord(pool)}</b>{' '}
      {pool ? `${pool.release} ${pool.healthy}/${pool.targets.length}` : ''}
    </span>
  );
}

function backWord(status: ServiceStatus): string {
  if (runs(status.deployment))
    return `deploying ${status.deployment.to.release}: ${status.deployment.phase}`;
  return status.rollback.ready
    ? `rollback to ${status.rollback.to?.release ?? ''} ready`
    : 'no rollback';
}

/** What a person should look at, in one sentence; null where there is nothing. */
function troubleOf(status: ServiceStatus | null): string | null {
  if (!status) return null;
  if (status.problem) return status.problem;
  if (status.paused) return `paused: ${status.waiting} requests wait`;
  const live = status.pools[status.live];
  if (!live) return 'nothing is live';
  if (live.healthy < live.targets.length) {
    return `${live.targets.length - live.healthy} of ${live.targets.length} live targets are down`;
  }
  if (status.deployment?.phase === 'failed')
    return `deployment of ${status.deployment.to.release} failed`;
  return null;
}
