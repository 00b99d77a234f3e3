/**
 * The page in a real browser, before a real admin server with a fake control behind it: what a
 * person sees and does. Against the real proxy it is held in real.test.ts.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterEach, expect, test } from 'vitest';
import type { Confirm } from '../../src/control/model/state.ts';
import { Sampler } from '../../src/control/telemetry/samples.ts';
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
  fakeCertificate,
  fakeControl,
  fakePool,
  fakeService,
  fakeTarget,
  probe,
} from '../support/fakeControl.ts';
import { long } from '../support/form.ts';

const pageDir = fileURLToPath(new URL('../../dist/dashboard', import.meta.url));

let served: Served;

afterEach(() => served?.close());

async function serve(control: FakeControl = fakeControl()): Promise<FakeControl> {
  served = await serveAdmin({ control, pageDir });
  return control;
}

const heading = (page: Watched, text: string) => page.page.getByRole('heading', { name: text });
const rollbackButton = ({ page }: Watched) => page.locator('[data-wish=rollback]');
const confirm = ({ page }: Watched) => page.locator('dialog button[type=submit]');

/** Waits until the page shows the text. */
const sees = async ({ page }: Watched, text: string | RegExp) =>
  page.getByText(text).first().waitFor();

test('the whole page is under 60 KB gzipped', async () => {
  const files = await readdir(pageDir, { recursive: true, withFileTypes: true });
  const sizes = await Promise.all(
    files
      .filter((file) => file.isFile())
      .map(async (file) => gzipSync(await readFile(join(file.parentPath, file.name))).length),
  );

  expect(sizes.length).toBeGreaterThan(3);
  expect(sizes.reduce((sum, size) => sum + size)).toBeLessThan(60_000);
});

browserTest(
  'a deployment is seen as it happens, with its probes, and ends in history',
  async () => {
    const control = await serve();
    const tab = await openPage(served.url);
    await sees(tab, 'BLUE v1 takes the traffic');

    await tab.page.click('[data-wish=deploy]');
    await tab.page.fill('dialog [name=release]', 'v2');
    await tab.page.fill('dialog [name=targets]', '127.0.0.1:3009');
    await tab.page.fill('dialog [name=by]', 'ada');
    await tab.page.fill('dialog [name=why]', 'the new cart');
    await confirm(tab).click();
    await heading(tab, 'Deployment of GREEN v2: starting').waitFor();
    const id = control.service('shop').deployment?.id ?? '';
    control.enter(id, 'probing');
    control.miss(id, '127.0.0.1:3009', 'wanted a status of 200-299, got 503');
    control.pass(id, '127.0.0.1:3009', 1);
    await sees(tab, /127.0.0.1:3009 failed: wanted a status of 200-299, got 503/);
    await sees(tab, /127.0.0.1:3009 passed 1 of 2/);
    control.flipNow(id);

    await heading(tab, 'Deployment of GREEN v2: done').waitFor();
    await sees(tab, 'GREEN v2 takes the traffic');
    await sees(tab, /by ada – the new cart/);
    const { order, call } = control.calls[0] ?? {};
    expect(order).toMatchObject({ release: 'v2', targets: [{ host: '127.0.0.1', port: 3009 }] });
    expect(call).toEqual({ by: 'ada', why: 'the new cart', generation: 3 });
    await tab.done();
  },
);

browserTest('rollback asks, naming both releases, and answers with the receipt', async () => {
  await serve();
  const tab = await openPage(served.url);

  await rollbackButton(tab).click();
  await heading(tab, 'Roll shop back from BLUE v1 to GREEN v0?').waitFor();
  await sees(tab, 'Nothing is started. BLUE v1 stays warm afterwards.');
  await confirm(tab).click();

  await heading(tab, 'Rolled back.').waitFor();
  expect(await tab.page.locator('dialog[open]').count()).toBe(0);
  const receipt = await textOf(tab.page.locator('.actions .answer .receipt'));
  expect(receipt).toMatch(/from BLUE v1 to GREEN v0/);
  expect(receipt).toMatch(/held over \d+ workers?/);
  expect(receipt).toMatch(/\d+ requests?/);
  expect(receipt).toMatch(/finished, \d+ left by their client, \d+ cut/);
  await sees(tab, 'GREEN v0 takes the traffic');
  await tab.page.getByRole('button', { name: 'Put away' }).click();
  expect(await tab.page.locator('.answer').count()).toBe(0);
  await tab.done();
});

browserTest('a double click on the confirmation rolls back once', async () => {
  const control = await serve();
  const tab = await openPage(served.url);

  await rollbackButton(tab).dblclick();
  await confirm(tab).dblclick({ noWaitAfter: true });
  await heading(tab, 'Rolled back.').waitFor();

  expect(control.calls.filter(({ what }) => what === 'rollback')).toHaveLength(1);
  expect(control.service('shop')).toMatchObject({ generation: 4, live: 'green' });
  await tab.done();
});

browserTest('two tabs click rollback at once: one does it, the other is told kindly', async () => {
  const control = await serve();
  const one = await openPage(served.url);
  const two = await openPage(served.url);
  for (const tab of [one, two]) {
    tab.foresee('412');
    await rollbackButton(tab).click();
    await confirm(tab).waitFor();
  }
  const go = control.hold();

  await Promise.all([one, two].map((tab) => confirm(tab).click({ noWaitAfter: true })));
  await expect.poll(() => control.calls.length).toBe(2);
  go();

  const ends = await Promise.all(
    [one, two].map(async ({ page }) => {
      await page.locator('.answer .receipt, dialog [role=alert]').first().waitFor();
      return textOf(page.locator('.answer, dialog'));
    }),
  );
  expect(ends.filter((text) => text.includes('Rolled back.'))).toHaveLength(1);
  expect(ends.filter((text) => text.includes('Somebody was faster'))).toHaveLength(1);
  expect(control.service('shop')).toMatchObject({ generation: 4, live: 'green' });
  await one.done();
  await two.done();
});

browserTest('a dialog over a service that changed offers nothing but to close', async () => {
  const control = await serve();
  const tab = await openPage(served.url);
  await rollbackButton(tab).click();
  await confirm(tab).waitFor();

  await control.rollback('shop', 'v0', { by: 'another', why: '', generation: 3 });

  await sees(tab, /Somebody was faster: the service is at generation 4 now/);
  expect(await confirm(tab).count()).toBe(0);
  await tab.done();
});

browserTest(
  'where there is no way back the button stands in its place, disabled, with the reason',
  async () => {
    const control = await serve();
    const tab = await openPage(served.url);
    await rollbackButton(tab).waitFor();
    const before = await rollbackButton(tab).boundingBox();
    const reason = 'green is below its size: 0 of 1 targets are healthy.';

    control.setService('shop', {
      rollback: { ready: false, to: null, reason, asleep: false, unsafe: null },
    });
    control.events.emit({ type: 'service', service: 'shop', what: 'health' });
    await sees(tab, reason);

    expect(await rollbackButton(tab).getAttribute('aria-disabled')).toBe('true');
    expect(await rollbackButton(tab).boundingBox()).toEqual(before);
    // Playwright's own click would wait until the button is enabled.
    const { x = 0, y = 0 } = before ?? {};
    await tab.page.mouse.click(x + 20, y + 10);
    expect(await tab.page.locator('dialog[open]').count()).toBe(0);
    await tab.done();
  },
);

browserTest('a failed deployment says why on the page, and the live pool stands', async () => {
  const control = await serve();
  const tab = await openPage(served.url);
  const order = { release: 'v2', image: null, targets: [], flip: null, dryRun: false };
  control.setService('shop', { run: 'process' });
  const { id } = await control.deploy('shop', order, { by: 'ci', why: '', generation: 3 });
  await heading(tab, 'Deployment of GREEN v2: starting').waitFor();

  control.fail(id, 'GATE_TIMEOUT', '127.0.0.1:3009 did not become healthy in 60 s: got 503.');

  await heading(tab, 'Deployment of GREEN v2: failed').waitFor();
  await sees(tab, '127.0.0.1:3009 did not become healthy in 60 s: got 503.');
  await sees(tab, 'BLUE v1 takes the traffic');
  await tab.done();
});

browserTest('a deployment that waits for a person is flipped, or aborted, by button', async () => {
  const control = await serve(fakeControl({ services: [fakeService('shop', { run: 'process' })] }));
  const tab = await openPage(served.url);
  const order = { release: 'v2', image: null, targets: [], flip: 'manual', dryRun: false } as const;
  const call = { by: 'ci', why: '', generation: null };
  const first = await control.deploy('shop', order, call);
  await tab.page.click('[data-wish=abort]');
  await confirm(tab).click();
  await heading(tab, 'Aborted.').waitFor();
  expect((await control.deployment(first.id)).phase).toBe('aborted');

  const second = await control.deploy('shop', order, call);
  control.enter(second.id, 'ready');
  await tab.page.click('[data-wish=flip]');
  await heading(tab, 'Flip shop from BLUE v1').waitFor();
  await confirm(tab).click();

  await heading(tab, 'Flipped.').waitFor();
  await sees(tab, 'all are still draining');
  control.drain(second.id);
  await sees(tab, /finished, \d+ left by their client/);
  await tab.done();
});

browserTest(
  'a release that is proved beside the warm pool is a third card, and a rollback aborts it',
  async () => {
    const control = await serve();
    const tab = await openPage(served.url);
    const call = { by: 'ci', why: '', generation: null };
    const targets = [{ host: '127.0.0.1', port: 4001 }];
    const order = { release: 'v2', image: null, targets, flip: null, dryRun: false };
    const { id } = await control.deploy('shop', order, call);
    control.setService('shop', { candidate: fakePool('shop', 'green', 'v2', 'probing') });
    control.enter(id, 'probing');

    await heading(tab, 'CANDIDATE PROBING').waitFor();
    const cards = await tab.page.locator('.pools .pool h2').allInnerTexts();
    await sees(tab, /becomes GREEN at the flip/);
    await tab.page.click('[data-wish=abort]');
    await sees(tab, 'GREEN v2 is stopped. BLUE v1 goes on as if nothing had been.');
    await tab.page.keyboard.press('Escape');
    await tab.page.click('[data-wish=rollback]');
    await sees(tab, 'The deployment of v2 is aborted.');

    expect(cards).toHaveLength(3);
    await tab.done();
  },
);

browserTest('a rollback that is unsafe says why, and is done by who types that', async () => {
  const control = await serve();
  const why = 'the schema moved on';
  const { rollback } = control.service('shop');
  control.setService('shop', { rollback: { ...rollback, unsafe: why } });
  const tab = await openPage(served.url);
  await sees(tab, `Going back is unsafe: ${why}`);

  await tab.page.click('[data-wish=rollback]');
  await sees(tab, `Going back from v1 is unsafe: ${why}`);
  await confirm(tab).click();
  const untyped = control.calls.length;
  await tab.page.fill('dialog [name=unsafe]', why);
  await confirm(tab).click();

  await heading(tab, 'Rolled back.').waitFor();
  expect(untyped).toBe(0);
  expect(control.calls.map((call) => call.order)).toEqual([{ to: 'v0', unsafe: why }]);
  await tab.done();
});

browserTest('a warm pool that sleeps is woken, and then Rollback is ready', async () => {
  const control = await serve();
  const reason = 'The warm pool (v0 on green) is kept frozen; `pointsman wake` thaws it.';
  const to = { color: 'green', release: 'v0' } as const;
  control.setService('shop', {
    rollback: { ready: false, to, reason, asleep: true, unsafe: null },
  });
  const tab = await openPage(served.url);
  await sees(tab, reason);
  expect(await tab.page.getAttribute('[data-wish=rollback]', 'aria-disabled')).toBe('true');

  await tab.page.click('[data-wish=wake]');
  await sees(tab, 'Nothing is switched.');
  await confirm(tab).click();

  await sees(tab, 'Ready: GREEN v0 is warm and healthy.');
  expect(await tab.page.locator('[data-wish=wake]').count()).toBe(0);
  expect(control.calls.map(({ what }) => what)).toEqual(['wake']);
  await tab.done();
});

browserTest('pause, resume and retire do what they say', async () => {
  const control = await serve();
  const tab = await openPage(served.url);

  for (const [wish, shown] of [
    ['pause', /PAUSED/],
    ['resume', 'BLUE v1 takes the traffic'],
    ['retire', 'nothing runs here'],
  ] as const) {
    await tab.page.click(`[data-wish=${wish}]`);
    await confirm(tab).click();
    await sees(tab, shown);
  }

  expect(control.calls.map(({ what }) => what)).toEqual(['pause', 'resume', 'retire']);
  expect(control.calls.every(({ call }) => call.generation === 3)).toBe(true);
  await tab.done();
});

browserTest(
  'a lost connection is said at once, nothing can be clicked meanwhile, and it comes back',
  async () => {
    const control = await serve();
    const tab = await openPage(served.url);
    tab.foresee('ERR_CONNECTION');
    tab.foresee('ERR_INCOMPLETE_CHUNKED');
    tab.foresee('ERR_EMPTY_RESPONSE');
    // What a server that is about to close says to whoever is quick.
    tab.foresee('503 (Service Unavailable)');
    await sees(tab, /^live$/);

    await served.close();
    await sees(tab, /connection lost/);
    expect(await rollbackButton(tab).getAttribute('aria-disabled')).toBe('true');
    await control.rollback('shop', 'v0', { by: 'another', why: '', generation: 3 });
    served = await serveAdmin({
      control,
      pageDir,
      listen: { host: '127.0.0.1', port: served.port },
    });

    await sees(tab, /^live$/);
    await sees(tab, 'GREEN v0 takes the traffic');
    await tab.done();
  },
);

browserTest('a target that is down says why, in words, beside its name', async () => {
  const sick = fakeTarget('127.0.0.1:3003', {
    healthy: false,
    failures: 4,
    passes: 0,
    errors: 7,
    probe: probe(false, 'wanted a status of 200-299, got 503'),
  });
  const pools = {
    blue: fakePool('shop', 'blue', 'v1', 'live', [fakeTarget('127.0.0.1:3001'), sick]),
    green: null,
  };
  await serve(fakeControl({ services: [fakeService('shop', { pools })] }));
  const tab = await openPage(served.url);

  const row = tab.page.locator('.targets tbody', { hasText: '127.0.0.1:3003' });
  await row.waitFor();

  const text = await textOf(row);
  expect(text).toMatch(/DOWN/);
  expect(text).toMatch(/wanted a status of 200-299, got 503/);
  expect(text).toMatch(/migrations are running/);
  expect(text).toMatch(/4 failed/);
  await sees(tab, /1 of 2 – below its size/);
  await sees(tab, 'EMPTY');
  await tab.done();
});

browserTest(
  'a target that is a name says what it stands for, what is left out, and since when nobody can say',
  async () => {
    const named = fakeTarget('https://app.internal:443', {
      addresses: [
        { address: '10.0.0.7', used: true, error: null },
        { address: '10.0.0.8', used: false, error: 'connection refused' },
      ],
      unresolved: {
        reason: 'DNS does not say what app.internal is',
        since: '2026-11-20T10:00:00Z',
      },
    });
    const pools = { blue: fakePool('shop', 'blue', 'v1', 'live', [named]), green: null };
    await serve(fakeControl({ services: [fakeService('shop', { pools })] }));
    const tab = await openPage(served.url);

    const row = tab.page.locator('.targets tbody', { hasText: 'https://app.internal:443' });
    await row.waitFor();

    const text = await textOf(row);
    expect(text).toMatch(/10\.0\.0\.7/);
    expect(text).toMatch(/10\.0\.0\.8, left out: connection refused/);
    expect(text).toMatch(/the last good answer holds: DNS does not say what app\.internal is/);
    await tab.done();
  },
);

browserTest('while the first release is proved the page says that nothing is live', async () => {
  const blue = fakePool('shop', 'blue', 'v1', 'probing');
  const rollback = {
    ready: false,
    to: null,
    reason: 'There is no warm pool.',
    asleep: false,
    unsafe: null,
  };
  const first = { generation: 0, live: null, pools: { blue, green: null }, rollback };
  await serve(fakeControl({ services: [fakeService('shop', first)] }));
  const tab = await openPage(served.url);

  await sees(tab, 'Nothing takes the traffic: there is no release yet');
  await sees(tab, 'PROBING');
  expect(await tab.page.locator('.lead').getAttribute('data-live')).toBeNull();
  await tab.done();
});

browserTest('traffic is drawn live for each color, and told in figures', async () => {
  const samples = new Sampler();
  const counted = (count: number) => ({
    color: 'blue' as const,
    requests: { 'GET 200': count, 'GET 502': count / 10 },
    duration: { buckets: [0, 0, count], sum: 0 },
    upstream: { buckets: [], sum: 0 },
    clientAborts: 0,
    retries: {},
    panics: 0,
  });
  const take = (second: number): void => {
    const service = { name: 'shop', generation: 3, live: 'blue', pools: [] } as const;
    const counts = [counted(second * 100)];
    const rest = { staged: null, holding: false, waiting: 0, held: 0, counts };
    const worker = { worker: 1, pid: 1, services: [{ ...service, ...rest }] };
    samples.take(new Date(), second * 1000, [worker as never]);
  };
  take(0);
  take(1);
  const control = fakeControl();
  served = await serveAdmin({ control: { ...control, samples } as FakeControl, pageDir });
  const tab = await openPage(served.url);
  await sees(tab, /^live$/);
  await expect.poll(() => samples.watched).toBe(1);

  take(2);
  take(3);

  const row = tab.page.locator('.figures tr.blue');
  await expect.poll(() => textOf(row)).toMatch(/BLUE\s+110\s+3\.75 ms\s+4\.98 ms\s+10\s+0/);
  const drawn = await tab.page.evaluate(`[...document.querySelectorAll('canvas')].map((canvas) => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return data.some((value) => value > 0);
  })`);
  expect(drawn).toEqual([true, true, true]);
  await tab.page.setViewportSize({ width: 360, height: 800 });
  const wide = () => tab.page.evaluate('document.documentElement.scrollWidth');
  await expect.poll(wide).toBeLessThanOrEqual(360);
  expect(await textOf(row)).toMatch(/BLUE\s+110/);
  await tab.done();
});

browserTest('the keyboard alone is enough to roll back, and the focus returns', async () => {
  await serve();
  const tab = await openPage(served.url);
  const { page } = tab;
  await rollbackButton(tab).waitFor();
  const focused = () => page.evaluate('document.activeElement?.dataset?.wish ?? ""');

  for (let i = 0; i < 10 && (await focused()) !== 'rollback'; i++) await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await confirm(tab).waitFor();
  await page.keyboard.press('Escape');
  await page.locator('dialog[open]').waitFor({ state: 'detached' });
  expect(await focused()).toBe('rollback');
  await page.keyboard.press('Enter');
  await confirm(tab).waitFor();
  // What was meant is one key away; the name, which is remembered, is not in its way.
  const button = await page.evaluate('document.activeElement?.textContent');
  expect(button).toBe('Roll back to v0');
  await page.keyboard.press('Enter');

  await heading(tab, 'Rolled back.').waitFor();
  await page.locator('dialog[open]').waitFor({ state: 'detached' });
  expect(await focused()).toBe('rollback');
  await tab.done();
});

const order = { release: 'v2', image: null, targets: [], flip: null, dryRun: false };
const byCi = { by: 'ci', why: '', generation: null };

browserTest('the log tails, lets go when one scrolls, and counts what repeats', async () => {
  const control = await serve(fakeControl({ services: [fakeService('shop', { run: 'process' })] }));
  const tab = await openPage(served.url);
  await sees(tab, /^live$/);
  const { id } = await control.deploy('shop', order, byCi);
  const say = (line: string) =>
    control.events.emit({ type: 'progress', service: 'shop', deployment: id, line });
  const log = tab.page.locator('.lines');
  const fromEnd = async (): Promise<number> =>
    log.evaluate((node: { scrollHeight: number; scrollTop: number; clientHeight: number }) =>
      Math.round(node.scrollHeight - node.scrollTop - node.clientHeight),
    );

  for (let n = 1; n <= 60; n++) say(`line ${n}`);
  await sees(tab, /line 60$/);
  await expect.poll(fromEnd).toBeLessThan(12);
  await log.evaluate((node: { scrollTop: number }) => {
    node.scrollTop = 0;
  });
  await tab.page.getByRole('button', { name: 'Follow the newest' }).waitFor();
  say('line 61');
  await sees(tab, /line 61$/);
  expect(await fromEnd()).toBeGreaterThan(100);
  await tab.page.getByRole('button', { name: 'Follow the newest' }).click();
  await expect.poll(fromEnd).toBeLessThan(12);
  for (let n = 0; n < 12; n++) {
    control.miss(id, 'replica-1', 'got 503');
    control.miss(id, 'replica-2', 'got 503');
  }

  await sees(tab, /replica-2 failed: got 503 ×12/);
  expect(await tab.page.locator('.lines li', { hasText: 'failed: got 503' }).count()).toBe(2);
  await tab.done();
});

browserTest(
  'a deployment counts down to its limit, and its log folds once it is over',
  async () => {
    const control = await serve(
      fakeControl({ services: [fakeService('shop', { run: 'process' })] }),
    );
    const tab = await openPage(served.url);
    const until = new Date(Date.now() + 42_000).toISOString();
    control.setService('shop', { limits: { deployMs: 60_000, drainMs: 30_000, until } });
    const { id } = await control.deploy('shop', order, byCi);

    await sees(tab, /Fails in (?:[1-3]?\d|4[0-2]) s unless every target is healthy by then/);
    control.miss(id, 'replica-1', 'got 503');
    await sees(tab, /replica-1 failed: got 503/);
    control.fail(id, 'GATE_TIMEOUT', 'v2 did not become healthy.');
    await heading(tab, 'Deployment of GREEN v2: failed').waitFor();

    await sees(tab, 'v2 did not become healthy.');
    await tab.page.locator('.lines').waitFor({ state: 'hidden' });
    await tab.page.getByText('What happened').first().click();
    await sees(tab, /replica-1 failed: got 503/);
    await tab.done();
  },
);

browserTest('a drain shows how far it is, and when what is left is cut', async () => {
  const control = await serve(fakeControl({ services: [fakeService('shop', { run: 'process' })] }));
  const { id } = await control.deploy('shop', order, byCi);
  control.flipNow(id, false);
  const { pools, deployment } = control.service('shop');
  const blue = pools.blue && {
    ...pools.blue,
    role: 'draining' as const,
    inside: { http: 1, sse: 1, upgrade: 0 },
  };
  const receipt = deployment?.receipt && {
    ...deployment.receipt,
    committedAt: new Date(Date.now() - 10_000).toISOString(),
  };
  control.setService('shop', {
    pools: { ...pools, blue },
    deployment: deployment && { ...deployment, receipt: receipt ?? null },
  });
  const tab = await openPage(served.url);

  const progress = tab.page
    .getByText(/6 of 8 requests ended; what is left is cut in \d+ s/)
    .first();
  const seconds = Number(/in (\d+) s/.exec((await progress.textContent()) ?? '')?.[1]);
  // Of a limit of 30 s, 10 had passed when the page was asked for.
  expect(seconds).toBeGreaterThan(0);
  expect(seconds).toBeLessThanOrEqual(20);
  await tab.done();
});

browserTest('PAUSED is amber in the headline and in the card, and one request waits', async () => {
  const control = await serve();
  control.setService('shop', { paused: true, waiting: 1 });
  const tab = await openPage(served.url);

  await sees(tab, 'PAUSED: 1 request waits for BLUE v1');
  await sees(tab, 'is live, and gets no new request');
  const colorOf = (what: string) =>
    tab.page.evaluate(`getComputedStyle(document.querySelector('${what}')).color`);
  expect(await colorOf('.lead')).toBe('rgb(138, 75, 0)');
  expect(await colorOf('.pool.live h2')).toBe('rgb(138, 75, 0)');
  await tab.done();
});

browserTest(
  'what is to be confirmed counts down, and is confirmed by one click and its question',
  async () => {
    const confirmation: Confirm = {
      deployment: 'shop-0',
      generation: 3,
      release: 'v1',
      since: new Date().toISOString(),
      until: new Date(Date.now() + 90_000).toISOString(),
      phase: 'waiting',
      reason: null,
    };
    const control = await serve(
      fakeControl({ services: [fakeService('shop', { confirm: confirmation })] }),
    );
    const tab = await openPage(served.url);

    await sees(tab, 'v1 is to be confirmed.');
    const timer = tab.page.getByRole('timer');
    const first = await textOf(timer);
    expect(first).toMatch(/gone back from in \d+ s/);
    await expect.poll(() => textOf(timer)).not.toBe(first);
    const retire = tab.page.locator('[data-wish=retire]');
    expect(await retire.getAttribute('title')).toContain('v1 waits to be confirmed');
    await tab.page.locator('[data-wish=confirm]').click();
    await confirm(tab).click();

    await sees(tab, 'Confirmed: it stays.');
    expect(control.calls.at(-1)).toMatchObject({
      what: 'confirm',
      call: { generation: 3 },
      order: { withinMs: null },
    });
    await expect.poll(() => timer.count()).toBe(0);
    await tab.done();
  },
);

browserTest(
  'what was not confirmed and cannot be gone back from is an alert with the reason',
  async () => {
    const held: Confirm = {
      deployment: 'shop-0',
      generation: 3,
      release: 'v1',
      since: new Date(0).toISOString(),
      until: new Date(60_000).toISOString(),
      phase: 'held',
      reason: 'The warm pool is not whole.',
    };
    await serve(fakeControl({ services: [fakeService('shop', { confirm: held })] }));
    const tab = await openPage(served.url);

    const alert = tab.page.getByRole('alert');
    await alert.waitFor();
    expect(await textOf(alert)).toContain('is not gone back from: The warm pool is not whole.');
    await tab.done();
  },
);

browserTest('FROZEN says why, bars what leads forward, and leaves the way back open', async () => {
  const freeze = 'The quarter closes on Friday';
  const control = await serve(fakeControl({ services: [fakeService('shop', { freeze })] }));
  const tab = await openPage(served.url);

  await sees(tab, `FROZEN (deployments are refused, the way back is open): ${freeze}`);
  const deploy = tab.page.locator('[data-wish=deploy]');
  expect(await deploy.getAttribute('aria-disabled')).toBe('true');
  expect(await deploy.getAttribute('title')).toBe(`Frozen: ${freeze}`);
  expect(await rollbackButton(tab).getAttribute('aria-disabled')).toBe('false');

  control.setService('shop', { freeze: null });
  control.events.emit({ type: 'service', service: 'shop', what: 'is frozen no more' });

  await expect.poll(() => deploy.getAttribute('aria-disabled')).toBe('false');
  await tab.done();
});

browserTest('an empty pool takes little room, and no cell of the targets wraps', async () => {
  const pools = { blue: fakePool('shop', 'blue', 'v1', 'live'), green: null };
  await serve(fakeControl({ services: [fakeService('shop', { pools })] }));
  const tab = await openPage(served.url);
  await sees(tab, 'EMPTY');

  const width = async (what: string) => (await tab.page.locator(what).boundingBox())?.width ?? 0;
  expect(await width('.pool.empty')).toBeLessThan(0.25 * (await width('.pools')));
  const tall = (await tab.page.evaluate(`[...document.querySelectorAll('.targets td.number')].map(
    (cell) => cell.getClientRects()[0].height)`)) as number[];
  expect(Math.max(...tall)).toBeLessThan(60);
  const row = tab.page.locator('.targets tbody tr');
  expect(await textOf(row)).toMatch(/UP\s+\d+ d/);
  await tab.done();
});

browserTest('a target that never was up says so, and not that it never changed', async () => {
  const sick = fakeTarget('127.0.0.1:3001', {
    healthy: false,
    changedAt: null,
    passes: 0,
    failures: 3,
    retries: 5,
    probe: probe(false, 'connection refused'),
  });
  const pools = { blue: fakePool('shop', 'blue', 'v1', 'live', [sick]), green: null };
  await serve(fakeControl({ services: [fakeService('shop', { pools })] }));
  const tab = await openPage(served.url);

  await sees(tab, /^never up$/);
  await sees(tab, /3 failed in a row: connection refused/);
  const row = tab.page.locator('.targets tbody');
  expect(await textOf(row.locator('[data-label=Retries]'))).toBe('5');
  await tab.done();
});

browserTest('history says of what was live before that it is superseded', async () => {
  const control = await serve(fakeControl({ services: [fakeService('shop', { run: 'process' })] }));
  for (const release of ['v2', 'v3']) {
    const { id } = await control.deploy('shop', { ...order, release }, byCi);
    control.flipNow(id);
  }
  const tab = await openPage(served.url);
  await sees(tab, /Deploy GREEN v2 → BLUE v3/);

  const entries = await tab.page.locator('.history li').allInnerTexts();
  expect(entries).toHaveLength(2);
  expect(entries[0]).toMatch(/BLUE v3: live, by ci/);
  expect(entries[1]).toMatch(/GREEN v2: superseded, by ci/);
  await tab.done();
});

browserTest('a release of before is deployed again by one click, which says its cost', async () => {
  const digest = `sha256:${'ab'.repeat(32)}`;
  const releases = [{ name: 'v7', source: `shop:v7 ${digest}` }];
  const control = await serve();
  control.setService('shop', { run: 'process', releases });
  const tab = await openPage(served.url);

  await tab.page.getByRole('button', { name: 'Deploy v7 again' }).click();
  await sees(
    tab,
    'GREEN v0, which is warm, is kept until the flip, to go back to: three pools run until then.',
  );
  await confirm(tab).click();

  await heading(tab, 'Deployment of GREEN v7: starting').waitFor();
  expect(control.calls[0]?.order).toMatchObject({ release: 'v7', again: true, targets: [] });
  await tab.done();
});

browserTest('thirty services: what is broken first, and Rollback in the row', async () => {
  const names = Array.from({ length: 30 }, (_, n) => `shop-${String(n).padStart(2, '0')}`);
  const services = names.map((name, n) => {
    if (n === 20) return fakeService(name, { problem: 'its driver is away' });
    if (n === 25) return fakeService(name, { paused: true, waiting: 1 });
    return fakeService(name);
  });
  const control = await serve(fakeControl({ services }));
  const tab = await openPage(served.url);
  await sees(tab, '30 in all; 2 need a look');

  const rows = await tab.page.locator('.row').allInnerTexts();
  expect(rows[0]).toMatch(/^shop-20\s+shop-20\.example[\s\S]*its driver is away/);
  expect(rows[1]).toMatch(/^shop-25[\s\S]*PAUSED[\s\S]*paused: 1 request waits/);
  expect(rows[2]).toMatch(/^shop-00/);
  const heads = await tab.page.locator('.services thead th').allInnerTexts();
  expect(heads).toEqual([
    'Service',
    'Live',
    'Standby',
    'Req/s',
    'Errors/s',
    'p99',
    'State',
    'Way back',
  ]);
  await tab.page.locator('.row', { hasText: 'shop-03' }).getByRole('button').click();
  await confirm(tab).click();
  await sees(tab, 'Rolled back.');
  expect(control.service('shop-03').live).toBe('green');
  await tab.done();
});

browserTest('the form names the line that is wrong, and says what a deployment costs', async () => {
  await serve();
  const tab = await openPage(served.url);
  tab.foresee('422');
  tab.foresee('400');
  await tab.page.click('[data-wish=deploy]');
  await sees(
    tab,
    'GREEN v0, which is warm, is kept until the flip, unless the new targets are in its place.',
  );
  await tab.page.fill('dialog [name=release]', 'v2');
  await tab.page.fill('dialog [name=targets]', '127.0.0.1:3009\nnowhere');
  await confirm(tab).click();

  await sees(tab, /targets, line 2: wanted a target/);
  await tab.done();
});

browserTest('200 services stay light: one look, one stream, and a filter', async () => {
  const services = Array.from({ length: 200 }, (_, n) =>
    fakeService(
      `shop-${String(n).padStart(3, '0')}`,
      n === 7 ? { problem: 'its driver is away' } : {},
    ),
  );
  await serve(fakeControl({ services }));
  const tab = await openPage(served.url);
  let asked = 0;
  tab.page.on('request', () => asked++);
  await sees(tab, '200 in all; 1 need a look');

  expect(await tab.page.locator('.row').count()).toBe(200);
  await tab.page.getByLabel('Name contains').fill('shop-01');
  await expect.poll(() => tab.page.locator('.row').count()).toBe(10);
  await tab.page.getByLabel('Name contains').fill('');
  await tab.page.getByLabel('Only those that need a look').check();
  await expect.poll(() => tab.page.locator('.row').allInnerTexts()).toHaveLength(1);
  await tab.page.getByRole('link', { name: 'shop-007' }).click();
  await heading(tab, 'shop-007').waitFor();
  expect(asked).toBeLessThan(10);
  await tab.done();
});

browserTest('the page stays bounded through a day of events', async () => {
  const control = await serve(fakeControl({ services: [fakeService('shop', { run: 'process' })] }));
  const tab = await openPage(served.url);
  await sees(tab, /^live$/);
  const order = { release: 'v2', image: null, targets: [], flip: null, dryRun: false };
  const { id } = await control.deploy('shop', order, { by: 'ci', why: '', generation: null });
  const about = { service: 'shop', color: 'blue', target: 'shop-1' } as const;
  // A deployment every five minutes tells of some fifty things.
  let said = 0;
  const say = async (count: number): Promise<Weight> => {
    for (const end = said + count; said < end; said++) {
      const line = `line ${said}`;
      control.events.emit({ type: 'progress', service: 'shop', deployment: id, line });
      const healthy = said % 2 === 0;
      if (said % 10 === 0) control.events.emit({ type: 'target', ...about, healthy, why: line });
      // In the pace at which the page reads: one that falls behind is cut off, and that is tested elsewhere.
      if (said % 500 === 499) await sees(tab, new RegExp(`line ${said}$`));
    }
    return weigh(tab);
  };

  const morning = await say(long ? 5_000 : 1_000);
  const evening = await say(long ? 15_000 : 3_000);

  expect(await tab.page.locator('.lines li').count()).toBeLessThanOrEqual(200);
  expect(evening.nodes).toBeLessThan(morning.nodes * 1.1);
  expect(evening.listeners).toBeLessThan(morning.listeners * 1.1);
  expect(evening.heapBytes).toBeLessThan(morning.heapBytes + 1_000_000);
  await tab.done();
});

for (const [width, dark] of [
  [360, false],
  [360, true],
  [1280, false],
  [1280, true],
] as const) {
  browserTest(
    `axe finds nothing serious at ${width} px, ${dark ? 'dark' : 'light'}, and nothing is cut off`,
    async () => {
      const sick = fakeTarget('replica-2.shop.internal:30233', {
        healthy: false,
        failures: 130,
        changedAt: null,
        probe: probe(false, '127.0.0.1:30233 answered 503 to /up, and 200-299 is wanted'),
      });
      const targets = [fakeTarget('127.0.0.1:3001'), sick];
      const pools = {
        blue: fakePool('shop', 'blue', 'v1', 'live', targets),
        green: fakePool('shop', 'green', 'v0', 'warm', targets),
      };
      const control = await serve(
        fakeControl({ services: [fakeService('shop', { run: 'process', pools })] }),
      );
      const order = { release: 'v2', image: null, targets: [], flip: null, dryRun: false };
      const { id } = await control.deploy('shop', order, { by: 'ci', why: '', generation: null });
      control.miss(id, '127.0.0.1:3009', 'wanted a status of 200-299, got 503');
      const tab = await openPage(served.url, { width, dark });
      await sees(tab, 'BLUE v1 takes the traffic');
      await tab.page.waitForSelector('.uplot');

      await expectAccessible(tab);
      await rollbackButton(tab).click();
      await confirm(tab).waitFor();
      await expectAccessible(tab);
      const wide = await tab.page.evaluate('document.documentElement.scrollWidth');
      expect(wide).toBeLessThanOrEqual(width);
      await tab.done();
    },
  );
}

browserTest(
  'certificates say what is left of them, and those of a service stand under it',
  async () => {
    const days = (count: number) => new Date(Date.now() + count * 86_400_000).toISOString();
    const services = [fakeService('shop'), fakeService('blog', { hosts: ['blog.example'] })];
    const certificates = [
      fakeCertificate({ notAfter: days(20.2) }),
      fakeCertificate({
        name: 'blog',
        source: 'temporary',
        service: 'blog',
        names: ['blog.example'],
        notAfter: null,
        lastError: 'The authority does not believe that blog.example is ours',
        nextTryAt: '2026-01-01T00:10:00.000Z',
      }),
    ];
    await serve(fakeControl({ services, certificates }));
    const tab = await openPage(served.url);

    await heading(tab, 'Certificates').waitFor();
    await sees(tab, '20 d left');
    await sees(tab, 'a temporary one is served');
    await sees(tab, /does not believe that blog.example is ours Next try: 2026-01-01/);
    await expectAccessible(tab);
    await tab.page.goto(`${served.url}#/shop`);
    await sees(tab, '20 d left');
    expect(await tab.page.getByText('does not believe').count()).toBe(0);
    await tab.done();
  },
);

interface Weight {
  readonly heapBytes: number;
  readonly nodes: number;
  readonly listeners: number;
}

/** What the page holds on to, once its garbage is gone. */
async function weigh({ page }: Watched): Promise<Weight> {
  const debug = await page.context().newCDPSession(page);
  await debug.send('Performance.enable');
  await debug.send('HeapProfiler.collectGarbage');
  const { metrics } = await debug.send('Performance.getMetrics');
  await debug.detach();
  const of = (name: string): number =>
    metrics.find((one) => one.name === name)?.value ?? Number.NaN;
  return { heapBytes: of('JSHeapUsedSize'), nodes: of('Nodes'), listeners: of('JSEventListeners') };
}
