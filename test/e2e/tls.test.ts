/**
 * HTTPS, seen from outside: names and certificates, and what other programs say of them.
 *
 * The rule this file keeps: what a client would notice is looked at as that client sees it, by
 * openssl and curl as well as by Node.
 */
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Authority } from '../support/certificates.ts';
import { rawClient } from '../support/client.ts';
import { long } from '../support/form.ts';
import { curl, namesShown, serialShown, startHttps } from '../support/https.ts';
import { helloOf, shake } from '../support/tls.ts';
import { kill, until } from '../support/whole.ts';

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
  const [byDefault, refusing] = await Promise.all([
    startHttps({ workers: 0 }),
    startHttps({ workers: 0, tls: { unknown: 'refuse' } }),
  ]);

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

const hasIPv6 = Object.values(networkInterfaces()).some((all) =>
  all?.some(({ address }) => address === '::1'),
);

test.runIf(hasIPv6)(
  'IPv4 and IPv6 are listened on side by side, or by one socket for both',
  async () => {
    const open = { tls: { redirect: false } };
    const fronts = await Promise.all([
      startHttps({ ...open, listen: (port) => [`127.0.0.1:${port}`, `[::1]:${port}`] }),
      startHttps({ ...open, workers: 0, listen: (port) => [`[::]:${port}`] }),
    ]);
    const format = ['-w', '%{http_code}'];

    for (const { pointsman, ca, port } of fronts) {
      for (const address of ['127.0.0.1', '[::1]']) {
        const https = ['--cacert', ca.file, '--resolve', `shop.example:${port}:${address}`];
        const plain = ['-H', 'Host: shop.example', `http://${address}:${pointsman.port}/`];
        expect(await curl([...format, ...https, `https://shop.example:${port}/`])).toBe('200');
        expect(await curl([...format, ...plain])).toBe('200');
      }
    }
  },
);

test('a pair is swapped again and again under load: no handshake fails, and the new one is shown', async () => {
  const { pointsman, ca, where, exact } = await startHttps();
  const { port, servername } = where;
  const swaps = long ? 50 : 2;
  const pairs = Array.from({ length: swaps }, (_, at) => ca.sign(join(pointsman.dir, `new-${at}`)));
  const failures: unknown[] = [];
  const seen = new Set<string>();
  let stopping = false;
  const visit = async (): Promise<void> => {
    while (!stopping) {
      const shaken = await shake(port, { servername, host: servername, ca: ca.pem });
      if (shaken.status !== 200) failures.push(shaken);
      seen.add(shaken.serial ?? '');
    }
  };
  const visitors = Array.from({ length: 8 }, visit);

  for (const { cert, key, serial } of pairs) {
    // As whoever renews does it: one after the other, and for a moment they do not fit.
    renameSync(key, exact.key);
    renameSync(cert, exact.cert);
    await until(`${serial} is shown`, () => seen.has(serial));
  }
  stopping = true;
  await Promise.all(visitors);

  expect(failures).toEqual([]);
  expect(seen.size).toBe(swaps + 1);
});

test('certificates are served while the controller is dead, and after every process was killed', async () => {
  const { pointsman, where, exact } = await startHttps();
  const { port, servername } = where;
  const look = () => shake(port, { servername, host: servername });
  const { controller, workers } = pointsman.pids();

  kill(controller ?? 0, 'SIGKILL');
  const dead = await Promise.all(Array.from({ length: 8 }, look));
  for (const worker of workers) kill(worker, 'SIGKILL');
  await until('all of them are back', () => {
    const now = pointsman.pids();
    return now.controller !== null && now.workers.length === 2;
  });
  await pointsman.ready();
  const back = await Promise.all(Array.from({ length: 8 }, look));

  for (const shaken of [...dead, ...back]) {
    expect(shaken).toMatchObject({ serial: exact.serial, status: 200 });
  }
});

test('no key is to be found in the log, the metrics, the API or the state', async () => {
  const { pointsman, ca, exact } = await startHttps();
  // What is not taken is spoken of most.
  const { key } = ca.sign(join(pointsman.dir, 'other'));
  const secrets = [exact.key, key].map((file) => readFileSync(file, 'utf8').split('\n')[1] ?? '');
  copyFileSync(key, exact.key);
  const refused = async (): Promise<boolean> => {
    const { text } = await pointsman.call('GET', '/v1/certificates');
    return text.includes('found the key of another one');
  };
  await until('it is said that it does not fit', refused);
  expect((await pointsman.deploy('r1', { targets: ['127.0.0.1:1'] })).status).toBe(202);

  const paths = Object.keys((await pointsman.call('GET', '/openapi.json')).json.paths)
    .map((path) => path.replace('{service}', 'shop'))
    .filter((path) => path !== '/v1/events' && !path.includes('{'));
  const told = await Promise.all(paths.map((path) => pointsman.call('GET', path)));
  const files = readdirSync(pointsman.stateDir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => textOf(join(parentPath, name)));
  const all = [pointsman.output, ...told.map(({ text }) => text), ...files].join('\n');

  expect(paths).toEqual(expect.arrayContaining(['/metrics', '/v1/certificates', '/v1/services']));
  expect(files.length).toBeGreaterThan(0);
  for (const secret of secrets) {
    expect(secret).toMatch(/^[A-Za-z0-9+/]{60}/);
    expect(all).not.toContain(secret);
  }
});

test('where clientCa cannot be read, nobody is let in, not even whom the system trusts', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'pointsman-system-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const system = new Authority(join(dir, 'ca'), 'Trusted by the system');
  const person = system.sign(join(dir, 'person'));
  const { where } = await startHttps({
    service: { clientCa: './gone.pem' },
    start: { env: { NODE_EXTRA_CA_CERTS: system.file } },
  });
  const { port, servername } = where;
  const [cert, key] = [readFileSync(person.cert), readFileSync(person.key)];

  expect((await shake(port, { servername, host: servername, cert, key })).status).toBe(403);
});

test.runIf(long)(
  '3,000 handshakes that never end are cut, and meanwhile others are served',
  async () => {
    const { where } = await startHttps();
    const { port, servername } = where;
    const hello = await helloOf({ servername });
    const clients = await Promise.all(Array.from({ length: 3_000 }, () => rawClient(port)));
    for (const [at, { send }] of clients.entries())
      send(hello.subarray(0, 1 + (at % hello.length)));

    const served: (number | undefined)[] = [];
    let cut = false;
    const all = Promise.all(clients.map((client) => client.ended())).then(() => {
      cut = true;
    });
    while (!cut) served.push((await shake(port, { servername, host: servername })).status);
    await all;

    expect(served.length).toBeGreaterThan(10);
    expect(new Set(served)).toEqual(new Set([200]));
  },
);

/** '' of one that is gone: a state that was being saved has its name by now. */
function textOf(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw thrown;
  }
}
