/**
 * Certificates by themselves, seen from outside: a whole Pointsman and a real authority, which
 * refuses half of all nonces.
 *
 * The rule this file keeps: that a certificate is good is judged by a client that trusts the root
 * of the authority and nothing else.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import tls from 'node:tls';
import { expect } from 'vitest';
import { type PebbleOptions, pebble, pebbleTest } from '../support/acme/pebble.ts';
import { long } from '../support/form.ts';
import { shake } from '../support/tls.ts';
import {
  freePort,
  type Pointsman,
  preparePointsman,
  startReleases,
  until,
} from '../support/whole.ts';

const hosts = ['shop.example', 'www.shop.example'];

interface Shown {
  readonly trusted: boolean;
  readonly serial: string;
}

/** What a client is shown that trusts this root. */
function shown(port: number, ca: string, servername = 'shop.example'): Promise<Shown> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({
      port,
      host: '127.0.0.1',
      servername,
      ca,
      rejectUnauthorized: false,
    });
    socket.once('secureConnect', () => {
      const { serialNumber: serial } = socket.getPeerCertificate();
      resolve({ trusted: socket.authorized, serial });
      socket.destroy();
    });
    socket.once('error', reject);
  });
}

async function startAuto(challenge: string, key: string, more: Partial<PebbleOptions> = {}) {
  const { alder = '' } = await startReleases(['alder']);
  const shop = {
    workers: 2,
    run: { static: {} },
    first: { release: 'r0', targets: [alder] },
    service: { hosts, tls: 'auto' },
  };
  const pointsman = await preparePointsman(shop);
  const port = await freePort();
  const authority = await pebble({
    httpPort: pointsman.port,
    tlsPort: port,
    nonceReject: 50,
    ...more,
  });
  const { directory, rootsFile: caFile } = authority;
  const acme = { email: 'ops@example.org', directory, caFile, challenges: [challenge], key };
  const top = { tls: { listen: `127.0.0.1:${port}`, acme: { ...acme, terms: 'agreed' } } };
  pointsman.configure(pointsman.config({ ...shop, top }));
  await pointsman.start();
  return { pointsman, port, root: await authority.root() };
}

/** Every file of the state that somebody else than its owner may read. */
function openFiles(pointsman: Pointsman): readonly string[] {
  const dir = join(pointsman.stateDir, 'acme');
  return readdirSync(dir).filter((name) => (statSync(join(dir, name)).mode & 0o077) !== 0);
}

for (const [challenge, key] of [
  ['http-01', 'rsa2048'],
  ['tls-alpn-01', 'p256'],
] as const) {
  pebbleTest(
    `a service says \`tls: auto\`, and has a certificate by ${challenge} of ${key}, which outlives every process`,
    async () => {
      const { pointsman, port, root } = await startAuto(challenge, key);

      // Starting waits for no authority: there is a temporary one.
      const first = await shown(port, root);
      const trusted = async () => {
        const seen = await shown(port, root);
        return seen.trusted ? seen : null;
      };
      const given = await until('the certificate has come', trusted, 90_000);
      const { json } = await pointsman.call('GET', '/v1/certificates');

      expect(first.serial).toBeTruthy();
      expect((await shown(port, root, 'www.shop.example')).serial).toBe(given.serial);
      expect(json.certificates).toMatchObject([
        {
          name: 'shop',
          source: 'acme',
          service: 'shop',
          names: hosts,
          serial: given.serial,
          lastError: null,
        },
      ]);
      expect(openFiles(pointsman)).toEqual([]);

      const { controller, workers } = pointsman.pids();
      for (const pid of [controller, ...workers]) process.kill(pid ?? 0, 'SIGKILL');
      await until('all of them are back', () => {
        const now = pointsman.pids();
        return now.controller !== null && now.controller !== controller && now.workers.length === 2;
      });
      await pointsman.ready();

      // Asked twice as often as there are workers.
      for (let asked = 0; asked < 4; asked++) expect(await shown(port, root)).toEqual(given);
      const text = readFileSync(join(pointsman.stateDir, 'acme', 'certificate-shop.json'), 'utf8');
      const secret = /PRIVATE KEY-----\\n([A-Za-z0-9+/]{60})/.exec(text)?.[1] ?? '';
      expect(secret).not.toBe('');
      expect(pointsman.output).not.toContain(secret);
      expect((await pointsman.call('GET', '/metrics')).text).not.toContain(secret);
      const history = readdirSync(pointsman.stateDir, { withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map(({ name }) => readFileSync(join(pointsman.stateDir, name), 'utf8'));
      expect(history.join()).not.toContain(secret);
    },
  );
}

// It takes as long as a certificate that lasts half a minute.
const longPebbleTest = long ? pebbleTest : () => {};

longPebbleTest(
  'a certificate is renewed under load, and no client is refused or shown one it does not trust',
  async () => {
    const { port, root } = await startAuto('tls-alpn-01', 'p256', { lastsSeconds: 30 });
    const servername = 'shop.example';
    const visit = { servername, host: servername, ca: root, rejectUnauthorized: true };
    const first = await until('the certificate has come', async () => {
      const { status, serial } = await shake(port, visit);
      return status === 200 ? serial : null;
    });
    const refused: unknown[] = [];
    const serials = new Set<string | undefined>();
    let stopping = false;
    const visitors = Array.from({ length: 8 }, async () => {
      while (!stopping) {
        const shaken = await shake(port, visit);
        serials.add(shaken.serial);
        if (shaken.status !== 200) refused.push(shaken);
      }
    });
    await until('another one is served', () => serials.size > 1, 90_000);
    stopping = true;
    await Promise.all(visitors);

    expect(refused).toEqual([]);
    expect([...serials][0]).toBe(first);
  },
);
