/**
 * One pool of a service: its color, or that it is the candidate for one; its role in a word, its
 * release, its targets and what is inside.
 */
import type { ServiceStatus } from '../control/model/api.ts';
import type { PoolStatus } from '../control/model/pools.ts';
import type { Color } from '../wire.ts';
import { nowMs } from './store.ts';
import { Targets } from './Targets.tsx';
import {
  agoWord,
  costWord,
  insideCount,
  insideWord,
  plural,
  roleMeaning,
  roleWord,
  spanWord,
  timeWord,
  waitWord,
} from './words.ts';

interface Props {
  readonly color: Color;
  readonly pool: PoolStatus | null;
  readonly service: ServiceStatus;
}

export function PoolCard({ color, pool, service }: Props) {
  const role = pool?.role ?? 'empty';
  const id = `pool-${color}`;
  const paused = service.paused && role === 'live';
  const looks = `pool panel ${color} ${role}${paused ? ' paused' : ''}`;
  return (
    <article class={looks} aria-labelledby={id} data-role={role}>
      <header>
        <h2 id={id}>
          {color.toUpperCase()} <span class="badge">{roleWord(pool, paused)}</span>
        </h2>
        <p class="quiet">{roleMeaning(pool, paused)}</p>
      </header>
      {role === 'draining' && <Drain service={service} />}
      {pool ? <Filled pool={pool} waiting={role === 'live' ? service.waiting : 0} /> : null}
    </article>
  );
}

/** What is proved beside the warm pool, whose color it takes at the flip. */
export function CandidateCard({ pool }: { pool: PoolStatus }) {
  return (
    <article
      class={`pool panel candidate ${pool.color} ${pool.role}`}
      aria-labelledby="pool-candidate"
      data-role={pool.role}
    >
      <header>
        <h2 id="pool-candidate">
          CANDIDATE <span class="badge">{roleWord(pool)}</span>
        </h2>
        <p class="quiet">
          {roleMeaning(pool)}; becomes {pool.color.toUpperCase()} at the flip, until which the warm
          pool is kept
        </p>
      </header>
      <Filled pool={pool} waiting={0} />
    </article>
  );
}

function Filled({ pool, waiting }: { pool: PoolStatus; waiting: number }) {
  const since = pool.since ?? pool.filledAt;
  const [runs, digest] = splitDigest(pool.source);
  const short = pool.healthy < pool.targets.length;
  return (
    <>
      <dl class="facts">
        <dt>Release</dt>
        <dd class="release">{pool.release}</dd>
        <dt>Runs</dt>
        <dd class="source">{runs}</dd>
        {digest !== null && <dt>Digest</dt>}
        {digest !== null && <dd class="source">{digest}</dd>}
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
          {waiting > 0 ? `; ${waitWord(waiting)}` : ''}
        </dd>
        <Cost pool={pool} />
      </dl>
      <Targets pool={pool} />
    </>
  );
}

/** How far the old pool has drained, and when what is left is cut. */
function Drain({ service }: { service: ServiceStatus }) {
  const receipt = service.deployment?.receipt;
  if (!receipt) return null;
  const all = insideCount(receipt.inflight);
  const pool = receipt.from ? service.pools[receipt.from.color] : null;
  const left = pool ? Math.min(all, insideCount(pool.inside)) : 0;
  const cutMs = Date.parse(receipt.committedAt) + service.limits.drainMs - nowMs.value;
  const cut = left > 0 ? `; what is left is cut in ${spanWord(cutMs)}` : '';
  return (
    <div class="drain">
      <progress max={Math.max(1, all)} value={all - left} aria-label="Drained" />
      <span>
        {all - left} of {plural(all, 'request')} ended{cut}
      </span>
    </div>
  );
}

/** `shop:v1 sha256:…` as the image and its digest. */
function splitDigest(source: string): readonly [string, string | null] {
  const found = /^(.*?)[ @](sha256:[0-9a-f]{64})$/.exec(source);
  return found ? [found[1] ?? '', found[2] ?? null] : [source, null];
}

function Cost({ pool }: { pool: PoolStatus }) {
  const cost = costWord(pool);
  if (cost === '') return null;
  return (
    <>
      <dt>Costs</dt>
      <dd>{cost}</dd>
    </>
  );
}
