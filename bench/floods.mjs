/**
 * `npm run bench -- floods`: what well-behaved clients of HTTP/2 wait for while others flood, and
 * what that costs in memory. `--seconds 60` is what the promise is about.
 *
 * The rule this file keeps: each flood meets a Pointsman of its own, and is compared with the same
 * load on the same one before it began.
 */
import { execFileSync, fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onPath, start } from './contenders.mjs';
import { cpuNs, rssBytes } from './cpu.mjs';
import { startOrigin, startPaced } from './helpers.mjs';
import { digits, print } from './table.mjs';
import { makePair } from './tls.mjs';

const kinds = [
  'rapid reset',
  'MadeYouReset',
  'CONTINUATION',
  'PING',
  'SETTINGS',
  'empty DATA',
  'header list',
  'no window',
];
const able = ['pointsman', 'haproxy', 'nginx'];
/** Connections that flood at the same time. */
const connections = 4;
const perSecond = 200;
const growthBytesMax = 30 * 1024 * 1024;
const slowerMax = 2;

/** @returns {Promise<number>} requests of others that Pointsman lost, and bars that it did not hold */
export async function floodBench({ seconds, names, floods = kinds }) {
  const folder = mkdtempSync(join(tmpdir(), 'pointsman-bench-floods-'));
  let failed = 0;
  try {
    const pair = makePair(folder);
    for (const name of names.filter((one) => able.includes(one))) {
      const rows = [];
      for (const kind of floods) {
        const seen = await once(name, kind, seconds, pair);
        if (name === 'pointsman') {
          failed += seen.errors;
          if (seen.grownBytes > growthBytesMax) failed++;
          if (seen.p99Ms > slowerMax * seen.quietMs) failed++;
        }
        rows.push([
          kind,
          digits(seen.quietMs),
          digits(seen.p99Ms),
          digits(seen.maxMs),
          seen.errors,
          digits(seen.grownBytes / 1024 / 1024),
          digits(seen.sent / 1000),
          seen.opened,
          digits(seen.cpu),
        ]);
      }
      const head = ['', 'p99 before', 'p99 ms', 'max ms', 'errors', 'MiB more'];
      print(
        `${name}, ${seconds} s each: others, at ${perSecond} a second`,
        [...head, 'thousand sent', 'connections', 'CPU'],
        rows,
      );
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return failed;
}

async function once(name, kind, seconds, pair) {
  const origin = await startOrigin();
  const contender = await start(name, origin.port, pair);
  const others = startPaced();
  const flooder = fork(fileURLToPath(new URL('flooder.mjs', import.meta.url)));
  if (onPath('taskset')) execFileSync('taskset', ['-pc', '1', String(flooder.pid)]);
  if (onPath('renice')) execFileSync('renice', ['-n', '10', '-p', String(flooder.pid)]);
  try {
    const order = { port: contender.port, perSecond };
    await others.run({ ...order, seconds: Math.min(5, seconds) });
    const quiet = await others.run({ ...order, seconds: Math.max(2, seconds / 4) });
    const [rss, cpu] = [rssBytes(contender.pid), cpuNs(contender.pid)];
    flooder.send({ port: contender.port, kind, connections });
    let grownBytes = 0;
    const look = setInterval(() => {
      grownBytes = Math.max(grownBytes, rssBytes(contender.pid) - rss);
    }, 250);
    const seen = await others.run({ ...order, seconds });
    clearInterval(look);
    const used = (cpuNs(contender.pid) - cpu) / seconds / 1e9;
    const did = new Promise((resolve) => flooder.once('message', resolve));
    flooder.send({ stop: true });
    return { ...seen, ...(await did), quietMs: quiet.p99Ms, grownBytes, cpu: used };
  } finally {
    flooder.kill('SIGKILL');
    others.stop();
    contender.stop();
    origin.stop();
  }
}
