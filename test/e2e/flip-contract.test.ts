/**
 * The flip contract, seen from outside: clients that never retry, connections that stay, and flips
 * to and fro among them.
 *
 * The rule this file keeps: what is checked never depends on how fast the machine is. FLIPS makes a
 * longer soak of it.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Deployment } from '../../src/control/model/state.ts';
import { Authority } from '../support/certificates.ts';
import { download, Load, listen, type Stream, type Talk, talk } from '../support/clients.ts';
import { long } from '../support/form.ts';
import { startHttps } from '../support/https.ts';
import { seeded } from '../support/random.ts';
import { frontOf } from '../support/targetTls.ts';
import { type FlipSeen, strays } from '../support/verdict.ts';
import type { Where } from '../support/ways.ts';
import {
  kill,
  type Pointsman,
  releaseFile,
  type ShopOptions,
  startPointsman,
  startReleases,
  until,
} from '../support/whole.ts';

const flipsWanted = Number(process.env.FLIPS ?? (long ? 100 : 32));
/** A set of addresses that is live, one that is warm, and one for the next release. */
const sets = ['alder', 'birch', 'cedar'] as const;
const mix = { get: 12, post: 6, slow: 6 };

describe.each([
  { workers: 0, lanes: 'auto', flips: flipsWanted },
  { workers: 1, lanes: 'general', flips: flipsWanted },
  { workers: 3, lanes: 'auto', flips: flipsWanted },
])('static pools, $workers workers, lanes: $lanes', ({ workers, lanes, flips }) => {
  test(`${flips} flips: no error, no closed connection, nobody strays`, async () => {
    const names = sets.flatMap((name) => [name]);
    const addresses = await startReleases(names);
    const targets = (at: number) => [addresses[sets[at % 3] ?? ''] ?? ''];
    await soak(
      await startPlain({
        workers,
        run: { static: {} },
        first: { release: 'r0', targets: targets(0) },
        top: { lanes },
      }),
      flips,
      (at) => ({ release: `r${at}`, answers: sets[at % 3] ?? '', body: { targets: targets(at) } }),
    );
  }, 300_000);
});

test.each([
  ['TLS', 'express', false],
  ['HTTP/2', 'http2', true],
])('by %s, 2 workers: the same, and the lane %s carries it', async (_, __, http2) => {
  const addresses = await startReleases(sets);
  const targets = (at: number) => [addresses[sets[at % 3] ?? ''] ?? ''];
  const { pointsman, where } = await startHttps({
    workers: 2,
    run: { static: {} },
    tls: { http2 },
    first: { release: 'r0', targets: targets(0) },
  });

  const front = { pointsman, where: { ...where, http2 } };
  await soak(front, Math.ceil(flipsWanted / (long ? 5 : 8)), (at) => ({
    release: `r${at}`,
    answers: sets[at % 3] ?? '',
    body: { targets: targets(at) },
  }));
});

test('targets by TLS, on sockets and by TCP alone in turn, 2 workers: the same', async () => {
  const addresses = await startReleases(sets);
  const folder = mkdtempSync(join(tmpdir(), 'pointsman-flip-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const ca = new Authority(join(folder, 'ca'));
  const pair = ca.sign(join(folder, 'app'), { names: ['app.internal'] });
  const [alder = '', birch = '', cedar = ''] = sets.map((name) => addresses[name] ?? '');
  const reached = [await frontOf(alder, pair), await frontOf(birch, null), cedar];
  const targets = (at: number) => [reached[at % 3] ?? ''];

  await soak(
    await startPlain({
      workers: 2,
      run: { static: {} },
      first: { release: 'r0', targets: targets(0) },
      service: { targetTls: { ca: ca.file, serverName: 'app.internal' } },
    }),
    Math.ceil(flipsWanted / (long ? 5 : 8)),
    (at) => ({ release: `r${at}`, answers: sets[at % 3] ?? '', body: { targets: targets(at) } }),
  );
}, 300_000);

test('process pools, 2 workers: replicas come and go among the flips', async () => {
  const command = [process.execPath, releaseFile];
  await soak(
    await startPlain({
      workers: 2,
      run: { process: { command, replicas: 2 } },
      first: { release: 'r0' },
    }),
    Math.ceil(flipsWanted / 4),
    (at) => ({ release: `r${at}`, answers: `r${at}`, body: {} }),
  );
});

interface Next {
  readonly release: string;
  /** How the release calls itself. */
  readonly answers: string;
  readonly body: object;
}

/** The three that live long, and the pool they live on. */
interface Lodgers {
  readonly on: string;
  readonly talk: Talk;
  readonly events: Stream;
  readonly file: Stream;
}

/** A Pointsman, and where its clients connect. */
interface Front {
  readonly pointsman: Pointsman;
  readonly where: Where;
}

async function startPlain(options: ShopOptions): Promise<Front> {
  const pointsman = await startPointsman(options);
  return { pointsman, where: pointsman.port };
}

async function soak(
  { pointsman, where }: Front,
  flipsMin: number,
  nth: (at: number) => Next,
): Promise<void> {
  const { workers } = pointsman.pids();
  const random = seeded(flipsMin * 31 + workers.length);
  const load = new Load(where, mix);
  let live = nth(0);
  let warm: Next | null = null;
  const lodgers: Lodgers[] = [];
  const flips: FlipSeen[] = [{ to: live.answers, asked: 0, answered: performance.now() }];
  let undone = 0;

  for (let at = 1; flips.length - 1 < flipsMin; at++) {
    const next = nth(at);
    const retired = warm?.release;
    flips.push(await deployed(pointsman, next));
    [live, warm] = [next, live];
    await load.answered(live.answers, mix.get);
    for (const lodger of lodgers.filter(({ on }) => on === retired)) await evicted(lodger);
    lodgers.push(await moveIn(where, live));

    const rollbacks = 5 + Math.floor(random() * 2);
    for (let nth = 0; nth < rollbacks; nth++) {
      const stumble = workers.length > 1 ? stumbles(workers, random) : null;
      const flip = await rolledBack(pointsman, warm);
      await stumble;
      if (flip === null) {
        undone++;
        nth--;
        continue;
      }
      flips.push(flip);
      [live, warm] = [warm, live];
      await load.answered(live.answers, 1 + Math.floor(random() * mix.get));
    }
    for (const lodger of lodgers.slice(-1)) await finish(lodger);
    for (const { talk, on } of lodgers) {
      const expected = [live.release, warm.release].includes(on) ? null : 1012;
      expect({ on, code: talk.code }).toEqual({ on, code: expected });
    }
  }
  await load.stop();

  expect(load.errors).toEqual([]);
  expect(load.closed).toEqual([]);
  expect(strays(flips, load.exchanges)).toEqual([]);
  expect(new Set(load.exchanges.map(({ client }) => client)).size).toBe(load.clients);
  expect(lodgers.flatMap(({ talk }) => talk.wrongs)).toEqual([]);
  await checkReceipts(pointsman, flips.length, undone);
  if (typeof where !== 'number') {
    await checkLane(pointsman, where.http2 ? 'http2' : 'express', load.exchanges.length);
  }
  const { code, output } = await pointsman.stop();
  expect({ code, bug: output.includes('bug:') }).toEqual({ code: 0, bug: false });
  await pointsman.nothingLeft();
}

/**
 * One worker stands still for a moment around the flip: the others switch without it, and a request
 * that waits for it finds out whether it serves the old pool once more.
 */
async function stumbles(workers: readonly number[], random: () => number): Promise<void> {
  const worker = workers[Math.floor(random() * workers.length)] ?? 0;
  await wait(random() * 8);
  kill(worker, 'SIGSTOP');
  await wait(10 + random() * 30);
  kill(worker, 'SIGCONT');
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function deployed(pointsman: Pointsman, next: Next): Promise<FlipSeen> {
  for (;;) {
    const asked = performance.now();
    const { status, json, text } = await pointsman.deploy(next.release, next.body);
    expect({ status, text }).toMatchObject({ status: 202 });
    const { phase, error } = await pointsman.flipped(json.id);
    // On a machine that stands still for 250 ms a flip is undone, and nobody sees it.
    if (error?.code === 'HOLD_TIMEOUT') continue;
    expect({ phase, error }).toEqual({ phase, error: null });
    return { to: next.answers, asked, answered: performance.now() };
  }
}

/** null: it was undone, because the machine stood still. */
async function rolledBack(pointsman: Pointsman, to: Next): Promise<FlipSeen | null> {
  const asked = performance.now();
  const { status, json, text } = await pointsman.rollback(to.release);
  if (json?.code === 'HOLD_TIMEOUT') return null;
  expect({ status, text }).toMatchObject({ status: 200 });
  return { to: to.answers, asked, answered: performance.now() };
}

async function moveIn(where: Where, live: Next): Promise<Lodgers> {
  const lodgers = {
    on: live.release,
    talk: await talk(where),
    events: await listen(where),
    file: await download(where, 20, 15),
  };
  const { by } = lodgers.talk;
  expect([by, lodgers.events.by, lodgers.file.by]).toEqual(Array(3).fill(live.answers));
  return lodgers;
}

/** The download and the events end before the next deployment, as they do when a pool may drain. */
async function finish({ events, file, talk }: Lodgers): Promise<void> {
  expect(await file.over).toBeNull();
  const [said, heard] = [talk.said, events.count];
  await until('both still get on', () => talk.said > said && events.count > heard);
  expect(events.wrong).toBeNull();
  events.leave();
}

/**
 * The pool has been retired for a new release: the WebSocket is told to come back, and nothing
 * else.
 */
async function evicted({ talk }: Lodgers): Promise<void> {
  expect(await talk.closed).toBe(1012);
}

/** What came by HTTPS was carried as plain HTTP is, and what came by HTTP/2 as streams. */
async function checkLane(pointsman: Pointsman, lane: string, exchanges: number): Promise<void> {
  const { text } = await pointsman.call('GET', '/metrics');
  const line = new RegExp(`^pointsman_lane_requests_total\\{lane="${lane}"\\} (\\d+)$`, 'm');
  expect(Number(line.exec(text)?.[1])).toBeGreaterThanOrEqual(exchanges);
}

async function checkReceipts(pointsman: Pointsman, flips: number, undone: number): Promise<void> {
  const isOver = ({ endedAt }: Deployment): boolean => endedAt !== null;
  const history = await until('every drain has ended', async () => {
    const all = await pointsman.history();
    return all.every(isOver) ? all : null;
  });
  const receipts = history.flatMap(({ receipt }) => (receipt === null ? [] : [receipt]));
  const generations = receipts.map(({ generation }) => generation).sort((a, b) => a - b);
  expect(generations).toEqual(Array.from({ length: flips }, (_, at) => at + 1));
  expect(history.filter(({ receipt }) => receipt === null).length).toBeGreaterThanOrEqual(undone);

  let carried = 0;
  for (const { from, inflight, drained } of receipts) {
    if (from === null) continue;
    if (drained === null) throw new Error('a receipt without its drain');
    const inside = inflight.http + inflight.sse + inflight.upgrade;
    const { finished, clientAborted, cut, stillOpen } = drained;
    expect(finished + clientAborted + cut + stillOpen).toBe(inside);
    expect(cut).toBe(0);
    carried += inside;
  }
  // Or else nothing was in flight, and nothing was shown.
  expect(carried).toBeGreaterThan(flips);
}
