/** What a receiver is to be told: in order, once, over failures and restarts. */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Notification } from '../../../src/control/notify/notification.ts';
import { Outbox, pendingMax } from '../../../src/control/notify/outbox.ts';
import type { Outcome } from '../../../src/control/notify/post.ts';
import { RecordFiles } from '../../../src/control/stores/recordFiles.ts';
import { silentLog } from '../../../src/log.ts';
import { type FakeClock, fakeClock, settled } from '../../support/clock.ts';

const again: Outcome = { kind: 'again', why: 'it is down' };
const taken: Outcome = { kind: 'taken' };

function one(nth: number, at = '2026-01-02T00:00:00.000Z'): Notification {
  const about = { at, kind: 'flip', service: 'shop', text: 'so', from: null, to: 'v' } as const;
  const rest = { deployment: `shop-${nth}`, generation: nth, by: 'a', why: '', error: null };
  return { id: `shop-${nth}.flip`, ...about, ...rest };
}

interface Bench {
  readonly clock: FakeClock;
  readonly dir: string;
  readonly outbox: Outbox;
  /** Ids, as they were sent. */
  readonly sent: string[];
  readonly left: string[];
  /** What each sending comes to. */
  outcome: Outcome;
}

async function open(
  dir?: string,
  clock = fakeClock(),
  before: (outbox: Outbox) => void = () => {},
): Promise<Bench> {
  const folder = dir ?? (await mkdtemp(join(tmpdir(), 'pointsman-outbox-')));
  if (dir === undefined) onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const sent: string[] = [];
  const left: string[] = [];
  const bench: Bench = {
    clock,
    dir: folder,
    sent,
    left,
    outcome: taken,
    outbox: new Outbox({
      receiver: 'a.example',
      file: 'outbox-a.json',
      files: new RecordFiles(folder, () => {}),
      clock,
      random: () => 1,
      log: silentLog,
      send: async ({ id }) => {
        sent.push(id);
        return bench.outcome;
      },
      left: (outcome) => left.push(outcome),
    }),
  };
  const opened = bench.outbox.open();
  before(bench.outbox);
  await opened;
  return bench;
}

const ids = (...nths: readonly number[]): readonly string[] =>
  nths.map((nth) => `shop-${nth}.flip`);

test('each is told once and in order, however often it is put in', async () => {
  const { outbox, sent, left } = await open();

  for (const nth of [1, 2, 2, 3, 1]) outbox.put(one(nth));
  await expect.poll(() => sent).toEqual(ids(1, 2, 3));
  outbox.put(one(2));
  await outbox.close();

  expect(sent).toEqual(ids(1, 2, 3));
  expect(left).toEqual(['taken', 'taken', 'taken']);
  expect(outbox.pending).toBe(0);
});

test('a receiver that is down is asked again, ever later, and nothing overtakes', async () => {
  const bench = await open();
  const { outbox, sent, clock } = bench;
  bench.outcome = again;
  outbox.put(one(1));
  await expect.poll(() => clock.pending).toBe(1);

  const gaps: number[] = [];
  for (let tries = 1; tries < 11; tries++) {
    const [before, began] = [sent.length, clock.now()];
    while (sent.length === before) {
      clock.pass(100);
      await settled();
    }
    gaps.push(Math.round((clock.now() - began) / 1_000));
    await expect.poll(() => clock.pending).toBe(1);
  }
  // What comes meanwhile waits with it.
  outbox.put(one(2));
  await settled();
  expect(sent).toHaveLength(11);
  bench.outcome = taken;
  clock.pass(300_000);
  await expect.poll(() => outbox.pending).toBe(0);

  expect(gaps).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
  expect(sent.slice(0, -1).every((id) => id === 'shop-1.flip')).toBe(true);
  expect(sent.slice(-2)).toEqual(ids(1, 2));
  await outbox.close();
});

test('what was not told is told by the next life, in order, and what was told is not', async () => {
  const first = await open();
  first.outbox.put(one(1));
  await expect.poll(() => first.left).toHaveLength(1);
  first.outcome = again;
  for (const nth of [2, 3]) first.outbox.put(one(nth));
  await expect.poll(() => first.sent).toHaveLength(2);
  await first.outbox.close();

  const second = await open(first.dir);
  for (const nth of [1, 2, 3, 4]) second.outbox.put(one(nth));
  await expect.poll(() => second.outbox.pending).toBe(0);
  await second.outbox.close();

  expect(second.sent).toEqual(ids(2, 3, 4));
});

test('what is put in before the record was read comes behind what stands there, and loses none of it', async () => {
  const first = await open();
  first.outcome = again;
  first.outbox.put(one(1));
  await expect.poll(() => first.sent).toHaveLength(1);
  await first.outbox.close();

  const second = await open(first.dir, fakeClock(), (outbox) => outbox.put(one(2)));
  await expect.poll(() => second.sent).toEqual(ids(1, 2));
  await second.outbox.close();
});

test('what is older than the receiver is not told, by a later life neither', async () => {
  const first = await open();
  first.outbox.put(one(1, '2025-12-31T00:00:00.000Z'));
  await first.outbox.close();
  const second = await open(first.dir);
  second.outbox.put(one(1, '2025-12-31T00:00:00.000Z'));
  await second.outbox.close();

  expect([...first.sent, ...second.sent]).toEqual([]);
});

test('what is refused for good makes way, and of too many the oldest are lost', async () => {
  const bench = await open();
  const { outbox, sent, left } = bench;
  bench.outcome = { kind: 'refused', why: 'it answered 410' };
  outbox.put(one(1));
  await expect.poll(() => left).toEqual(['refused']);
  bench.outcome = again;
  for (let nth = 2; nth < pendingMax + 5; nth++) outbox.put(one(nth));
  await expect.poll(() => sent.length).toBe(2);

  expect(outbox.pending).toBe(pendingMax);
  expect(left.filter((how) => how === 'lost')).toHaveLength(3);
  await outbox.close();
});

test('a record that is damaged is put aside, and it begins anew', async () => {
  const first = await open();
  await first.outbox.close();
  await writeFile(join(first.dir, 'outbox-a.json'), '{"format":1,');
  const second = await open(first.dir);
  second.outbox.put(one(1));
  await expect.poll(() => second.sent).toEqual(ids(1));
  await second.outbox.close();

  expect((await readdir(first.dir)).sort()).toEqual(['outbox-a.json', 'outbox-a.json.damaged']);
});
