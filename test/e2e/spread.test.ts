/**
 * Connections over workers: none has much more than its share, and none loses what its client sent.
 */
import http from 'node:http';
import net from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { kill, type Pointsman, startPointsman, startReleases, until } from '../support/whole.ts';

const connections = 200;
const workers = 3;

/** A client that sends its first request with the last packet of its handshake. */
class Client {
  readonly socket: net.Socket;
  #got = '';
  #answers = 0;
  #closed = false;

  constructor(port: number) {
    this.socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
    this.socket.setEncoding('latin1').on('data', (text: string) => {
      this.#got += text;
      for (
        let at = this.#got.indexOf('hello from');
        at >= 0;
        at = this.#got.indexOf('hello from')
      ) {
        this.#answers++;
        this.#got = this.#got.slice(at + 10);
      }
    });
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.#closed = true;
    });
    onTestFinished(() => void this.socket.destroy());
  }

  get answered(): boolean {
    return this.#answers > 0;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Waits for the answer. @throws when the connection is closed before. */
  async ask(): Promise<void> {
    const wanted = this.#answers + 1;
    this.socket.write('GET / HTTP/1.1\r\nHost: shop\r\n\r\n');
    await until('an answer', () => {
      if (this.#closed) throw new Error('the connection was closed');
      return this.#answers >= wanted;
    });
  }
}

async function start(): Promise<Pointsman> {
  const { alder } = await startReleases(['alder']);
  return startPointsman({
    workers,
    run: { static: {} },
    first: { release: 'v1', targets: [alder] },
  });
}

/** Connections of each worker, once all of them are counted. */
function shares(pointsman: Pointsman): Promise<readonly number[]> {
  return until('every connection is counted', async () => {
    const each = (await pointsman.health()).workers.map((worker) => worker.connections);
    return each.reduce((sum, one) => sum + one, 0) === connections ? each : null;
  });
}

function expectSpread(each: readonly number[]): void {
  expect(each).toHaveLength(workers);
  expect(Math.max(...each)).toBeLessThanOrEqual((1.5 * connections) / workers);
}

test('200 connections in one burst: no worker has more than 1.5 times its share', async () => {
  const pointsman = await start();

  const clients = Array.from({ length: connections }, () => new Client(pointsman.port));
  await Promise.all(clients.map((client) => client.ask()));

  expectSpread(await shares(pointsman));
});

test('200 connections one after the other: no worker has more than 1.5 times its share', async () => {
  const pointsman = await start();

  const clients: Client[] = [];
  for (let nth = 0; nth < connections; nth++) {
    const client = new Client(pointsman.port);
    clients.push(client);
    await client.ask();
  }
  expectSpread(await shares(pointsman));

  // Half of them leave, whoever served them, and others come.
  const leaving = clients.filter((_, nth) => nth % 2 === 0);
  for (const client of leaving) client.socket.destroy();
  const coming = leaving.map(() => new Client(pointsman.port));
  await Promise.all(coming.map((client) => client.ask()));
  expectSpread(await shares(pointsman));
});

test('what a client sent while its connection went from worker to worker is not lost', async () => {
  const pointsman = await start();
  const idle = Array.from({ length: 40 }, () => new Client(pointsman.port));
  await Promise.all(idle.map((client) => client.ask()));

  // One connection at a time is handed over while its request arrives, in several pieces.
  const rounds = Number(process.env.HANDOVERS ?? 1_500);
  let at = 0;
  const again = async (): Promise<void> => {
    while (at++ < rounds) {
      await new Promise<void>((resolve, reject) => {
        const req = http.request({ host: '127.0.0.1', port: pointsman.port, agent: false });
        req.setTimeout(8_000, () => req.destroy(new Error('no answer: its request was lost')));
        req.once('error', reject);
        req.once('response', (res) => {
          res.resume().once('end', () => {
            if (res.statusCode === 200) resolve();
            else reject(new Error(`answered ${res.statusCode}`));
          });
        });
        req.end();
      });
    }
  };

  await Promise.all(Array.from({ length: 24 }, again));
});

/**
 * A worker that does nothing any more, and clients of which some are on their way to it: as many
 * have been answered as a worker keeps before it gives any to one that has none.
 */
async function onTheWay(pointsman: Pointsman, frozen: number): Promise<readonly Client[]> {
  kill(frozen, 'SIGSTOP');
  const clients = Array.from({ length: 60 }, () => new Client(pointsman.port));
  for (const client of clients) void client.ask().catch(() => {});
  await until('some are answered', () => clients.filter(({ answered }) => answered).length >= 4);
  const waiting = clients.filter(({ answered }) => !answered);
  expect(waiting).not.toEqual([]);
  return waiting;
}

test('a worker ends that connections are on their way to: they go to another, or end', async () => {
  const pointsman = await start();
  const [frozen = 0] = pointsman.pids().workers;
  const waiting = await onTheWay(pointsman, frozen);

  kill(frozen, 'SIGKILL');
  await until('nobody waits', () => waiting.every(({ answered, closed }) => answered || closed));

  // It may have read of the one that it was given last.
  expect(waiting.filter(({ closed }) => closed).length).toBeLessThanOrEqual(1);
});

test('the supervisor is killed while connections are on their way: no worker outlives it', async () => {
  const pointsman = await start();
  const { supervisor, workers: pids } = pointsman.pids();
  const [frozen = 0] = pids;
  kill(supervisor, 'SIGSTOP');
  await onTheWay(pointsman, frozen);

  kill(supervisor, 'SIGKILL');
  kill(frozen, 'SIGCONT');

  await pointsman.nothingLeft();
});
