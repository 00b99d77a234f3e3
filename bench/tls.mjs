/**
 * `npm run bench -- tls`: what HTTPS costs beside HAProxy and nginx: a small GET on a connection that
 * is kept, and a full handshake with one request behind it.
 *
 * The rule this file keeps: same certificate (EC, P-256), same version (TLS 1.3), same cipher, no
 * session is resumed. A client of Node cannot saturate HAProxy with handshakes, so it is their CPU
 * that is compared: on one core, the rate is its inverse.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { interleaved, ours } from './loads.mjs';
import { cpuRows, print } from './table.mjs';

const secure = { maxVersion: 'TLSv1.3', ciphers: 'TLS_AES_128_GCM_SHA256' };
const able = ['pointsman', 'haproxy', 'nginx'];
const tlsLoads = {
  'small GET over TLS, kept': { path: '/small', connections: 32, keepAlive: true, secure },
  'full handshake, one small GET': { path: '/small', connections: 16, keepAlive: false, secure },
};

/** @returns {Promise<number>} requests that Pointsman lost */
export async function tlsBench({ rounds, seconds, names }) {
  const folder = mkdtempSync(join(tmpdir(), 'pointsman-bench-tls-'));
  let failed = 0;
  try {
    const pair = makePair(folder);
    const wanted = names.filter((name) => able.includes(name));
    for (const [title, load] of Object.entries(tlsLoads)) {
      const results = await interleaved(wanted, rounds, load, seconds, pair);
      print(title, ['', 'CPU µs', '× haproxy', 'each s', 'errors'], cpuRows(results));
      failed += ours(results);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return failed;
}

/** @returns {{ cert: string, key: string, both: string }} files */
export function makePair(folder) {
  const [cert, key, both] = ['cert.pem', 'key.pem', 'both.pem'].map((name) => join(folder, name));
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const names = ['-subj', '/CN=bench.example', '-addext', 'subjectAltName=DNS:bench.example'];
  const args = ['req', '-x509', ...ec, '-days', '3', ...names, '-keyout', key, '-out', cert];
  execFileSync('openssl', args, { stdio: 'ignore' });
  writeFileSync(both, readFileSync(cert, 'utf8') + readFileSync(key, 'utf8'), { mode: 0o600 });
  return { cert, key, both };
}
