/**
 * The docker driver while things break: the engine restarts or crashes, addresses move, Pointsman
 * is killed, Pointsman lives in a container itself.
 *
 * The rule this file keeps: afterwards the engine is counted, so that nothing leaked and nothing
 * was started twice.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { orderOf } from '../../contracts/driver.ts';
import { bundle } from '../../support/bundle.ts';
import { answerOf, ask, until, workbench } from '../../support/engine/bench.ts';
import type { HostLine, HostOptions } from '../../support/engine/host.ts';
import { dockerRelease } from '../../support/engine/releases.ts';
import { describeWithEngine } from '../../support/engine.ts';

const repository = fileURLToPath(new URL('../../../', import.meta.url));

describeWithEngine('the docker driver, when things break', (engine) => {
  const bench = workbench(engine);
  const children: ChildProcess[] = [];
  const docker = (...args: readonly string[]): Promise<string> => engine().docker(...args);
  const containers = async (...args: readonly string[]): Promise<readonly string[]> =>
    (await docker('ps', '--format', '{{.Names}}', ...args)).split('\n').filter(Boolean).sort();
  let host = '';

  beforeAll(async () => {
    await engine().image('shop:v1', { VERSION: 'v1', NAME: 'shop' });
    await engine().image('cart:v1', { VERSION: 'v1', NAME: 'cart' });
    await engine().image('shop:slow', { VERSION: 'slow', SLOW_MS: '1500' });
    host = await bundle(join(repository, 'test/support/engine/host.ts'));
    await symlink(join(repository, 'node_modules'), join(dirname(host), 'node_modules'));
  });
  afterAll(() => rm(dirname(host), { recursive: true, force: true }));
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await bench.clear();
  });

  /** Runs a driver of its own, in a process of its own. */
  const spawnHost = (
    options: HostOptions,
    command: readonly string[] = [process.execPath, host],
  ): { readonly child: ChildProcess; readonly lines: readonly HostLine[] } => {
    const [program = '', ...args] = command;
    const env = { ...process.env, DOCKER_HOST: engine().host };
    const child = spawn(program, [...args, JSON.stringify(options)], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env,
    });
    children.push(child);
    const lines: HostLine[] = [];
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      lines.push(JSON.parse(line) as HostLine);
    });
    return { child, lines };
  };
  const plain = (order: ReturnType<typeof orderOf>): HostOptions['orders'][number] => {
    const { signal: _signal, progress: _progress, ...rest } = order;
    return rest;
  };

  test('the engine restarts: it is said, deployments are refused, and everything comes back once', async () => {
    const { driver, heard, told } = await bench.open();
    await driver.start(orderOf(dockerRelease('v1', { replicas: 2 })));
    const before = await docker('ps', '-q', '--no-trunc');

    await engine().stop();
    await heard((event) => event.kind === 'platform' && !event.available);
    await expect(
      driver.start(orderOf(dockerRelease('v2', { image: 'shop:v1' }), { color: 'green' })),
    ).rejects.toMatchObject({ code: 'DRIVER_UNAVAILABLE' });
    await expect(driver.list()).rejects.toMatchObject({ code: 'DRIVER_UNAVAILABLE' });
    await engine().start();
    await heard((event) => event.kind === 'platform' && event.available);
    await told('shop.blue.1', (targets) => targets.every(({ state }) => state === 'running'));

    const after = await docker('ps', '-q', '--no-trunc');
    expect(after.split('\n').sort()).toEqual(before.split('\n').sort());
    expect(await containers('-a')).toEqual(['shop-blue-v1-0', 'shop-blue-v1-1']);
    const [pool] = await driver.list();
    for (const target of pool?.targets ?? [])
      expect(await ask(target)).toMatchObject({ name: 'shop' });
  });

  test('the engine crashes in the middle of a start: nothing of it is left when it is back', async () => {
    const { driver, heard } = await bench.open();
    await driver.start(orderOf(dockerRelease('v1')));
    const release = dockerRelease('v2', { image: 'shop:slow', replicas: 2 });
    const starting = driver.start(orderOf(release, { color: 'green' })).catch((one) => one);
    await until(async () => (await containers()).length === 3);

    await engine().crash();
    expect(await starting).toMatchObject({ code: 'DRIVER_UNAVAILABLE' });
    await engine().start();

    await heard((event) => event.kind === 'platform' && event.available);
    expect(await containers('-a')).toEqual(['shop-blue-v1-0']);
    await until(async () => (await containers()).length === 1);
  });

  test('a stop that met a dead engine is done when the engine is back', async () => {
    const { driver, heard } = await bench.open();
    await driver.start(orderOf(dockerRelease('v1')));
    await engine().stop();

    await expect(driver.stop('shop.blue.1')).rejects.toMatchObject({ code: 'DRIVER_UNAVAILABLE' });
    await engine().start();

    await heard((event) => event.kind === 'platform' && event.available);
    expect(await containers('-a')).toEqual([]);
  });

  test('addresses move when the engine restarts, and no target ever names another app (dokku PR 4130)', async () => {
    // A fresh engine gives out its ports from the beginning: the second restart deals them anew.
    await engine().stop();
    await engine().start();
    const { driver, told, heard } = await bench.open();
    const cart = dockerRelease('v1', { image: 'cart:v1' });
    const carts = orderOf(cart, { service: 'cart', poolId: 'cart.blue.1' });
    await driver.start(carts);
    await driver.start(orderOf(dockerRelease('v1')));
    const wrong: string[] = [];
    let asked = 0;
    const answered: Promise<void>[] = [];
    driver.watch((event) => {
      if (event.kind !== 'targets') return;
      for (const target of event.targets) {
        if (target.state === 'down') {
          expect(target.port).toBe(0);
          continue;
        }
        asked++;
        answered.push(
          answerOf(target).then(
            (answer) => {
              if (answer === null || target.id.startsWith(String(answer.name))) return;
              wrong.push(`${target.id} is ${answer.name}`);
            },
            () => {},
          ),
        );
      }
    });

    await engine().stop();
    await engine().start();
    await heard((event) => event.kind === 'platform' && event.available);
    for (const pool of ['cart.blue.1', 'shop.blue.1']) {
      await told(pool, ([first]) => first?.state === 'running');
    }
    await Promise.all(answered);

    expect(asked).toBeGreaterThanOrEqual(2);
    expect(wrong).toEqual([]);
    const pools = await driver.list();
    for (const pool of pools) {
      expect(await ask(pool.targets[0])).toMatchObject({ name: pool.service });
    }
  });

  test('Pointsman is killed at any moment of a start: the next one finds all and makes none twice', async () => {
    const stateDir = await bench.folder();
    const release = dockerRelease('v1', { image: 'shop:slow', replicas: 3 });
    const options = { stateDir, dockerHost: engine().host, ask: false };
    const orders = [plain(orderOf(release))];
    for (const wanted of [0, 1, 2, 3]) {
      const { child, lines } = spawnHost({ ...options, orders });
      await until(() => lines.length > 0);
      await until(async () => (await containers('-a')).length >= wanted);
      child.kill('SIGKILL');
      await new Promise((resolve) => child.once('exit', resolve));
      const left = await containers('-a');

      const next = await bench.open({ stateDir });
      const found = (await next.driver.list()).flatMap((pool) => pool.targets);
      const { targets } = await next.driver.start(orderOf(release));

      expect(found.map(({ id }) => id).sort()).toEqual(left);
      expect(targets.map(({ id }) => id)).toEqual([0, 1, 2].map((n) => `shop-blue-v1-${n}`));
      expect(await containers('-a')).toEqual([0, 1, 2].map((n) => `shop-blue-v1-${n}`));
      expect(await containers()).toHaveLength(3);
      await next.driver.stop('shop.blue.1');
      next.driver.close();
      expect(await containers('-a')).toEqual([]);
    }
  });

  test('in a container of a shared network targets are reached by address, also after two swapped theirs', async () => {
    await docker('network', 'create', '--subnet', '10.219.7.0/24', 'web');
    const folder = dirname(host);
    const socket = engine().host.slice('unix://'.length);
    const inside = { network: 'web' };
    const shop = orderOf(dockerRelease('v1', inside));
    const cart = orderOf(dockerRelease('v1', { ...inside, image: 'cart:v1' }), {
      service: 'cart',
      poolId: 'cart.blue.1',
    });
    const { lines } = spawnHost(
      {
        stateDir: '/state',
        dockerHost: 'unix:///engine.sock',
        orders: [plain(shop), plain(cart)],
        ask: true,
      },
      [
        ...[
          'docker',
          'run',
          '--rm',
          '--name',
          'pointsman',
          '--network',
          'web',
          '--hostname',
          'any',
        ],
        ...['-v', `${socket}:/engine.sock`, '-v', `${folder}/host.mjs:/app/host.mjs:ro`],
        ...['-v', `${join(repository, 'node_modules')}:/app/node_modules:ro`, '-v', '/state'],
        ...['base', process.execPath, '/app/host.mjs'],
      ],
    );
    const answers = () => lines.filter((line) => line.kind === 'answer');
    const addressOf = async (name: string): Promise<string> =>
      docker('inspect', '--format', '{{.NetworkSettings.Networks.web.IPAddress}}', name);
    const answered = async (service: string, at: string): Promise<void> =>
      until(() => answers().findLast((line) => line.id.startsWith(service))?.at === at);
    await until(() => lines.filter((line) => line.kind === 'started').length === 2);
    const shopAt = await addressOf('shop-blue-v1-0');
    const cartAt = await addressOf('cart-blue-v1-0');
    await answered('shop', `${shopAt}:3000`);
    await answered('cart', `${cartAt}:3000`);

    await docker('network', 'disconnect', 'web', 'shop-blue-v1-0');
    await docker('network', 'disconnect', 'web', 'cart-blue-v1-0');
    await docker('network', 'connect', '--ip', cartAt, 'web', 'shop-blue-v1-0');
    await docker('network', 'connect', '--ip', shopAt, 'web', 'cart-blue-v1-0');
    await answered('shop', `${cartAt}:3000`);
    await answered('cart', `${shopAt}:3000`);

    expect(await docker('port', 'shop-blue-v1-0')).toBe('');
    // `nobody`: it was told as running a moment before it listened.
    for (const line of answers()) expect([line.id.split('-')[0], 'nobody']).toContain(line.name);
    const failed = lines.filter((line) => line.kind === 'failed');
    expect(failed).toEqual([]);
  });
});
