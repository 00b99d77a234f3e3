/**
 * A real Pointsman that speaks HTTPS with files, and how other programs see it.
 *
 * The rule this file keeps: `shop.example` has a certificate of its own and `*.shop.example` has
 * another, from an authority that this test alone has made.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Authority, type Pair } from './certificates.ts';
import type { Https } from './ways.ts';
import {
  freePort,
  type Pointsman,
  preparePointsman,
  type ShopOptions,
  type StartOptions,
  startReleases,
} from './whole.ts';

const run = promisify(execFile);

export interface HttpsFront {
  readonly pointsman: Pointsman;
  readonly ca: Authority;
  /** For HTTPS. */
  readonly port: number;
  /** For clients that ask for `shop.example`. */
  readonly where: Https;
  readonly exact: Pair;
  readonly wild: Pair;
}

export interface HttpsOptions extends Partial<ShopOptions> {
  /** Beside `listen` and `certificates`. */
  readonly tls?: object;
  /** Where it listens, plain and secure; otherwise by IPv4 on loopback. */
  readonly listen?: (port: number) => readonly string[];
  readonly start?: StartOptions;
}

/** One release, unless it is said otherwise. */
export async function startHttps(options: HttpsOptions = {}): Promise<HttpsFront> {
  const { tls = {}, service = {}, top = {}, workers = 2, run = { static: {} }, start } = options;
  const first = options.first ?? {
    release: 'r0',
    targets: Object.values(await startReleases(['alder'])),
  };
  const port = await freePort();
  const shop = { workers, run, first };
  const pointsman = await preparePointsman(shop);
  const ca = new Authority(join(pointsman.dir, 'ca'));
  const exact = ca.sign(join(pointsman.dir, 'exact'));
  const wild = ca.sign(join(pointsman.dir, 'wild'), { names: ['*.shop.example'] });
  const certificates = [exact, wild].map(({ cert, key }) => ({ cert, key }));
  const { listen = (at: number) => [`127.0.0.1:${at}`] } = options;
  const secure = { listen: listen(port), certificates, ...tls };
  const all = { listen: listen(pointsman.port), tls: secure, ...top };
  const hosts = ['shop.example', '*.shop.example'];
  pointsman.configure(pointsman.config({ ...shop, top: all, service: { hosts, ...service } }));
  await pointsman.start(start);
  const where = { port, ca: readFileSync(ca.file, 'utf8'), servername: 'shop.example' };
  return { pointsman, ca, port, where, exact, wild };
}

/** What curl gets: status, and whatever it was asked to write out. */
export async function curl(args: readonly string[]): Promise<string> {
  const { stdout } = await run('curl', ['-s', '-o', '/dev/null', '--max-time', '60', ...args]);
  return stdout;
}

/** The subject alternative names that openssl is shown for a name; '' where it gets an alert. */
export async function namesShown(port: number, name: string): Promise<string> {
  const call = `openssl s_client -connect 127.0.0.1:${port} -servername ${name} </dev/null 2>/dev/null`;
  const look = 'openssl x509 -noout -ext subjectAltName 2>/dev/null | tail -1';
  const { stdout } = await run('sh', ['-c', `${call} | ${look}`]);
  return stdout.trim();
}

/** The serial number that openssl is shown. */
export async function serialShown(port: number): Promise<string> {
  const call = `openssl s_client -connect 127.0.0.1:${port} -servername shop.example </dev/null 2>/dev/null`;
  const { stdout } = await run('sh', ['-c', `${call} | openssl x509 -noout -serial`]);
  return stdout.trim().replace('serial=', '');
}
