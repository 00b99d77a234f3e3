/**
 * `npm run bench -- h2`: what a small GET costs over HTTP/2 beside HAProxy and nginx.
 *
 * The rule this file keeps: the clients are h2load's, on the core beside the proxy's; and it is CPU
 * that is compared, since on one core the rate is its inverse.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onPath, start } from './contenders.mjs';
import { cpuNs } from './cpu.mjs';
import { startOrigin } from './helpers.mjs';
import { ours } from './loads.mjs';
import { cpuRows, print } from './table.mjs';
import { makePair } from './tls.mjs';

const able = ['pointsman', 'pointsman before', 'haproxy', 'nginx'];
const shapes = {
  'small GET over HTTP/2, 8 connections of 8 streams': { connections: 8, streams: 8 },
  'small GET over HTTP/2, 32 connections of one stream': { connections: 32, streams: 1 },
};

/** @returns {Promise<number>} requests that Pointsman lost */
export async function h2Bench({ rounds, seconds, names }) {
  if (!onPath('h2load')) {
    console.log('\nh2: no h2load on PATH (apt-get install nghttp2-client)');
    return 0;
  }
  const folder = mkdtempSync(join(tmpdir(), 'pointsman-bench-h2-'));
  const wanted = names.filter((name) => able.includes(name));
  let failed = 0;
  try {
    const pair = makePair(folder);
    for (const [title, shape] of Object.entries(shapes)) {
      const results = new Map(wanted.map((name) => [name, []]));
      for (let round = 0; round < rounds; round++) {
        for (const name of wanted) results.get(name).push(await once(name, shape, seconds, pair));
      }
      print(title, ['', 'CPU µs', '× haproxy', 'each s', 'errors'], cpuRows(results));
      failed += ours(results);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return failed;
}

async function once(name, shape, seconds, pair) {
  const origin = await startOrigin();
  const contender = await start(name, origin.port, pair);
  try {
    await load(contender.port, shape, seconds / 3);
    const before = cpuNs(contender.pid);
    const { requests, errors, perSecond } = await load(contender.port, shape, seconds);
    return {
      requests,
      errors,
      perSecond,
      cpuUs: (cpuNs(contender.pid) - before) / requests / 1000,
    };
  } finally {
    contender.stop();
    origin.stop();
  }
}

/** @returns {Promise<{ requests: number, errors: number, perSecond: number }>} what h2load counted */
async function load(port, { connections, streams }, seconds) {
  const to = [`--connect-to=127.0.0.1:${port}`, `https://bench.example:${port}/small`];
  const sizes = ['-c', connections, '-m', streams, '-D', Math.max(1, Math.round(seconds))];
  const words = ['h2load', ...sizes.map(String), ...to];
  const [command, ...args] = onPath('taskset') ? ['taskset', '-c', '1', ...words] : words;
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  let text = '';
  for await (const part of child.stdout) text += part;
  const number = (pattern) => Number(pattern.exec(text)?.[1] ?? Number.NaN);
  const requests = number(/, (\d+) succeeded/);
  const errors = number(/, (\d+) failed/) + number(/, (\d+) timeout/);
  return { requests, errors, perSecond: number(/, ([\d.]+) req\/s/) };
}
