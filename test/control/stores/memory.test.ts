/** The store that the simulation runs on keeps the same contract as the one on disk. */
import { expect, test } from 'vitest';
import { storeContract } from '../../contracts/store.ts';
import { memoryStore } from '../../support/memoryStore.ts';
import { stateWith } from '../../support/states.ts';

storeContract('the store in memory', async () => {
  const store = memoryStore();
  return { store, reopen: async () => store.reopen(), close: async () => {} };
});

test('a save that is refused stores nothing and the next one goes on from the same revision', async () => {
  const store = memoryStore({ onSave: (save) => (save === 2 ? 'refuse' : 'keep') });
  const first = await store.save(stateWith('blue'), '');

  await expect(store.save(stateWith('green'), first)).rejects.toMatchObject({
    code: 'STATE_NOT_WRITABLE',
  });

  expect(store.stored).toEqual(stateWith('blue'));
  await store.save(stateWith('green'), first);
  expect(store.stored).toEqual(stateWith('green'));
});

test('a crash at a save leaves the old or the new state, and a store that never answers again', async () => {
  for (const [fate, left] of [
    ['crash before', null],
    ['crash after', stateWith('blue')],
  ] as const) {
    const store = memoryStore({ onSave: (save) => (save === 1 ? fate : 'keep') });
    let settled = false;
    const tell = (): void => {
      settled = true;
    };

    void store.save(stateWith('blue'), '').then(tell, tell);
    await new Promise((resolve) => setImmediate(resolve));
    void store.load().then(tell, tell);
    await new Promise((resolve) => setImmediate(resolve));

    expect({ settled, crashed: store.crashed }).toEqual({ settled: false, crashed: true });
    expect((await store.reopen().load())?.state ?? null).toEqual(left);
  }
});
