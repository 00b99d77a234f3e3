/**
 * The page before the real proxy, with real releases behind it and clients that never retry in front.
 *
 * With SCREENSHOTS=1 the pictures of the documents are taken anew.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect } from 'vitest';
import { browserTest, openPage, type Watched } from '../support/browser.ts';
import {
  get,
  type Pointsman,
  type PointsmanOptions,
  startLoad,
  startPointsman,
} from '../support/pointsman.ts';

const token = 'correct-horse-battery-staple';
const readToken = 'look-but-do-not-touch-it';

let pointsman: Pointsman | undefined;

afterEach(async () => {
  await pointsman?.stop();
  pointsman = undefined;
});

async function start(options: PointsmanOptions = {}): Promise<Pointsman> {
  pointsman = await startPointsman(options);
  return pointsman;
}

const confirm = ({ page }: Watched) => page.locator('dialog button[type=submit]');
const sees = async ({ page }: Watched, text: string | RegExp) =>
  page.getByText(text).first().waitFor();

async function deploy(tab: Watched, release: string, flip = ''): Promise<void> {
  await tab.page.click('[data-wish=deploy][aria-disabled=false]');
  await tab.page.fill('dialog [name=release]', release);
  await tab.page.selectOption('dialog [name=flip]', flip);
  await confirm(tab).click();
  await sees(tab, `Deployment of`);
}

/** The button is there and may be pressed. */
const ready = (tab: Watched, wish: string) =>
  tab.page.locator(`[data-wish=${wish}][aria-disabled=false]`).waitFor();

browserTest(
  'deploy, then a click on Rollback under a load that never retries: 0 errors, and the click is the instant',
  async () => {
    const { url, adminUrl, status } = await start();
    const tab = await openPage(adminUrl);
    await sees(tab, 'BLUE v1 takes the traffic');
    const load = startLoad(url);

    await deploy(tab, 'v2');
    await sees(tab, 'GREEN v2 takes the traffic');
    await ready(tab, 'rollback');
    await tab.page.click('[data-wish=rollback]');
    await tab.page
      .getByRole('heading', { name: 'Roll shop back from GREEN v2 to BLUE v1?' })
      .waitFor();
    await confirm(tab).click();
    await tab.page.getByRole('heading', { name: 'Rolled back.' }).waitFor();
    const after = await Promise.all(Array.from({ length: 20 }, () => get(url)));
    const receipt = (await tab.page.locator('.answer .receipt').allInnerTexts()).join();
    await load.stop();

    expect(after.map(({ text }) => text.trim())).toEqual(after.map(() => 'v1'));
    expect(load.failures).toEqual([]);
    expect(load.answered).toBeGreaterThan(200);
    expect(receipt).toMatch(/from GREEN v2 to BLUE v1/);
    expect(receipt).toMatch(/[\d.]+ ms held over 2 workers/);
    expect(await status()).toMatchObject({ live: 'blue', generation: 3 });
    await tab.done();
  },
);

browserTest(
  'live figures of the traffic and the costs arrive, every flip is in the history',
  async () => {
    const { url, adminUrl } = await start({ workers: 0 });
    const tab = await openPage(adminUrl);
    const load = startLoad(url, 4);

    const row = tab.page.locator('.figures tr.blue');
    const figures = async () => (await row.allInnerTexts()).join();
    await expect
      .poll(figures, { timeout: 120_000 })
      .toMatch(/BLUE\s+[1-9][\d,.]*\s+[\d.]+ ms\s+[\d.]+ ms/);
    await deploy(tab, 'v2');
    await sees(tab, /generation 2: held/);
    // Of a process only the memory is known, and nothing is made up of its CPU.
    await sees(tab, /^[1-9][\d.]* MiB$/);
    await load.stop();

    expect(load.failures).toEqual([]);
    await tab.done();
  },
);

browserTest(
  'a release that never gets healthy fails on the page with its reason; v1 serves on',
  async () => {
    const { url, adminUrl } = await start();
    const tab = await openPage(adminUrl);

    await deploy(tab, 'v3-broken');
    await sees(tab, /failed: .*500/);
    await tab.page
      .getByRole('heading', { name: 'Deployment of GREEN v3-broken: failed' })
      .waitFor();

    await sees(tab, 'BLUE v1 takes the traffic');
    expect((await get(url)).text).toBe('v1\n');
    await tab.done();
  },
);

browserTest(
  'a manual flip waits for its button; an aborted one leaves no trace in the traffic',
  async () => {
    const { url, adminUrl, settled } = await start();
    const tab = await openPage(adminUrl);

    await deploy(tab, 'v2', 'manual');
    await ready(tab, 'flip');
    expect((await get(url)).text).toBe('v1\n');
    await tab.page.click('[data-wish=flip]');
    await confirm(tab).click();
    await tab.page.getByRole('heading', { name: 'Flipped.' }).waitFor();
    expect((await get(url)).text).toBe('v2\n');
    await settled();
    await deploy(tab, 'v3', 'manual');
    await ready(tab, 'flip');
    await tab.page.click('[data-wish=abort]');
    await confirm(tab).click();
    await tab.page.getByRole('heading', { name: 'Aborted.' }).waitFor();

    expect((await get(url)).text).toBe('v2\n');
    await tab.done();
  },
);

browserTest(
  'two tabs click Rollback at once: the traffic goes back once, and stays there',
  async () => {
    const { url, adminUrl, status, settled } = await start();
    const one = await openPage(adminUrl);
    await deploy(one, 'v2');
    await sees(one, 'GREEN v2 takes the traffic');
    await settled();
    const two = await openPage(adminUrl);
    for (const tab of [one, two]) {
      for (const refusal of ['409', '412']) tab.foresee(refusal);
      await ready(tab, 'rollback');
      await tab.page.click('[data-wish=rollback]');
      await confirm(tab).waitFor();
    }

    // In the page, so that both go out in the same moment.
    const press = `document.querySelector('dialog button[type=submit]')?.click()`;
    await Promise.all([one, two].map(({ page }) => page.evaluate(press)));

    const ends = await Promise.all(
      [one, two].map(async ({ page }) => {
        await page.locator('.answer .receipt, dialog [role=alert]').first().waitFor();
        return (await page.locator('.answer, dialog').allInnerTexts()).join();
      }),
    );
    expect(ends.filter((text) => text.includes('Rolled back.'))).toHaveLength(1);
    expect(
      ends.filter((text) => /Somebody was faster|nothing was changed/i.test(text)),
    ).toHaveLength(1);
    expect(await status()).toMatchObject({ live: 'blue', generation: 3 });
    expect((await get(url)).text).toBe('v1\n');
    await one.done();
    await two.done();
  },
);

browserTest(
  'the controller dies under the page: it says so, traffic goes on, and it comes back by itself',
  async () => {
    const { url, adminUrl, killController } = await start();
    const tab = await openPage(adminUrl);
    for (const lost of ['ERR_', '503']) tab.foresee(lost);
    await sees(tab, /^live$/);
    const load = startLoad(url, 4);

    killController();
    await sees(tab, /connection lost/);
    await sees(tab, /^live$/);
    await ready(tab, 'deploy');
    await load.stop();

    expect(load.failures).toEqual([]);
    await tab.done();
  },
);

browserTest(
  'a wrong token is refused in words, the right one opens, a reader only looks; no secret is kept',
  async () => {
    const { adminUrl } = await start({ token, readToken });
    const tab = await openPage(adminUrl);
    tab.foresee('401');
    const signIn = async (text: string): Promise<void> => {
      await tab.page.getByLabel('Token').fill(text);
      await tab.page.getByRole('button', { name: 'Sign in' }).click();
    };

    await signIn('not-the-token-at-all');
    await sees(tab, 'This is not the token of admin.tokenFile.');
    await signIn(readToken);
    await sees(tab, 'reader: may look, not act');
    await sees(tab, 'BLUE v1 takes the traffic');
    expect(await tab.page.locator('[aria-disabled=false]').count()).toBe(0);
    await tab.page.getByRole('button', { name: 'Sign out' }).click();
    await signIn(token);
    await ready(tab, 'pause');
    await tab.page.click('[data-wish=pause]');
    await confirm(tab).click();
    await sees(tab, 'Paused.');
    await tab.page.reload();
    await sees(tab, /PAUSED/);

    const kept = await tab.page.evaluate(
      'JSON.stringify([location.href, document.cookie, {...localStorage}, {...sessionStorage}])',
    );
    for (const secret of [token, readToken, 'pointsman_']) expect(kept).not.toContain(secret);
    await tab.done();
  },
);

browserTest(
  'a bad release is watched on the page from its deployment to its return by itself, and acknowledged',
  async () => {
    // All clients of a test come from one address.
    const { url, adminUrl, status } = await start({ service: { protect: { clients: 1 } } });
    const tab = await openPage(adminUrl, { width: 1280 });
    const load = startLoad(url);
    await expect.poll(() => load.answered, { timeout: 120_000 }).toBeGreaterThan(500);

    await deploy(tab, 'v2-leaky');
    await sees(tab, /v2-leaky is watched for another/);
    await sees(tab, /[1-9][\d.]* % of [\d,]+ requests failed/);
    await keep(tab, 'watched.png');
    await sees(tab, /v2-leaky was taken back by itself/);
    await sees(tab, 'BLUE v1 takes the traffic');
    await sees(tab, 'GREEN v2-leaky is warm, and is what was taken back: it failed.');
    await keep(tab, 'returned.png');
    await load.stop();

    expect(await status()).toMatchObject({ generation: 3, latch: { release: 'v2-leaky' } });
    expect(load.failures.filter((line) => line !== '500 v2-leaky failed\n')).toEqual([]);
    await tab.page.click('[data-wish=acknowledge]');
    await confirm(tab).click();
    await sees(tab, 'Deployments are taken again.');
    expect((await status()).latch).toBeNull();
    await tab.done();
  },
);

const pictures = fileURLToPath(new URL('../../docs/images', import.meta.url));

/** A picture for the documents, where they are taken anew. */
async function keep({ page }: Watched, name: string): Promise<void> {
  if (process.env.SCREENSHOTS) await page.screenshot({ path: join(pictures, name) });
}

if (process.env.SCREENSHOTS) {
  browserTest('pictures for the documents', async () => {
    const { url, adminUrl, call, settled } = await start();
    const load = startLoad(url, 8);
    const looks = [360, 1280].flatMap((width) => [false, true].map((dark) => ({ width, dark })));
    const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
    await wait(12_000);
    const order = { release: 'v2', by: 'ada', why: 'the new cart' };
    await call('POST', '/v1/services/shop/deployments', order);
    await settled();
    await wait(12_000);
    for (const { width, dark } of looks) {
      const tab = await openPage(adminUrl, { width, dark });
      await ready(tab, 'rollback');
      await wait(3_000);
      const name = `${width}-${dark ? 'dark' : 'light'}.png`;
      await tab.page.screenshot({ path: join(pictures, `service-${name}`), fullPage: true });
      await tab.page.click('[data-wish=rollback]');
      await confirm(tab).waitFor();
      await tab.page.screenshot({ path: join(pictures, `rollback-${name}`) });
      await tab.done();
    }
    await load.stop();
  });
}
