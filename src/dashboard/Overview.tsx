/**
 * Every service in one row each: what is live, what stands by, how it fares, and the way back.
 *
 * The rule this file keeps: a row reads only its own service, so that 200 of them cost what
 * changes; what is broken stands first, then what is not ready, then the rest by name.
 */
import { type ServiceStatus, sidesOf } from '../control/model/api.ts';
import { RollbackInRow } from './Actions.tsx';
import { answered } from './asking.ts';
import { useComputed, useSignal } from './preact.ts';
import { names, sample, statusOf } from './store.ts';
import { figures, msWord, roleWord, runs, waitWord } from './words.ts';

const filterFrom = 8;

export function Overview() {
  const wanted = useSignal('');
  const onlyTroubled = useSignal(false);
  const ranks = useComputed(() =>
    (names.value ?? [])
      .map((name) => ({ name, rank: standingOf(statusOf(name).value).rank }))
      .sort((a, b) => a.rank - b.rank),
  );
  const all = ranks.value;
  const bad = all.filter(({ rank }) => rank <= rankOfTrouble).length;
  const shown = all.filter(
    ({ name, rank }) =>
      name.toLowerCase().includes(wanted.value.toLowerCase()) &&
      (!onlyTroubled.value || rank <= rankOfTrouble),
  );
  return (
    <section aria-labelledby="services-title">
      <div class="headline">
        <h1 id="services-title">Services</h1>
        <p class="quiet">
          {all.length} in all; {bad === 0 ? 'all are well' : `${bad} need a look`}
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
      {shown.length > 0 && (
        <div class="services panel">
          <table>
            <caption class="unseen">Services</caption>
            <thead>
              <tr>
                <th scope="col">Service</th>
                <th scope="col">Live</th>
                <th scope="col">Standby</th>
                <th scope="col" class="number">
                  Req/s
                </th>
                <th scope="col" class="number">
                  Errors/s
                </th>
                <th scope="col" class="number">
                  p99
                </th>
                <th scope="col">State</th>
                <th scope="col">Way back</th>
              </tr>
            </thead>
            <tbody>
              {shown.map(({ name }) => (
                <Row key={name} name={name} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function Row({ name }: { name: string }) {
  const status = statusOf(name).value;
  if (!status) return null;
  const { rank, words } = standingOf(status);
  const { standby } = sidesOf(status);
  const done = answered.value?.service === name ? answered.value.words : null;
  return (
    <tr class="row">
      <th scope="row">
        <a href={`#/${encodeURIComponent(name)}`}>{name}</a>
        <span class="quiet">{status.hosts.join(', ') || 'any host'}</span>
      </th>
      <td data-label="Live">
        <Side status={status} side="live" />
      </td>
      <td data-label="Standby" class={standby ? '' : 'idle'}>
        <Side status={status} side="standby" />
      </td>
      <Figures name={name} status={status} />
      <td data-label="State" class={rank === 3 && !done ? 'idle' : ''}>
        <span class={rank === 0 ? 'state bad' : rank === 1 ? 'state doubt' : 'state'}>{words}</span>
        {done && (
          <span class="good block" role="status">
            {done}
          </span>
        )}
      </td>
      <td data-label="Way back" class={status.rollback.to ? '' : 'idle'}>
        <RollbackInRow status={status} />
      </td>
    </tr>
  );
}

function Side({ status, side }: { status: ServiceStatus; side: 'live' | 'standby' }) {
  const pool = sidesOf(status)[side];
  if (!pool) return <span class="quiet">{side === 'live' ? 'nothing' : '–'}</span>;
  const paused = side === 'live' && status.paused;
  return (
    <span class={`mini ${pool.color} ${pool.role}${paused ? ' paused' : ''}`}>
      {pool.color.toUpperCase()} <b>{pool.release}</b> {pool.healthy}/{pool.targets.length}
      {side === 'standby' || paused ? ` ${roleWord(pool, paused)}` : ''}
    </span>
  );
}

function Figures({ name, status }: { name: string; status: ServiceStatus }) {
  const { live } = status;
  const mine = sample.value?.services[name];
  const sum = (of: 'requests' | 'errors'): number =>
    (mine?.blue?.[of] ?? 0) + (mine?.green?.[of] ?? 0);
  const errors = sum('errors');
  return (
    <>
      <td data-label="Req/s" class="number">
        {figures(sum('requests'))}
      </td>
      <td data-label="Errors/s" class={errors > 0 ? 'number bad' : 'number'}>
        {figures(errors)}
      </td>
      <td data-label="p99" class="number">
        {msWord(live === null ? undefined : mine?.[live]?.p99)}
      </td>
    </>
  );
}

interface Standing {
  /** 0: broken, 1: not as it should be, 2: under way, 3: well. */
  readonly rank: number;
  readonly words: string;
}

const rankOfTrouble = 1;

/** How a service stands, in one sentence. */
function standingOf(status: ServiceStatus | null): Standing {
  if (!status) return { rank: 3, words: '' };
  const { deployment } = status;
  if (status.problem) return { rank: 0, words: status.problem };
  const { live: pool } = sidesOf(status);
  if (!pool && !runs(deployment)) return { rank: 0, words: 'nothing is live' };
  if (pool && pool.healthy === 0) return { rank: 0, words: 'no live target is healthy' };
  if (pool && pool.healthy < pool.targets.length) {
    const down = pool.targets.length - pool.healthy;
    return { rank: 1, words: `${down} of ${pool.targets.length} live targets down` };
  }
  if (status.pausePage) return { rank: 1, words: 'paused: requests get a 503' };
  if (status.paused) return { rank: 1, words: `paused: ${waitWord(status.waiting)}` };
  if (deployment?.phase === 'failed')
    return { rank: 1, words: `deployment of ${deployment.to.release} failed` };
  if (runs(deployment)) {
    const what = deployment.direction === 'deploy' ? 'deploying' : 'going back to';
    return { rank: 2, words: `${what} ${deployment.to.release}: ${deployment.phase}` };
  }
  if (status.rollback.to !== null && !status.rollback.ready) {
    return { rank: 2, words: status.rollback.asleep ? 'warm pool asleep' : 'rollback not ready' };
  }
  if (status.confirm?.phase === 'held') {
    return { rank: 1, words: `not confirmed, not gone back from: ${status.confirm.reason}` };
  }
  if (status.confirm !== null) {
    return { rank: 2, words: `${status.confirm.release} is to be confirmed` };
  }
  if (status.freeze !== null) return { rank: 3, words: `well; frozen: ${status.freeze}` };
  return { rank: 3, words: 'well' };
}
