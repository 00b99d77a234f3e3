import { defineConfig } from 'vitest/config';
import { areNamed, long, longOnly } from './test/support/form.ts';
import { SlowestFirst } from './test/support/sequencer.ts';

const inBrowsers = [
  'test/dashboard/page.test.ts',
  'test/dashboard/proof.test.ts',
  'test/dashboard/real.test.ts',
  'test/e2e/tlsBrowser.test.ts',
];
// POINTSMAN_TESTS=plain: what needs neither an engine nor a browser, as .ci/run does on other Nodes.
const withEngines = [
  'test/control/drivers/docker*.test.ts',
  'test/e2e/containers*.test.ts',
  'test/e2e/engineApi.test.ts',
];
const plain = process.env.POINTSMAN_TESTS === 'plain';
const leftOut = long || areNamed(process.argv.slice(2)) ? [] : Object.keys(longOnly);
// The patience of a test is no promise of the product: on a busy machine each of them takes ten times as long.
const common = { testTimeout: 300_000, hookTimeout: 300_000, pool: 'forks' } as const;

export default defineConfig({
  test: {
    globalSetup: ['test/support/build.ts'],
    sequence: { sequencer: SlowestFirst },
    reporters: ['default', './test/support/tally.ts'],
    // On two cores: of four files two mostly wait, for a process that starts or a limit that passes.
    maxWorkers: long ? 3 : 4,
    projects: [
      {
        test: {
          ...common,
          name: 'all',
          include: ['test/**/*.test.ts'],
          exclude: [...inBrowsers, ...leftOut, ...(plain ? withEngines : [])],
          sequence: { groupOrder: 0 },
        },
      },
      // After all others: Chromium gives up its connections whenever an interface of the machine
      // comes or goes, and the tests' engines make some for every container.
      { test: { ...common, name: 'browser', include: inBrowsers, sequence: { groupOrder: 1 } } },
    ],
  },
});
