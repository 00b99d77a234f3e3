/**
 * The workers as the controller sees them: one seam, whether they are processes or live in this
 * one. Specified by `test/contracts/dataplane.ts`.
 *
 * The rule this file keeps: `stage` hands over tables and moves no traffic between colors; only
 * `hold` and then `commit` of the staged generation do. Every order is fenced by generation, and a
 * worker carries them out as they were given: one may be given before the last was answered.
 */
import type { Committed, Fence, Table, WorkerStats } from '../../wire.ts';
import type { CertificateSet } from '../../wireTls.ts';

export interface DataPlane {
  /**
   * Every worker takes the table; a service whose generation rose is kept beside the serving one. A
   * worker that starts later is given the last table before it listens, though never a staged
   * generation.
   *
   * @returns when every worker has answered, or has ended.
   */
  stage(table: Table): Promise<void>;
  /**
   * Every worker stops claiming for the service; new requests wait.
   *
   * @param limitMs 1 to 10_000: by when all must have answered.
   * @returns how many workers hold.
   * @throws Fault HOLD_TIMEOUT naming the worker; FLIP_FENCED. Those that hold go on holding until
   *   `commit`.
   */
  hold(fence: Fence, limitMs: number): Promise<number>;
  /**
   * @param go true: switch to the staged generation; false: drop it. Either way what waited is
   *   released. It cannot fail for a worker that holds; one that ends meanwhile is left out.
   * @returns what each worker reported; with `go: false`, nothing.
   */
  commit(fence: Fence, go: boolean): Promise<readonly Committed[]>;
  /** What every worker that answers in time says of itself. */
  stats(): Promise<readonly WorkerStats[]>;
}

/** The workers as far as TLS goes. What is handed over holds keys. */
export interface CertificateTaker {
  /**
   * Every worker speaks TLS with this from now on; connections that stand keep what they have. A
   * worker that starts later is given the last set before it listens.
   *
   * @returns when every worker has answered, or has ended.
   */
  certify(set: CertificateSet): Promise<void>;
}
