/** One color of a service: its role in a word, its release, its targets and what is inside. */
import type { PoolStatus, ServiceStatus } from '../control/model/api.ts';
import type { Color } from '../wire.ts';
import { nowMs } from './store.ts';
import { Targets } from './Targets.tsx';
import {
  agoWord,
  bytesWord,
  figures,
  insideWord,
  roleMeaning,
  roleWord,
  timeWord,
} from './words.ts';

interface Props {
  readonly color: Color;
  readonly pool: PoolStatus | null;
  readonly service: ServiceStatus;
}

export function PoolCard({ color, pool, service }: Props) {
  const role = pool?.role ?? 'empty';
  const id = `pool-${color}`;
  return (
    <article class={`pool panel ${color} ${role}`} aria-labelledby={id} data-role={role}>
      <header>
        <h2 id={id}>
          {color.toUpperCase()} <span class="badge">{roleWord(pool)}</span>
        </h2>
        <p class="quiet">{roleMeaning(pool)}</p>
      </header>
      {pool ? <Filled pool={pool} waiting={role === 'live' ? service.waiting : 0} /> : null}
    </article>
  );
}

function Filled({ pool, waiting }: { pool: PoolStatus; waiting: number }) {
  const since = pool.since ?? pool.filledAt;
  const short = pool.healthy < pool.targets.length;
  return (
    <>
      <dl class="facts">
        <dt>Release</dt>
        <dd class="release">{pool.release}</dd>
        <dt>Runs</dt>
        <dd class="source">{pool.source}</dd>
        <dt>{pool.since ? `${roleWord(pool)} since` : 'Filled'}</dt>
        <dd>
          <time dateTime={since} title={since}>
            {timeWord(since)} ({agoWord(since, nowMs.value)})
          </time>
        </dd>
        <dt>Healthy</dt>
        <dd class={short ? 'bad' : ''}>
          {pool.healthy} of {pool.targets.length}
          {short ? ' – below its size' : ''}
        </dd>
        <dt>In flight</dt>
        <dd>
          {insideWord(pool.inside)}
          {waiting > 0 ? `; ${waiting} wait` : ''}
        </dd>
        <Cost pool={pool} />
      </dl>
      <Targets pool={pool} />
    </>
  );
}

function Cost({ pool }: { pool: PoolStatus }) {
  const memory = pool.targets.flatMap(({ memoryBytes }) => memoryBytes ?? []);
  const cpu = pool.targets.flatMap(({ cpuPercent }) => cpuPercent ?? []);
  const sum = (all: readonly number[]): number => all.reduce((total, one) => total + one, 0);
  if (memory.length === 0) return null;
  return (
    <>
      <dt>Costs</dt>
      <dd>
        {bytesWord(sum(memory))}
        {cpu.length > 0 ? `, ${figures(sum(cpu))} % CPU` : ''}
      </dd>
    </>
  );
}
