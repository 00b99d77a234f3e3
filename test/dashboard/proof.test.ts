/**
 * How a release is proved before its flip, as a person sees it on the page: its checks, its
 * preview, its warm-up, and the pool that stands beside the warm one meanwhile.
 */
import { fileURLToPath } from 'node:url';
import { afterEach, expect } from 'vitest';
import type { PreviewStatus } from '../../src/control/model/api.ts';
import { type Served, serveAdmin } from '../support/admin.ts';
import {
  browserTest,
  expectAccessible,
  openPage,
  textOf,
  type Watched,
} from '../support/browser.ts';
import {
  type FakeControl,
  fakeCheck,
  fakeControl,
  fakePool,
  fakeService,
} from '../support/fakeControl.ts';

const pageDir = fileURLToPath(new URL('../../dist/dashboard', import.meta.url));
const order = { release: 'v2', image: null, targets: [], flip: null, dryRun: false };
const wrong = '127.0.0.1:4001 answered 500 to GET /login, and 200-299 is wanted';

let served: Served;

afterEach(() => served?.close());

/** A service whose v2 is being proved beside what is warm. */
async function proving(preview: Partial<PreviewStatus> | null = null): Promise<FakeControl> {
  const shown = preview && { url: null, host: '', header: '', deployment: 'shop-1', ...preview };
  const control = fakeControl({ services: [fakeService('shop', { run: 'process' })] });
  await control.deploy('shop', order, { by: 'ci', why: '', generation: null });
  const candidate = fakePool('shop', 'green', 'v2', 'probing');
  control.setService('shop', { candidate, preview: shown });
  control.enter('shop-1', 'probing');
  served = await serveAdmin({ control, pageDir });
  return control;
}

const sees = async ({ page }: Watched, text: string | RegExp) =>
  page.getByText(text).first().waitFor();

browserTest('each check is a step, in order, with what came of it', async () => {
  const control = await proving();
  const tab = await openPage(served.url);
  control.check('shop-1', [
    fakeCheck('warm-up', 'passed', '60 requests to 1 target in 0.4 s; p95 9 ms'),
    fakeCheck('GET /', 'running', null, { runs: 2 }),
    fakeCheck('GET /login', 'waiting'),
  ]);

  await sees(tab, '1 of 3 checks passed');
  const steps = tab.page.getByRole('region', { name: 'Before the flip' }).getByRole('listitem');

  expect(await steps.allInnerTexts()).toEqual([
    'warm-up passed in 30 ms: 60 requests to 1 target in 0.4 s; p95 9 ms',
    'GET / runs, made 2 times',
    'GET /login waits',
  ]);
  await tab.done();
});

browserTest('a check that failed stays in sight, with its reason and what it printed', async () => {
  const control = await proving();
  const tab = await openPage(served.url);
  control.check('shop-1', [
    fakeCheck('GET /', 'passed', '1 target answered as wanted'),
    fakeCheck('GET /login', 'failed', wrong, { output: ['no such table: users'] }),
    fakeCheck('npm run smoke', 'waiting'),
  ]);
  control.fail('shop-1', 'HOOK_FAILED', `v2 has not passed GET /login: ${wrong}.`);

  await tab.page.getByRole('heading', { name: 'Deployment of GREEN v2: failed' }).waitFor();
  await sees(tab, `v2 has not passed GET /login: ${wrong}.`);
  const failed = tab.page.locator('.checks li', { hasText: 'FAILED' });

  expect(await textOf(tab.page.locator('.checks > summary'))).toBe('1 of 3 checks passed');
  expect(await failed.count()).toBe(1);
  expect(await textOf(failed)).toContain(`GET /login FAILED in 30 ms: ${wrong}`);
  expect(await failed.locator('pre').isVisible()).toBe(true);
  expect(await textOf(failed.locator('pre'))).toBe('no such table: users');
  await sees(tab, 'BLUE v1 takes the traffic');
  await tab.done();
});

browserTest('what is proved has a link to it, until nothing is shown there any more', async () => {
  const url = 'http://next.shop.example';
  const control = await proving({ url, host: 'next.shop.example' });
  const tab = await openPage(served.url);
  const link = tab.page.getByRole('link', { name: 'See it before its flip' });
  await link.waitFor();

  const href = await link.getAttribute('href');
  const { preview } = control.service('shop');
  control.setService('shop', { preview: preview && { ...preview, deployment: null } });
  control.fail('shop-1', 'ABORTED', 'Aborted by ada.');

  await sees(tab, 'Aborted by ada.');
  await link.waitFor({ state: 'detached' });
  expect(href).toBe(url);
  await tab.done();
});

browserTest('where a header alone shows it, the header is said with the deployment', async () => {
  await proving({ header: 'X-Preview' });
  const tab = await openPage(served.url);

  await sees(tab, 'X-Preview: shop-1');
  expect(await tab.page.getByRole('link', { name: 'See it before its flip' }).count()).toBe(0);
  await tab.done();
});

browserTest('the receipt says how the release was warmed up', async () => {
  const control = await proving();
  const tab = await openPage(served.url);
  const did = '60 requests to 1 target in 0.4 s; p95 210 ms, then 9 ms';
  control.check('shop-1', [fakeCheck('warm-up', 'passed', did)]);
  control.enter('shop-1', 'ready');

  await tab.page.click('[data-wish=flip]');
  await tab.page.click('dialog button[type=submit]');

  const receipt = tab.page.locator('.actions .answer .receipt');
  await receipt.waitFor();
  expect(await textOf(receipt)).toMatch(new RegExp(`Warmed up\\s+${did}`));
  await tab.done();
});

for (const [width, dark] of [
  [360, true],
  [1280, false],
] as const) {
  browserTest(
    `CANDIDATE is a third card at ${width} px, nothing is cut off, and axe finds nothing serious`,
    async () => {
      const control = await proving({ header: 'X-Preview' });
      const output = Array.from(
        { length: 20 },
        (_, n) => `line ${n} ${'of what it says '.repeat(8)}`,
      );
      control.check('shop-1', [
        fakeCheck('GET /', 'passed', '1 target answered as wanted'),
        fakeCheck(`GET /${'long/'.repeat(20)}`, 'failed', wrong, { output }),
        fakeCheck('GET /login', 'running'),
        fakeCheck('npm run smoke', 'waiting'),
      ]);
      const tab = await openPage(served.url, { width, dark });
      await tab.page.getByRole('heading', { name: 'CANDIDATE PROBING' }).waitFor();
      await tab.page.waitForSelector('.uplot');

      const heads = await tab.page.locator('.pools .pool h2').allInnerTexts();
      const card = await tab.page.locator('.pool.candidate').boundingBox();
      const wide = await tab.page.evaluate('document.documentElement.scrollWidth');

      expect(heads).toEqual(['BLUE\nLIVE', 'GREEN\nWARM', 'CANDIDATE\nPROBING']);
      expect(card?.width).toBeGreaterThan(0.75 * width);
      expect(wide).toBeLessThanOrEqual(width);
      await expectAccessible(tab);
      await tab.done();
    },
  );
}
