/** CPU per request, throughput and latency of every contender under each load. */
import { kinds, start } from './contenders.mjs';
import { cpuNs, rssBytes } from './cpu.mjs';
import { startLoad, startOrigin } from './helpers.mjs';
import { digits, median, print } from './table.mjs';

export const loads = {
  'small GET': { path: '/small', connections: 32, keepAlive: true },
  '64 KiB GET': { path: '/64k', connections: 16, keepAlive: true },
  '16 KiB POST': { path: '/small', body: 16 * 1024, connections: 16, keepAlive: true },
  'small GET, no keep-alive': { path: '/small', connections: 16, keepAlive: false },
};

/** @returns {Promise<number>} requests that Pointsman lost */
export async function loadBench({ rounds, seconds, names }) {
  let failed = 0;
  for (const [title, load] of Object.entries(loads)) {
    const results = await interleaved(names, rounds, load, seconds);
    print(title, head, rows(results));
    failed += ours(results);
  }
  return failed;
}

/** p99 of every contender at half the rate that the slowest native proxy saturates at. */
export async function latencyBench({ rounds, seconds, names }) {
  const load = loads['small GET'];
  const able = names.filter((name) => name !== 'direct');
  const saturated = await interleaved(able, 1, load, seconds);
  const peer = saturated.get('haproxy') ?? saturated.get('pointsman') ?? [];
  const rate = Math.round(median(peer.map((one) => one.perSecond)) / 2);
  const results = await interleaved(able, rounds, { ...load, rate }, seconds);
  const base = median((results.get('haproxy') ?? []).map((one) => one.p99Ms));
  print(
    `Latency of small GETs at ${rate} requests/s (half of what HAProxy saturates at here)`,
    ['', 'p50 ms', 'p99 ms', 'p99 × haproxy'],
    [...results].map(([name, runs]) => {
      const p99 = median(runs.map((one) => one.p99Ms));
      return [name, digits(median(runs.map((one) => one.p50Ms))), digits(p99), digits(p99 / base)];
    }),
  );
  return ours(results);
}

const head = [
  '',
  'CPU µs',
  '× bare',
  '× haproxy',
  '× caddy',
  'req/s',
  'p50 ms',
  'p99 ms',
  'RSS MB',
  'errors',
];

function rows(results) {
  const cpu = (name) => median((results.get(name) ?? []).map((one) => one.cpuUs));
  return [...results].map(([name, runs]) => {
    const of = (key) => median(runs.map((one) => one[key]));
    const direct = name === 'direct';
    return [
      name,
      direct ? '-' : digits(cpu(name)),
      direct ? '-' : digits(cpu(name) / cpu('bare http-proxy')),
      direct ? '-' : digits(cpu(name) / cpu('haproxy')),
      direct ? '-' : digits(cpu(name) / cpu('caddy')),
      digits(of('perSecond')),
      digits(of('p50Ms')),
      digits(of('p99Ms')),
      direct ? '-' : digits(of('rssMb')),
      runs.reduce((sum, one) => sum + one.errors, 0),
    ];
  });
}

/** Requests that Pointsman lost; what a peer loses stands in its row. */
export function ours(results) {
  const runs = [...results].flatMap(([name, of]) => (name.startsWith('pointsman') ? of : []));
  return runs.reduce((sum, one) => sum + one.errors, 0);
}

/** Every contender once a round, in turn, each freshly warmed; all are up the whole time. */
export async function interleaved(names, rounds, load, seconds, pair = null) {
  const origin = await startOrigin();
  const client = startLoad();
  const up = new Map();
  for (const name of names) {
    const direct = { port: origin.port, pid: 0, stop() {} };
    up.set(name, name in kinds ? await start(name, origin.port, pair) : direct);
  }
  const results = new Map(names.map((name) => [name, []]));
  const warmUp = Math.max(0.3, seconds / 3);
  for (const { port } of up.values()) await client.run({ ...load, port, seconds: warmUp });
  for (let round = 0; round < rounds; round++) {
    for (const [name, { port, pid }] of up) {
      const before = pid === 0 ? 0 : cpuNs(pid);
      const run = await client.run({ ...load, port, seconds });
      const spent = pid === 0 ? 0 : cpuNs(pid) - before;
      const rssMb = pid === 0 ? 0 : rssBytes(pid) / 1e6;
      const cpuUs = spent / 1000 / Math.max(1, run.requests);
      results.get(name).push({ ...run, cpuUs, rssMb, perSecond: run.requests / run.seconds });
    }
  }
  for (const { stop } of up.values()) stop();
  client.stop();
  origin.stop();
  return results;
}
