/**
 * From `deploy` to flipped, beside the time the engine itself takes to have the same containers
 * answer. Takes a Docker Engine of its own (root, dockerd on PATH).
 *
 * The rule this file keeps: both sides start containers of the same image on the same engine, in
 * turns, and both are timed until the last container answers its health check.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Docker from 'dockerode';
import { runnerImport } from 'vite';
import { endTree, freePort, pointsman } from './contenders.mjs';
import { digits, median, print } from './table.mjs';

const engineFile = fileURLToPath(new URL('../test/support/dockerd.ts', import.meta.url));
const image = 'bench:v1';
const containerPort = '3000/tcp';
/** As shipped: `health` of a service that says nothing. */
const health = { intervalMs: 2_000, rise: 2 };
const lookMs = 4;

/** @returns {Promise<number>} 0: what fails here ends the bench. */
export async function deployBench({ rounds }) {
  const { module } = await runnerImport(engineFile);
  const missing = module.whyNoEngine();
  if (missing !== null) {
    console.log(`\nNo figures of deployments: ${missing}`);
    return 0;
  }
  const engine = await module.openTestEngine();
  try {
    await engine.image(image, { VERSION: 'v1' });
    const rows = [];
    for (const replicas of [1, 4]) rows.push(await measure(engine, replicas, Math.max(3, rounds)));
    const bar = health.intervalMs * health.rise + 200;
    print(
      `From deploy to flipped, ${Math.max(3, rounds)} of each in turns; at most ${bar} ms may be added`,
      ['', 'engine: started ms', 'engine: all answer ms', 'flipped ms', 'added ms', 'added max'],
      rows,
    );
  } finally {
    await engine.close();
  }
  return 0;
}

async function measure(engine, replicas, rounds) {
  const docker = new Docker({ socketPath: engine.host.replace('unix://', '') });
  const folder = mkdtempSync(join(tmpdir(), 'pointsman-bench-'));
  const port = await freePort();
  const bench = {
    run: { docker: { port: 3000, replicas } },
    health: { path: '/health', interval: `${health.intervalMs}ms`, rise: health.rise },
    first: { release: 'v0', image },
  };
  const options = { workers: 1, pinned: false, bench, env: { DOCKER_HOST: engine.host } };
  const { child, admin } = await pointsman({ folder, port }, options);
  const base = `http://127.0.0.1:${admin}/v1`;
  const taken = { started: [], answering: [], flipped: [], added: [] };
  try {
    await until(async () => (await get(`${base}/services/bench`)).generation === 1);
    for (let round = 1; round <= rounds; round++) {
      const own = await startAll(docker, replicas);
      const flippedMs = await deploy(base, `v${round}`);
      taken.started.push(own.startedMs);
      taken.answering.push(own.answeringMs);
      taken.flipped.push(flippedMs);
      taken.added.push(flippedMs - own.answeringMs);
    }
  } finally {
    endTree(child.pid);
    await engine.clear();
    rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  }
  const { started, answering, flipped, added } = taken;
  return [
    `${replicas} container${replicas > 1 ? 's' : ''}`,
    ...[started, answering, flipped, added].map((values) => digits(median(values))),
    digits(Math.max(...added)),
  ];
}

/** What the engine takes for it, asked for all at once. */
async function startAll(docker, replicas) {
  const startMs = performance.now();
  const all = await Promise.all(
    Array.from({ length: replicas }, async () => {
      const container = await docker.createContainer({
        Image: image,
        ExposedPorts: { [containerPort]: {} },
        HostConfig: { PortBindings: { [containerPort]: [{ HostIp: '127.0.0.1', HostPort: '' }] } },
      });
      await container.start();
      return container;
    }),
  );
  const startedMs = performance.now() - startMs;
  await Promise.all(
    all.map(async (container) => {
      const { NetworkSettings } = await container.inspect();
      const url = `http://127.0.0.1:${NetworkSettings.Ports[containerPort][0].HostPort}/health`;
      await until(async () => (await fetch(url)).status === 200);
    }),
  );
  const answeringMs = performance.now() - startMs;
  await Promise.all(all.map((container) => container.remove({ force: true })));
  return { startedMs, answeringMs };
}

/** A deployment into an empty slot; the one before it is retired afterwards. */
async function deploy(base, release) {
  const service = `${base}/services/bench`;
  const startMs = performance.now();
  const { id } = await send('POST', `${service}/deployments`, { release, image });
  await until(async () => {
    const { receipt, error } = await get(`${base}/deployments/${id}`);
    if (error) throw new Failed(`${id}: ${error.message}`);
    return receipt !== null;
  });
  const tookMs = performance.now() - startMs;
  await until(async () => {
    const { rollback, deployment } = await get(service);
    return rollback.ready && deployment.endedAt !== null;
  });
  await send('DELETE', `${service}/standby`, {});
  await until(async () => Object.values((await get(service)).pools).includes(null));
  return tookMs;
}

/** No answer yet is no failure; this is. */
class Failed extends Error {}

async function get(url) {
  return (await fetch(url)).json();
}

async function send(method, url, body) {
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(url, { method, headers, body: JSON.stringify(body) });
  if (!answer.ok) throw new Failed(`${method} ${url}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

async function until(wanted) {
  const endMs = performance.now() + 60_000;
  for (;;) {
    try {
      if (await wanted()) return;
    } catch (thrown) {
      if (thrown instanceof Failed) throw thrown;
    }
    if (performance.now() > endMs) throw new Error(`waited a minute for ${wanted}`);
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
}
