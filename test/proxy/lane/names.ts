/**
 * Targets that are names: of several addresses, of both families, and such that move. Part of
 * `laneSuite`.
 *
 * The rule this file keeps: the names exist in these tests alone; what they lead to stands in the
 * answer that the system's resolver would give.
 */
import dns from 'node:dns';
import http from 'node:http';
import type { AddressInfo, LookupFunction } from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import { type Clock, systemClock } from '../../../src/clock.ts';
import { ask, keepAlive } from '../../support/client.ts';
import { entry, type MakeLane, startProxy, type TestProxy } from '../../support/proxy.ts';

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

/** @returns what the name leads to; may be changed. */
function resolving(name: string, ...addresses: string[]): string[] {
  const lookup = dns.lookup as unknown as (...args: unknown[]) => void;
  const found = [...addresses];
  const spy = vi.spyOn(dns, 'lookup').mockImplementation(((
    host: string,
    options: dns.LookupOptions,
    done: Parameters<LookupFunction>[2],
  ) => {
    if (host !== name) return lookup(host, options, done);
    const all = found.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
    const [first] = all;
    process.nextTick(() => {
      if (first === undefined) {
        done(Object.assign(new Error(`getaddrinfo ENOTFOUND ${name}`), { code: 'ENOTFOUND' }), []);
      } else if (options.all === true) done(null, all);
      else done(null, first.address, first.family);
    });
  }) as never);
  onTestFinished(() => spy.mockRestore());
  return found;
}

async function inFrontOf(
  makeLane: MakeLane,
  host: string,
  port: number,
  clock: Clock = systemClock,
): Promise<TestProxy> {
  const targets = [{ id: `${host}:${port}`, host, port, healthy: true }];
  const blue = { id: 'shop.blue.1', release: 'v1', targets };
  return startProxy(makeLane, { services: [entry({ pools: { blue, green: null } })], clock });
}

export function nameSuite(name: string, makeLane: MakeLane): void {
  test.each([
    ['of both families where only the new one listens', ['127.0.0.1', '::1'], '::1'],
    ['of both families where only the old one listens', ['::1', '127.0.0.1'], '127.0.0.1'],
    ['of several addresses where the last listens', ['127.0.0.3', '127.0.0.2'], '127.0.0.2'],
  ])(`${name}: a target is reached by a name %s`, async (_, addresses, listens) => {
    const port = await startAt(listens, 0, 'here');
    resolving('app.test', ...addresses);
    const proxy = await inFrontOf(makeLane, 'app.test', port);

    for (const method of ['GET', 'POST']) {
      const body = method === 'POST' ? 'x' : undefined;
      const got = await ask(proxy.port, { method, body });
      expect([method, got.status, got.body]).toEqual([method, 200, 'here']);
    }
  });

  test(`${name}: a name that moves is followed by new requests, though its old address still answers on kept connections`, async () => {
    const port = await startAt('127.0.0.2', 0, 'old');
    await startAt('127.0.0.3', port, 'new');
    const found = resolving('app.test', '127.0.0.2');
    let aheadMs = 0;
    const clock = { ...systemClock, now: () => systemClock.now() + aheadMs };
    const proxy = await inFrontOf(makeLane, 'app.test', port, clock);
    const agent = keepAlive(1);
    const asked = async (): Promise<string> => (await ask(proxy.port, { agent })).body;
    expect([await asked(), await asked()]).toEqual(['old', 'old']);

    found.splice(0, 1, '127.0.0.3');

    // It is kept for no longer than ten seconds, however little of them it is idle.
    aheadMs = 10_000;
    await vi.waitFor(async () => expect(await asked()).toBe('new'), {
      timeout: 60_000,
      interval: 20,
    });
    for (let i = 0; i < 20; i++) expect(await asked()).toBe('new');
  });

  test(`${name}: a name that leads nowhere is a target that cannot be reached, until it leads somewhere`, async () => {
    const port = await startAt('127.0.0.2', 0, 'here');
    const found = resolving('app.test');
    const proxy = await inFrontOf(makeLane, 'app.test', port);

    const nowhere = await ask(proxy.port);
    found.push('127.0.0.2');
    const somewhere = await ask(proxy.port);

    expect([nowhere.status, proxy.lines[0]?.fault]).toEqual([502, 'UPSTREAM_UNREACHABLE']);
    expect([somewhere.status, somewhere.body]).toEqual([200, 'here']);
  });
}
