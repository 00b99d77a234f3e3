/**
 * `npm run bench -- warm-up`: the first second after a flip to an application with a JIT, with
 * `warmUp` and without.
 *
 * The rule this file keeps: two Pointsmans side by side, in turns, each with a release that was
 * never asked for anything but its health; the clients begin when the flip is committed.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { endTree, freePort, pointsman } from './contenders.mjs';
import { startLoad } from './helpers.mjs';
import { digits, median, print } from './table.mjs';

const app = join(dirname(fileURLToPath(import.meta.url)), 'jitApp.mjs');
const warmUp = { paths: ['/page'], requests: 50, p95: '10ms', timeout: '20s' };

/** @returns {Promise<number>} requests that failed */
export async function warmUpBench({ rounds }) {
  const sides = [await up({}), await up({ warmUp })];
  const client = startLoad();
  const order = { path: '/page', connections: 2, keepAlive: false, seconds: 1 };
  const runs = sides.map(() => []);
  let said = '';
  for (let round = 1; round <= Math.max(3, rounds); round++) {
    for (const [at, side] of sides.entries()) {
      const receipt = await deploy(side.base, `v${round + 1}`);
      said = receipt.warmUp ?? said;
      runs[at].push(await client.run({ ...order, port: side.port }));
    }
  }
  client.stop();
  for (const { stop } of sides) stop();
  print(
    `The first second after a flip to an application with a JIT, ${runs[0].length} flips each`,
    ['', 'requests', 'p50 ms', 'p99 ms', 'longest ms', 'errors'],
    runs.map((of, at) => {
      const each = (key) => digits(median(of.map((run) => run[key])));
      const errors = of.reduce((sum, run) => sum + run.errors, 0);
      const name = at === 0 ? 'cold' : 'warmUp';
      return [name, each('requests'), each('p50Ms'), each('p99Ms'), each('maxMs'), errors];
    }),
  );
  console.log(`\nThe last receipt: ${said}`);
  return runs.flat().reduce((sum, run) => sum + run.errors, 0);
}

async function up(more) {
  const folder = mkdtempSync(join(tmpdir(), 'pointsman-bench-'));
  const port = await freePort();
  const bench = {
    run: { process: { command: [process.execPath, app] } },
    health: { path: '/up', interval: '1s', timeout: '1s', rise: 1, fall: 10 },
    protect: 'off',
    first: { release: 'v1' },
    ...more,
  };
  const { child, admin } = await pointsman({ folder, port }, { workers: 1, pinned: false, bench });
  const stop = () => {
    endTree(child.pid);
    rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  };
  return { port, stop, base: `http://127.0.0.1:${admin}/v1` };
}

/** @returns its receipt, as soon as there is one */
async function deploy(base, release) {
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ release });
  const url = `${base}/services/bench/deployments`;
  const answer = await fetch(url, { method: 'POST', headers, body });
  if (answer.status !== 202) throw new Error(`deploy: ${answer.status} ${await answer.text()}`);
  const { id } = await answer.json();
  for (;;) {
    const { receipt, error } = await (await fetch(`${base}/deployments/${id}`)).json();
    if (error) throw new Error(error.message);
    if (receipt) return receipt;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
