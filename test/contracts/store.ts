/** What every store must do. A new store is done when `storeContract('mine', makeMine)` passes. */
import { afterEach, describe, expect, test } from 'vitest';
import type { Store } from '../../src/control/stores/store.ts';
import { deploymentOf, stateWith } from '../support/states.ts';

export interface StoreUnderTest {
  readonly store: Store;
  /**
   * The same stored data, seen by a controller that has just started; `store` is not used
   * afterwards.
   */
  reopen(): Promise<Store>;
  close(): Promise<void>;
}

export function storeContract(name: string, make: () => Promise<StoreUnderTest>): void {
  describe(`the store contract, kept by ${name}`, () => {
    const made: StoreUnderTest[] = [];
    const fresh = async (): Promise<StoreUnderTest> => {
      const one = await make();
      made.push(one);
      return one;
    };
    afterEach(async () => {
      for (const one of made.splice(0)) await one.close();
    });

    test('where nothing was ever written, there is no state and no history', async () => {
      const { store } = await fresh();

      expect(await store.load()).toBeNull();
      expect(await store.history({ limit: 10 })).toEqual({ deployments: [], unreadable: 0 });
    });

    test('what was saved is loaded, with the revision that the save gave', async () => {
      const { store } = await fresh();

      const revision = await store.save(stateWith('green', 3), '');

      expect(await store.load()).toEqual({
        state: stateWith('green', 3),
        revision,
        recovered: null,
      });
    });

    test('what was saved is there after a restart, and can be saved over with its revision', async () => {
      const one = await fresh();
      const first = await one.store.save(stateWith('blue'), '');
      const second = await one.store.save(stateWith('green'), first);

      const store = await one.reopen();

      expect(await store.load()).toEqual({
        state: stateWith('green'),
        revision: second,
        recovered: null,
      });
      await store.save(stateWith('blue', 2), second);
      expect((await store.load())?.state).toEqual(stateWith('blue', 2));
    });

    test('every save gives another revision, that of the same state included', async () => {
      const { store } = await fresh();

      const first = await store.save(stateWith('blue'), '');
      const second = await store.save(stateWith('blue'), first);
      const third = await store.save(stateWith('blue'), second);

      expect(new Set(['', first, second, third]).size).toBe(4);
    });

    test('a stale writer is refused, and changes nothing', async () => {
      const { store } = await fresh();
      const first = await store.save(stateWith('green'), '');
      const second = await store.save(stateWith('green', 1), first);

      for (const stale of ['', first, 'nonsense']) {
        await expect(store.save(stateWith('blue'), stale)).rejects.toMatchObject({
          code: 'REVISION_STALE',
        });
      }

      expect(await store.load()).toMatchObject({
        state: stateWith('green', 1),
        revision: second,
      });
    });

    test('a writer that never looked is refused after a restart', async () => {
      const one = await fresh();
      await one.store.save(stateWith('green'), '');

      const store = await one.reopen();

      await expect(store.save(stateWith('blue'), '')).rejects.toMatchObject({
        code: 'REVISION_STALE',
      });
      expect((await store.load())?.state).toEqual(stateWith('green'));
    });

    test('of two saves at once with one revision, exactly one happens', async () => {
      const { store } = await fresh();
      const revision = await store.save(stateWith('blue'), '');

      const ends = await Promise.allSettled([
        store.save(stateWith('green', 1), revision),
        store.save(stateWith('green', 2), revision),
      ]);

      expect(ends.map((end) => end.status).sort()).toEqual(['fulfilled', 'rejected']);
      const won = ends.findIndex((end) => end.status === 'fulfilled') + 1;
      expect((await store.load())?.state).toEqual(stateWith('green', won));
    });

    test('a state that is changed after it was handed over is stored as it was', async () => {
      const { store } = await fresh();
      const state = structuredClone(stateWith('blue')) as { services: Record<string, unknown> };

      const saving = store.save(state as never, '');
      state.services = {};
      await saving;

      expect((await store.load())?.state).toEqual(stateWith('blue'));
    });

    test('history is told newest first, by service, and no more than was asked for', async () => {
      const { store } = await fresh();
      for (let number = 1; number <= 6; number++) {
        await store.append(deploymentOf(number % 2 === 0 ? 'shop' : 'blog', number));
      }

      const idsOf = async (query: { service?: string; limit: number }): Promise<string[]> =>
        (await store.history(query)).deployments.map((deployment) => deployment.id);

      expect(await idsOf({ limit: 3 })).toEqual(['shop-6', 'blog-5', 'shop-4']);
      expect(await idsOf({ service: 'blog', limit: 2 })).toEqual(['blog-5', 'blog-3']);
      expect(await idsOf({ service: 'none', limit: 2 })).toEqual([]);
      expect(await idsOf({ limit: 100 })).toHaveLength(6);
    });

    test('history survives a restart, whole', async () => {
      const one = await fresh();
      await one.store.append(deploymentOf('shop', 1, 'a "quoted"\nline, ünïcödé'));

      const store = await one.reopen();
      await store.append(deploymentOf('shop', 2));

      expect((await store.history({ limit: 10 })).deployments).toEqual([
        deploymentOf('shop', 2),
        deploymentOf('shop', 1, 'a "quoted"\nline, ünïcödé'),
      ]);
    });

    test('a deployment that was appended twice is listed once, as it was appended last', async () => {
      const { store } = await fresh();
      await store.append(deploymentOf('shop', 1, 'first'));
      await store.append(deploymentOf('shop', 1, 'second'));

      expect(await store.history({ limit: 10 })).toEqual({
        deployments: [deploymentOf('shop', 1, 'second')],
        unreadable: 0,
      });
    });
  });
}
