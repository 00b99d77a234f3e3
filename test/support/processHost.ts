/**
 * A controller that only drives processes, to be killed: `processHost <stateDir> <order as JSON>`.
 *
 * The rule this file keeps: it writes one line once the pool runs, its targets as JSON, and then
 * lives on.
 */
import { writeSync } from 'node:fs';
import { systemClock } from '../../src/clock.ts';
import type { StartOrder } from '../../src/control/drivers/driver.ts';
import { ProcessDriver } from '../../src/control/drivers/process/processDriver.ts';
import { reasonOf } from '../../src/errors.ts';

const [stateDir = '.', text = '{}'] = process.argv.slice(2);
const driver = new ProcessDriver({ stateDir, clock: systemClock });
setInterval(() => {}, 1_000_000);
const order = JSON.parse(text) as StartOrder;
writeSync(1, 'begin\n');
try {
  const signal = new AbortController().signal;
  const { targets } = await driver.start({ ...order, signal, progress: () => {} });
  writeSync(1, `${JSON.stringify(targets)}\n`);
} catch (caught) {
  writeSync(1, `${reasonOf(caught)}\n`);
}
