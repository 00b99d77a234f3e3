/**
 * Lives of Pointsman that nobody thought of, by the thousand.
 *
 * SIM_SCHEDULES: how many (1,000), from SEED on. A failure prints what plays that one alone.
 */
import { expect, test } from 'vitest';
import { seed as first } from '../support/random.ts';
import { Schedule, type Tally } from './schedule.ts';

const count = Number(process.env.SIM_SCHEDULES ?? 1_000);

test(`${count} schedules from seed ${first} keep every promise`, { timeout: 600_000 }, async () => {
  const tally: Tally = new Map();
  for (let seed = first; seed < first + count; seed++) {
    await new Schedule(seed, tally).run().catch((cause: unknown) => {
      const told = `SEED=${seed} SIM_SCHEDULES=1 breaks a promise`;
      throw new Error(`${told}: ${(cause as Error).message}`, { cause });
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
    'flip tried again',
    'acknowledge accepted',
    'deploy LATCHED',
    'taken back for errors',
    'confirm accepted',
    'deploy CONFIRM_PENDING',
    'taken back unconfirmed',
    'unconfirmed held',
    'candidate',
    'rollback during a deployment',
    'killed beside a candidate',
    'rollback ROLLBACK_UNSAFE',
    'rollback although unsafe',
    'unconfirmed held for its unsafe way back',
    'watch passed',
    'beforeFlip passed',
    'beforeFlip failed',
    'beforeFlip given up',
    'afterFlip passed',
    'phase failed',
    'phase live',
    'save refused',
    'taken out while starting',
    'taken out while probing',
    'taken out while ready',
    'taken out while flipping',
    'taken out while draining',
    'taken out while live',
    'put back before it was gone',
    'put back while it drained',
    'put back after all',
    'worker killed',
    'worker hung',
    'controller killed',
    'everything killed',
    ...['starting', 'probing', 'ready', 'draining', 'live'].map(
      (phase) => `wall clock set while ${phase}`,
    ),
  ]) {
    expect(tally.get(what) ?? 0, what).toBeGreaterThan(count / 200);
  }
});
