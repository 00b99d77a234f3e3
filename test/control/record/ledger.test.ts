/** The ledger: what is durable when, and what shares a write. */
import { expect, test } from 'vitest';
import type { ServiceState, State } from '../../../src/control/model/state.ts';
import { Ledger } from '../../../src/control/record/ledger.ts';
import { Fault } from '../../../src/errors.ts';
import { silentLog } from '../../../src/log.ts';
import { fakeClock } from '../../support/clock.ts';
import { type Fate, memoryStore } from '../../support/memoryStore.ts';
import { serviceWith } from '../../support/states.ts';

const empty = serviceWith('blue');
const counted = (service: ServiceState): ServiceState => ({
  ...service,
  generation: service.generation + 1,
});

async function ledgerOn(onSave: (save: number, state: State) => Fate = () => 'keep') {
  let saves = 0;
  const store = memoryStore({
    onSave: (save, state) => {
      saves = save;
      return onSave(save, state);
    },
  });
  const ledger = await Ledger.open(store, fakeClock(), silentLog);
  return { ledger, store, saves: () => saves };
}

test('a thousand services that save at once cost two writes, and each gets its own state', async () => {
  const { ledger, store, saves } = await ledgerOn();
  const names = Array.from({ length: 1000 }, (_, n) => `shop-${n}`);

  const states = await Promise.all(names.map((name) => ledger.save(name, empty, counted)));

  expect(saves()).toBeLessThanOrEqual(2);
  expect(new Set(states).size).toBe(1000);
  expect(Object.keys(store.stored?.services ?? {})).toEqual(names);
});

test('two saves of one service that share a write build on each other', async () => {
  const { ledger, store } = await ledgerOn();

  const [one, two] = await Promise.all([
    ledger.save('shop', empty, counted),
    ledger.save('shop', empty, counted),
  ]);

  expect([one.generation, two.generation]).toEqual([empty.generation + 1, empty.generation + 2]);
  expect(store.stored?.services.shop).toEqual(two);
});

test('a write that fails is refused to all that shared it, and nothing has changed', async () => {
  const { ledger, store } = await ledgerOn((save) => (save === 1 ? 'refuse' : 'keep'));

  const ends = await Promise.allSettled(
    ['cart', 'shop'].map((name) => ledger.save(name, empty, counted)),
  );

  expect(ends.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(ends[0]).toMatchObject({ reason: { code: 'STATE_NOT_WRITABLE' } });
  expect([ledger.service('cart'), ledger.service('shop'), store.stored]).toEqual([
    null,
    null,
    null,
  ]);
});

test('a change that is refused is refused alone: what shares its write goes through', async () => {
  const { ledger, store } = await ledgerOn();
  const refuse = (): never => {
    throw new Fault('DEPLOYMENT_IN_PROGRESS', 'There is one.');
  };

  const ends = await Promise.allSettled([
    ledger.save('cart', empty, refuse),
    ledger.save('shop', empty, counted),
  ]);

  expect(ends.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
  expect(Object.keys(store.stored?.services ?? {})).toEqual(['shop']);
});

test('what was noted while a save was written is not lost by it', async () => {
  const { ledger, store } = await ledgerOn();
  const saved = ledger.save('shop', empty, counted);
  // The write is on its way once the turn has begun.
  await Promise.resolve();
  const noted = ledger.note('shop', empty, (service) => ({ ...service, paused: true }));

  const next = await saved;
  await noted;

  expect(next).toMatchObject({ generation: empty.generation + 1, paused: true });
  expect(store.stored?.services.shop).toEqual(next);
});
