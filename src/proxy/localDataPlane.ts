/**
 * The data plane inside the controller's own process (`workers: 0`): a barrier with one worker is
 * an assignment.
 *
 * The rule this file keeps: it has the shape of the control plane's `DataPlane` without importing
 * it; the contract suite `test/contracts/dataplane.ts` holds both to the same behaviour.
 */
import type { Committed, Fence, Table, WorkerStats } from '../wire.ts';
import type { CertificateSet } from '../wireTls.ts';
import type { Plane } from './plane.ts';

export class LocalDataPlane {
  readonly #plane: Plane;

  constructor(plane: Plane) {
    this.#plane = plane;
  }

  async stage(table: Table): Promise<void> {
    this.#plane.stage(table);
  }

  async certify(set: CertificateSet): Promise<void> {
    this.#plane.certificates.replace(set);
  }

  async hold(fence: Fence, _limitMs: number): Promise<number> {
    this.#plane.hold(fence);
    return 1;
  }

  async commit(fence: Fence, go: boolean): Promise<readonly Committed[]> {
    const committed = this.#plane.commit(fence, go);
    return committed === null ? [] : [committed];
  }

  async stats(): Promise<readonly WorkerStats[]> {
    return [this.#plane.stats()];
  }
}
