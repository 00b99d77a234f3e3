/** Who is told changes by a reload, and nobody loses what is theirs. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import type { NotifyReceiver } from '../../../src/config/config.ts';
import { Notifier } from '../../../src/control/notify/notifier.ts';
import { EventRing } from '../../../src/control/telemetry/events.ts';
import { silentLog } from '../../../src/log.ts';
import { startReceiver, type TestReceiver } from '../../support/receiver.ts';

function at({ port }: TestReceiver, change: Partial<NotifyReceiver> = {}): NotifyReceiver {
  const url = `http://127.0.0.1:${port}/`;
  const on = ['flip', 'rollback', 'failure', 'hold'] as const;
  return { url, format: 'json', on, secretFile: null, private: true, ...change };
}

async function start(): Promise<{
  readonly dir: string;
  readonly notifier: Notifier;
  readonly flipped: (nth: number) => void;
}> {
  const dir = await mkdtemp(join(tmpdir(), 'pointsman-notify-'));
  const events = new EventRing(systemClock, silentLog);
  const options = { clock: systemClock, random: Math.random, log: silentLog, stateDir: dir };
  const notifier = new Notifier({ ...options, version: '1', events, service: () => null });
  onTestFinished(async () => {
    await notifier.close();
    await rm(dir, { recursive: true, force: true });
  });
  const flipped = (nth: number): void => {
    const to = { color: 'green', release: `v${nth}` } as const;
    const at = new Date().toISOString();
    const about = { service: 'shop', direction: 'deploy', from: null, to } as const;
    const receipt = {
      ...about,
      generation: nth,
      committedAt: at,
      ...{ holdMs: 0, flipMs: 0, workers: 1, waited: 0, waitedMsMax: 0 },
      ...{ inflight: { http: 0, sse: 0, upgrade: 0 }, drained: null },
    };
    const deployment = {
      ...about,
      id: `shop-${nth}`,
      phase: 'draining' as const,
      ...{ by: 'a', why: '', startedAt: at, endedAt: null, error: null },
      receipt,
    };
    events.emit({ type: 'deployment', service: 'shop', deployment });
  };
  return { dir, notifier, flipped };
}

const releases = ({ told }: TestReceiver): readonly string[] =>
  told.map(({ body }) => JSON.parse(body).to);

test('a receiver that is added is told from then on, one that is taken out no more', async () => {
  const [one, other] = [await startReceiver(), await startReceiver()];
  const { notifier, flipped } = await start();
  await notifier.reload([at(one)]);
  notifier.listen([]);

  flipped(1);
  await expect.poll(() => releases(one)).toEqual(['v1']);
  await notifier.reload([at(one), at(other)]);
  flipped(2);
  await expect.poll(() => [releases(one), releases(other)]).toEqual([['v1', 'v2'], ['v2']]);
  await notifier.reload([at(other)]);
  flipped(3);
  await expect.poll(() => releases(other)).toEqual(['v2', 'v3']);

  expect(releases(one)).toEqual(['v1', 'v2']);
  expect(notifier.status()).toMatchObject([{ receiver: `127.0.0.1:${other.port}`, pending: 0 }]);
});

test('a receiver whose format changes is told what waits for it, and what comes in that moment', async () => {
  const receiver = await startReceiver();
  const { notifier, flipped } = await start();
  receiver.status = 503;
  await notifier.reload([at(receiver)]);
  notifier.listen([]);
  flipped(1);
  await expect.poll(() => receiver.told).toHaveLength(1);
  receiver.status = 204;

  const reloaded = notifier.reload([at(receiver, { format: 'slack' })]);
  flipped(2);
  await reloaded;

  await expect
    .poll(() => receiver.told.slice(1).map(({ body }) => JSON.parse(body)))
    .toEqual([{ text: 'shop: v1 is live, by a' }, { text: 'shop: v2 is live, by a' }]);
});

test('a secret that cannot be read leaves everybody as they were', async () => {
  const receiver = await startReceiver();
  const { dir, notifier, flipped } = await start();
  await notifier.reload([at(receiver)]);
  notifier.listen([]);
  const secretFile = join(dir, 'secret');

  await expect(notifier.reload([at(receiver, { secretFile })])).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('ENOENT'),
  });
  flipped(1);
  await expect.poll(() => releases(receiver)).toEqual(['v1']);
  await writeFile(secretFile, `whsec_${Buffer.alloc(24, 'k').toString('base64')}\n`);
  await notifier.reload([at(receiver, { secretFile })]);
  flipped(2);
  await expect.poll(() => releases(receiver)).toEqual(['v1', 'v2']);

  expect(receiver.told.map(({ headers }) => 'webhook-signature' in headers)).toEqual([false, true]);
});
