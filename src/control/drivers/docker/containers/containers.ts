/**
 * What the driver does to containers: survey, inspect, create, start, stop, remove.
 *
 * The rule this file keeps: each step can be made again. What is already so (started, stopped,
 * gone) is a success, so that a driver that was killed between two steps simply takes them once
 * more.
 */
import { type Engine, Refusal, refusedWith } from '../engine/engine.ts';
import { mapLimit } from '../engine/mapLimit.ts';
import { type ContainerFacts, factsOf } from './facts.ts';
import { adoptedPoolId, type Labels, label, type Marks, marksOf } from './labels.ts';

/** Beyond its own stop timeout, how long the engine may take to end a container. */
const stopGraceMs = 30_000;

/** One container that belongs to a service, ours or somebody else's. */
export interface Found {
  readonly id: string;
  readonly marks: Marks;
  /** Its own pool's id, or the one its adoption would have. */
  readonly poolId: string;
  readonly paused: boolean;
}

/**
 * Every container of this instance, and every one that may be adopted, running or not.
 *
 * @param instance containers of another Pointsman on the same engine are left out.
 */
export async function survey(engine: Engine, instance: string): Promise<readonly Found[]> {
  const rows = (await engine.call({
    method: 'GET',
    path: '/containers/json',
    query: { all: '1', filters: { label: [label.service] } },
  })) as readonly {
    readonly Id: string;
    readonly State?: string;
    readonly Labels?: Labels | null;
  }[];
  return rows.flatMap((row) => {
    const marks = marksOf(row.Labels ?? {});
    if (marks === null || (marks.own !== null && marks.own.instance !== instance)) return [];
    const poolId = marks.own?.poolId ?? adoptedPoolId(marks);
    return [{ id: row.Id, marks, poolId, paused: row.State === 'paused' }];
  });
}

/** @returns null where it is gone. */
export async function inspect(engine: Engine, id: string): Promise<ContainerFacts | null> {
  const path = `/containers/${encodeURIComponent(id)}/json`;
  try {
    return factsOf(await engine.call({ method: 'GET', path }));
  } catch (thrown) {
    if (refusedWith(thrown, 404)) return null;
    throw thrown;
  }
}

/** What is still there of these, inspected. */
export async function inspectAll(
  engine: Engine,
  ids: readonly string[],
): Promise<readonly ContainerFacts[]> {
  const all = await mapLimit(ids, (id) => inspect(engine, id));
  return all.filter((one) => one !== null);
}

/**
 * @param names tried in order: a name that is taken is no reason for a deployment to fail.
 * @returns the container's id.
 * @throws Refusal where the engine does not take the options.
 */
export async function create(
  engine: Engine,
  names: readonly string[],
  body: Readonly<Record<string, unknown>>,
): Promise<string> {
  for (const [at, name] of names.entries()) {
    try {
      const created = (await engine.call({
        method: 'POST',
        path: '/containers/create',
        query: { name },
        body,
      })) as { readonly Id: string };
      return created.Id;
    } catch (thrown) {
      if (!refusedWith(thrown, 409) || at === names.length - 1) throw thrown;
    }
  }
  throw new Error('a container must be given a name');
}

export async function startContainer(engine: Engine, id: string): Promise<void> {
  await engine.call({ method: 'POST', path: `/containers/${id}/start` });
}

/** Takes the CPU away from a running container, or gives it back. What does not run is let be. */
export async function pauseContainer(engine: Engine, id: string, frozen: boolean): Promise<void> {
  try {
    const path = `/containers/${id}/${frozen ? 'pause' : 'unpause'}`;
    await engine.call({ method: 'POST', path });
  } catch (thrown) {
    if (!(thrown instanceof Refusal)) throw thrown;
    const facts = await inspect(engine, id);
    if (facts?.running && facts.paused !== frozen) throw thrown;
  }
}

/**
 * Stops a container by its own signal and timeout, then removes it with its anonymous volumes.
 *
 * @param stopMs its stop timeout: how long the call may take is derived from it.
 */
export async function end(
  engine: Engine,
  { id, paused }: Pick<Found, 'id' | 'paused'>,
  stopMs: number,
): Promise<void> {
  const path = `/containers/${id}`;
  try {
    // It could not hear its signal.
    if (paused) await pauseContainer(engine, id, false);
    // Without `t` the engine takes the timeout the container was created with.
    await engine.call({ method: 'POST', path: `${path}/stop`, limitMs: stopMs + stopGraceMs });
  } catch (thrown) {
    if (refusedWith(thrown, 404)) return;
    // An engine that cannot stop it politely may still be able to remove it.
    if (!refusedWith(thrown, 500)) throw thrown;
  }
  try {
    await engine.call({ method: 'DELETE', path, query: { force: '1', v: '1' } });
  } catch (thrown) {
    // Gone, or somebody else is removing it at this moment.
    if (refusedWith(thrown, 404)) return;
    if (!refusedWith(thrown, 409)) throw thrown;
    await engine
      .call({
        method: 'POST',
        path: `${path}/wait`,
        query: { condition: 'removed' },
        limitMs: stopGraceMs,
      })
      .catch((waited: unknown) => {
        if (!refusedWith(waited, 404)) throw waited;
      });
  }
}
