/**
 * A target that is a name of a real name server: it has two addresses, it moves, and its DNS dies.
 *
 * The rule this file keeps: what is waited for is what happens, and never a time; how soon a name is
 * followed is a matter of a clock that a test has in its hand (`test/control/names`).
 */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { ask } from '../support/client.ts';
import { startNameServer } from '../support/nameServer.ts';
import { preparePointsman, until } from '../support/whole.ts';

const preload = fileURLToPath(new URL('../support/nameServers.cjs', import.meta.url));

async function startAt(address: string, port: number): Promise<number> {
  const server = http.createServer((_req, res) => res.end(address));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, resolve);
  });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

test('all addresses of a name are used, it is followed when it moves, and the last good answer serves while DNS is down, over a controller that dies', async () => {
  const names = await startNameServer();
  const port = await startAt('127.0.0.2', 0);
  for (const address of ['127.0.0.3', '127.0.0.4']) await startAt(address, port);
  names.records.set('app.test', { addresses: ['127.0.0.2', '127.0.0.3'], ttl: 1 });
  const pointsman = await preparePointsman({
    workers: 2,
    run: { static: {} },
    first: { release: 'v1', targets: [`app.test:${port}`] },
  });
  const env = { NODE_OPTIONS: `--require ${preload}`, NAME_SERVER: names.address };
  await pointsman.start({ env });
  const asked = async (): Promise<string> => (await ask(pointsman.port)).body;
  const seen = async (count: number): Promise<Set<string>> => {
    const all = new Set<string>();
    for (let i = 0; i < count; i++) all.add(await asked());
    return all;
  };
  const target = async () => {
    const status = await pointsman.status();
    return status.pools.blue?.targets[0];
  };

  // Kept connections are the last that were used: at once, so that there are several.
  const both = await Promise.all(Array.from({ length: 16 }, asked));
  expect(new Set(both)).toEqual(new Set(['127.0.0.2', '127.0.0.3']));

  names.records.set('app.test', { addresses: ['127.0.0.4'], ttl: 1 });
  await until('the name has been followed', async () => (await asked()) === '127.0.0.4');
  await until('by both workers', async () => (await seen(10)).size === 1);
  expect(await seen(20)).toEqual(new Set(['127.0.0.4']));

  names.mode = 'silent';
  const lost = await until('DNS is known to be lost', async () => (await target())?.unresolved);
  expect(lost?.reason).toContain('DNS does not say what app.test is');
  expect(pointsman.output).toContain('127.0.0.4 is kept');
  expect(await seen(10)).toEqual(new Set(['127.0.0.4']));
  const metrics = (await pointsman.call('GET', '/metrics')).text;
  expect(metrics).toMatch(/^pointsman_target_resolved\{[^}]*target="app\.test:\d+"\} 0$/m);

  const { controller } = pointsman.pids();
  process.kill(controller ?? 0, 'SIGKILL');
  await until('another controller answers', () => {
    const now = pointsman.pids().controller;
    return now !== null && now !== controller;
  });
  await pointsman.ready();
  await until('it knows that DNS is lost', async () => (await target())?.unresolved);
  expect((await target())?.addresses).toMatchObject([{ address: '127.0.0.4', used: true }]);
  expect(await seen(10)).toEqual(new Set(['127.0.0.4']));

  names.mode = 'answers';
  names.records.set('app.test', { addresses: ['127.0.0.2'], ttl: 1 });
  await until('it is followed again', async () => (await asked()) === '127.0.0.2');
  await until('nothing is wrong any more', async () => (await target())?.unresolved === null);
}, 120_000);
