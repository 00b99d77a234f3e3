/** What workers are handed of all certificates: whole, once, and never worse than it was. */
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Config } from '../../../src/config/config.ts';
import { Certificates } from '../../../src/control/certificates/certificates.ts';
import type { CertificateSource } from '../../../src/control/certificates/source.ts';
import type { CertificateSet } from '../../../src/wireTls.ts';
import { Authority } from '../../support/certificates.ts';
import { fakeClock } from '../../support/clock.ts';
import { systemTls } from '../../support/targetTls.ts';

const none: CertificateSource = {
  current: () => ({ certificates: [], challenges: { http01: {}, tlsAlpn01: {} } }),
  status: () => [],
  reload: async () => {},
  close: async () => {},
};

/** One service that wants to know its clients. */
function start() {
  const dir = mkdtempSync(join(tmpdir(), 'pointsman-sets-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const clock = fakeClock();
  const sets: CertificateSet[] = [];
  const said: string[] = [];
  const error = (_: object, text: string): void => void said.push(text);
  const certificates = new Certificates({
    clock,
    log: { info() {}, warn() {}, error },
    taker: { certify: async (set) => void sets.push(set) },
    sources: () => [none],
  });
  onTestFinished(() => certificates.close());
  const clientCa = join(dir, 'clients.pem');
  const preview = null;
  const staff = {
    name: 'staff',
    hosts: ['staff.example'],
    clientCa,
    targetTls: systemTls,
    preview,
  };
  const services = [staff];
  const config = { services } as unknown as Config;
  return { dir, clock, sets, said, certificates, clientCa, config };
}

test('an authority of clients that cannot be read is replaced by nothing; the last good one holds', async () => {
  const { dir, sets, said, certificates, clientCa, config } = start();
  const one = new Authority(join(dir, 'one'), 'One');
  const two = new Authority(join(dir, 'two'), 'Two');
  const last = () => sets.at(-1)?.clientAuthorities[0]?.ca.trim();

  writeFileSync(clientCa, 'no certificate');
  await certificates.start(config);
  const before = last();
  copyFileSync(one.file, clientCa);
  await certificates.reload(config);
  const good = last();
  writeFileSync(clientCa, one.pem.replace(/[A-Z]{3}/, ''));
  await certificates.reload(config);
  const kept = last();
  copyFileSync(two.file, clientCa);
  await certificates.reload(config);

  expect(before).toBe('');
  expect(good).toBe(one.pem.trim());
  expect(kept).toBe(one.pem.trim());
  expect(last()).toBe(two.pem.trim());
  expect(said).toEqual([
    expect.stringMatching(/clientCa of staff, nobody is let in: .*wanted certificates in PEM/),
    expect.stringMatching(/clientCa of staff, the last good one holds: /),
  ]);
});

test('sessions are not to be resumed once clients are known by another authority, nor after half a day', async () => {
  const { dir, clock, sets, certificates, clientCa, config } = start();
  copyFileSync(new Authority(join(dir, 'one')).file, clientCa);
  await certificates.start(config);
  await certificates.reload(config);
  copyFileSync(new Authority(join(dir, 'two')).file, clientCa);
  await certificates.reload(config);
  await clock.passAsync(12 * 3_600_000);

  // The second reload changed nothing, and nothing was sent.
  expect(sets).toHaveLength(3);
  expect(new Set(sets.map(({ ticketKeys }) => ticketKeys)).size).toBe(3);
});
