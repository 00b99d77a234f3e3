/** A few at a time, and who is in need first. */
import { expect, test } from 'vitest';
import { Semaphore } from '../../../src/control/service/semaphore.ts';

test('a rollback passes all flips that wait, and none that is under way', async () => {
  const semaphore = new Semaphore(1);
  const order: string[] = [];
  let leave = (): void => {};
  const inside = semaphore.pass(
    () =>
      new Promise<void>((resolve) => {
        leave = resolve;
      }),
  );
  const one = async (name: string): Promise<void> => void order.push(name);
  const waiting = [
    semaphore.pass(() => one('deployment 1')),
    semaphore.pass(() => one('deployment 2')),
    semaphore.pass(() => one('rollback 1'), true),
    semaphore.pass(() => one('rollback 2'), true),
  ];
  expect(order).toEqual([]);
  leave();
  await Promise.all([inside, ...waiting]);

  expect(order).toEqual(['rollback 1', 'rollback 2', 'deployment 1', 'deployment 2']);
});
