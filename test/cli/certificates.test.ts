/** What people see of certificates, word for word, at 80 columns. */
import { expect, onTestFinished, test } from 'vitest';
import type { CertificateStatus } from '../../src/control/model/certificates.ts';
import { serveAdmin } from '../support/admin.ts';
import { runCli } from '../support/cli.ts';
import { fakeCertificate, fakeControl } from '../support/fakeControl.ts';

const good = fakeCertificate();
const soon = fakeCertificate({ name: '/etc/tls/soon.pem', notAfter: '2026-01-03T00:00:00.000Z' });
const ended = fakeCertificate({ name: '/etc/tls/old.pem', notAfter: '2025-12-31T00:00:00.000Z' });
const short = fakeCertificate({
  name: 'blog',
  source: 'acme',
  notAfter: '2026-01-03T00:00:00.000Z',
});
const refused = fakeCertificate({
  name: 'api',
  source: 'temporary',
  service: 'api',
  names: ['api.example', 'www.api.example'],
  serial: null,
  issuer: null,
  notAfter: null,
  lastError: 'The authority does not believe that api.example is ours: connection refused',
  lastErrorAt: '2026-01-01T00:00:00.000Z',
  nextTryAt: '2026-01-01T00:10:00.000Z',
});

async function shown(certificates: readonly CertificateStatus[], ...argv: string[]) {
  const served = await serveAdmin({ control: fakeControl({ certificates }) });
  onTestFinished(() => served.close());
  const { exit, stdout } = await runCli(argv, { url: served.url });
  expect(exit).toBe(0);
  if (argv.includes('--json')) return stdout;
  for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  return stdout;
}

test('certificates say when they end, and those with an error what it is and when it is tried again', async () => {
  expect(await shown([good, ended, refused], 'certificates')).toMatchInlineSnapshot(`
    "CERTIFICATE       FROM       ENDS (UTC)        LEFT     SERIAL  NAMES
    /etc/tls/shop.p…  file       2026-01-11 12:00  10 days  03E9    shop.example
    /etc/tls/old.pem  file       2025-12-31 00:00  ended    03E9    shop.example
    api               temporary  -                 none     -       api.example, ww…

    api: The authority does not believe that api.example is ours: connection refused
         (2026-01-01 00:00:00 UTC). Next try: 2026-01-01 00:10:00 UTC.
    "
  `);
  expect(await shown([], 'certificates')).toBe('There are no certificates in the configuration.\n');
});

test('as JSON they are what the API says', async () => {
  const text = await shown([good, refused], 'certificates', '--json');

  expect(JSON.parse(text)).toEqual({ certificates: [good, refused] });
});

test('status names those that somebody should look at, and no others', async () => {
  const { lastError: _, ...waiting } = refused;
  const all = [good, short, soon, ended, refused, { ...waiting, lastError: null }];

  const lines = (await shown(all, 'status')).split('\n');
  const quiet = await shown([good, short], 'status');

  expect(lines.slice(2).join('\n')).toMatchInlineSnapshot(`
    "/etc/tls/soon.pem: the certificate ends in 47 h
    /etc/tls/old.pem: the certificate has ended
    api: The authority does not believe that api.example is ours: connection refused
         (2026-01-01 00:00:00 UTC). Next try: 2026-01-01 00:10:00 UTC.
    api: a temporary certificate is served until the real one has come
    "
  `);
  expect(quiet).toBe(await shown([], 'status'));
});
