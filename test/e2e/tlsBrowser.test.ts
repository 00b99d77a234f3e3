/**
 * HTTPS as a browser sees it: a real Chromium, which takes our two keys and no others.
 */
import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, onTestFinished } from 'vitest';
import { browserTest, launchBrowser } from '../support/browser.ts';
import { startHttps } from '../support/https.ts';

/** As Chromium wants to be told of a key. */
function pinOf(file: string): string {
  const { publicKey } = new X509Certificate(readFileSync(file));
  const der = publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(der).digest('base64');
}

browserTest(
  'Chromium is sent to HTTPS, shown the certificate of each name, and answered',
  async () => {
    const { pointsman, port, exact, wild } = await startHttps();
    const browser = await launchBrowser([
      '--host-resolver-rules=MAP * 127.0.0.1',
      `--ignore-certificate-errors-spki-list=${[exact, wild].map(({ cert }) => pinOf(cert)).join()}`,
    ]);
    onTestFinished(() => browser.close());
    const page = await browser.newPage();

    const sent = await page.goto(`http://shop.example:${pointsman.port}/`);
    const at = page.url();
    const text = await page.textContent('body');
    const details = await sent?.securityDetails();
    const other = await page.goto(`https://a.shop.example:${port}/`);

    expect(at).toBe(`https://shop.example:${port}/`);
    expect(text).toBe('hello from alder\n');
    expect(details).toMatchObject({ protocol: 'TLS 1.3', issuer: 'Test Authority' });
    expect(other?.status()).toBe(200);
  },
);
