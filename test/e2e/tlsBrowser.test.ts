/**
 * HTTPS as a browser sees it: a real Chromium, which takes our two keys and no others.
 */
import { createHash, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { browserTest, launchBrowser } from '../support/browser.ts';
import { Authority } from '../support/certificates.ts';
import { startHttps } from '../support/https.ts';
import { oneService, startOrigin } from '../support/proxy.ts';
import { setOf, startTls } from '../support/tls.ts';

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

browserTest(
  'Chromium reloads a page of eighty pictures that never come, again and again, on one connection of HTTP/2',
  async () => {
    const dir = mkdtempSync(join(tmpdir(), 'pointsman-reload-'));
    onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
    const exact = new Authority(join(dir, 'ca')).sign(join(dir, 'exact'));
    const pictures = Array.from({ length: 80 }, (_, at) => `<img src="/held/${at}">`).join('');
    let held = 0;
    const origin = await startOrigin((req, res) => {
      if (req.url?.startsWith('/held')) {
        held++;
        return;
      }
      res.setHeader('Content-Type', 'text/html');
      res.end(req.url === '/' ? `<link rel="icon" href="data:,">${pictures}` : 'fine');
    });
    const proxy = await startTls(oneService(origin.port), await setOf([exact]));
    const browser = await launchBrowser([
      '--host-resolver-rules=MAP * 127.0.0.1',
      `--ignore-certificate-errors-spki-list=${pinOf(exact.cert)}`,
    ]);
    onTestFinished(() => browser.close());
    const page = await browser.newPage();
    const url = `https://shop.example:${proxy.port}`;
    const navigation = "performance.getEntriesByType('navigation')[0]";
    const spoken = (): Promise<unknown> => page.evaluate(`${navigation}.nextHopProtocol`);
    const loaded = async (round: number): Promise<void> => {
      await page.goto(`${url}/`, { waitUntil: 'commit' });
      while (held < 40 * round) await new Promise((resolve) => setTimeout(resolve, 5));
    };

    await loaded(1);
    const [first] = proxy.sockets;
    const protocol = await spoken();
    for (let round = 2; round <= 10; round++) await loaded(round);
    await page.goto(`${url}/fine`);

    expect(protocol).toBe('h2');
    expect(await page.textContent('body')).toBe('fine');
    expect(first?.destroyed).toBe(false);
    const aborted = proxy.lines.filter(({ ending }) => ending === 'clientAborted').length;
    expect(aborted).toBeGreaterThan(300);
  },
);
