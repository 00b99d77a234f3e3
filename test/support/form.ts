/**
 * The short form of the suite, which ends while one waits, and the long one (`CI=true`, `.ci/run`).
 *
 * The rule this file keeps: what the short form leaves out stands here by name with its reason, and
 * is said when it starts. A file that is asked for by name is run in any case. It imports nothing,
 * since the runner's own config reads it.
 */

/** Tests that repeat a story repeat it more often in the long form. */
export const long = Boolean(process.env.CI);

/** Whole files of the long form alone, and what they are about. */
export const longOnly: Readonly<Record<string, string>> = {
  'test/control/drivers/docker.contract.test.ts': 'the contract of all drivers, on an engine',
  'test/control/drivers/docker.faults.test.ts': 'an engine that fails, stalls and comes back',
  'test/control/drivers/docker.registry.test.ts': 'registries, digests and credentials',
  'test/control/drivers/docker.remote.test.ts': 'engines by ssh and TLS',
  'test/e2e/containersFaults.test.ts': 'containers and engines that die under load',
  'test/e2e/followers.test.ts': 'two thousand who follow the events of one deployment',
  'test/e2e/idle.test.ts': 'eight thousand connections that wait',
  'test/e2e/overload.test.ts': 'thousands who ask at one instant, or hold what they were given',
  'test/e2e/thousand.test.ts': 'a thousand services that start and are released together',
  'test/e2e/engineApi.test.ts': 'docker exec and attach through Pointsman',
  'test/e2e/protect.test.ts': 'a bad release that is taken back, under load',
  'test/e2e/hooks.test.ts': 'what has to pass before a flip, over kill -9',
  'test/e2e/confirm.test.ts': 'a release that nobody confirms, over kill -9',
  'test/e2e/wayBack.test.ts': 'the way back while a release is proved, over kill -9',
  'test/e2e/package.test.ts': 'the package, installed from its tarball with the tour',
};

/** What takes 20 s and more, longest first. */
export const slowest: readonly string[] = [
  'test/e2e/supervision.test.ts',
  'test/e2e/upgrade.test.ts',
  'test/dashboard/page.test.ts',
  'test/dashboard/real.test.ts',
  'test/e2e/tour.test.ts',
  'test/proxy/general/lane.test.ts',
  'test/proxy/express/suite.test.ts',
  'test/control/drivers/docker.test.ts',
  'test/e2e/tls.test.ts',
  'test/e2e/flip-contract.test.ts',
  'test/e2e/containers.test.ts',
  'test/control/drivers/process.test.ts',
  'test/e2e/crash.test.ts',
  'test/sim/control.test.ts',
];

/** Whether the runner was asked for files by name, in the process that was started by hand. */
export function areNamed(argv: readonly string[]): boolean {
  return argv.some((word) => /(^|\/)test\/|\.test\.tsx?$/.test(word));
}

/** So long a test waits for what must come. Generous: it only ends a test that hangs. */
export const patienceMs = 240_000;
