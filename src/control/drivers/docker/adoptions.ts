/**
 * Pools of containers that someone else starts, found by their labels.
 *
 * The rule this file keeps: adopting changes nothing on the engine. It says which containers a pool
 * means, and holds it to one image: a container of the same color with another image is another
 * release, and gets no traffic until somebody deploys it.
 */
import type { StartOrder } from '../driver.ts';
import type { Found } from './containers/containers.ts';
import type { ContainerFacts } from './containers/facts.ts';
import { adoptedPoolId, type Marks } from './containers/labels.ts';

interface Adoption {
  readonly service: string;
  readonly color: string;
  readonly release: string;
  /** null until the containers have said which one. */
  readonly imageId: string | null;
}

export class Adoptions {
  readonly #byPool = new Map<string, Adoption>();

  begin(order: StartOrder, imageId: string | null): void {
    const { service, color, release } = order;
    this.#byPool.set(order.poolId, { service, color, release: release.name, imageId });
  }

  end(poolId: string): void {
    this.#byPool.delete(poolId);
  }

  has(poolId: string): boolean {
    return this.#byPool.has(poolId);
  }

  /** The pool a container belongs to: the one that adopted it, or the one it would found. */
  poolIdOf(found: Found): string {
    return found.marks.own === null ? this.poolIdFor(found.marks) : found.poolId;
  }

  /** The same for a container that is known by its labels alone, and has no pool of ours. */
  poolIdFor(marks: Marks): string {
    for (const [poolId, adoption] of this.#byPool) {
      if (matches(adoption, marks)) return poolId;
    }
    return adoptedPoolId(marks);
  }

  /** Whether the pool takes this container; one that is not adopted takes all that carry its id. */
  takes(poolId: string, facts: ContainerFacts): boolean {
    const adoption = this.#byPool.get(poolId);
    return (
      adoption === undefined || adoption.imageId === null || adoption.imageId === facts.imageId
    );
  }
}

/** A container that names no release is taken for whichever is asked for. */
function matches(adoption: Adoption, marks: Marks): boolean {
  return (
    adoption.service === marks.service &&
    adoption.color === marks.color &&
    (marks.release === '' || marks.release === adoption.release)
  );
}
