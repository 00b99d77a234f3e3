/**
 * One container of a pool: what it is made of.
 *
 * The rule this file keeps: its place (pool and replica number) is on it from the moment it exists,
 * so a driver killed right after the engine made it finds it and makes no second one.
 */
import { create } from './containers/containers.ts';
import { createOptions } from './containers/createOptions.ts';
import { labelsOf, type Marks, type OwnMarks, replicaName } from './containers/labels.ts';
import type { Engine } from './engine/engine.ts';
import type { Wanted } from './pool.ts';

export function marksFor(
  wanted: Wanted,
  replica: number,
  instance: string,
): Marks & { readonly own: OwnMarks } {
  const { order, run } = wanted;
  return {
    service: order.service,
    color: order.color,
    port: run.port,
    healthPort: run.healthPort ?? run.port,
    release: order.release.name,
    own: {
      poolId: order.poolId,
      generation: order.generation,
      replica,
      digest: run.digest ?? '',
      instance,
    },
  };
}

/** @returns the id of the container, created and not started. */
export async function createReplica(
  engine: Engine,
  wanted: Wanted,
  replica: number,
  instance: string,
): Promise<string> {
  const marks = marksFor(wanted, replica, instance);
  const name = replicaName(marks, replica);
  const { run, image, env, publishOn } = wanted;
  const body = createOptions({ run, image, env, publishOn, labels: labelsOf(marks, run.image) });
  // The plain name may be held by a leftover of somebody else's: the pool's number tells them
  // apart.
  const serial = /\.(\w+)$/.exec(wanted.order.poolId)?.[1] ?? 'again';
  return create(engine, [name, `${name}.${serial}`], body);
}
