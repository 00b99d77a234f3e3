/**
 * What a lane does with requests for a release that is being proved: they reach that one or none,
 * and never the live one. Part of `laneSuite`.
 */
import { expect, test } from 'vitest';
import type { Color, ServiceEntry } from '../../../src/wire.ts';
import { otherColor } from '../../../src/wire.ts';
import type { PreviewEntry } from '../../../src/wireEdge.ts';
import { ask, eventually, type Got, keepAlive } from '../../support/client.ts';
import { long } from '../../support/form.ts';
import {
  entry,
  type MakeLane,
  passwordHash,
  pool,
  serviceEdge,
  startOrigin,
  startProxy,
} from '../../support/proxy.ts';

const host = 'preview.shop.example';
const flips = 50;
const requestsMin = long ? 10_000 : 800;

const shown = (more: Partial<PreviewEntry> = {}): PreviewEntry => ({
  host,
  header: '',
  auth: null,
  pool: 'shop.green.2',
  deployment: 'shop-2',
  ...more,
});

async function startNamed(name: string): Promise<number> {
  const { port } = await startOrigin((_req, res) => res.end(name));
  return port;
}

/** v1 is live on blue, and v2 is being proved on green. */
async function proving(makeLane: MakeLane, is: Partial<ServiceEntry> = {}) {
  const blue = pool('shop.blue.1', [await startNamed('v1')]);
  const green = pool('shop.green.2', [await startNamed('v2')]);
  const pools = { blue, green };
  const service = (more: Partial<ServiceEntry> = {}): ServiceEntry =>
    entry({ hosts: ['shop.example'], pools, preview: shown(), ...is, ...more });
  const proxy = await startProxy(makeLane, { services: [service()] });
  const agent = keepAlive(1);
  const get = (headers: Record<string, string>): Promise<Got> =>
    ask(proxy.port, { agent, headers: { Accept: 'application/json', Host: host, ...headers } });
  return { proxy, service, get, pools };
}

/** Generous: it only ends what hangs. */
const until = (holds: () => boolean) => eventually(holds, Boolean, 60_000);

const said = ({ status, body }: Got): string =>
  status === 200 ? body : `${status} ${JSON.parse(body).code}`;

export function previewSuite(name: string, makeLane: MakeLane): void {
  test(`${name}: preview: its host shows what is being proved; the host of the service shows what is live`, async () => {
    const { get } = await proving(makeLane);

    expect(said(await get({}))).toBe('v2');
    expect(said(await get({ Host: 'shop.example' }))).toBe('v1');
    expect(said(await get({ Host: `${host}:8080` }))).toBe('v2');
    expect(said(await get({ Host: 'PREVIEW.shop.example.' }))).toBe('v2');
  });

  test(`${name}: preview: a header shows it at the hosts of the service, and without it nothing does`, async () => {
    const { get } = await proving(makeLane, { preview: shown({ host: '', header: 'x-preview' }) });
    const at = (value: string) => get({ Host: 'shop.example', 'X-Preview': value });

    expect(said(await get({ Host: 'shop.example' }))).toBe('v1');
    expect(said(await at('1'))).toBe('v2');
    expect(said(await at('shop-2'))).toBe('v2');
    expect(said(await at('shop-1'))).toBe('503 PREVIEW_EMPTY');
    expect(said(await at('yes'))).toBe('503 PREVIEW_EMPTY');
    expect(said(await get({ Host: 'shop.example' }))).toBe('v1');
  });

  test(`${name}: preview: by the id of a deployment it is that one or none, however it is named`, async () => {
    const { get } = await proving(makeLane);
    const none = '503 PREVIEW_EMPTY';

    expect(said(await get({ Host: `shop-2.${host}` }))).toBe('v2');
    expect(said(await get({ Host: `shop-1.${host}` }))).toBe(none);
    expect(said(await get({ Host: `x.shop-2.${host}` }))).toBe(none);
    expect(said(await get({ 'Pointsman-Deployment': 'shop-2' }))).toBe('v2');
    expect(said(await get({ 'Pointsman-Deployment': 'shop-3' }))).toBe(none);
    const both = { Host: `shop-2.${host}`, 'Pointsman-Deployment': 'shop-3' };
    expect(said(await get(both))).toBe(none);
  });

  test(`${name}: bugs of argo #4131 and #2641: without a standby there is no answer, and never the live one's`, async () => {
    const { proxy, service, get, pools } = await proving(makeLane);
    const none = shown({ pool: null, deployment: null });

    proxy.stage([service({ preview: none })]);
    expect(said(await get({}))).toBe('503 PREVIEW_EMPTY');
    proxy.stage([service({ preview: none, pools: { ...pools, green: null } })]);
    expect(said(await get({}))).toBe('503 PREVIEW_EMPTY');
    proxy.stage([service()]);
    expect(said(await get({}))).toBe('v2');
    // The table of the flip says still what was proved; it is live from the same turn on.
    proxy.flip(service({ live: 'green', generation: 2 }));
    expect(said(await get({}))).toBe('503 PREVIEW_EMPTY');
    expect(said(await get({ Host: `shop-2.${host}` }))).toBe('503 PREVIEW_EMPTY');
    expect(said(await get({ Host: 'shop.example' }))).toBe('v2');
  });

  test(`${name}: preview: a candidate beside the warm pool is shown, and the warm pool is not`, async () => {
    const { proxy, service, get } = await proving(makeLane);
    const candidate = pool('shop.green.3', [await startNamed('v3')]);
    const preview = shown({ pool: candidate.id, deployment: 'shop-3' });

    proxy.stage([service({ candidate, preview })]);

    expect(said(await get({}))).toBe('v3');
    expect(said(await get({ Host: `shop-2.${host}` }))).toBe('503 PREVIEW_EMPTY');
    expect(said(await get({ Host: 'shop.example' }))).toBe('v1');
  });

  test(`${name}: preview: it asks for names and passwords of its own, or for those of the service, and is nothing to keep`, async () => {
    const user = (password: string) => [{ name: 'ada', hash: passwordHash(password) }];
    const auth = { realm: 'before its flip', users: user('proof') };
    const edge = serviceEdge({ basicAuth: { realm: 'shop', users: user('shop') } });
    const { proxy, service, get } = await proving(makeLane, { edge, preview: shown({ auth }) });
    const as = (password: string) =>
      get({ Authorization: `Basic ${Buffer.from(`ada:${password}`).toString('base64')}` });

    const refused = await get({});
    expect(said(refused)).toBe('401 CREDENTIALS_REQUIRED');
    expect(refused.headers['www-authenticate']).toContain('before its flip');
    expect(said(await as('shop'))).toBe('401 CREDENTIALS_REQUIRED');
    const shownTo = await as('proof');
    expect(said(shownTo)).toBe('v2');
    proxy.stage([service({ edge, preview: shown() })]);
    expect(said(await as('proof'))).toBe('401 CREDENTIALS_REQUIRED');
    expect(said(await as('shop'))).toBe('v2');
    proxy.stage([service({ edge: null, preview: shown({ pool: null, deployment: null }) })]);
    const none = await get({});
    for (const answer of [refused, shownTo, none]) {
      expect(answer.headers['x-robots-tag']).toBe('noindex');
    }
    expect((await get({ Host: 'shop.example' })).headers).not.toHaveProperty('x-robots-tag');
  });

  test(`${name}: preview: what it does is counted apart, and held against nothing`, async () => {
    const { proxy, get } = await proving(makeLane);

    for (let round = 0; round < 5; round++) await get({});

    const stats = () => proxy.plane.stats().services[0];
    await until(() => stats()?.previewed === 5);
    expect(stats()?.counts).toEqual([]);
    const pools = stats()?.pools ?? [];
    expect(pools.map(({ outcomes }) => outcomes?.sent)).toEqual([0, 0]);
    expect(pools.flatMap(({ targets }) => targets.map(({ requests }) => requests))).toEqual([0, 0]);
  });

  test(`${name}: preview: what is inside when it goes live ends there; what is inside one that fails is cut`, async () => {
    const answers: (() => void)[] = [];
    const slow = await startOrigin((_req, res) => answers.push(() => res.end('v2')));
    const blue = pool('shop.blue.1', [await startNamed('v1')]);
    const green = pool('shop.green.2', [slow.port]);
    const service = (more: Partial<ServiceEntry>): ServiceEntry =>
      entry({ hosts: ['shop.example'], pools: { blue, green }, preview: shown(), ...more });
    const proxy = await startProxy(makeLane, { services: [service({})] });
    const get = () => ask(proxy.port, { headers: { Host: host } });
    const none = shown({ pool: null, deployment: null });

    const inside = get();
    await until(() => answers.length === 1);
    proxy.flip(service({ live: 'green', generation: 2 }));
    proxy.stage([service({ live: 'green', generation: 2, preview: none })]);
    answers.pop()?.();
    expect((await inside).body).toBe('v2');

    const back = { live: 'blue', generation: 3 } as const;
    proxy.flip(service({ ...back, preview: none }));
    proxy.stage([service(back)]);
    const cut = get().then(
      ({ status }) => status,
      () => 'broken off',
    );
    await until(() => answers.length === 1);
    proxy.stage([service({ ...back, preview: none, pools: { blue, green: null } })]);
    expect([502, 504, 'broken off']).toContain(await cut);
  });

  test(`${name}: preview: over ${flips} flips nobody who looks at it is answered by what is live, or by another deployment`, async () => {
    const ports = await Promise.all(
      Array.from({ length: flips + 2 }, (_, fill) => startNamed(`v${fill}`)),
    );
    const poolOf = (fill: number, color: Color) =>
      pool(`shop.${color}.${fill}`, [ports[fill] ?? 0]);
    let live = { fill: 0, color: 'blue' as Color };
    let shownFill = 1;
    let generation = 1;
    let filled = poolOf(0, 'green');
    const service = (preview: number | null, more: Partial<ServiceEntry> = {}): ServiceEntry => {
      const other = otherColor(live.color);
      const { color, fill } = live;
      const pools = { [color]: poolOf(fill, color), [other]: filled } as ServiceEntry['pools'];
      const id = preview === null ? null : `shop-${preview}`;
      const is = shown({ header: 'x-preview', pool: id && filled.id, deployment: id });
      return entry({
        hosts: ['shop.example'],
        pools,
        live: color,
        generation,
        preview: is,
        ...more,
      });
    };
    filled = poolOf(shownFill, 'green');
    const proxy = await startProxy(makeLane, { services: [service(1)] });
    const wrong: string[] = [];
    const seen = { shown: 0, none: 0 };
    let done = false;
    const client = async (at: number): Promise<void> => {
      const agent = keepAlive(1);
      while (!done) {
        const [liveThen, wanted] = [
          live.fill,
          at % 2 === 0 ? null : shownFill - (at % 3 === 0 ? 1 : 0),
        ];
        const id = wanted === null ? '' : `shop-${wanted}`;
        const headers: Record<string, string> =
          at < 4
            ? { Host: id === '' ? host : `${id}.${host}` }
            : { Host: 'shop.example', 'X-Preview': id || '1' };
        const { status, body } = await ask(proxy.port, { agent, headers });
        rounds[at] = (rounds[at] ?? 0) + 1;
        if (status === 200) seen.shown++;
        else seen.none++;
        if (status !== 200 && !body.includes('PREVIEW_EMPTY')) wrong.push(`${status} ${body}`);
        if (status === 200 && body === `v${liveThen}`) wrong.push(`${body}, which was live`);
        if (status === 200 && wanted !== null && body !== `v${wanted}`) {
          wrong.push(`${body} for ${id}`);
        }
      }
    };
    const rounds: number[] = Array(8).fill(0);
    const clients = Promise.all(Array.from({ length: 8 }, (_, at) => client(at)));
    const allAgain = (): Promise<unknown> => {
      const before = [...rounds];
      return until(() => rounds.every((made, at) => made > (before[at] ?? 0) + 1));
    };
    const count = (): number => seen.shown + seen.none;

    for (let flip = 1; flip <= flips; flip++) {
      await until(() => count() >= (requestsMin * flip) / (flips + 1));
      const other = otherColor(live.color);
      proxy.flip(service(shownFill, { live: other, generation: ++generation }));
      const old = live;
      live = { fill: shownFill, color: other };
      filled = poolOf(old.fill, old.color);
      // What was proved is live, and the table says still that it is shown. Nobody is inside a pool
      // of before when that goes.
      await allAgain();
      proxy.stage([service(null)]);
      await new Promise((resolve) => setImmediate(resolve));
      shownFill++;
      filled = poolOf(shownFill, old.color);
      proxy.stage([service(shownFill)]);
      await allAgain();
    }
    await until(() => count() >= requestsMin);
    done = true;
    await clients;

    expect(wrong).toEqual([]);
    expect(seen.shown).toBeGreaterThan(requestsMin / 4);
    expect(seen.none).toBeGreaterThan(0);
  }, 120_000);
}
