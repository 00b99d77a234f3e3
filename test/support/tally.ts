/**
 * Counts tests for whoever runs several suites in a row: one line a run, `N passed, N failed`, and
 * with TALLY set, the same appended to that file.
 *
 * The rule this file keeps: a run in which something broke outside of any test counts a failure.
 */
import { appendFileSync } from 'node:fs';
import type { Reporter, SerializedError, TestModule } from 'vitest/node';

export default class Tally implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly SerializedError[]): void {
    let passed = 0;
    let failed = errors.length;
    let skipped = 0;
    for (const testModule of modules) {
      if (testModule.errors().length > 0) failed++;
      for (const test of testModule.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed') passed++;
        else if (state === 'failed') failed++;
        else skipped++;
      }
    }
    const { TALLY } = process.env;
    if (TALLY !== undefined) appendFileSync(TALLY, `${passed} ${failed} ${skipped}\n`);
    const also = skipped > 0 ? `, ${skipped} skipped` : '';
    process.stdout.write(`\n${passed} passed, ${failed} failed${also}\n`);
  }
}
