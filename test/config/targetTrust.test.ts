/** What targets are verified by, as a file says it: read with the config, and refused with it. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Config } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/load.ts';
import { Authority } from '../support/certificates.ts';

function folder(): { readonly at: (name: string) => string; load(tls: object): Promise<Config> } {
  const dir = mkdtempSync(join(tmpdir(), 'pointsman-trust-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const at = (name: string): string => join(dir, name);
  const load = (targetTls: object): Promise<Config> => {
    const services = { shop: { targetTls, run: { static: {} } } };
    writeFileSync(at('p.yaml'), JSON.stringify({ services }));
    return loadConfig(at('p.yaml'));
  };
  return { at, load };
}

test('files are read with the config, and the same of them is the same', async () => {
  const { at, load } = folder();
  const ca = new Authority(at('ca'));
  const { cert, key } = ca.sign(at('ours'));

  const whole = { ca: './ca/ca.pem', serverName: 'App.Internal', cert, key };
  const [first, again, none] = [await load(whole), await load(whole), await load({})].map(
    ({ services }) => services[0]?.targetTls,
  );

  expect(first).toMatchObject({
    verify: true,
    serverName: 'app.internal',
    ca: ca.pem,
    cert: readFileSync(cert, 'utf8'),
    key: readFileSync(key, 'utf8'),
  });
  expect(again?.id).toBe(first?.id);
  expect(none?.id).not.toBe(first?.id);
  expect(none).toMatchObject({ verify: true, serverName: null, ca: null, cert: null, key: null });
});

test('what cannot be used is a mistake of the config, told at its key', async () => {
  const { at, load } = folder();
  const ca = new Authority(at('ca'));
  const ours = ca.sign(at('ours'));
  const others = ca.sign(at('others'));
  const { cert } = ours;
  writeFileSync(at('empty.pem'), '');
  writeFileSync(at('open.key'), readFileSync(ours.key));
  chmodSync(at('open.key'), 0o644);
  const wrong: [object, RegExp][] = [
    [{ ca: './none.pem' }, /targetTls\.ca: wanted a PEM file, got none: .* there is no such file/],
    [{ ca: './empty.pem' }, /targetTls\.ca: wanted a PEM file with a certificate, got none/],
    [{ ca: ours.key }, /targetTls\.ca: wanted a PEM file with a certificate, got none/],
    [{ cert }, /targetTls\.key: wanted the key of cert, got none/],
    [{ key: ours.key }, /targetTls\.cert: wanted the certificate that key belongs to, got none/],
    [{ cert, key: others.key }, /targetTls\.cert: wanted what TLS can be spoken with/],
    [
      { cert, key: './open.key' },
      /targetTls\.key: wanted a file that strangers cannot read, got mode 0644/,
    ],
    [{ verify: false, ca: ca.file }, /targetTls\.ca: wanted none beside `verify: false`/],
    [{ serverName: 'https://app' }, /targetTls\.serverName: wanted a host such as app\.internal/],
  ];

  for (const [targetTls, message] of wrong) {
    await expect(load(targetTls)).rejects.toThrow(message);
  }
});
