/** Connections that only stay: what each costs, and that they are served afterwards. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { startPointsman, startReleases } from '../support/whole.ts';

/** Two for each in this process and in the worker, and room for the rest. */
const limit = Number(execFileSync('sh', ['-c', 'ulimit -n'])) || Number.POSITIVE_INFINITY; // or "unlimited"
const connections = Math.min(8_000, Math.floor(limit / 2));
const eachKibMax = 12;
const atOnce = 100;

test(`${connections} idle connections: at most ${eachKibMax} KB each, and each is served again`, async () => {
  const { alder = '' } = await startReleases(['alder']);
  const pointsman = await startPointsman({
    workers: 1,
    run: { static: {} },
    first: { release: 'v1', targets: [alder] },
  });
  const [worker = 0] = pointsman.pids().workers;
  const sockets: Socket[] = [];
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
  });
  // What a worker takes for its first traffic is not what a connection takes.
  const first = await openMany(pointsman.port, atOnce);
  sockets.push(...first);
  await Promise.all(first.map(asked));
  const before = rssKib(worker);

  while (sockets.length < connections + atOnce) {
    const more = await openMany(pointsman.port, atOnce);
    sockets.push(...more);
    await Promise.all(more.map(asked));
  }
  const each = (rssKib(worker) - before) / connections;
  const served = await Promise.all(sockets.filter((_, at) => at % 10 === 0).map(asked));

  expect(each).toBeLessThanOrEqual(eachKibMax);
  expect(new Set(served)).toEqual(new Set(['HTTP/1.1 200 OK']));
});

function openMany(port: number, count: number): Promise<Socket[]> {
  return Promise.all(
    Array.from({ length: count }, () => {
      return new Promise<Socket>((resolve, reject) => {
        const socket = connect({ port, host: '127.0.0.1', noDelay: true });
        socket.once('error', reject);
        socket.once('connect', () => resolve(socket));
      });
    }),
  );
}

/** @returns the first line of the answer. */
function asked(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    socket.once('data', (bytes) => resolve(bytes.toString('latin1').split('\r\n')[0] ?? ''));
    socket.once('close', () => reject(new Error('the connection was closed')));
    socket.write('GET / HTTP/1.1\r\nHost: shop\r\n\r\n');
  });
}

function rssKib(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]);
}
