/** What grows with what: services, targets, idle connections, WebSockets, scrapes. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endTree, freePort, kinds, pointsman, start } from './contenders.mjs';
import { cpuNs, rssBytes } from './cpu.mjs';
import { startChatter, startLoad, startOrigin } from './helpers.mjs';
import { loads } from './loads.mjs';
import { digits, median, print } from './table.mjs';

const settleMs = 8_000;

/** Cost per small GET with more services, targets and workers: interleaved, so that ratios hold. */
export async function scaleBench({ rounds, seconds }) {
  const variants = [
    { services: 1 },
    { services: 100 },
    { services: 1000 },
    { targets: 100 },
    { workers: 2 },
  ];
  const origin = await startOrigin(100);
  const client = startLoad();
  const up = [];
  for (const variant of variants) up.push(await launch(origin.port, { workers: 1, ...variant }));
  // A thousand first releases have drains to end and history to write; that is no part of a request.
  await new Promise((resolve) => setTimeout(resolve, settleMs));
  const runs = up.map(() => []);
  for (let round = 0; round <= rounds; round++) {
    for (const [at, { port, child }] of up.entries()) {
      const before = cpuNs(child.pid);
      const run = await client.run({ ...loads['small GET'], port, seconds });
      // The first round warms up.
      if (round > 0)
        runs[at].push({ ...run, cpuUs: (cpuNs(child.pid) - before) / 1000 / run.requests });
    }
  }
  const cpu = runs.map((of) => median(of.map(({ cpuUs }) => cpuUs)));
  print(
    'Small GET at scale (one worker unless said)',
    ['', 'CPU µs', '× one service', 'p99 ms', 'RSS MB'],
    variants.map((variant, at) => [
      Object.entries(variant)
        .map(([what, count]) => `${count} ${what}`)
        .join(', '),
      digits(cpu[at]),
      digits(cpu[at] / cpu[0]),
      digits(median(runs[at].map(({ p99Ms }) => p99Ms))),
      digits(rssBytes(up[at].child.pid) / 1e6),
    ]),
  );
  for (const { stop } of up) stop();
  client.stop();
  origin.stop();
  return runs.flat().reduce((sum, { errors }) => sum + errors, 0);
}

/** Resident memory: idle, and what an idle keep-alive connection adds. */
export async function memoryBench({ seconds, names }) {
  const connections = seconds < 1 ? 1000 : connectionsMax();
  const origin = await startOrigin();
  const rows = [];
  const alone = await launch(origin.port, { workers: 0 });
  rows.push(['pointsman, workers: 0, idle', digits(rssBytes(alone.child.pid) / 1e6), '-']);
  alone.stop();
  for (const name of names.filter((one) => one in kinds && one !== 'pointsman general')) {
    const contender = await start(name, origin.port);
    const before = rssBytes(contender.pid);
    const sockets = await idle(contender.port, connections);
    const each = (rssBytes(contender.pid) - before) / sockets.length / 1024;
    rows.push([name, digits(before / 1e6), digits(each)]);
    for (const socket of sockets) socket.destroy();
    contender.stop();
  }
  origin.stop();
  print(`Memory, and ${connections} idle keep-alive connections`, ['', 'RSS MB', 'KiB each'], rows);
  return 0;
}

/** Many WebSockets through every contender: memory for each, CPU and latency of small frames. */
export async function socketsBench({ seconds, names }) {
  const brief = seconds < 1;
  const order = { rate: brief ? 1_000 : 5_000, seconds: brief ? 1 : seconds };
  const origin = await startOrigin();
  const rows = [];
  let lost = 0;
  for (const name of names.filter((one) => one in kinds && one !== 'pointsman general')) {
    const contender = await start(name, origin.port);
    const client = startChatter();
    const before = rssBytes(contender.pid);
    const up = await client.run({ port: contender.port, count: brief ? 200 : 2_000 });
    const each = (rssBytes(contender.pid) - before) / up.open / 1024;
    await client.run(order);
    const cpu = cpuNs(contender.pid);
    const chat = await client.run(order);
    const cpuUs = (cpuNs(contender.pid) - cpu) / 1000 / chat.frames;
    const errors = up.errors + chat.errors;
    const figures = [each, cpuUs, chat.p50Ms, chat.p99Ms].map(digits);
    rows.push([name, up.open, ...figures, errors]);
    if (name === 'pointsman') lost += errors;
    client.stop();
    contender.stop();
  }
  origin.stop();
  print(
    `WebSockets: ${order.rate} frames/s there and back`,
    ['', 'open', 'KiB each', 'CPU µs a frame', 'p50 ms', 'p99 ms', 'errors'],
    rows,
  );
  return lost;
}

/** What a scrape costs with 1,000 services and 4 workers, and what traffic feels of it. */
export async function scrapeBench({ rounds, seconds }) {
  const origin = await startOrigin();
  const client = startLoad();
  const { child, port, admin, stop } = await launch(origin.port, {
    workers: 4,
    services: 1000,
    pinned: false,
  });
  const load = { ...loads['small GET'], port, rate: 1000, seconds };
  await client.run(load);
  const quiet = [];
  const scraped = [];
  const scrapeMs = [];
  for (let round = 0; round < rounds; round++) {
    quiet.push((await client.run(load)).p99Ms);
    const running = client.run(load);
    for (let at = 0; at < 5; at++) {
      const since = performance.now();
      await (await fetch(`http://127.0.0.1:${admin}/metrics`)).text();
      scrapeMs.push(performance.now() - since);
      await new Promise((resolve) => setTimeout(resolve, (seconds * 1000) / 8));
    }
    scraped.push((await running).p99Ms);
  }
  print(
    'A scrape with 1,000 services and 4 workers, under 1,000 requests/s',
    ['scrape ms', 'scrape max', 'p99 quiet ms', 'p99 scraped ms', 'RSS MB'],
    [
      [
        digits(median(scrapeMs)),
        digits(Math.max(...scrapeMs)),
        digits(median(quiet)),
        digits(median(scraped)),
        digits(rssBytes(child.pid) / 1e6),
      ],
    ],
  );
  stop();
  client.stop();
  origin.stop();
  return 0;
}

/** 10,000, or as many as the limit of descriptors allows a proxy that reckons with two for each. */
function connectionsMax() {
  const descriptors = Number(execFileSync('sh', ['-c', 'ulimit -n'])) || Number.POSITIVE_INFINITY;
  return Math.min(10_000, Math.floor((descriptors - 200) / 2));
}

async function launch(originPort, options) {
  const folder = mkdtempSync(join(tmpdir(), 'pointsman-bench-'));
  const port = await freePort();
  const { child, admin } = await pointsman({ folder, port, originPort }, options);
  const stop = () => {
    endTree(child.pid);
    rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  };
  return { child, port, admin, stop };
}

/** Connections that each had one answer and then stay. Opened a hundred at a time. */
async function idle(port, count) {
  const sockets = [];
  while (sockets.length < count) {
    const some = Array.from({ length: Math.min(100, count - sockets.length) }, () => used(port));
    sockets.push(...(await Promise.all(some)));
  }
  return sockets;
}

function used(port) {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('error', reject);
    socket.once('data', () => resolve(socket));
    socket.write('GET /small HTTP/1.1\r\nhost: bench.example\r\n\r\n');
  });
}
