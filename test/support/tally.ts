/**
 * Counts tests for whoever runs several suites in a row: one line a run, `N passed, N failed`, and
 * with TALLY set, the same appended to that file. What failed is named right above: of a long log
 * often only the end is kept.
 *
 * The rule this file keeps: a run in which something broke outside of any test counts a failure.
 */
import { appendFileSync } from 'node:fs';
import type { Reporter, SerializedError, TestModule } from 'vitest/node';

export default class Tally implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly SerializedError[]): void {
    let passed = 0;
    let skipped = 0;
    const faults = errors.map((error) => faultOf('outside of any test', [error]));
    for (const testModule of modules) {
      const file = testModule.relativeModuleId;
      if (testModule.errors().length > 0) faults.push(faultOf(file, testModule.errors()));
      for (const test of testModule.children.allTests()) {
        const { state, errors: wrongs } = test.result();
        if (state === 'passed') passed++;
        else if (state === 'failed') faults.push(faultOf(`${file} > ${test.fullName}`, wrongs));
        else skipped++;
      }
    }
    const failed = faults.length;
    for (const fault of faults) process.stdout.write(`\n${fault}\n`);
    const { TALLY } = process.env;
    if (TALLY !== undefined) {
      appendFileSync(TALLY, `${passed} ${failed} ${skipped}\n`);
      appendFileSync(`${TALLY}.faults`, faults.map((fault) => `${fault}\n`).join(''));
    }
    const also = skipped > 0 ? `, ${skipped} skipped` : '';
    process.stdout.write(`\n${passed} passed, ${failed} failed${also}\n`);
  }
}

/** What failed, and the first lines of why. */
function faultOf(what: string, errors: readonly { readonly message: string }[]): string {
  const why = errors.map(({ message }) => message.split('\n', 12).join('\n    '));
  return [`FAILED ${what}`, ...why].join('\n    ');
}
