/** What is said of a name: hosts file, DNS with its TTL, and what else a system knows. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createLookup, fixedMs } from '../../../src/control/names/lookup.ts';
import { startNameServer } from '../../support/nameServer.ts';

const nothing = async () => [];

async function names(hosts = '') {
  const dir = mkdtempSync(join(tmpdir(), 'pointsman-hosts-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const hostsFile = join(dir, 'hosts');
  writeFileSync(hostsFile, hosts);
  const server = await startNameServer();
  const servers = [server.address];
  const lookup = createLookup({ servers, hostsFile, system: nothing });
  return { server, servers, hostsFile, lookup };
}

test('DNS says the addresses of both families, and for how long: the shorter of their TTLs', async () => {
  const { server, lookup } = await names();
  const addresses = ['10.0.0.2', '2001:db8::5', '10.0.0.1'];
  server.records.set('app.test', { addresses, ttl: 30 });
  server.records.set('brief.test', { addresses: ['10.0.0.1'], ttl: 0 });
  server.records.set('long.test', { addresses: ['::1'], ttl: 86_400 });

  expect(await lookup('app.test')).toEqual({
    addresses: ['10.0.0.1', '10.0.0.2', '2001:db8::5'],
    ttlMs: 30_000,
    error: null,
  });
  expect(await lookup('brief.test')).toMatchObject({ ttlMs: 1_000 });
  expect(await lookup('long.test')).toMatchObject({ addresses: ['::1'], ttlMs: 300_000 });
});

test('what the hosts file says goes before DNS, at a fixed pace', async () => {
  const { server, lookup } = await names('# ours\n10.9.9.9 other App.Test # here\n::9\tapp.test\n');
  server.records.set('app.test', { addresses: ['10.0.0.1'], ttl: 30 });

  const said = await lookup('app.test');

  expect(said).toEqual({ addresses: ['10.9.9.9', '::9'], ttlMs: fixedMs, error: null });
  expect(server.asked).toEqual([]);
});

test('localhost is this machine by both families, whoever says something else', async () => {
  const { server, lookup } = await names('10.9.9.9 localhost');

  for (const name of ['localhost', 'app.localhost']) {
    expect(await lookup(name)).toMatchObject({ addresses: ['127.0.0.1', '::1'], error: null });
  }
  expect(server.asked).toEqual([]);
});

test('what DNS has not the system may have; what nobody has is no name, and is told from DNS that is broken', async () => {
  const { server, servers, hostsFile, lookup } = await names();
  const system = async (name: string) => (name === 'short' ? ['10.0.0.3'] : []);
  const whole = createLookup({ servers, hostsFile, system });

  expect(await whole('short')).toEqual({ addresses: ['10.0.0.3'], ttlMs: fixedMs, error: null });
  expect(await lookup('gone.test')).toMatchObject({
    addresses: [],
    error: 'there is no such name as gone.test',
  });
  server.records.set('app.test', { addresses: ['10.0.0.1'], ttl: 30 });
  server.mode = 'broken';
  expect(await lookup('app.test')).toMatchObject({
    addresses: [],
    error: expect.stringMatching(/^DNS does not say what app\.test is \(ESERVFAIL\)/),
  });
  server.mode = 'silent';
  expect(await lookup('app.test')).toMatchObject({
    addresses: [],
    error: expect.stringMatching(/^DNS does not say what app\.test is \(ETIMEOUT\)/),
  });
});

test('the system is asked one name at a time: it may keep a thread for as long as it likes', async () => {
  const { servers, hostsFile } = await names();
  const open: ((addresses: string[]) => void)[] = [];
  const asked: string[] = [];
  const lookup = createLookup({
    servers,
    hostsFile,
    system: (name) => {
      asked.push(name);
      return new Promise((resolve) => open.push(resolve));
    },
  });

  const both = Promise.all([lookup('one.test'), lookup('two.test')]);
  await expect.poll(() => open.length).toBe(1);
  open[0]?.(['10.0.0.1']);
  await expect.poll(() => open.length).toBe(2);
  open[1]?.(['10.0.0.2']);

  expect((await both).map(({ error }) => error)).toEqual([null, null]);
  expect(asked).toHaveLength(2);
});
