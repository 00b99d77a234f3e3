/**
 * `npm run bench -- overload`: what those who behave wait for while others do not: beside 300 uploads
 * of a byte every two seconds, and when 5,000 clients ask at one instant.
 *
 * The rule this file keeps: whoever is measured never retries; one that is refused is counted as an
 * error and not left out.
 */
import { connect } from 'node:net';
import { start } from './contenders.mjs';
import { startLoad, startOrigin } from './helpers.mjs';
import { ours } from './loads.mjs';
import { digits, median, print } from './table.mjs';

const able = ['pointsman', 'pointsman general', 'haproxy', 'nginx', 'caddy'];
const slowClients = 300;
const byteEveryMs = 2_000;
const warmClients = 5_000;

const scenes = {
  [`small GETs beside ${slowClients} uploads of 8 KiB, a byte every ${byteEveryMs / 1000} s`]: {
    upload: 8 * 1024,
    order: { connections: 8, keepAlive: true },
  },
  [`small GETs beside ${slowClients} uploads of 64 KiB, a byte every ${byteEveryMs / 1000} s`]: {
    upload: 64 * 1024,
    order: { connections: 8, keepAlive: true },
  },
  [`${warmClients} kept connections ask at one instant`]: {
    upload: 0,
    order: { connections: warmClients, keepAlive: true, requests: warmClients },
  },
};

/** @returns {Promise<number>} requests that Pointsman lost */
export async function overloadBench({ rounds, seconds, names }) {
  const wanted = names.filter((name) => able.includes(name));
  let failed = 0;
  for (const [title, scene] of Object.entries(scenes)) {
    const results = new Map(wanted.map((name) => [name, []]));
    for (let round = 0; round < rounds; round++) {
      for (const name of wanted) results.get(name).push(await once(name, scene, seconds));
    }
    print(title, ['', 'p50 ms', 'p99 ms', 'max ms', 'served', 'errors'], rows(results));
    failed += ours(results);
  }
  return failed;
}

async function once(name, { upload, order }, seconds) {
  const origin = await startOrigin();
  const contender = await start(name, origin.port);
  const load = startLoad();
  const end = upload === 0 ? () => {} : await holdUploads(contender.port, upload);
  try {
    const timed = order.requests === undefined ? { seconds } : {};
    return await load.run({ port: contender.port, path: '/small', ...order, ...timed });
  } finally {
    end();
    load.stop();
    contender.stop();
    origin.stop();
  }
}

/** Resolves once each of them is inside: its head and a first byte are sent. @returns how to end them */
async function holdUploads(port, length) {
  const sockets = await Promise.all(
    Array.from({ length: slowClients }, () => {
      return new Promise((resolve, reject) => {
        const socket = connect({ port, host: '127.0.0.1', noDelay: true });
        socket.on('error', reject);
        socket.resume();
        const head = `POST /slow HTTP/1.1\r\nhost: bench.example\r\ncontent-length: ${length}\r\n\r\nx`;
        socket.write(head, () => resolve(socket));
      });
    }),
  );
  const timer = setInterval(() => {
    for (const socket of sockets) if (socket.writable) socket.write('x');
  }, byteEveryMs);
  return () => {
    clearInterval(timer);
    for (const socket of sockets) socket.destroy();
  };
}

function rows(results) {
  return [...results].map(([name, runs]) => {
    const of = (key) => digits(median(runs.map((run) => run[key])));
    const sum = (key) => runs.reduce((all, run) => all + run[key], 0);
    return [name, of('p50Ms'), of('p99Ms'), of('maxMs'), sum('requests'), sum('errors')];
  });
}
