/**
 * A store keeps the state and the history. Specified by `test/contracts/store.ts`.
 *
 * The rule this file keeps: a save either happened wholly and will survive a power cut, or it did
 * not happen and says so. What cannot be read is never taken for empty.
 */
import type { Deployment, State } from '../model/state.ts';

export interface Store {
  /**
   * @returns the newest state and its revision; null only where no state was ever written.
   * @throws Fault STATE_UNREADABLE with file and position, where neither the state nor its last
   *   good copy can be read, or its format is newer than this version.
   */
  load(): Promise<Loaded | null>;
  /**
   * @param revision the one `load` or the last `save` gave; '' where there was none.
   * @returns the new revision, once the state is durable.
   * @throws Fault REVISION_STALE, STATE_NOT_WRITABLE; in both cases the stored state is as it was.
   */
  save(state: State, revision: string): Promise<string>;
  /** Appends an ended deployment to the history. @throws Fault STATE_NOT_WRITABLE */
  append(deployment: Deployment): Promise<void>;
  /** The ended deployments, newest first. Lines that cannot be read are left out and counted. */
  history(query: { readonly service?: string; readonly limit: number }): Promise<History>;
}

export interface Loaded {
  readonly state: State;
  readonly revision: string;
  /** Why the last good copy was used in place of the newest; null: it was not. */
  readonly recovered: string | null;
}

export interface History {
  readonly deployments: readonly Deployment[];
  readonly unreadable: number;
}
