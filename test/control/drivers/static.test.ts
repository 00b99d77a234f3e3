/** Targets that come with the release. */
import { expect, test } from 'vitest';
import { staticDriver } from '../../../src/control/drivers/static.ts';
import type { Release } from '../../../src/control/model/state.ts';
import { driverContract, orderOf } from '../../contracts/driver.ts';

function release(name: string, ports: readonly number[] = [3001, 3002]): Release {
  const targets = ports.map((port) => ({ host: '127.0.0.1', port }));
  return { name, run: { kind: 'static', targets } };
}

driverContract('the static driver', { runs: false }, async () => ({
  driver: staticDriver(),
  release,
  foreign: {
    name: 'v1',
    run: { kind: 'process', command: ['true'], replicas: 1, env: {}, cwd: '/', stopMs: 0 },
  },
  runs: null,
  reopen: async () => staticDriver(),
  close: async () => {},
}));

test('a target is known by its address, an IPv6 one in brackets', async () => {
  const run = { kind: 'static', targets: [{ host: '::1', port: 80 }] } as const;

  const { targets } = await staticDriver().start(orderOf({ name: 'v1', run }));

  expect(targets).toEqual([
    { id: '[::1]:80', host: '::1', port: 80, state: 'running', detail: 'reached at [::1]:80' },
  ]);
});

test('a release without targets, with one twice, or with no port that can be is refused', async () => {
  const refused: [readonly number[], string, RegExp][] = [
    [[], 'RELEASE_INVALID', /has no targets/],
    [[80, 80], 'RELEASE_INVALID', /127\.0\.0\.1:80 twice/],
    [[0], 'TARGET_INVALID', /127\.0\.0\.1:0 is no host:port/],
    [[70_000], 'TARGET_INVALID', /70000/],
  ];
  for (const [ports, code, message] of refused) {
    const driver = staticDriver();
    await expect(driver.start(orderOf(release('v1', ports)))).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
    expect(await driver.list()).toEqual([]);
  }
});
