/** `pointsman verify` on a real Pointsman: what clients notice of flips, and what they would. */
import { expect, test } from 'vitest';
import { runCli } from '../support/cli.ts';
import { type Pointsman, startPointsman, startReleases } from '../support/whole.ts';

/** A service with `v1` live, and `v2`, which is `second`, warm behind it. */
async function start(second: string): Promise<Pointsman> {
  const { alder = '', [second]: address = '' } = await startReleases(['alder', second]);
  const pointsman = await startPointsman({
    workers: 1,
    run: { static: {} },
    first: { release: 'v1', targets: [alder] },
    // The release that fails at /up passes its gate.
    service: { protect: 'off', health: { path: '/', interval: '250ms', rise: 1 } },
  });
  const { json } = await pointsman.deploy('v2', { targets: [address] });
  await pointsman.flipped(json.id);
  expect((await pointsman.rollback('v1')).status).toBe(200);
  return pointsman;
}

function verify(pointsman: Pointsman, path: string, ...more: readonly string[]) {
  const url = `http://127.0.0.1:${pointsman.port}${path}`;
  const args = ['verify', 'shop', '--url', url, '--flips', '4', ...more];
  return runCli(args, { url: `http://127.0.0.1:${pointsman.adminPort}` });
}

test('flips that nobody notices: the receipts, what clients saw, and it ends where it began', async () => {
  const pointsman = await start('birch');

  const { exit, stdout, stderr } = await verify(pointsman, '/');

  expect(exit).toBe(0);
  expect(stderr).toMatch(/^ {2}1\. v2 \(green\) in \d+\.\d ms, held \d+\.\d ms; /m);
  expect(stderr).toMatch(/^ {2}4\. v1 \(blue\) in /m);
  expect(stdout).toMatch(/^\d+ requests, 0 failed, 0 connections closed; half took \d+\.\d ms, /);
  expect(stdout).toContain('Over 4 flips of shop its clients noticed nothing.');
  expect(Number(/^\d+/.exec(stdout)?.[0])).toBeGreaterThan(200);
  const { live, generation } = await pointsman.status();
  expect([live, generation]).toEqual(['blue', 7]);

  const json = JSON.parse((await verify(pointsman, '/', '--json')).stdout);
  expect(json).toMatchObject({ service: 'shop', failures: [], reconnects: 0 });
  expect(json.receipts.map(({ generation }: { generation: number }) => generation)).toEqual([
    8, 9, 10, 11,
  ]);
});

test('a release that fails is noticed and said; where all fails before, nothing is flipped', async () => {
  const pointsman = await start('broken-birch');

  const noticed = await verify(pointsman, '/up');

  expect(noticed.exit).toBe(5);
  expect(noticed.stdout).toMatch(/^\d+ requests, [1-9]\d* failed, /);
  expect(noticed.stdout).toMatch(/^ {2}status 500$/m);
  expect(noticed.stdout).toContain('Clients of shop noticed something.');
  expect((await pointsman.status()).live).toBe('blue');

  expect((await pointsman.rollback('v2')).status).toBe(200);
  const { generation } = await pointsman.status();
  const unwell = await verify(pointsman, '/up');
  expect(unwell.exit).toBe(5);
  expect(unwell.stderr).toMatch(
    /Nothing was flipped: without a flip \d+ of \d+ failed, first: status 500/,
  );
  expect((await pointsman.status()).generation).toBe(generation);
});

test.each([
  [['--flips', '3'], '--flips: wanted an even number'],
  [['--rate', '0'], '--rate: wanted 1 to 1000, got 0'],
  [['--url', 'shop.example'], '--url: wanted where clients reach the service'],
])('%j is refused before anything is asked', async (args, said) => {
  const { exit, stderr } = await runCli(
    ['verify', 'shop', '--url', 'http://127.0.0.1:1/', ...args],
    {
      url: 'http://127.0.0.1:1',
    },
  );

  expect(exit).toBe(2);
  expect(stderr).toContain(said);
});
