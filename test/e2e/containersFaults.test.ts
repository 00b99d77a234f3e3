/**
 * Containers behind a Pointsman while something dies: the controller alone, the engine under
 * traffic, the host with all addresses moved, a replica of the warm pool, a release that is wrong.
 *
 * The rule this file keeps: as in `containers.test.ts`, what runs is asked of the engine, and what
 * clients saw of the clients.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import http from 'node:http';
import net from 'node:net';
import { dirname } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ServiceStatus, sidesOf } from '../../src/control/model/api.ts';
import { bundle } from '../support/bundle.ts';
import { type Ran, runCli } from '../support/cli.ts';
import { download, Load, talk } from '../support/clients.ts';
import {
  agrees,
  dockerOf,
  envOf,
  makeImage,
  running,
  startWithEngine,
} from '../support/containers.ts';
import { describeWithEngine, type TestEngine } from '../support/engine.ts';
import { long } from '../support/form.ts';
import { freePort, kill, type Pointsman, releaseFile, until } from '../support/whole.ts';

const mix = { get: 12, post: 4, slow: 4 };
const testMs = 120_000;
type Moment = 'starting' | 'probing' | 'ready' | 'draining' | 'retiring';
const moments: readonly Moment[] = long
  ? ['starting', 'probing', 'ready', 'draining', 'retiring']
  : ['probing', 'draining'];

describeWithEngine('containers behind a Pointsman, when something dies', (engine) => {
  let app = '';
  beforeAll(async () => {
    app = await bundle(releaseFile, true);
    await makeImage(engine(), app, 'shop:v1', 'v1');
    await makeImage(engine(), app, 'shop:v2', 'v2');
    await makeImage(engine(), app, 'shop:v3', 'v3');
    await makeImage(engine(), app, 'shop:broken', 'broken');
  });
  afterAll(() => rm(dirname(app), { recursive: true, force: true }));

  test(
    'kill -9 of the controller in each phase: nothing leaks, nothing twice, no request is lost',
    async () => {
      const pointsman = await startWithEngine(engine(), { deploy: { timeout: '60s' } });
      const load = new Load(pointsman.port, mix);
      await load.answered('v1', mix.get);
      let live = 'v1';
      for (const moment of moments) {
        const before = await running(engine());
        // What is warm is not deployed but gone back to.
        const other = moment === 'retiring' ? 'v3' : 'v2';
        await bringTo(pointsman, moment, other);
        // A moment that lasts: what is told of it is true while it does.
        if (moment !== 'starting' && moment !== 'retiring') await agrees(engine(), pointsman);
        const { controller } = pointsman.pids();
        kill(controller ?? 0, 'SIGKILL');
        await until('another controller answers', async () => {
          const now = pointsman.pids().controller;
          return now !== null && now !== controller && (await pointsman.health()).ready;
        });

        const flipped = moment === 'draining' || moment === 'retiring';
        if (flipped) live = other;
        const pools = moment === 'draining' ? 2 : 1;
        const settled = await settledWith(engine(), pointsman, pools * 2);
        expect(sidesOf(settled).live?.release).toBe(live);
        expect(settled.deployment?.phase).toBe(flipped ? 'live' : 'failed');
        await load.answered(live, mix.get);
        // Same containers, started when they were.
        if (moment !== 'retiring') {
          expect(await running(engine())).toEqual(expect.arrayContaining([...before]));
        }
        await agrees(engine(), pointsman);
      }
      await load.stop();
      expect([load.errors, load.closed]).toEqual([[], []]);
    },
    testMs,
  );

  test(
    'kill -9 of everything while a pool retires: it is gone when Pointsman is back',
    async () => {
      const pointsman = await startWithEngine(engine(), {});
      await bringTo(pointsman, 'retiring', 'v2');

      await pointsman.crash();
      await pointsman.start({ env: envOf(engine()) });

      const settled = await settledWith(engine(), pointsman, 2);
      expect(sidesOf(settled).live?.release).toBe('v2');
      await agrees(engine(), pointsman);
    },
    testMs,
  );

  test(
    'a warm replica that is killed: the pool is shown below its size, and no way back until it is whole',
    async () => {
      const pointsman = await startWithEngine(engine(), {});
      const { json } = await pointsman.deploy('v2', { image: 'shop:v2' });
      expect((await pointsman.flipped(json.id)).error).toBeNull();
      await until('there is a way back', async () => (await pointsman.status()).rollback.ready);
      const before = await running(engine());

      const killed = engine().docker('kill', 'shop-blue-v1-0');
      const small = await until('the pool is shown below its size', async () => {
        const status = await pointsman.status();
        return status.pools.blue?.healthy === 1 ? status : null;
      });
      await killed;

      expect(small.rollback).toMatchObject({ ready: false, to: { release: 'v1' } });
      expect(small.rollback.reason).toContain('shop-blue-v1-0');
      const whole = await until('it is whole again', async () => {
        const status = await pointsman.status();
        return status.rollback.ready ? status : null;
      });
      expect(whole.pools.blue?.healthy).toBe(2);
      const after = await running(engine());
      // Three never ended; the fourth is the same container of the same image, started anew.
      expect(after.filter((one) => before.includes(one))).toHaveLength(3);
      expect(after.map(withoutTime)).toEqual(before.map(withoutTime));
    },
    testMs,
  );

  test(
    'a warm pool that is frozen uses no CPU, outlives a kill -9, and is woken by the rollback that wants it',
    async () => {
      const warm = { freeze: true };
      // While a release is watched its warm pool does not rest.
      const pointsman = await startWithEngine(engine(), { warm, protect: 'off' });
      const load = new Load(pointsman.port, mix);
      const { json } = await pointsman.deploy('v2', { image: 'shop:v2' });
      expect((await pointsman.flipped(json.id)).error).toBeNull();
      const paused = async (): Promise<boolean> => {
        const format = '{{.Names}} {{.State}}';
        const rows = (await engine().docker('ps', '--format', format)).split('\n').sort();
        const states = ['blue-v1-0 paused', 'blue-v1-1 paused', 'green-v2-0 running'];
        return [...states, 'green-v2-1 running'].every((one, at) => rows[at] === `shop-${one}`);
      };
      await until('the warm pool is frozen', paused);
      const frozen = await until('it is told as frozen', async () => {
        const status = await pointsman.status();
        const states = status.pools.blue?.targets.map(({ state }) => state) ?? [];
        return states.join(' ') === 'frozen frozen' ? status : null;
      });
      const before = await running(engine());

      await load.stop();
      await pointsman.crash();
      await pointsman.start({ env: envOf(engine()) });
      await until('it is frozen again', paused);
      const again = new Load(pointsman.port, mix);
      await again.answered('v2', mix.get);
      const back = await runCli(['rollback', 'shop'], {
        url: `http://127.0.0.1:${pointsman.adminPort}`,
      });
      await again.answered('v1', mix.get * 4);
      await again.stop();

      expect(frozen.rollback).toMatchObject({ ready: false, asleep: true });
      expect(back).toMatchObject({ exit: 0 });
      expect(back.stderr).toContain('Waking v1 on blue.');
      expect([load.errors, load.closed, again.errors, again.closed]).toEqual([[], [], [], []]);
      expect(await running(engine())).toEqual(before);
    },
    testMs,
  );

  test(
    'the engine restarts and lets containers live: no request is lost, deployments wait with a reason',
    async () => {
      await engine().stop();
      await engine().start('--live-restore');
      try {
        await liveOn(engine());
      } finally {
        await engine().stop();
        await engine().start();
      }
    },
    testMs,
  );

  test.each(long ? ['the engine', 'the host'] : ['the engine'])(
    '%s restarts and two services swap addresses: neither gets a request of the other (dokku PR 4130)',
    async (what) => {
      await makeImage(engine(), app, 'cart:v1', 'cart');
      // A fresh engine gives out its ports from the beginning.
      await engine().stop();
      await engine().start();
      const pointsman = await startWithEngine(
        engine(),
        { hosts: ['shop.test'], run: dockerOf(1) },
        {
          cart: {
            hosts: ['cart.test'],
            run: dockerOf(1),
            first: { release: 'v1', image: 'cart:v1' },
          },
        },
      );
      const wrong: string[] = [];
      const right = { shop: 0, cart: 0 };
      let asking = true;
      const ask = async (service: 'shop' | 'cart'): Promise<void> => {
        while (asking) {
          const by = await whoAnswers(pointsman.port, `${service}.test`);
          if (by === (service === 'shop' ? 'v1' : 'cart')) right[service]++;
          else if (by !== null) wrong.push(`${service} was answered by ${by}`);
          await new Promise((resolve) => setTimeout(resolve, 2));
        }
      };
      const asked = (['shop', 'shop', 'cart', 'cart'] as const).map(ask);
      await until('both are asked', () => right.shop > 20 && right.cart > 20);

      await swap(engine(), pointsman, what === 'the host');

      const [shop, cart] = [right.shop, right.cart];
      await until('both answer again', () => right.shop > shop + 20 && right.cart > cart + 20);
      asking = false;
      await Promise.all(asked);
      expect(wrong).toEqual([]);
    },
    testMs,
  );

  test(
    'a release that is wrong says why in the answer of the CLI: its end, its image, its port, its HEALTHCHECK; a slow one goes live',
    async () => {
      const images = { exits: { MODE: 'exits' }, deaf: { MODE: 'wrong-port', VERSION: 'deaf' } };
      for (const [name, env] of Object.entries(images)) await engine().image(`shop:${name}`, env);
      // Our own probe is content with it.
      await engine().image('shop:sick', { VERSION: 'sick', MODE: 'sick' }, true);
      await engine().image('shop:slow', { VERSION: 'slow', SLOW_MS: '2500' });
      const pointsman = await startWithEngine(engine(), { deploy: { timeout: '15s' } });
      const before = await running(engine());
      const deploy = (release: string, image: string): Promise<Ran> =>
        runCli(['deploy', 'shop', release, '--image', image], {
          url: `http://127.0.0.1:${pointsman.adminPort}`,
        });

      const exits = await deploy('exits', 'shop:exits');
      const absent = await deploy('absent', `${engine().registry}/shop:absent`);
      const deaf = await deploy('deaf', 'shop:deaf');
      const sick = await deploy('sick', 'shop:sick');
      const afterwards = await until('what failed is gone', async () => {
        const all = await engine().docker('ps', '-aq');
        return all.split('\n').length === before.length ? running(engine()) : null;
      });
      const slow = await deploy('slow', 'shop:slow');

      expect(exits.exit).not.toBe(0);
      expect(exits.stderr).toMatch(/shop-green-exits-\d exited with code 3/);
      expect(exits.stderr).toContain('no database at db:5432');
      expect(absent.exit).not.toBe(0);
      expect(absent.stderr).toContain(`${engine().registry}/shop:absent`);
      expect(deaf.exit).not.toBe(0);
      expect(deaf.stdout + deaf.stderr).toContain('listens on 4000');
      expect(sick.exit).not.toBe(0);
      expect(sick.stderr).toContain('probe does not count yet: 200');
      expect(sick.stderr).toMatch(/is unhealthy .*HEALTHCHECK: unhealthy: health said 500/);
      expect(afterwards).toEqual(before);
      expect(slow).toMatchObject({ exit: 0 });
      await agrees(engine(), pointsman);
    },
    testMs,
  );
});

/** Asks for what leads to the moment, and returns in it. */
async function bringTo(pointsman: Pointsman, moment: Moment, other: string): Promise<void> {
  // In flight when it flips, so that there is something to drain.
  if (moment === 'draining') {
    const file = await download(pointsman.port, 100, 50);
    file.over.catch(() => {});
  }
  // A tunnel is told to go, and that takes its time.
  if (moment === 'retiring') await talk(pointsman.port);
  // A name is one release's for ever; what failed leaves it free.
  const release = moment === 'probing' ? 'broken' : other;
  const order = { image: `shop:${release}`, flip: moment === 'ready' ? 'manual' : 'auto' };
  const { status: accepted, json } = await pointsman.deploy(release, order);
  expect(accepted).toBe(202);
  const phase = moment === 'retiring' ? 'live' : moment;
  await until(`it is ${phase}`, async () => (await deploymentOf(pointsman, json.id)) === phase);
  if (moment !== 'retiring') return;
  const { status, text } = await pointsman.call('DELETE', '/v1/services/shop/standby');
  expect({ status, text }).toMatchObject({ status: 200 });
  await until('it is retiring', async () => {
    return Object.values((await pointsman.status()).pools).some((one) => one?.role === 'retiring');
  });
}

async function deploymentOf(pointsman: Pointsman, id: string): Promise<string> {
  return (await pointsman.call('GET', `/v1/deployments/${id}`)).json.phase;
}

/** Waits until nothing is under way, and so many containers are there, running or not. */
function settledWith(
  { docker }: TestEngine,
  pointsman: Pointsman,
  count: number,
): Promise<ServiceStatus> {
  return until(`it has settled with ${count} containers`, async () => {
    const status = await pointsman.status();
    const all = (await docker('ps', '-aq')).split('\n').filter(Boolean);
    const pools = Object.values(status.pools).flatMap((pool) => pool ?? []);
    const still = pools.every(({ role }) => role === 'live' || role === 'warm');
    const over = status.deployment?.endedAt !== null;
    return over && still && all.length === count ? status : null;
  });
}

/**
 * Containers of the host's network live on without the engine, so their traffic must; those behind
 * the engine's own port proxy come back with it.
 */
async function liveOn(engine: TestEngine): Promise<void> {
  const labels = { service: 'shop', color: 'blue', release: 'v1' };
  for (const name of ['app-0', 'app-1']) {
    const port = await freePort();
    const said = Object.entries({ ...labels, port }).map(([key, value]) => `${key}=${value}`);
    const args = said.flatMap((one) => ['--label', `pointsman.${one}`]);
    const env = ['--network', 'host', '--env', `PORT=${port}`, '--env', 'HOST=127.0.0.1'];
    await engine.docker('run', '-d', '--name', name, ...env, ...args, 'shop:v1');
  }
  const pointsman = await startWithEngine(engine, {
    run: { docker: { discover: true } },
    first: { release: 'v1' },
  });
  const before = await running(engine);
  const load = new Load(pointsman.port, mix);
  const tunnel = await talk(pointsman.port);
  await load.answered('v1', mix.get);

  await engine.stop();
  await load.answered('v1', mix.get * 10);
  const refused = await until('a deployment is refused', async () => {
    const { status, text } = await pointsman.deploy('v2');
    return status === 503 ? text : null;
  });
  const problem = (await pointsman.status()).problem;
  await engine.start('--live-restore');
  await until('nothing is wrong any more', async () => {
    return (await pointsman.status()).problem === null;
  });
  await load.answered('v1', mix.get * 10);
  await load.stop();

  expect(refused).toContain('docker.sock');
  expect(problem).toContain('docker.sock');
  expect([load.errors, load.closed, tunnel.wrongs, tunnel.code]).toEqual([[], [], [], null]);
  expect(await running(engine)).toEqual(before);
}

/**
 * Everything starts again, first what had the higher port, so that the ports are dealt the other
 * way. The controller stands still meanwhile, or is gone with the host: it would mend in an order of its own.
 */
async function swap(engine: TestEngine, pointsman: Pointsman, host: boolean): Promise<void> {
  const ports = await portsOf(engine);
  // The higher port goes first, so that it is dealt the lower one.
  const names = ['shop-blue-v1-0', 'cart-blue-v1-0'];
  if (ports.shop < ports.cart) names.reverse();
  if (host) await pointsman.crash();
  await engine.stop();
  if (!host) {
    await until('it is seen that both are down', async () => {
      const all = await Promise.all(['shop', 'cart'].map((name) => pointsman.status(name)));
      return all.every(({ pools }) => pools.blue?.healthy === 0);
    });
  }
  const { controller } = pointsman.pids();
  if (!host) kill(controller ?? 0, 'SIGSTOP');
  await engine.start();
  // Engines of other tests, and any client of this machine, take ports of the same range. So what
  // became free below is taken meanwhile, and it may still take more than one deal: where the lower
  // port is another's now, the other order shows the same.
  const letGo = await takeAllBelow(ports);
  for (let deal = 1; ; deal++) {
    for (const name of names) await engine.docker('start', name);
    const got = await portsOf(engine);
    if (got.shop === ports.cart || got.cart === ports.shop) break;
    // Or else nothing would be shown.
    if (deal === 8)
      throw new Error(`no port was dealt to the other: ${JSON.stringify({ ports, got })}`);
    names.reverse();
    await engine.stop();
    await engine.start();
  }
  await letGo();
  if (host) await pointsman.start({ env: envOf(engine) });
  else kill(controller ?? 0, 'SIGCONT');
}

/**
 * Listens on every free port that an engine would deal before the higher of the two, but for the
 * two.
 *
 * @returns closes them all.
 */
async function takeAllBelow(ports: Ports): Promise<() => Promise<void>> {
  const both = [Number(ports.shop), Number(ports.cart)];
  const taken: net.Server[] = [];
  for (let port = portFirst; port < Math.max(...both); port++) {
    if (both.includes(port)) continue;
    const server = net.createServer();
    const listens = once(server.listen(port, '127.0.0.1'), 'listening');
    await listens.then(() => taken.push(server)).catch(() => undefined);
  }
  return async () => {
    for (const server of taken) await new Promise((resolve) => server.close(resolve));
  };
}

/** The port on loopback that leads to the one container of each of two services. */
async function portsOf({ docker }: TestEngine): Promise<Ports> {
  const portOf = async (name: string): Promise<string> => {
    const all = await docker('port', name, '3000/tcp');
    return all.split('\n')[0]?.split(':').at(-1) ?? '';
  };
  return { shop: await portOf('shop-blue-v1-0'), cart: await portOf('cart-blue-v1-0') };
}

/** The first port of the range from which an engine deals. */
const portFirst = Number.parseInt(
  readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8'),
  10,
);

interface Ports {
  readonly shop: string;
  readonly cart: string;
}

/** The release that answers a host; null: nobody does just now. */
function whoAnswers(port: number, host: string): Promise<string | null> {
  return new Promise((resolve) => {
    const options = { host: '127.0.0.1', port, path: '/', headers: { host }, agent: false };
    http
      .get(options, (res) => {
        res.resume();
        const by = res.headers['x-release'];
        res.on('close', () => resolve(typeof by === 'string' ? by : null));
      })
      .on('error', () => resolve(null));
  });
}

/** What `running` says of a container, but for when it was started. */
function withoutTime(one: string): string {
  const [id, , ...others] = one.split(' ');
  return [id, ...others].join(' ');
}
