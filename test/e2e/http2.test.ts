/**
 * HTTP/2, seen from outside: a real Pointsman, flips to and fro, and clients that never try again.
 *
 * The rule this file keeps: one connection stays through all flips, and of its streams none is lost
 * and none strays.
 */
import { spawn, spawnSync } from 'node:child_process';
import { expect, onTestFinished, test } from 'vitest';
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
    // A thousand streams at once take long where the machine is busy, and that is no failure.
    service: { timeouts: { connect: '1m', response: '10m', queue: '5m' }, drain: '5m' },
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
});

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

const noH2load = spawnSync('h2load', ['--version']).error !== undefined;
const skips = noH2load && !long;
const why = skips ? ' (skipped: no h2load: apt-get install nghttp2-client)' : '';
/** In the short form as many as a machine that is busy carries beside the other tests. */
const load = long
  ? { requests: 100_000, flips: 50, connections: 20, streams: 50 }
  : { requests: 6_000, flips: 10, connections: 8, streams: 16 };

test.skipIf(skips)(
  `h2load: ${load.requests} requests on ${load.connections} connections of ${load.streams} streams, through ${load.flips} flips, none fails${why}`,
  async () => {
    const { pointsman, port } = await start();
    const { connections, streams, requests } = load;
    const sizes = ['-c', `${connections}`, '-m', `${streams}`, '-n', `${requests}`];
    const to = [`--connect-to=127.0.0.1:${port}`, `https://shop.example:${port}/`];
    const h2load = spawn('h2load', [...sizes, ...to]);
    onTestFinished(() => void h2load.kill());
    let out = '';
    let ended = false;
    h2load.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
    const over = new Promise<void>((resolve) => {
      h2load.once('close', () => {
        ended = true;
        resolve();
      });
    });
    const carried = async (): Promise<number> => {
      const { text } = await pointsman.call('GET', '/metrics');
      return Number(/^pointsman_lane_requests_total\{lane="http2"\} (\d+)$/m.exec(text)?.[1]);
    };

    let flips = 0;
    for (let next = 0; !ended; next += load.requests / (load.flips + 10)) {
      while (!ended && (await carried()) < next) await new Promise((go) => setImmediate(go));
      if (!ended) await flip(pointsman, flips++);
    }
    await over;

    expect(out).toContain(
      `requests: ${load.requests} total, ${load.requests} started, ${load.requests} done, ` +
        `${load.requests} succeeded, 0 failed, 0 errored, 0 timeout`,
    );
    expect(out).toContain(`status codes: ${load.requests} 2xx, 0 3xx, 0 4xx, 0 5xx`);
    expect(flips).toBeGreaterThanOrEqual(load.flips);
  },
  300_000,
);
