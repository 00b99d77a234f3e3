/**
 * Targets that are names: of several addresses, of both families, and such that move. Part of
 * `laneSuite`.
 *
 * The rule this file keeps: a worker resolves nothing. What a name stands for comes with the table,
 * and the names of these tests exist nowhere else.
 */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import type { ServiceEntry } from '../../../src/wire.ts';
import { ask, keepAlive } from '../../support/client.ts';
import { entry, type MakeLane, policy, startProxy } from '../../support/proxy.ts';

/** An application on one address of loopback, at a port that another may have elsewhere. */
async function startAt(address: string, port: number, says: string): Promise<number> {
  const server = http.createServer((_req, res) => res.end(says));
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

function named(port: number, addresses?: readonly string[]): ServiceEntry {
  const at = { id: `app.test:${port}`, host: 'app.test', port, healthy: true };
  const targets = [addresses === undefined ? at : { ...at, addresses }];
  const blue = { id: 'shop.blue.1', release: 'v1', targets };
  // Nothing here is to run out of time, but for what nobody listens at.
  return entry({ pools: { blue, green: null }, policy: { ...policy, connectMs: 30_000 } });
}

export function nameSuite(name: string, makeLane: MakeLane): void {
  test.each([
    ['of both families where only the new one listens', ['127.0.0.1', '::1'], '::1'],
    ['of both families where only the old one listens', ['::1', '127.0.0.1'], '127.0.0.1'],
    ['of several addresses where the last listens', ['127.0.0.3', '127.0.0.2'], '127.0.0.2'],
  ])(`${name}: a target is reached by a name %s`, async (_, addresses, listens) => {
    const port = await startAt(listens, 0, 'here');
    const proxy = await startProxy(makeLane, { services: [named(port, addresses)] });

    for (const method of ['GET', 'POST', 'GET', 'POST']) {
      const body = method === 'POST' ? 'x' : undefined;
      const got = await ask(proxy.port, { method, body });
      expect([method, got.status, got.body]).toEqual([method, 200, 'here']);
    }
    expect(proxy.lines.every(({ retries }) => retries === 0)).toBe(true);
  });

  test(`${name}: all addresses of a name are used, in turn`, async () => {
    const port = await startAt('127.0.0.2', 0, 'two');
    await startAt('127.0.0.3', port, 'three');
    const services = [named(port, ['127.0.0.2', '127.0.0.3'])];
    const proxy = await startProxy(makeLane, { services });
    const seen: string[] = [];

    // At once, so that each has a connection of its own.
    const waiting = Array.from({ length: 8 }, () => ask(proxy.port));
    for (const got of await Promise.all(waiting)) seen.push(got.body);

    expect(new Set(seen)).toEqual(new Set(['two', 'three']));
  });

  test(`${name}: a name that moves is followed at once, though its old address still answers on kept connections`, async () => {
    const port = await startAt('127.0.0.2', 0, 'old');
    await startAt('127.0.0.3', port, 'new');
    const proxy = await startProxy(makeLane, { services: [named(port, ['127.0.0.2'])] });
    const agent = keepAlive(1);
    const asked = async (): Promise<string> => (await ask(proxy.port, { agent })).body;
    expect([await asked(), await asked()]).toEqual(['old', 'old']);

    proxy.stage([named(port, ['127.0.0.3'])]);

    for (let i = 0; i < 20; i++) expect(await asked()).toBe('new');
  });

  test(`${name}: a connection that is in use when its address goes ends its request there, and carries no other`, async () => {
    let answer: () => void = () => {};
    let begun: () => void = () => {};
    const asks = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const old = http.createServer((_req, res) => {
      answer = () => res.end('old');
      begun();
    });
    await new Promise<void>((resolve) => old.listen(0, '127.0.0.2', resolve));
    onTestFinished(() => {
      old.closeAllConnections();
      old.close();
    });
    const { port } = old.address() as AddressInfo;
    await startAt('127.0.0.3', port, 'new');
    const proxy = await startProxy(makeLane, { services: [named(port, ['127.0.0.2'])] });
    const agent = keepAlive(1);
    const first = ask(proxy.port, { agent });
    await asks;

    proxy.stage([named(port, ['127.0.0.3'])]);
    answer();

    expect((await first).body).toBe('old');
    expect((await ask(proxy.port, { agent })).body).toBe('new');
  });

  test(`${name}: what a name stood for holds where a table says nothing of it; an address more closes nothing`, async () => {
    const port = await startAt('127.0.0.2', 0, 'here');
    const proxy = await startProxy(makeLane, { services: [named(port, ['127.0.0.2'])] });
    const agent = keepAlive(1);
    const asked = async (): Promise<string> => (await ask(proxy.port, { agent })).body;
    expect(await asked()).toBe('here');

    proxy.stage([named(port)]);
    expect(await asked()).toBe('here');
    proxy.stage([named(port, ['127.0.0.2', '127.0.0.3'])]);

    // Nobody listens at the other one: a new connection would find out, and the kept one does not.
    for (let i = 0; i < 4; i++) expect(await asked()).toBe('here');
    const [target] = proxy.plane.stats().services[0]?.pools[0]?.targets ?? [];
    expect(target).toMatchObject({ addresses: ['127.0.0.2', '127.0.0.3'], errors: 0 });
  });

  test(`${name}: a name that stands for nothing is a target that cannot be reached, until it stands for something`, async () => {
    const port = await startAt('127.0.0.2', 0, 'here');
    const proxy = await startProxy(makeLane, { services: [named(port, [])] });

    const nowhere = await ask(proxy.port);
    proxy.stage([named(port, ['127.0.0.2'])]);
    const somewhere = await ask(proxy.port);

    expect([nowhere.status, proxy.lines[0]?.fault]).toEqual([502, 'UPSTREAM_UNREACHABLE']);
    expect([somewhere.status, somewhere.body]).toEqual([200, 'here']);
  });
}
