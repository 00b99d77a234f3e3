/**
 * The owner of certificates against a real authority (Debian's pebble), which refuses half of all
 * nonces; the answers are served by small servers of the test.
 */
import { X509Certificate } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import tls from 'node:tls';
import { expect, onTestFinished } from 'vitest';
import type { Answer, ChallengeType } from '../../../../src/control/certificates/acme/order.ts';
import {
  type KeyType,
  temporaryCertificate,
} from '../../../../src/control/certificates/acme/x509.ts';
import { owner } from '../../../support/acme/owner.ts';
import { pebble, pebbleTest } from '../../../support/acme/pebble.ts';

const shop = { id: 'shop', service: 'shop', names: ['shop.example', 'www.shop.example'] };

/** What a worker does with answers, in the fewest lines. */
async function answering() {
  let answers: readonly Answer[] = [];
  const plain = http.createServer((req, res) => {
    const token = req.url?.replace('/.well-known/acme-challenge/', '');
    const found = answers.find((one) => one.type === 'http-01' && one.token === token);
    res.statusCode = found?.type === 'http-01' ? 200 : 404;
    res.end(found?.type === 'http-01' ? found.body : '');
  });
  const fallback = await temporaryCertificate(['shop.example'], new Date());
  const secure = tls.createServer({
    ...fallback,
    ALPNProtocols: ['acme-tls/1'],
    SNICallback(name, done) {
      const found = answers.find((one) => one.type === 'tls-alpn-01' && one.name === name);
      done(null, found?.type === 'tls-alpn-01' ? tls.createSecureContext(found.pair) : undefined);
    },
  });
  secure.on('tlsClientError', () => {});
  for (const server of [plain, secure]) {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
  }
  onTestFinished(() => plain.closeAllConnections());
  return {
    httpPort: (plain.address() as AddressInfo).port,
    tlsPort: (secure.address() as AddressInfo).port,
    present: async (next: readonly Answer[]) => {
      answers = next;
    },
  };
}

const cases: readonly (readonly [ChallengeType, KeyType])[] = [
  ['http-01', 'p256'],
  ['http-01', 'rsa2048'],
  ['tls-alpn-01', 'p384'],
  ['tls-alpn-01', 'rsa2048'],
];

for (const [challenge, keyType] of cases) {
  pebbleTest(`a real authority gives a certificate by ${challenge}, of ${keyType}`, async () => {
    const { httpPort, tlsPort, present } = await answering();
    const authority = await pebble({ httpPort, tlsPort, nonceReject: 50 });
    const { directory, roots } = authority;
    const { acme, next } = await owner({
      settings: { directory, roots, keyType, challenges: [challenge] },
      present,
    });

    await acme.want([shop]);
    const { what, status } = await next();
    const [given] = acme.certificates();

    expect({ what, error: status.lastError }).toEqual({ what: 'issued', error: null });
    const leaf = new X509Certificate(given?.cert ?? '');
    expect(leaf.publicKey.asymmetricKeyType).toBe(keyType === 'rsa2048' ? 'rsa' : 'ec');
    expect(leaf.checkHost('www.shop.example')).toBe('www.shop.example');
    const chain = (given?.cert ?? '').match(/-----BEGIN[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
    const root = new X509Certificate(await authority.root());
    const last = new X509Certificate(chain.at(-1) ?? '');
    expect(last.verify(root.publicKey)).toBe(true);
  });
}

pebbleTest('a real authority that wants a known account is given one', async () => {
  const { httpPort, tlsPort, present } = await answering();
  const binding = {
    kid: 'kid-1',
    hmacKey: 'zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W',
  };
  const { directory, roots } = await pebble({ httpPort, tlsPort, binding });
  const without = await owner({ settings: { directory, roots }, present });
  const bound = await owner({ settings: { directory, roots, binding }, present });

  await without.acme.want([shop]);
  await bound.acme.want([shop]);

  expect((await without.next()).status.lastError).toContain('set tls.acme.eab');
  expect((await bound.next()).what).toBe('issued');
});

pebbleTest('a real authority whose own certificate nobody trusts is said to be that', async () => {
  const { httpPort, tlsPort, present } = await answering();
  const { directory } = await pebble({ httpPort, tlsPort });
  const { acme, next } = await owner({ settings: { directory, roots: null }, present });

  await acme.want([shop]);

  expect((await next()).status.lastError).toContain('set tls.acme.caFile');
});
