/** What a flip costs: its own time, what requests feel of it, and how many waited. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endTree, freePort, pointsman } from './contenders.mjs';
import { startLoad, startOrigin } from './helpers.mjs';
import { digits, median, print } from './table.mjs';

const flipsPerRound = 10;

/** @returns {Promise<number>} requests that failed, of all */
export async function flipBench({ rounds, seconds }) {
  const table = [];
  let failed = 0;
  for (const workers of [0, 1, 2]) {
    const result = await measure(workers, Math.max(2, rounds), Math.max(1, seconds));
    failed += result.errors;
    table.push([
      `${workers} workers`,
      digits(median(result.holdMs)),
      digits(median(result.flipMs)),
      digits(median(result.apiMs)),
      digits(Math.max(...result.apiMs)),
      digits(median(result.waited)),
      digits(Math.max(...result.waitedMs)),
      digits(result.quiet.p99Ms),
      digits(result.flipping.p99Ms),
      result.errors,
    ]);
  }
  const count = Math.max(2, rounds) * flipsPerRound;
  print(
    `The flip: ${count} rollbacks to and fro for each, under load on 32 keep-alive connections`,
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
    table,
  );
  return failed;
}

async function measure(workers, rounds, seconds) {
  const origin = await startOrigin();
  const folder = mkdtempSync(join(tmpdir(), 'pointsman-bench-'));
  const port = await freePort();
  // Not pinned: several workers on one core would measure how long they wait for it.
  const where = { folder, port, originPort: origin.port };
  const { child, admin } = await pointsman(where, { workers, pinned: false });
  const client = startLoad();
  const base = `http://127.0.0.1:${admin}/v1/services/bench`;
  await deploySecond(base, origin.port);
  const load = { port, path: '/small', connections: 32, keepAlive: true, seconds };
  const result = { holdMs: [], flipMs: [], apiMs: [], waited: [], waitedMs: [], errors: 0 };
  result.quiet = await client.run(load);
  for (let round = 0; round < rounds; round++) {
    const running = client.run(load);
    for (let flip = 0; flip < flipsPerRound; flip++) {
      await new Promise((resolve) => setTimeout(resolve, (seconds * 1000) / (flipsPerRound + 2)));
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
  client.stop();
  endTree(child.pid);
  origin.stop();
  rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  return result;
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
