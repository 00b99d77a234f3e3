/**
 * Targets by TLS behind a whole Pointsman: what a wrong certificate does to clients, to probes, and
 * to what an operator sees; and a reload that puts it right.
 *
 * The rule this file keeps: a target that cannot be verified gets no byte of a request, whichever
 * worker it is.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Authority } from '../support/certificates.ts';
import { ask } from '../support/client.ts';
import { startSecure } from '../support/targetTls.ts';
import { preparePointsman, until } from '../support/whole.ts';

test('a reload that trusts another authority is obeyed at once: 502 with its code, the reason in status; and back', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'pointsman-targets-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const ca = new Authority(join(folder, 'ca'));
  const other = new Authority(join(folder, 'other'), 'Other Authority');
  const pair = ca.sign(join(folder, 'app'), { names: ['127.0.0.1'] });
  const app = await startSecure(pair, (_req, res) => res.end('here'));
  const shop = {
    workers: 2,
    run: { static: {} },
    first: { release: 'v1', targets: [`https://127.0.0.1:${app.port}`] },
  };
  // A probe may take its time where the machine is busy.
  const health = { interval: '2s', rise: 1, fall: 20 };
  const pointsman = await preparePointsman(shop);
  const trust = (targetTls: object): void => {
    pointsman.configure(pointsman.config({ ...shop, service: { targetTls, health } }));
  };
  const asked = () => ask(pointsman.port, { headers: { accept: 'application/json' } });
  const target = async () => (await pointsman.status()).pools.blue?.targets[0];
  trust({ ca: ca.file });
  await pointsman.start();
  expect((await asked()).body).toBe('here');
  expect(await target()).toMatchObject({
    id: `https://127.0.0.1:${app.port}`,
    address: `https://127.0.0.1:${app.port}`,
    addresses: [],
    healthy: true,
  });

  trust({ ca: other.file });
  expect((await pointsman.call('POST', '/v1/config/reload')).status).toBe(200);
  await until('a worker verifies by it', async () => (await asked()).status === 502);
  await until('both do', async () => {
    const all = await Promise.all(Array.from({ length: 8 }, asked));
    return all.every(({ status }) => status === 502);
  });
  const reason = await until('a probe went the same way', async () => {
    const error = (await target())?.probe?.error ?? '';
    return error.includes('certificate') ? error : null;
  });
  const before = app.received();
  const refused = await asked();

  expect(JSON.parse(refused.body)).toMatchObject({ code: 'UPSTREAM_UNVERIFIED', status: 502 });
  expect(reason).toMatch(
    /^the issuer of the certificate of https:\/\/127\.0\.0\.1:\d+ is unknown: Test Authority is none of the authorities of targetTls\.ca/,
  );
  expect(app.received()).toBe(before);

  trust({ verify: false });
  expect((await pointsman.call('POST', '/v1/config/reload')).status).toBe(200);
  await until('it is taken as it is', async () => (await asked()).body === 'here');

  trust({ ca: './nowhere.pem' });
  const bad = await pointsman.call('POST', '/v1/config/reload');
  expect([bad.status, bad.text]).toEqual([422, expect.stringContaining('targetTls.ca')]);
  expect((await asked()).body).toBe('here');
}, 120_000);
