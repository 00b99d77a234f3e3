/**
 * Releases as images, end to end: a real Docker Engine, a real Pointsman, clients that never retry.
 *
 * The rule this file keeps: what runs is asked of the engine by its own CLI, and what clients saw
 * of the clients.
 */

import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sidesOf } from '../../src/control/model/api.ts';
import type { Phase } from '../../src/control/model/state.ts';
import { bundle } from '../support/bundle.ts';
import { download, Load, listen, talk } from '../support/clients.ts';
import { agrees, envOf, makeImage, running, startWithEngine } from '../support/containers.ts';
import { describeWithEngine } from '../support/engine.ts';
import { long } from '../support/form.ts';
import { type FlipSeen, strays } from '../support/verdict.ts';
import { type Pointsman, releaseFile, until } from '../support/whole.ts';

const mix = { get: 12, post: 4, slow: 4 };
const testMs = 120_000;

const moments: readonly { phase: Phase; flip: 'auto' | 'manual'; slow: boolean }[] = [
  { phase: 'starting', flip: 'auto', slow: false },
  { phase: 'probing', flip: 'auto', slow: true },
  { phase: 'ready', flip: 'manual', slow: false },
  { phase: 'draining', flip: 'auto', slow: false },
];

// The short form has the first story; the others take minutes.
describeWithEngine('containers behind a Pointsman', (engine) => {
  let app = '';
  beforeAll(async () => {
    app = await bundle(releaseFile, true);
  });
  afterAll(() => rm(dirname(app), { recursive: true, force: true }));

  test(
    'v1, v2, rollback, v3 under load: no error, nobody strays, and a tag that moves moves nothing',
    async () => {
      for (const name of ['v1', 'v2', 'v3']) await makeImage(engine(), app, `shop:${name}`, name);
      const pointsman = await startWithEngine(engine(), {});
      const load = new Load(pointsman.port, mix);
      const flips: FlipSeen[] = [{ to: 'v1', asked: 0, answered: performance.now() }];
      const lodgers = [await talk(pointsman.port)];
      const events = await listen(pointsman.port);
      const file = await download(pointsman.port, 20, 15);
      await load.answered('v1', mix.get);

      flips.push(await deployed(pointsman, 'v2'));
      await load.answered('v2', mix.get);
      flips.push(await rolledBack(pointsman, 'v1'));
      await load.answered('v1', mix.get);
      // From here on the tag is another release: nothing that was pinned may follow it.
      await makeImage(engine(), app, 'shop:v2', 'impostor');
      const [lostId] = (await running(engine())).filter((one) => one.includes('shop-green-v2-0'));
      await engine().docker('kill', 'shop-green-v2-0');
      await until('the warm replica that was killed is back', async () => {
        const { rollback } = await pointsman.status();
        const all = await running(engine());
        return rollback.ready && all.length === 4 && !all.includes(lostId ?? '');
      });
      flips.push(await rolledBack(pointsman, 'v2'));
      await load.answered('v2', mix.get);
      expect(await file.over).toBeNull();
      const [said, heard] = [lodgers[0]?.said ?? 0, events.count];
      await until('both still get on', () => {
        return (lodgers[0]?.said ?? 0) > said && events.count > heard;
      });
      events.leave();
      flips.push(await deployed(pointsman, 'v3'));
      await load.answered('v3', mix.get);
      await load.stop();

      expect(load.errors).toEqual([]);
      expect(load.closed).toEqual([]);
      expect(strays(flips, load.exchanges)).toEqual([]);
      expect(new Set(load.exchanges.map(({ by }) => by))).toEqual(new Set(['v1', 'v2', 'v3']));
      // v1 left for v3, and its WebSocket was told to come back.
      expect(await lodgers[0]?.closed).toBe(1012);
      await until('the status shows what every container costs', async () => {
        const pools = Object.values((await pointsman.status()).pools);
        const targets = pools.flatMap((pool) => pool?.targets ?? []);
        return (
          targets.length === 4 &&
          targets.every(({ memoryBytes = 0, cpuPercent }) => {
            return memoryBytes > 1_000_000 && cpuPercent !== undefined;
          })
        );
      });
      await agrees(engine(), pointsman);
    },
    testMs,
  );

  test.skipIf(!long)(
    'kill -9 of a live container under load: only what may not be sent twice is lost, with a 502',
    async () => {
      await makeImage(engine(), app, 'shop:v1', 'v1');
      await makeImage(engine(), app, 'shop:v2', 'v2');
      const pointsman = await startWithEngine(engine(), { health: { interval: '30s', rise: 1 } });
      const load = new Load(pointsman.port, mix);
      await load.answered('v1', mix.get * 4);
      const kept = (await running(engine())).find((one) => one.includes('shop-blue-v1-1'));

      await engine().docker('kill', '--signal', 'KILL', 'shop-blue-v1-0');

      // By event: the next probe is half a minute away.
      await until('it is seen to be down', async () => {
        return (await pointsman.status()).pools.blue?.targets.some(({ healthy }) => !healthy);
      });
      await until('it runs again', async () => (await running(engine())).length === 2);
      await load.answered('v1', mix.get * 4);
      await load.stop();
      const posts = load.errors.filter(({ status, error }) => {
        return status === 502 && error?.startsWith('POST ');
      });
      expect(load.errors).toEqual(posts);
      expect(load.closed).toEqual([]);
      expect(await running(engine())).toContain(kept);
    },
    testMs,
  );

  test.skipIf(!long)(
    'the engine restarts in mid-deployment: refused with the reason meanwhile, nothing twice afterwards',
    async () => {
      await makeImage(engine(), app, 'shop:v1', 'v1');
      await makeImage(engine(), app, 'shop:v2', 'v2');
      await makeImage(engine(), app, 'shop:broken', 'broken');
      const pointsman = await startWithEngine(engine(), { deploy: { timeout: '60s' } });
      const { json } = await pointsman.deploy('broken', { image: 'shop:broken' });
      await until('it is probed', async () => (await running(engine())).length === 4);

      await engine().stop();
      const refusal = await until('a deployment is refused for want of an engine', async () => {
        await pointsman.call('DELETE', `/v1/deployments/${json.id}`);
        const { status, text } = await pointsman.deploy('v2', { image: 'shop:v2' });
        return status === 503 ? text : null;
      });
      await engine().start();
      await until('the live pool is back, and only that', async () => {
        const { live } = sidesOf(await pointsman.status());
        return live?.healthy === 2 && (await running(engine())).length === 2;
      });

      expect(refusal).toContain('docker.sock');
      const flip = await deployed(pointsman, 'v2');
      expect(flip.to).toBe('v2');
      const load = new Load(pointsman.port, mix);
      await load.answered('v2', mix.get);
      await load.stop();
      expect(load.errors).toEqual([]);
      expect(await running(engine())).toHaveLength(4);
      await agrees(engine(), pointsman);
    },
    testMs,
  );

  test
    .skipIf(!long)
    .each([
      ...moments.map((moment) => ({ ...moment, warm: 'none' })),
      ...moments.map((moment) => ({ ...moment, warm: 'v1' })),
    ])(
    'kill -9 of Pointsman while a deployment is $phase, warm: $warm: nothing leaks, nothing twice, live untouched',
    async ({ phase, flip, slow, warm }) => {
      const [live, next] = warm === 'none' ? ['v1', 'v2'] : ['v2', 'v3'];
      await makeImage(engine(), app, 'shop:v1', 'v1');
      await makeImage(engine(), app, 'shop:v2', 'v2');
      await makeImage(engine(), app, 'shop:v3', 'v3');
      await makeImage(engine(), app, `shop:${next}`, slow ? 'broken' : next);
      const pointsman = await startWithEngine(engine(), { deploy: { timeout: '60s' } });
      if (live !== 'v1') await deployed(pointsman, live);
      const before = await running(engine());
      // In flight when it flips, so that there is something to drain.
      const file = phase === 'draining' ? await download(pointsman.port, 200, 50) : null;

      const { json } = await pointsman.deploy(next, { image: `shop:${next}`, flip });
      await until(`it is ${phase}`, async () => {
        return (await pointsman.call('GET', `/v1/deployments/${json.id}`)).json.phase === phase;
      });
      await pointsman.crash();
      void file?.over.catch(() => {});
      await pointsman.start({ env: envOf(engine()) });

      const settled = await until('it has settled', async () => {
        const status = await pointsman.status();
        const all = await running(engine());
        const pools = Object.values(status.pools).flatMap((pool) => pool ?? []);
        const targets = pools.reduce((sum, { targets }) => sum + targets.length, 0);
        const over = status.deployment?.endedAt !== null && status.candidate === null;
        return over && targets === all.length && pools.every(({ role }) => role !== 'retiring')
          ? status
          : null;
      });
      const flipped = phase === 'draining';
      const { live: now, standby } = sidesOf(settled);
      expect(now?.release).toBe(flipped ? next : live);
      expect(standby?.release ?? 'none').toBe(flipped ? live : warm);
      expect(settled.deployment?.phase).toBe(flipped ? 'live' : 'failed');
      // Same containers, started when they were; a flip is the end of what was warm before it.
      const after = await running(engine());
      const left = flipped ? before.filter((one) => !one.includes(`-${warm}-`)) : before;
      expect(after).toEqual(expect.arrayContaining([...left]));
      expect(after).toHaveLength(flipped ? 4 : before.length);
      await agrees(engine(), pointsman);
    },
    testMs,
  );
});

async function deployed(pointsman: Pointsman, release: string): Promise<FlipSeen> {
  for (;;) {
    const asked = performance.now();
    const { json, status, text } = await pointsman.deploy(release, { image: `shop:${release}` });
    expect({ status, text }).toMatchObject({ status: 202 });
    const { error } = await pointsman.flipped(json.id);
    // On a machine that stands still for 250 ms a flip is undone, and nobody sees it.
    if (error?.code === 'HOLD_TIMEOUT') continue;
    expect(error).toBeNull();
    return { to: release, asked, answered: performance.now() };
  }
}

async function rolledBack(pointsman: Pointsman, to: string): Promise<FlipSeen> {
  for (;;) {
    const asked = performance.now();
    const { status, json, text } = await pointsman.rollback(to);
    if (json?.code === 'HOLD_TIMEOUT') continue;
    expect({ status, text }).toMatchObject({ status: 200 });
    return { to, asked, answered: performance.now() };
  }
}
