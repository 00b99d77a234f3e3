/**
 * HTTPS, seen from outside: names and certificates, and what other programs say of them.
 *
 * The rule this file keeps: what a client would notice is looked at as that client sees it, by
 * openssl and curl as well as by Node.
 */
import { execFile } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { Authority } from '../support/certificates.ts';
import {
  freePort,
  type Pointsman,
  preparePointsman,
  startReleases,
  until,
} from '../support/whole.ts';

const run = promisify(execFile);

interface Https {
  readonly pointsman: Pointsman;
  readonly ca: Authority;
  readonly port: number;
}

interface Options {
  readonly tls?: object;
  readonly service?: object;
  readonly workers?: number;
}

/** `shop.example` with a certificate of its own and `*.shop.example` with another, by two workers. */
async function startHttps({ tls = {}, service = {}, workers = 2 }: Options = {}): Promise<Https> {
  const { alder = '' } = await startReleases(['alder']);
  const port = await freePort();
  const shop = {
    workers,
    run: { static: {} },
    first: { release: 'r0', targets: [alder] },
  };
  const pointsman = await preparePointsman(shop);
  const ca = new Authority(join(pointsman.dir, 'ca'));
  const { cert, key } = ca.sign(join(pointsman.dir, 'exact'));
  const wild = ca.sign(join(pointsman.dir, 'wild'), { names: ['*.shop.example'] });
  const certificates = [
    { cert, key },
    { cert: wild.cert, key: wild.key },
  ];
  const top = { tls: { listen: `127.0.0.1:${port}`, certificates, ...tls } };
  const hosts = ['shop.example', '*.shop.example'];
  pointsman.configure(pointsman.config({ ...shop, top, service: { hosts, ...service } }));
  await pointsman.start();
  return { pointsman, ca, port };
}

/** What curl gets: status, and whatever it was asked to write out. */
async function curl(args: readonly string[]): Promise<string> {
  const { stdout } = await run('curl', ['-s', '-o', '/dev/null', '--max-time', '20', ...args]);
  return stdout;
}

/** The subject alternative names that openssl is shown for a name; '' where it gets an alert. */
async function namesShown(port: number, name: string): Promise<string> {
  const call = `openssl s_client -connect 127.0.0.1:${port} -servername ${name} </dev/null 2>/dev/null`;
  const look = 'openssl x509 -noout -ext subjectAltName 2>/dev/null | tail -1';
  const { stdout } = await run('sh', ['-c', `${call} | ${look}`]);
  return stdout.trim();
}

test('a name gets its own certificate, else that of its wildcard, and openssl and curl agree', async () => {
  const { ca, port } = await startHttps();
  const at = (name: string) => ['--cacert', ca.file, '--resolve', `${name}:${port}:127.0.0.1`];
  const status = (name: string) =>
    curl([...at(name), '-w', '%{http_code} %{ssl_verify_result}', `https://${name}:${port}/`]);

  expect(await namesShown(port, 'shop.example')).toBe('DNS:shop.example');
  expect(await namesShown(port, 'a.shop.example')).toBe('DNS:*.shop.example');
  expect(await status('shop.example')).toBe('200 0');
  expect(await status('a.shop.example')).toBe('200 0');
});

test('a name without a certificate gets the first one, or an alert, as the config says', async () => {
  const byDefault = await startHttps({ workers: 0 });
  const refusing = await startHttps({ workers: 0, tls: { unknown: 'refuse' } });

  expect(await namesShown(byDefault.port, 'other.example')).toBe('DNS:shop.example');
  expect(await namesShown(refusing.port, 'other.example')).toBe('');
  expect(await namesShown(refusing.port, 'shop.example')).toBe('DNS:shop.example');
});

test('plain HTTP is sent to HTTPS, but not what asks whether the service is up', async () => {
  const { pointsman, port } = await startHttps({ service: { health: { path: '/up' } } });
  const plain = (path: string) =>
    curl([
      ...['-H', 'Host: shop.example', '-w', '%{http_code} %{redirect_url}', '-X', 'POST'],
      `http://127.0.0.1:${pointsman.port}${path}`,
    ]);

  expect(await plain('/cart?a=1')).toBe(`308 https://shop.example:${port}/cart?a=1`);
  expect(await plain('/up')).toBe('200 ');
});

test('Strict-Transport-Security is said over HTTPS alone, and only where the config asks for it', async () => {
  const { pointsman, ca, port } = await startHttps({
    tls: { redirect: false },
    service: { hsts: '1d' },
  });
  const header = ['-w', '%header{strict-transport-security}'];
  const https = ['--cacert', ca.file, '--resolve', `shop.example:${port}:127.0.0.1`];
  const plain = ['-H', 'Host: shop.example', `http://127.0.0.1:${pointsman.port}/`];

  expect(await curl([...header, ...https, `https://shop.example:${port}/`])).toBe('max-age=86400');
  expect(await curl([...header, ...plain])).toBe('');
});

/** The serial number that openssl is shown. */
async function serialShown(port: number): Promise<string> {
  const call = `openssl s_client -connect 127.0.0.1:${port} -servername shop.example </dev/null 2>/dev/null`;
  const { stdout } = await run('sh', ['-c', `${call} | openssl x509 -noout -serial`]);
  return stdout.trim().replace('serial=', '');
}

test('a pair that does not fit raises a metric and is not served; the one that fits is, within seconds', async () => {
  const { pointsman, ca, port } = await startHttps();
  const before = await serialShown(port);
  const next = ca.sign(join(pointsman.dir, 'next'));
  const file = (name: string) => join(pointsman.dir, name);
  const metric = async (wanted: string) => {
    const { text } = await pointsman.call('GET', '/metrics');
    const line = `pointsman_certificate_error{certificate="${file('exact.pem')}",source="file"} `;
    return text.includes(line + wanted);
  };

  copyFileSync(next.cert, file('exact.pem'));
  await until('the metric says so', () => metric('1'));
  expect(await serialShown(port)).toBe(before);
  copyFileSync(next.key, file('exact.key'));
  await until('the new one is served', async () => (await serialShown(port)) === next.serial);

  expect(await metric('0')).toBe(true);
});
