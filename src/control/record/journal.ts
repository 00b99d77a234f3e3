/**
 * The journal is the history of ended deployments on its way to the disk and back.
 *
 * The rule this file keeps: a deployment that ended is appended however long the disk takes, and
 * one that was appended twice (as its drain overtook it, then whole) is read once, as it was last.
 */
import type { Clock } from '../../clock.ts';
import { Fault, reasonOf } from '../../errors.ts';
import type { Deployment } from '../model/state.ts';
import type { Store } from '../stores/store.ts';

/**
 * Of deployments that the disk does not take, so many are kept in memory: more are lost, oldest
 * first.
 */
const pendingMax = 1000;
const retryMs = 1000;

export class Journal {
  readonly #store: Store;
  readonly #clock: Clock;
  #pending: Deployment[] = [];
  #writing = false;
  #problem: string | null = null;
  #cancel: (() => void) | null = null;
  #closed = false;

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Why the history lags behind; null: it does not. */
  get problem(): string | null {
    return this.#problem;
  }

  append(deployment: Deployment): void {
    this.#pending.push(deployment);
    if (this.#pending.length > pendingMax) this.#pending.shift();
    if (!this.#writing && this.#cancel === null) void this.#write();
  }

  /**
   * @param current of the services: what runs, or ended last; they win over what was written.
   * @returns newest first, each once.
   */
  async read(
    query: { readonly service?: string; readonly limit: number },
    current: readonly Deployment[],
  ): Promise<readonly Deployment[]> {
    // An entry may be there twice, so more are read than are asked for.
    const wanted = Math.min(2000, query.limit * 2 + 10);
    const written = await this.#store.history({ ...query, limit: wanted });
    const pending = this.#pending
      .filter((one) => query.service === undefined || one.service === query.service)
      .reverse();
    const newest = new Map<string, Deployment>();
    for (const one of [...current, ...pending, ...written.deployments]) {
      if (!newest.has(one.id)) newest.set(one.id, one);
    }
    return [...newest.values()].sort(byStart).slice(0, query.limit);
  }

  /** @throws Fault DEPLOYMENT_UNKNOWN */
  async find(id: string): Promise<Deployment> {
    const service = /^(.+)-\d+$/.exec(id)?.[1];
    const query = service === undefined ? { limit: 1000 } : { service, limit: 1000 };
    const found = (await this.read(query, [])).find((one) => one.id === id);
    if (found !== undefined) return found;
    throw new Fault('DEPLOYMENT_UNKNOWN', `There is no deployment ${id.slice(0, 200)}.`, { id });
  }

  close(): void {
    this.#closed = true;
    this.#cancel?.();
  }

  async #write(): Promise<void> {
    this.#writing = true;
    while (this.#pending.length > 0 && !this.#closed) {
      const [first] = this.#pending;
      if (first === undefined) break;
      try {
        await this.#store.append(first);
        this.#problem = null;
        this.#pending = this.#pending.filter((one) => one !== first);
      } catch (thrown) {
        this.#problem = `The history cannot be written: ${reasonOf(thrown)}`;
        this.#cancel = this.#clock.after(retryMs, () => {
          this.#cancel = null;
          void this.#write();
        });
        break;
      }
    }
    this.#writing = false;
  }
}

function byStart(a: Deployment, b: Deployment): number {
  if (a.startedAt !== b.startedAt) return a.startedAt < b.startedAt ? 1 : -1;
  return a.service === b.service ? numberOf(b) - numberOf(a) : 0;
}

function numberOf(deployment: Deployment): number {
  return Number(deployment.id.slice(deployment.service.length + 1));
}
