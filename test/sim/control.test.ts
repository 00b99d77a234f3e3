/**
 * Lives of Pointsman that nobody thought of, by the thousand.
 *
 * SIM_SCHEDULES: how many (2,000). SIM_SEED: plays that one alone, as a failure printed it.
 */
import { expect, test } from 'vitest';
import { Schedule, type Tally } from './schedule.ts';

const first = Number(process.env.SIM_SEED ?? 1);
const count = process.env.SIM_SEED === undefined ? Number(process.env.SIM_SCHEDULES ?? 2_000) : 1;

test(`${count} schedules from seed ${first} keep every promise`, { timeout: 600_000 }, async () => {
  const tally: Tally = new Map();
  for (let seed = first; seed < first + count; seed++) {
    await new Schedule(seed, tally).run().catch((cause: unknown) => {
      throw new Error(`SIM_SEED=${seed} breaks a promise: ${(cause as Error).message}`, { cause });
    });
  }

  if (process.env.SIM_TALLY !== undefined) {
    process.stderr.write(`${JSON.stringify(Object.fromEntries([...tally].sort()), null, 1)}\n`);
  }
  // A simulation in which nothing happens would keep every promise too.
  if (count < 1_000) return;
  for (const what of [
    'deploy accepted',
    'deploy DEPLOYMENT_IN_PROGRESS',
    'flip accepted',
    'rollback accepted',
    'rollback ROLLBACK_NOT_READY',
    'abort accepted',
    'abort ABORT_TOO_LATE',
    'retire accepted',
    'pause accepted',
    'resume accepted',
    'phase failed',
    'phase live',
    'save refused',
    'worker killed',
    'worker hung',
    'controller killed',
    'everything killed',
  ]) {
    expect(tally.get(what) ?? 0, what).toBeGreaterThan(10);
  }
});
