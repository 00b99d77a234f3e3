/**
 * A real Pointsman in front of `shop.mjs`, for tests of the page: two workers, pools of processes.
 *
 * The rule this file keeps: it only says what such a test needs; `whole.ts` starts and ends
 * everything.
 */

import { writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import type { ServiceStatus } from '../../src/control/model/api.ts';
import { ask } from './admin.ts';
import { type Ended, kill, preparePointsman, until } from './whole.ts';

export interface PointsmanOptions {
  readonly workers?: number;
  /** Of an operator; without one, the admin port on loopback asks for none. */
  readonly token?: string;
  readonly readToken?: string;
  /** Further keys of the service. */
  readonly service?: object;
}

export interface Pointsman {
  /** The front door, and the admin port. */
  readonly url: string;
  readonly adminUrl: string;
  status(): Promise<ServiceStatus>;
  /** Waits until no deployment is under way and the old pool has drained. */
  settled(): Promise<void>;
  call(method: string, path: string, body?: object): Promise<unknown>;
  killController(): void;
  stop(): Promise<Ended>;
}

export async function startPointsman(options: PointsmanOptions = {}): Promise<Pointsman> {
  const { workers = 2, token, readToken, service = {} } = options;
  const shop = {
    workers,
    run: {
      process: { command: ['node', 'shop.mjs'], cwd: import.meta.dirname, replicas: 2 },
    },
    first: { color: 'blue', release: 'v1' },
    service: { deploy: { timeout: '6s' }, ...service },
  };
  const pointsman = await preparePointsman(shop);
  const files = { tokenFile: token, readTokenFile: readToken };
  const admin: Record<string, string> = { listen: `127.0.0.1:${pointsman.adminPort}` };
  for (const [key, text] of Object.entries(files)) {
    if (text === undefined) continue;
    admin[key] = join(pointsman.dir, key);
    writeFileSync(join(pointsman.dir, key), `${text}\n`, { mode: 0o600 });
  }
  pointsman.configure(pointsman.config({ ...shop, top: { admin } }));
  await pointsman.start();
  const headers: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {};
  const call = async (method: string, path: string, body?: object): Promise<unknown> =>
    (await ask(pointsman.adminPort, method, path, { headers, body })).json;
  const status = async (): Promise<ServiceStatus> =>
    (await call('GET', '/v1/services/shop')) as ServiceStatus;
  return {
    url: `http://127.0.0.1:${pointsman.port}`,
    adminUrl: `http://127.0.0.1:${pointsman.adminPort}`,
    status,
    async settled() {
      await until('it has settled', async () => (await status()).deployment?.endedAt);
    },
    call,
    killController: () => kill(pointsman.pids().controller ?? 0, 'SIGKILL'),
    stop: () => pointsman.stop(),
  };
}

/** One GET on a connection of its own, which is not tried again. */
export function get(url: string): Promise<{ readonly status: number; readonly text: string }> {
  return read(url, false);
}

export interface SimpleLoad {
  /** What went wrong, one line each. */
  readonly failures: readonly string[];
  readonly answered: number;
  stop(): Promise<void>;
}

/** Clients that ask again and again, each on a connection that it keeps, and never retry. */
export function startLoad(url: string, clients = 8): SimpleLoad {
  const failures: string[] = [];
  let answered = 0;
  let stopping = false;
  const run = async (): Promise<void> => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    while (!stopping) {
      try {
        const { status, text } = await read(url, agent);
        if (status === 200) answered++;
        else failures.push(`${status} ${text.slice(0, 200)}`);
      } catch (thrown) {
        failures.push(String(thrown));
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    agent.destroy();
  };
  const ends = Array.from({ length: clients }, run);
  return {
    failures,
    get answered() {
      return answered;
    },
    async stop() {
      stopping = true;
      await Promise.all(ends);
    },
  };
}

function read(
  url: string,
  agent: http.Agent | false,
): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const req = http.get(url, { agent }, (res) => {
      let text = '';
      res.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      res.once('error', reject);
      res.once('end', () => resolve({ status: res.statusCode ?? 0, text }));
    });
    req.once('error', reject);
  });
}
