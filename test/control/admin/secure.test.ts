import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import { serveAdmin } from '../../support/admin.ts';
import { Authority } from '../../support/certificates.ts';

interface Got {
  readonly status: number;
  readonly serial: string;
  readonly cookie: string;
}

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'admin-tls-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  return dir;
}

function get(port: number, ca: string): Promise<Got> {
  return send(port, ca, 'GET', '/v1/services');
}

function send(port: number, ca: string, method: string, path: string, body = ''): Promise<Got> {
  const headers = body === '' ? {} : { 'content-type': 'application/json' };
  const options = { host: '127.0.0.1', port, ca, method, path, headers, agent: false };
  return new Promise((resolve, reject) => {
    const req = https.request(options, (res) => {
      const { serialNumber: serial } = (res.socket as TLSSocket).getPeerCertificate();
      res.resume();
      const cookie = String(res.headers['set-cookie'] ?? '');
      res.once('end', () => resolve({ status: res.statusCode ?? 0, serial, cookie }));
    });
    req.once('error', reject);
    req.end(body);
  });
}

test('the admin port speaks HTTPS where it is given a certificate, and nothing else then', async () => {
  const ca = new Authority(folder());
  const tls = ca.sign(join(ca.dir, 'admin'), { names: ['127.0.0.1'] });
  const { port, admin, call } = await serveAdmin({ tls });
  onTestFinished(() => admin.close());

  expect(await get(port, ca.pem)).toMatchObject({ status: 200, serial: tls.serial });
  await expect(call('GET', '/v1/services')).rejects.toThrow();
});

test('a session cookie of an HTTPS admin port never travels in the clear', async () => {
  const ca = new Authority(folder());
  const { cert, key } = ca.sign(join(ca.dir, 'admin'), { names: ['127.0.0.1'] });
  const tokenFile = join(ca.dir, 'token');
  writeFileSync(tokenFile, 'a-token-that-is-long-enough-to-be-one', { mode: 0o600 });
  const { port, admin } = await serveAdmin({ tls: { cert, key }, tokenFile });
  onTestFinished(() => admin.close());
  const body = JSON.stringify({ token: 'a-token-that-is-long-enough-to-be-one' });

  const { cookie } = await send(port, ca.pem, 'POST', '/v1/session', body);

  expect(cookie).toContain('; Secure');
});

test('a reload serves the new certificate; one that does not fit its key is refused, and the last stays', async () => {
  const ca = new Authority(folder());
  const names = ['127.0.0.1'];
  const tls = ca.sign(join(ca.dir, 'admin'), { names });
  const { port, admin } = await serveAdmin({ tls });
  onTestFinished(() => admin.close());
  const next = ca.sign(join(ca.dir, 'next'), { names });

  copyFileSync(next.cert, tls.cert);
  await expect(admin.reload({ tls })).rejects.toMatchObject({ code: 'CERTIFICATE_INVALID' });
  expect((await get(port, ca.pem)).serial).toBe(tls.serial);
  copyFileSync(next.key, tls.key);
  await admin.reload({ tls });

  expect((await get(port, ca.pem)).serial).toBe(next.serial);
});
