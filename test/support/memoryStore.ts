/**
 * A store in memory that fails, or takes the controller down, when a test says so.
 *
 * The rule this file keeps: what is stored passed through JSON, as it does on a disk, so nothing
 * that is shared with the writer or that JSON loses can be read back.
 */

import type { Deployment, State } from '../../src/control/model/state.ts';
import type { Store } from '../../src/control/stores/store.ts';
import { Fault } from '../../src/errors.ts';

/**
 * What becomes of a save or an append. `refuse`: STATE_NOT_WRITABLE, nothing stored. `crash before`
 * and `crash after`: nothing or everything stored, and neither this call nor any later one on this
 * store ever settles, as for a controller that is dead; `reopen` gives its successor what was
 * stored.
 */
export type Fate = 'keep' | 'refuse' | 'crash before' | 'crash after';

export interface MemoryStoreOptions {
  /** @param save counts saves from 1, those of reopened stores included and stale ones not. */
  readonly onSave?: (save: number, state: State) => Fate;
  /** @param append counts from 1. */
  readonly onAppend?: (append: number, deployment: Deployment) => Fate;
}

export interface MemoryStore extends Store {
  /** What stands there now; null: nothing. */
  readonly stored: State | null;
  /** Whether a fate of crash came. */
  readonly crashed: boolean;
  /** A new store over the same data, with the same options and counts. */
  reopen(): MemoryStore;
}

interface Disk {
  state: string | null;
  revision: string;
  writes: number;
  saves: number;
  appends: number;
  readonly history: string[];
}

export function memoryStore(options: MemoryStoreOptions = {}): MemoryStore {
  const disk = { state: null, revision: '', writes: 0, saves: 0, appends: 0, history: [] };
  return over(disk, options);
}

function over(disk: Disk, options: MemoryStoreOptions): MemoryStore {
  let crashed = false;
  const never = <T>(): Promise<T> => new Promise<T>(() => {});
  const crash = <T>(): Promise<T> => {
    crashed = true;
    return never();
  };
  const write = <T>(fate: Fate, store: () => T): Promise<T> => {
    if (fate === 'crash before') return crash();
    if (fate === 'refuse') {
      return Promise.reject(new Fault('STATE_NOT_WRITABLE', 'The test refused this write.'));
    }
    const value = store();
    return fate === 'crash after' ? crash() : Promise.resolve(value);
  };

  return {
    async load() {
      if (crashed) return never();
      if (disk.state === null) return null;
      const state = JSON.parse(disk.state) as State;
      return { state, revision: disk.revision, recovered: null };
    },
    async save(state, revision) {
      if (crashed) return never();
      if (revision !== disk.revision) {
        throw new Fault('REVISION_STALE', `"${revision}" is not "${disk.revision}".`);
      }
      const text = JSON.stringify(state);
      disk.saves++;
      return write(options.onSave?.(disk.saves, state) ?? 'keep', () => {
        disk.state = text;
        disk.writes++;
        disk.revision = String(disk.writes);
        return disk.revision;
      });
    },
    async append(deployment) {
      if (crashed) return never();
      const text = JSON.stringify(deployment);
      disk.appends++;
      return write(options.onAppend?.(disk.appends, deployment) ?? 'keep', () => {
        disk.history.push(text);
      });
    },
    async history({ service, limit }) {
      if (crashed) return never();
      const newest = new Map<string, Deployment>();
      for (const line of disk.history.toReversed()) {
        const deployment = JSON.parse(line) as Deployment;
        if (!newest.has(deployment.id)) newest.set(deployment.id, deployment);
      }
      const deployments = [...newest.values()]
        .filter((deployment) => service === undefined || deployment.service === service)
        .slice(0, limit);
      return { deployments, unreadable: 0 };
    },
    get stored() {
      return disk.state === null ? null : (JSON.parse(disk.state) as State);
    },
    get crashed() {
      return crashed;
    },
    reopen: () => over(disk, options),
  };
}
