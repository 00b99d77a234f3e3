/**
 * Debian's pebble, a real authority for tests, with a DNS in which every name is this machine.
 *
 * The rule this file keeps: where it cannot be had, a test is skipped by name with the reason; with
 * CI set, it fails. Both processes end with the test, by their own ids.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import https from 'node:https';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished, test } from 'vitest';
import { temporaryCertificate } from '../../../src/control/certificates/acme/x509.ts';
import { programOf } from '../prometheus.ts';

export interface Pebble {
  readonly directory: string;
  /** PEM: what its own HTTPS is trusted by, and the same as a file. */
  readonly roots: string;
  readonly rootsFile: string;
  /** PEM: the root of what it signs; a new one with every start. */
  root(): Promise<string>;
}

export interface PebbleOptions {
  /** Where it looks for answers. */
  readonly httpPort: number;
  readonly tlsPort: number;
  /** Percent of good nonces that are refused. */
  readonly nonceReject?: number;
  /** How long certificates last; five years, where it is not said. */
  readonly lastsSeconds?: number;
  readonly binding?: { readonly kid: string; readonly hmacKey: string };
}

export function pebbleTest(name: string, run: () => Promise<void>, timeoutMs?: number): void {
  const missing = ['pebble', 'pebble-challtestsrv'].filter((one) => programOf(one) === undefined);
  if (missing.length === 0 || process.env.CI) test(name, run, timeoutMs);
  else test.skip(`${name} (skipped: no ${missing.join(', ')}; apt-get install pebble)`, run);
}

export async function pebble(options: PebbleOptions): Promise<Pebble> {
  const dir = await mkdtemp(join(tmpdir(), 'pebble-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const own = await temporaryCertificate(['127.0.0.1', 'localhost'], new Date());
  const [listen, manage, dns, dnsManage] = await freePorts(4);
  const files = { certificate: join(dir, 'cert.pem'), privateKey: join(dir, 'key.pem') };
  await writeFile(files.certificate, own.cert);
  await writeFile(files.privateKey, own.key, { mode: 0o600 });
  const { binding, lastsSeconds } = options;
  const config = {
    ...files,
    listenAddress: `127.0.0.1:${listen}`,
    managementListenAddress: `127.0.0.1:${manage}`,
    httpPort: options.httpPort,
    tlsPort: options.tlsPort,
    ocspResponderURL: '',
    externalAccountBindingRequired: binding !== undefined,
    ...(lastsSeconds !== undefined && { certificateValidityPeriod: lastsSeconds }),
    ...(binding && { externalAccountMACKeys: { [binding.kid]: binding.hmacKey } }),
  };
  await writeFile(join(dir, 'config.json'), JSON.stringify({ pebble: config }));
  started('pebble-challtestsrv', [
    ...['-dns01', `127.0.0.1:${dns}`, '-management', `127.0.0.1:${dnsManage}`],
    ...['-defaultIPv4', '127.0.0.1', '-defaultIPv6', '', '-http01', '', '-https01', ''],
    ...['-tlsalpn01', ''],
  ]);
  started('pebble', ['-config', join(dir, 'config.json'), '-dnsserver', `127.0.0.1:${dns}`], {
    PEBBLE_VA_NOSLEEP: '1',
    PEBBLE_WFE_NONCEREJECT: String(options.nonceReject ?? 5),
    PEBBLE_AUTHZREUSE: '0',
  });
  const directory = `https://127.0.0.1:${listen}/dir`;
  for (const url of [directory, `https://127.0.0.1:${manage}/roots/0`])
    await answering(url, own.cert);
  return {
    directory,
    roots: own.cert,
    rootsFile: files.certificate,
    root: () => get(`https://127.0.0.1:${manage}/roots/0`, own.cert),
  };
}

function started(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): void {
  const child: ChildProcess = spawn(program, args, {
    stdio: 'ignore',
    env: { ...process.env, ...env },
  });
  child.on('error', () => {});
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        if (child.exitCode !== null || child.pid === undefined) return resolve();
        child.once('exit', () => resolve());
        child.kill('SIGKILL');
      }),
  );
}

async function answering(url: string, ca: string): Promise<void> {
  const untilMs = performance.now() + 15_000;
  for (;;) {
    try {
      await get(url, ca);
      return;
    } catch (thrown) {
      if (performance.now() > untilMs) throw thrown;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

function get(url: string, ca: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const req = https.get(url, { ca, agent: false }, (res) => {
      let text = '';
      res.on('data', (chunk) => {
        text += chunk;
      });
      res.on('end', () => resolve(text));
    });
    req.on('error', reject);
  });
}

/** Free at the moment of asking, and of no range that the system gives away by itself next. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<net.Server>((resolve) => {
          const server = net.createServer();
          server.listen(0, '127.0.0.1', () => resolve(server));
        }),
    ),
  );
  const ports = servers.map((server) => (server.address() as net.AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
