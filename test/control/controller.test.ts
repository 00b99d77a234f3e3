/** The controller as a whole: real files, a real admin API, workers that a test has in its hand. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { loadConfig } from '../../src/config/load.ts';
import { Controller } from '../../src/control/controller.ts';
import type { CertificateTaker, DataPlane } from '../../src/control/workers/dataPlane.ts';
import { ask } from '../support/admin.ts';
import { FakeCluster } from '../support/fakeDataPlane.ts';

const tokens = {
  a: 'the-token-of-file-a',
  b: 'the-token-of-file-b',
  read: 'look-and-do-not-touch',
};

let dir: string;
let configFile: string;
let controller: Controller | null = null;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'pointsman-controller-'));
  configFile = join(dir, 'pointsman.yaml');
  for (const [name, token] of Object.entries(tokens)) {
    await writeFile(join(dir, name), `${token}\n`, { mode: 0o600 });
  }
});

afterEach(async () => {
  await controller?.close();
  controller = null;
  await rm(dir, { recursive: true });
});

async function configure(admin: object, services: readonly string[] = ['shop']): Promise<void> {
  const all = services.map((name) => [name, { hosts: [`${name}.example`], run: { static: {} } }]);
  const config = {
    listen: '127.0.0.1:0',
    state: './state',
    admin: { listen: '127.0.0.1:0', ...admin },
    services: Object.fromEntries(all),
  };
  await writeFile(configFile, JSON.stringify(config));
}

type Workers = DataPlane & CertificateTaker;

/** @param standBetween stands between the controller and its workers. */
async function start(standBetween: (plane: Workers) => Workers = (plane) => plane) {
  const cluster = new FakeCluster({ clock: systemClock, workers: 1 });
  const quiet = () => {};
  controller = await Controller.start({
    config: await loadConfig(configFile),
    configFile,
    plane: standBetween(cluster.connect()),
    clock: systemClock,
    log: { info: quiet, warn: quiet, error: quiet } as never,
    adminSocket: null,
    handOver: () => {},
    onBug: (thrown) => {
      throw thrown;
    },
  });
  const { port } = controller.adminAddress;
  const call = async (method: string, path: string, token: string) =>
    (await ask(port, method, path, { headers: { authorization: `Bearer ${token}` } })).status;
  return { controller, call };
}

test('a reload by a call puts the new token file in force, as one by a signal does', async () => {
  await configure({ tokenFile: './a' });
  const { call } = await start();
  await configure({ tokenFile: './b' });

  expect(await call('POST', '/v1/config/reload', tokens.a)).toBe(200);

  expect(await call('GET', '/v1/services', tokens.a)).toBe(401);
  expect(await call('GET', '/v1/services', tokens.b)).toBe(200);
});

test("a reload takes the path of the reader's token, and its going", async () => {
  await configure({ tokenFile: './a' });
  const { controller, call } = await start();

  await configure({ tokenFile: './a', readTokenFile: './read' });
  await controller.reload();
  expect(await call('GET', '/v1/services', tokens.read)).toBe(200);
  await configure({ tokenFile: './a' });
  await controller.reload();

  expect(await call('GET', '/v1/services', tokens.read)).toBe(401);
});

test('a reload with a token file that cannot be read changes nothing', async () => {
  await configure({ tokenFile: './a' });
  const { call } = await start();
  await configure({ tokenFile: './nowhere' }, ['shop', 'cart']);

  expect(await call('POST', '/v1/config/reload', tokens.a)).toBe(422);

  expect(await call('GET', '/v1/services/cart', tokens.a)).toBe(404);
});

test('what takes a hand-over is held against what runs, at every reload, until it is put back', async () => {
  await configure({});
  const { controller } = await start();
  const asked = async () => (await controller.reload()).handover.length;

  await configure({ listen: '127.0.0.2:0' });
  expect([await asked(), await asked()]).toEqual([1, 1]);
  await configure({});

  expect(await asked()).toBe(0);
});

test('reloads go one at a time: the later one reads when the earlier one is done', async () => {
  await configure({});
  let gate: Promise<void> | null = null;
  const { controller, call } = await start((plane) => ({
    stage: async (table) => {
      await gate;
      await plane.stage(table);
    },
    hold: (fence, limitMs) => plane.hold(fence, limitMs),
    commit: (fence, go) => plane.commit(fence, go),
    stats: () => plane.stats(),
    certify: (set) => plane.certify(set),
  }));
  let open = () => {};
  gate = new Promise((resolve) => {
    open = resolve;
  });
  await configure({}, ['shop', 'cart']);
  const signal = controller.reload();
  await expect.poll(() => call('GET', '/v1/services/cart', '')).toBe(200);

  await configure({}, ['shop']);
  const posted = controller.reload();
  // Longer than it takes to read a file, were it not in the line.
  const looks: number[] = [];
  while (looks.length < 20) looks.push(await call('GET', '/v1/services/cart', ''));
  open();
  await Promise.all([signal, posted]);

  expect(new Set(looks)).toEqual(new Set([200]));
  await expect.poll(() => call('GET', '/v1/services/cart', '')).toBe(404);
});
