/**
 * `npm run soak`: hours of load with a flip every half minute. Nothing may be lost, and neither
 * memory nor descriptors may grow.
 *
 *   npm run soak                               two hours, a flip every 30 s
 *   npm run soak -- --minutes 3 --every 1      what .ci/run does
 *
 * The rule this file keeps: the clients never retry, every tenth flip is a deployment and the others
 * are rollbacks, and what counts as growth is told before the run: the last third of it beside the
 * third before.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { endTree, freePort, pointsman } from './contenders.mjs';
import { tree } from './cpu.mjs';
import { startLoad, startOrigin } from './helpers.mjs';
import { digits, median, print } from './table.mjs';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '120' },
    every: { type: 'string', default: '30' },
  },
});
const [minutes, everySeconds] = [Number(values.minutes), Number(values.every)];
if (!(minutes > 0 && everySeconds >= 0.5)) {
  process.stderr.write('Wanted: --minutes above 0, and --every 0.5 s or more.\n');
  process.exit(2);
}
/** A collector that has not run yet is no leak: so much of each process's memory may come and go. */
const rssGrowthMax = 1.2;
const rssGrowthFreeMb = 24;
/** Connections to the targets open and idle out: so many descriptors may. */
const descriptorsFree = 64;
const looksPerRun = 30;

const origins = [await startOrigin(), await startOrigin(), await startOrigin()];
const folder = mkdtempSync(join(tmpdir(), 'pointsman-bench-'));
const port = await freePort();
const where = { folder, port, originPort: origins[0].port };
const { child, admin } = await pointsman(where, { workers: 2, pinned: false });
const api = `http://127.0.0.1:${admin}/v1/services/bench`;
const client = startLoad();
const load = { port, path: '/small', connections: 32, keepAlive: true, rate: 2_000 };
const sum = { requests: 0, errors: 0, flips: 0, undone: 0 };
const looks = [];

const endMs = performance.now() + minutes * 60_000;
const lookEveryMs = (minutes * 60_000) / looksPerRun;
let lookMs = performance.now() + lookEveryMs;
await flip();
while (performance.now() < endMs) {
  const running = client.run({ ...load, seconds: everySeconds });
  await new Promise((resolve) => setTimeout(resolve, everySeconds * 500));
  await flip();
  const { requests, errors } = await running;
  sum.requests += requests;
  sum.errors += errors;
  if (performance.now() < lookMs) continue;
  lookMs += lookEveryMs;
  looks.push(look());
  const { rssMb, descriptors } = looks.at(-1);
  console.log(
    `${sum.requests} requests, ${sum.errors} lost, ${sum.flips} flips; RSS MB ${rssMb.map(digits).join(' ')}; descriptors ${descriptors.join(' ')}`,
  );
}
const names = [
  'supervisor',
  ...tree(child.pid)
    .slice(1)
    .map((_, at) => `child ${at + 1}`),
];
endTree(child.pid);
client.stop();
for (const origin of origins) origin.stop();
rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
process.exit(verdict());

/** The next release on every tenth turn, else back to the one before. */
async function flip() {
  const { generation, rollback } = await (await fetch(api)).json();
  const headers = { 'if-match': `"${generation}"`, 'content-type': 'application/json' };
  const post = (path, body) =>
    fetch(`${api}/${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  if (rollback.ready && sum.flips % 10 !== 9) {
    const answer = await post('rollback', {});
    if (answer.ok) sum.flips++;
    else sum.undone++;
    return;
  }
  const origin = origins[(generation + 1) % origins.length];
  const targets = [`127.0.0.1:${origin.port}`];
  const answer = await post('deployments', { release: `v${generation + 1}`, targets });
  const { id } = await answer.json();
  if (answer.status !== 202) throw new Error(`a deployment was refused: ${answer.status}`);
  for (let tries = 0; tries < 600; tries++) {
    const { phase } = await (await fetch(`http://127.0.0.1:${admin}/v1/deployments/${id}`)).json();
    if (phase === 'live' || phase === 'draining') sum.flips++;
    if (phase === 'failed') sum.undone++;
    if (['live', 'draining', 'failed'].includes(phase)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`deployment ${id} does not end`);
}

function look() {
  const pids = tree(child.pid);
  const rss = (pid) => /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
  return {
    rssMb: pids.map((pid) => Number(rss(pid)) / 1024),
    descriptors: pids.map((pid) => readdirSync(`/proc/${pid}/fd`).length),
  };
}

function verdict() {
  const third = Math.floor(looks.length / 3);
  const before = looks.slice(third, 2 * third);
  const after = looks.slice(2 * third);
  const of = (some, key, at) => median(some.map((one) => one[key][at]));
  const rows = names.map((name, at) => {
    const rss = [of(before, 'rssMb', at), of(after, 'rssMb', at)];
    const open = [of(before, 'descriptors', at), of(after, 'descriptors', at)];
    const grown =
      rss[1] > rss[0] * rssGrowthMax + rssGrowthFreeMb || open[1] > open[0] + descriptorsFree;
    return [name, digits(rss[0]), digits(rss[1]), open[0], open[1], grown ? 'GROWS' : 'flat'];
  });
  print(
    `${minutes} minutes, ${sum.flips} flips (${sum.undone} undone), ${sum.requests} requests, ${sum.errors} lost`,
    ['', 'RSS MB, second third', 'last third', 'descriptors', 'last third', ''],
    rows,
  );
  return sum.errors > 0 || rows.some((row) => row.at(-1) === 'GROWS') ? 1 : 0;
}
