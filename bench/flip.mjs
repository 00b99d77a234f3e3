/** What a flip costs: its own time, what requests feel of it, and how many waited. */
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endTree, freePort, pointsman } from './contenders.mjs';
import { startLoad, startOrigin } from './helpers.mjs';
import { digits, median, print } from './table.mjs';

const flipsPerRound = 10;

/** @returns {Promise<number>} requests that failed, of all */
export async function flipBench({ rounds, seconds }) {
  const size = { rounds: Math.max(2, rounds), seconds: Math.max(1, seconds) };
  const count = size.rounds * flipsPerRound;
  const load = 'under load on 32 keep-alive connections';
  const flips = [];
  for (const workers of [0, 1, 2]) flips.push(...(await measure([{ workers }], size)));
  print(
    `The flip: ${count} rollbacks to and fro for each, ${load}`,
    [
      '',
      'held ms',
      'flip ms',
      'API ms',
      'API max',
      'waited',
      'longest wait ms',
      'p99 quiet',
      'p99 flipping',
      'errors',
    ],
    flips.map(({ kind, quiet, flipping, ...result }) => [
      `${kind.workers} workers`,
      ...times(result),
      digits(median(result.waited)),
      digits(Math.max(...result.waitedMs)),
      digits(quiet.p99Ms),
      digits(flipping.p99Ms),
      result.errors,
    ]),
  );
  const told = await withReceivers(size);
  print(
    `The flip where others are told of it: ${count} rollbacks for each, in turns, 2 workers, ${load}`,
    ['', 'held ms', 'flip ms', 'API ms', 'API max', 'errors'],
    told.map((result) => [result.kind.name, ...times(result), result.errors]),
  );
  return [...flips, ...told].reduce((sum, { errors }) => sum + errors, 0);
}

function times({ holdMs, flipMs, apiMs }) {
  return [median(holdMs), median(flipMs), median(apiMs), Math.max(...apiMs)].map(digits);
}

/** Receivers that are no help: one refuses connections, one takes them and never answers. */
async function withReceivers(size) {
  const silent = net.createServer((socket) => socket.on('error', () => {}).resume());
  await new Promise((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const receiver = (port) => [{ url: `http://127.0.0.1:${port}/`, private: true }];
  const kinds = [
    { name: 'nobody is told' },
    { name: 'the receiver is down', notify: receiver(await freePort()) },
    { name: 'the receiver is silent', notify: receiver(silent.address().port) },
  ];
  try {
    return await measure(
      kinds.map((kind) => ({ workers: 2, ...kind })),
      size,
    );
  } finally {
    silent.close();
  }
}

/** Each kind of Pointsman in turn, round by round. */
async function measure(kinds, { rounds, seconds }) {
  const subjects = [];
  for (const kind of kinds) subjects.push(await open(kind, seconds));
  for (let round = 0; round < rounds; round++) {
    for (const subject of subjects) await flipsOf(subject);
  }
  for (const { close } of subjects) close();
  return subjects.map(({ result }) => result);
}

async function open(kind, seconds) {
  const { workers, notify } = kind;
  const origin = await startOrigin();
  const folder = mkdtempSync(join(tmpdir(), 'pointsman-bench-'));
  const port = await freePort();
  // Not pinned: several workers on one core would measure how long they wait for it.
  const where = { folder, port, originPort: origin.port };
  const { child, admin } = await pointsman(where, { workers, notify, pinned: false });
  const client = startLoad();
  const base = `http://127.0.0.1:${admin}/v1/services/bench`;
  await deploySecond(base, origin.port);
  const load = { port, path: '/small', connections: 32, keepAlive: true, seconds };
  const quiet = await client.run(load);
  const result = { kind, quiet, holdMs: [], flipMs: [], apiMs: [], waited: [], waitedMs: [] };
  const close = () => {
    client.stop();
    endTree(child.pid);
    origin.stop();
    rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  };
  return { base, client, load, result: { ...result, errors: 0 }, close };
}

async function flipsOf({ base, client, load, result }) {
  const running = client.run(load);
  const betweenMs = (load.seconds * 1000) / (flipsPerRound + 2);
  for (let flip = 0; flip < flipsPerRound; flip++) {
    await new Promise((resolve) => setTimeout(resolve, betweenMs));
    const { apiMs, receipt } = await rollback(base);
    result.apiMs.push(apiMs);
    result.holdMs.push(receipt.holdMs);
    result.flipMs.push(receipt.flipMs);
    result.waited.push(receipt.waited);
    result.waitedMs.push(receipt.waitedMsMax);
  }
  result.flipping = await running;
  result.errors += result.flipping.errors;
}

async function deploySecond(base, originPort) {
  const body = JSON.stringify({ release: 'v2', targets: [`localhost:${originPort}`] });
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(`${base}/deployments`, { method: 'POST', headers, body });
  if (answer.status !== 202) throw new Error(`deploy: ${answer.status} ${await answer.text()}`);
  for (let tries = 0; tries < 200; tries++) {
    const { generation, rollback: back } = await (await fetch(base)).json();
    if (generation === 2 && back.ready) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('the second release did not get live');
}

async function rollback(base) {
  const { generation } = await (await fetch(base)).json();
  const headers = { 'if-match': `"${generation}"`, 'content-type': 'application/json' };
  const startMs = performance.now();
  const answer = await fetch(`${base}/rollback`, { method: 'POST', headers, body: '{}' });
  const body = await answer.json();
  const apiMs = performance.now() - startMs;
  if (!answer.ok) throw new Error(`rollback: ${answer.status} ${JSON.stringify(body)}`);
  return { apiMs, receipt: body.receipt ?? body };
}
