/**
 * A bad release goes live, and is back before anybody has looked: with real workers, in both lanes,
 * and clients that never retry.
 */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { startPointsman, until } from '../support/whole.ts';

/** A release that says its name, and fails every so manieth request. */
async function startRelease(name: string, failsEvery: number): Promise<string> {
  let turn = 0;
  const server = http.createServer((req, res) => {
    res.statusCode = req.url !== '/up' && failsEvery > 0 && turn++ % failsEvery === 0 ? 500 : 200;
    res.end(name);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `127.0.0.1:${port}`;
}

interface Answered {
  readonly status: number;
  readonly by: string;
}

/** Clients of addresses of their own, each on a connection that it keeps; what any of them got. */
function startClients(port: number): { readonly got: (Answered | Error)[]; stop(): Promise<void> } {
  const got: (Answered | Error)[] = [];
  let stopping = false;
  const client = async (localAddress: string): Promise<void> => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    while (!stopping) {
      got.push(await once(port, agent, localAddress));
      await new Promise((wake) => setTimeout(wake, 15));
    }
    agent.destroy();
  };
  const all = ['127.0.0.1', '127.0.0.2', '127.0.0.3', '127.0.0.4'].map(client);
  return {
    got,
    stop: async () => {
      stopping = true;
      await Promise.all(all);
    },
  };
}

function once(port: number, agent: http.Agent, localAddress: string): Promise<Answered | Error> {
  return new Promise((resolve) => {
    const req = http.get({ host: '127.0.0.1', port, agent, localAddress, path: '/' }, (res) => {
      let by = '';
      res.setEncoding('utf8').on('data', (part: string) => {
        by += part;
      });
      res.once('end', () => resolve({ status: res.statusCode ?? 0, by }));
    });
    req.once('error', resolve);
  });
}

test.each(['auto', 'general'])(
  'lanes %s: a release that fails a fifth of its requests is taken back, once, and nobody is cut off',
  async (lanes) => {
    const [good, bad] = [await startRelease('good', 0), await startRelease('bad', 5)];
    const pointsman = await startPointsman({
      workers: 2,
      run: { static: {} },
      first: { release: 'good', targets: [good] },
      top: { lanes },
    });
    const clients = startClients(pointsman.port);
    await until('there is something to compare with', () => clients.got.length > 400);

    const { json } = await pointsman.deploy('bad', { targets: [bad] });
    expect((await pointsman.flipped(json.id)).error).toBeNull();
    const back = await until('it is taken back', async () => {
      const status = await pointsman.status();
      return status.latch === null ? null : status;
    });
    const since = clients.got.length;
    await until('it is served as before', () => clients.got.length > since + 200);
    await clients.stop();

    expect(back).toMatchObject({
      generation: 3,
      live: 'blue',
      latch: { release: 'bad' },
      watch: { phase: 'returned' },
      deployment: { by: 'pointsman', direction: 'rollback', cause: { kind: 'errors' } },
    });
    expect((await pointsman.status()).generation).toBe(3);
    expect(clients.got.filter((one) => one instanceof Error)).toEqual([]);
    const answers = clients.got.flatMap((one) => (one instanceof Error ? [] : [one]));
    expect(answers.filter(({ status, by }) => status !== 200 && by !== 'bad')).toEqual([]);
    // What was under way at the flip ends; whatever began after the answer goes to the good one.
    expect(answers.slice(since + 4).filter(({ by }) => by !== 'good')).toEqual([]);
  },
);
