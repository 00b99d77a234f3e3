/**
 * Drains over many workers. The rule: inflight = finished + clientAborted + cut + stillOpen,
 * always.
 */
import { expect, test } from 'vitest';
import { DrainTally } from '../../../src/control/service/drain.ts';
import type { Drained, WorkerStats } from '../../../src/wire.ts';

const inside = (http: number, upgrade = 0) => ({ http, sse: 0, upgrade });

function says(worker: number, pid: number, drained: Drained | null): WorkerStats {
  const pool = { id: 'p', color: 'blue', release: 'v1', inside: inside(0), drained, targets: [] };
  const service = { name: 'shop', generation: 2, live: 'green', staged: null, holding: false };
  const more = { waiting: 0, held: 0, pools: [pool], counts: [] };
  return { worker, pid, services: [{ ...service, ...more }] } as unknown as WorkerStats;
}

function drained(http: number, finished: number, more: Partial<Drained> = {}): Drained {
  const stillOpen = http - finished;
  const base = { inflight: inside(http), finished, clientAborted: 0, cut: 0 };
  return { ...base, stillOpen, done: stillOpen === 0, ...more };
}

function addsUp(sum: Drained): void {
  const all = sum.inflight.http + sum.inflight.sse + sum.inflight.upgrade;
  expect(sum.finished + sum.clientAborted + sum.cut + sum.stillOpen).toBe(all);
}

test('workers are summed', () => {
  const tally = new DrainTally('p', inside(5));

  const sum = tally.update([says(1, 10, drained(3, 2)), says(2, 20, drained(2, 2))]);

  expect(sum).toMatchObject({ inflight: { http: 5 }, finished: 4, stillOpen: 1, done: false });
  addsUp(sum);
});

test('a worker that is slow to answer is not dead: it is as it last said', () => {
  const tally = new DrainTally('p', inside(5));
  tally.update([says(1, 10, drained(3, 2)), says(2, 20, drained(2, 1))]);

  const silent = tally.update([says(1, 10, drained(3, 3))]);
  const back = tally.update([says(1, 10, drained(3, 3)), says(2, 20, drained(2, 2))]);

  expect(silent).toMatchObject({ finished: 4, cut: 0, stillOpen: 1, done: false });
  expect(back).toMatchObject({ finished: 5, cut: 0, stillOpen: 0, done: true });
});

test('a worker that was replaced had its rest cut', () => {
  const tally = new DrainTally('p', inside(5));
  tally.update([says(1, 10, drained(3, 1)), says(2, 20, drained(2, 2))]);

  const sum = tally.update([says(1, 11, null), says(2, 20, drained(2, 2))]);

  expect(sum).toMatchObject({ finished: 3, cut: 2, stillOpen: 0, done: true });
  addsUp(sum);
});

test('a worker that died before it ever spoke had all of its own cut, after some polls', () => {
  const tally = new DrainTally('p', inside(5));
  const polls = Array.from({ length: 6 }, () => tally.update([says(2, 20, drained(2, 2))]));

  expect(polls[0]).toMatchObject({ stillOpen: 3, done: false });
  expect(polls.at(-1)).toMatchObject({ finished: 2, cut: 3, stillOpen: 0, done: true });
  for (const sum of polls) addsUp(sum);
});

test('tunnels stay open behind a drain that is done', () => {
  const tally = new DrainTally('p', inside(1, 1));
  const half = { inflight: inside(1, 1), finished: 1, clientAborted: 0, cut: 0 };

  const sum = tally.update([says(1, 10, { ...half, stillOpen: 1, done: true })]);

  expect(sum).toMatchObject({ finished: 1, stillOpen: 1, cut: 0, done: true });
  addsUp(sum);
});

test('when the time is over, what nobody told of was cut', () => {
  const tally = new DrainTally('p', inside(5));
  tally.update([says(1, 10, drained(3, 1))]);

  const sum = tally.close();

  expect(sum).toMatchObject({ finished: 1, cut: 4, stillOpen: 0, done: true });
  addsUp(sum);
});
