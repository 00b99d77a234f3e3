/**
 * HTTP/2, seen from outside: a real Pointsman, flips to and fro, and clients that never try again.
 *
 * The rule this file keeps: one connection stays through all flips, and of its streams none is lost
 * and none strays.
 */
import { expect, test } from 'vitest';
import { long } from '../support/form.ts';
import { ask, http2Client } from '../support/http2.ts';
import { curl, startHttps } from '../support/https.ts';
import { type Pointsman, startReleases } from '../support/whole.ts';

const sets = ['alder', 'birch'] as const;

async function start() {
  const addresses = await startReleases(sets);
  const targets = (at: number) => [addresses[sets[at % 2] ?? ''] ?? ''];
  const front = await startHttps({
    workers: 2,
    run: { static: {} },
    tls: { http2: true },
    first: { release: 'r0', targets: targets(0) },
  });
  const { pointsman } = front;
  const first = await pointsman.deploy('r1', { targets: targets(1) });
  await pointsman.flipped(first.json.id);
  return front;
}

/**
 * There, or back; once more where a machine that is this busy stood still: the flip was undone, or
 * the warm pool was not seen healthy in time.
 */
async function flip(pointsman: Pointsman, at: number): Promise<void> {
  for (;;) {
    const { status, json } = await pointsman.rollback(`r${at % 2}`);
    if (status === 200) return;
    expect(['HOLD_TIMEOUT', 'ROLLBACK_NOT_READY']).toContain(json.code);
  }
}

test('streams of four connections pass through flips to and fro, and none of them is lost', async () => {
  const { pointsman, port, where } = await start();
  const sessions = [1, 2, 3, 4].map(() =>
    http2Client(port, { ca: where.ca, servername: where.servername }),
  );
  let stopped = false;
  const failed: unknown[] = [];
  let answered = 0;
  const load = sessions.flatMap((session) =>
    Array.from({ length: 8 }, async () => {
      while (!stopped) {
        const got = await ask(session, { ':path': '/' });
        if (got.status === 200 && got.whole) answered++;
        else failed.push(got);
      }
    }),
  );

  for (let flips = 0; flips < (long ? 100 : 20); flips++) {
    const before = answered;
    await flip(pointsman, flips);
    // Some are answered between two flips, on each of the two colors.
    while (answered < before + 32) await new Promise((resolve) => setImmediate(resolve));
  }
  stopped = true;
  await Promise.all(load);

  expect(failed).toEqual([]);
  expect(sessions.every(({ closed }) => !closed)).toBe(true);
}, 300_000);

test('curl speaks it, and plain HTTP is still sent to HTTPS', async () => {
  const { pointsman, ca, port } = await start();
  const at = ['--cacert', ca.file, '--resolve', `shop.example:${port}:127.0.0.1`];
  const version = (...args: string[]) =>
    curl([...at, '-w', '%{http_version} %{http_code}', ...args, `https://shop.example:${port}/`]);

  expect(await version()).toBe('2 200');
  expect(await version('--http1.1')).toBe('1.1 200');
  expect(await version('-X', 'POST', '--data', 'x'.repeat(100_000))).toBe('2 200');
  const plain = ['-H', 'Host: shop.example', '-w', '%{http_code}'];
  expect(await curl([...plain, `http://127.0.0.1:${pointsman.port}/`])).toBe('308');
});
