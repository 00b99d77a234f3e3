/**
 * What a request costs where a proxy is the limit: a client and an origin that are faster than any
 * of them, and user and system time apart.
 *
 * The rule this file keeps: nothing flatters. The client is wrk and the origin nginx (HAProxy for
 * bodies, which it reads to their end) where they are on PATH, and the title says who it was; the
 * first row is the client with the origin alone, and a proxy that comes near it is marked, since
 * then it was not the limit. Latency is that of an open loop at shares of each proxy's own
 * saturation, counted from when a request was due: one that waits for another waits in the figure.
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { accepting, endTree, freePort, onPath, start } from './contenders.mjs';
import { rssBytes, tree, usage } from './cpu.mjs';
import { startLoad, startOrigin } from './helpers.mjs';
import { ours } from './loads.mjs';
import { digits, median, print } from './table.mjs';

const loads = {
  'small GET': { path: '/small', connections: 64, keepAlive: true },
  '64 KiB GET': { path: '/64k', connections: 32, keepAlive: true },
  '16 KiB POST': { path: '/small', body: 16 * 1024, connections: 32, keepAlive: true },
  'small GET, no keep-alive': { path: '/small', connections: 32, keepAlive: false },
};
/** Of what the client gets from the origin alone: beyond it, the client may be the limit. */
const headroom = 0.8;
const shares = [0.25, 0.5, 0.8];
const alone = 'client alone';

/** @returns {Promise<number>} requests that Pointsman lost */
export async function saturatedBench({ rounds, seconds, names }) {
  const able = names.filter((name) => name !== 'direct' && name !== 'bare http-proxy');
  let failed = 0;
  const saturation = new Map();
  for (const pinned of onPath('taskset') ? [true, false] : [false]) {
    for (const [title, load] of Object.entries(loads)) {
      const { results, by } = await measure(able, rounds, load, seconds, pinned);
      const where = pinned ? 'the proxy on one core, client and origin on another' : 'not pinned';
      print(
        `Saturated: ${title}, ${load.connections} connections, ${where} (${by})`,
        head,
        rows(results),
      );
      failed += ours(results);
      if (pinned && load === loads['small GET']) keep(saturation, results);
    }
  }
  return failed + (await openLoop(able, rounds, seconds, saturation));
}

const head = [
  '',
  'user µs',
  'system µs',
  'CPU µs',
  '× haproxy',
  'req/s',
  '× haproxy',
  'RSS MB',
  'errors',
];

function rows(results) {
  const of = (name, key) => median((results.get(name) ?? []).map((one) => one[key]));
  const most = of(alone, 'perSecond') * headroom;
  return [...results.keys()].map((name) => {
    const perSecond = of(name, 'perSecond');
    const errors = results.get(name).reduce((sum, one) => sum + one.errors, 0);
    if (name === alone) return [name, '-', '-', '-', '-', digits(perSecond), '-', '-', errors];
    return [
      perSecond > most ? `${name} (the client was the limit)` : name,
      digits(of(name, 'userUs')),
      digits(of(name, 'systemUs')),
      digits(of(name, 'cpuUs')),
      digits(of(name, 'cpuUs') / of('haproxy', 'cpuUs')),
      digits(perSecond),
      digits(perSecond / of('haproxy', 'perSecond')),
      digits(of(name, 'rssMb')),
      errors,
    ];
  });
}

function keep(saturation, results) {
  for (const [name, runs] of results)
    saturation.set(name, median(runs.map((one) => one.perSecond)));
}

/** Every contender once a round, in turn; all are up the whole time. */
async function measure(names, rounds, load, seconds, pinned) {
  const origin = await fastOrigin(load, pinned);
  const client = fastClient(load, pinned);
  const up = new Map([[alone, { port: origin.port, pid: 0, stop() {} }]]);
  for (const name of names) {
    const one = await start(name, origin.port);
    if (!pinned) unpin(one.pid);
    up.set(name, one);
  }
  const results = new Map([...up.keys()].map((name) => [name, []]));
  for (const { port } of up.values()) await client.run(port, Math.max(0.3, seconds / 3));
  for (let round = 0; round < rounds; round++) {
    for (const [name, { port, pid }] of up) {
      const before = usage(pid);
      const { requests, errors, seconds: took } = await client.run(port, seconds);
      const after = usage(pid);
      const each = (key) => (after[key] - before[key]) / Math.max(1, requests);
      const [userUs, systemUs] = [each('userUs'), each('systemUs')];
      const rssMb = pid === 0 ? 0 : rssBytes(pid) / 1e6;
      const perSecond = requests / took;
      results
        .get(name)
        .push({ userUs, systemUs, cpuUs: userUs + systemUs, rssMb, perSecond, errors });
    }
  }
  for (const { stop } of up.values()) stop();
  client.stop();
  origin.stop();
  return { results, by: `${client.name} and ${origin.name}` };
}

/** Latency at shares of what each saturates at; those that were not measured pinned are left out. */
async function openLoop(names, rounds, seconds, saturation) {
  const origin = await fastOrigin(loads['small GET'], true);
  const client = startLoad();
  const results = new Map();
  const up = new Map();
  for (const name of names) if (saturation.has(name)) up.set(name, await start(name, origin.port));
  for (let round = 0; round < rounds; round++) {
    for (const [name, { port }] of up) {
      for (const share of shares) {
        const rate = Math.round(saturation.get(name) * share);
        const order = { port, path: '/small', connections: 64, keepAlive: true, rate, seconds };
        const run = await client.run(order);
        const key = `${name} at ${share * 100} %`;
        const kept = run.requests / run.seconds / rate;
        results.set(key, [...(results.get(key) ?? []), { ...run, rate, kept }]);
      }
    }
  }
  for (const { stop } of up.values()) stop();
  client.stop();
  origin.stop();
  const title = 'Latency of small GETs, open loop, at shares of what each saturates at (pinned)';
  const table = [...results].map(([name, runs]) => {
    const of = (key) => digits(median(runs.map((one) => one[key])));
    return [name, of('rate'), of('kept'), of('p50Ms'), of('p99Ms'), of('maxMs')];
  });
  print(title, ['', 'req/s', 'of them sent', 'p50 ms', 'p99 ms', 'longest ms'], table);
  return ours(results);
}

/** Gives a proxy all cores. */
function unpin(pid) {
  if (!onPath('taskset')) return;
  for (const one of tree(pid)) {
    execFileSync('taskset', ['-apc', '0-1023', String(one)], { stdio: 'ignore' });
  }
}

/** wrk, where it is there, else our own load. */
function fastClient(load, pinned) {
  if (!onPath('wrk')) {
    const client = startLoad();
    const run = (port, seconds) => client.run({ ...load, port, seconds });
    return { name: "the bench's own client", run, stop: () => client.stop() };
  }
  const folder = mkdtempSync(join(tmpdir(), 'pointsman-bench-'));
  const script = join(folder, 'load.lua');
  const lua = load.body
    ? `wrk.method = "POST"\nwrk.body = string.rep("x", ${load.body})\n`
    : `wrk.method = "GET"\n`;
  writeFileSync(script, load.keepAlive ? lua : `${lua}wrk.headers["Connection"] = "close"\n`);
  const run = async (port, seconds) => {
    const url = `http://127.0.0.1:${port}${load.path}`;
    const whole = String(Math.max(1, Math.round(seconds)));
    const words = ['wrk', '-t1', `-c${load.connections}`, `-d${whole}s`, '-s', script, url];
    return wrkResult(await output(aside(words, pinned)));
  };
  return { name: 'wrk', run, stop: () => rmSync(folder, { recursive: true, force: true }) };
}

/** @param {string} text what wrk printed */
function wrkResult(text) {
  const [, requests = 0, amount = 1, unit = 's'] =
    /(\d+) requests in ([\d.]+)(ms|s|m)/.exec(text) ?? [];
  const scale = { ms: 0.001, s: 1, m: 60 }[unit];
  const socket = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text);
  const lost = (socket ?? []).slice(1).reduce((sum, one) => sum + Number(one), 0);
  const refused = Number(/Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? 0);
  return { requests: Number(requests), errors: lost + refused, seconds: Number(amount) * scale };
}

/** nginx, or HAProxy for what has a body; else our own. */
async function fastOrigin(load, pinned) {
  const kind = load.body ? 'haproxy' : 'nginx';
  if (!onPath(kind)) return { ...(await startOrigin()), name: "the bench's own origin" };
  const folder = mkdtempSync(join(tmpdir(), 'pointsman-bench-'));
  const port = await freePort();
  const words = load.body ? bodyOrigin(folder, port) : plainOrigin(folder, port);
  const [command, ...args] = aside(words, pinned);
  const child = spawn(command, args, { stdio: 'ignore' });
  await accepting(port);
  const stop = () => {
    endTree(child.pid);
    rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  };
  return { name: kind, port, pid: child.pid, stop };
}

function plainOrigin(folder, port) {
  const file = join(folder, 'nginx.conf');
  writeFileSync(join(folder, '64k'), Buffer.alloc(64 * 1024, 'x'));
  writeFileSync(
    file,
    `daemon off; user root; worker_processes 1; pid ${folder}/pid; error_log /dev/null;
events { worker_connections 19800; }
http {
  access_log off; client_body_temp_path ${folder}/b; proxy_temp_path ${folder}/p; sendfile on;
  fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
  keepalive_requests 1000000000; open_file_cache max=10; default_type text/plain;
  server {
    listen 127.0.0.1:${port} backlog=4096; root ${folder};
    location = /64k { }
    location / { return 200 "hello world\\n"; }
  }
}
`,
  );
  return ['nginx', '-c', file, '-p', folder];
}

function bodyOrigin(folder, port) {
  const file = join(folder, 'haproxy.cfg');
  writeFileSync(
    file,
    `global
  nbthread 1
  maxconn 9900
  tune.bufsize 32768
defaults
  mode http
  timeout client 60s
frontend f
  bind 127.0.0.1:${port}
  http-request wait-for-body time 10s
  http-request return status 200 content-type text/plain string "hello world"
`,
  );
  return ['haproxy', '-db', '-f', file];
}

/** On the core that the proxy is not on. */
function aside(words, pinned) {
  return pinned && onPath('taskset') ? ['taskset', '-c', '1', ...words] : words;
}

function output([command, ...args]) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    text += chunk;
  });
  return new Promise((resolve) => child.once('close', () => resolve(text)));
}
