/**
 * `npm run fuzz`: all that the tests make up, made up anew, until something breaks or time is over.
 *
 *   npm run fuzz                      ten minutes
 *   npm run fuzz -- --minutes 480     a night
 *
 * The rule this file keeps: a round is told with its seed before it begins, so that whatever breaks
 * can be played again.
 */
import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' } } });
const endAt = Date.now() + Number(values.minutes) * 60_000;
const files = [
  'test/config',
  'test/proxy/general/frameScanner.test.ts',
  'test/proxy/express/request.test.ts',
  'test/proxy/express/response.test.ts',
  'test/proxy/express/differential.test.ts',
  'test/proxy/express/answers.test.ts',
  'test/proxy/express/repeats.test.ts',
  'test/control/stores',
  'test/control/drivers/processCrash.test.ts',
  'test/sim',
  'test/e2e/crash.test.ts',
];
const sizes = { DIFFERENTIAL_CASES: '20000', ANSWER_CASES: '5000', SIM_SCHEDULES: '4000' };

for (let round = 1; round === 1 || Date.now() < endAt; round++) {
  const seed = String(randomInt(2 ** 31));
  process.stdout.write(`Round ${round}: SEED=${seed}\n`);
  const vitest = ['node_modules/vitest/vitest.mjs', 'run', ...files];
  const env = { ...process.env, ...sizes, SEED: seed };
  const ran = spawnSync(process.execPath, vitest, { env, encoding: 'utf8' });
  if (ran.status === 0) continue;
  const played = Object.entries({ ...sizes, SEED: seed }).map((pair) => pair.join('='));
  process.stdout.write(`${ran.stdout}${ran.stderr}\nIt broke with ${played.join(' ')}\n`);
  process.exit(1);
}
