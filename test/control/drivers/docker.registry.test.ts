/**
 * Images, digests, credentials, and what is kept, with a real engine and a real registry.
 *
 * The rule this file keeps: a tag is moved under the driver's feet wherever one is used.
 */
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { afterEach, beforeAll, expect, test, vi } from 'vitest';
import { orderOf } from '../../contracts/driver.ts';
import { ask, until, workbench } from '../../support/engine/bench.ts';
import { dockerRelease } from '../../support/engine/releases.ts';
import { describeWithEngine } from '../../support/engine.ts';

describeWithEngine('the docker driver and a registry', (engine) => {
  const bench = workbench(engine);
  const docker = (...args: readonly string[]): Promise<string> => engine().docker(...args);
  /** Pushes an image, and leaves nothing of that name on the engine. @returns its digest. */
  const push = async (version: string, name: string): Promise<string> => {
    await engine().image(`local:${version}`, { VERSION: version });
    await docker('tag', `local:${version}`, name);
    const said = await docker('push', name);
    await docker('rmi', name);
    return /digest: (sha256:[0-9a-f]{64})/.exec(said)?.[1] ?? said;
  };
  const names = async (): Promise<readonly string[]> =>
    (await docker('images', '--format', '{{.Repository}}:{{.Tag}}')).split('\n');
  afterEach(async () => {
    vi.unstubAllEnvs();
    await bench.clear();
  });
  // The first push carries all of Node, and takes its seconds.
  beforeAll(() => push('warm', `${engine().registry}/warm:up`).then(() => {}), 60_000);

  test('a tag is resolved once: replicas, restarts and rollbacks run that digest after it moved', async () => {
    const image = `${engine().registry}/shop:live`;
    const digest = await push('v1', image);
    const { driver, told } = await bench.open();
    const lines: string[] = [];
    const order = orderOf(dockerRelease('v1', { image, pull: 'always' }), {
      progress: (line) => lines.push(line),
    });

    const { release } = await driver.start(order);
    const moved = await push('v2', image);
    await docker('pull', image);

    expect(moved).not.toBe(digest);
    expect(release.run).toMatchObject({ image, digest });
    expect(lines[0]).toBe(`pulling ${image}`);
    expect(lines.some((line) => line.startsWith(`pulled ${image} in `))).toBe(true);
    const grown = await driver.start({ ...order, release, replicas: 2 });
    for (const target of grown.targets) expect(await ask(target)).toMatchObject({ version: 'v1' });
    await docker('kill', 'shop-blue-v1-0');
    await told('shop.blue.1', ([first]) => first?.state === 'down');
    await told('shop.blue.1', ([first]) => first?.state === 'running');
    const [pool] = await driver.list();
    expect(await ask(pool?.targets[0])).toMatchObject({ version: 'v1' });
    await driver.stop('shop.blue.1');
    const back = await driver.start({ ...order, release });
    expect(await ask(back.targets[0])).toMatchObject({ version: 'v1' });
    expect(await docker('ps', '--format', '{{.Image}}')).toContain(`${engine().registry}/shop`);
  });

  test('a digest that is gone from the engine is pulled again by digest, not by tag', async () => {
    const image = `${engine().registry}/again:live`;
    const digest = await push('v1', image);
    await push('v2', image);
    const { driver } = await bench.open();

    const { targets } = await driver.start(orderOf(dockerRelease('v1', { image, digest })));

    expect(await ask(targets[0])).toMatchObject({ version: 'v1' });
  });

  test('an image that never was in a registry is pinned by its own id, and stays when its tag moves', async () => {
    await engine().image('mine:v1', { VERSION: 'one' });
    const id = await docker('image', 'inspect', '--format', '{{.Id}}', 'mine:v1');
    const { driver } = await bench.open();
    const order = orderOf(dockerRelease('v1', { image: 'mine:v1' }));
    const { release } = await driver.start(order);
    await driver.stop('shop.blue.1');
    await engine().image('mine:v1', { VERSION: 'two' });
    await until(async () => (await names()).includes('pointsman.local/shop:v1'));
    await docker('image', 'prune', '-f');

    const { targets } = await driver.start({ ...order, release });

    expect(release.run).toMatchObject({ digest: id });
    expect(await ask(targets[0])).toMatchObject({ version: 'one' });
  });

  test('a registry that wants a name gets the one that docker login wrote down', async () => {
    const image = `${engine().lockedRegistry}/shop:v1`;
    const config = await bench.folder();
    const file = join(config, 'config.json');
    const auth = Buffer.from('pointsman:secret').toString('base64');
    const logins = { auths: { [engine().lockedRegistry]: { auth } } };
    await writeFile(file, JSON.stringify(logins));
    await engine().image('local:v1', { VERSION: 'v1' });
    await docker('tag', 'local:v1', image);
    await docker('--config', config, 'push', image);
    await docker('rmi', image);
    const { driver } = await bench.open();
    const order = orderOf(dockerRelease('v1', { image, pull: 'always' }));

    vi.stubEnv('DOCKER_CONFIG', join(config, 'nothing'));
    await expect(driver.start(order)).rejects.toMatchObject({
      code: 'START_FAILED',
      message: expect.stringContaining(`No credentials for ${engine().lockedRegistry} were found`),
    });
    vi.stubEnv('DOCKER_CONFIG', config);
    await driver.start(order);
    await driver.stop('shop.blue.1');

    // The same from a credential helper, and from one that is missing.
    await mkdir(join(config, 'bin'));
    const helper = join(config, 'bin', 'docker-credential-tests');
    await writeFile(
      helper,
      '#!/bin/sh\nread server\necho "{\\"Username\\":\\"pointsman\\",\\"Secret\\":\\"secret\\"}"\n',
    );
    await chmod(helper, 0o755);
    vi.stubEnv('PATH', `${join(config, 'bin')}${delimiter}${process.env.PATH}`);
    await writeFile(file, JSON.stringify({ credsStore: 'tests' }));
    await driver.start(order);
    await driver.stop('shop.blue.1');
    await writeFile(file, JSON.stringify({ credsStore: 'missing' }));
    await expect(driver.start(order)).rejects.toMatchObject({
      code: 'START_FAILED',
      message: expect.stringContaining('docker-credential-missing'),
    });
    await writeFile(file, '{');
    await expect(driver.start(order)).rejects.toMatchObject({
      code: 'START_FAILED',
      message: expect.stringContaining(file),
    });
  });

  test('images of the last releases are kept for a deploy without a registry, older ones go', async () => {
    const repository = `${engine().registry}/kept`;
    for (const version of ['k1', 'k2', 'k3', 'k4']) {
      await push(version, `${repository}:${version}`);
      await docker('rmi', `local:${version}`);
    }
    await engine().image('mine:k0', { VERSION: 'k0' });
    const { driver } = await bench.open();
    const deploy = async (version: string, image: string): Promise<void> => {
      const release = dockerRelease(version, { image, keepImages: 2 });
      await driver.start(orderOf(release, { service: 'kept', poolId: `kept.blue.${version}` }));
      await until(async () => (await names()).includes(`pointsman.local/kept:${version}`));
    };

    await deploy('k0', 'mine:k0');
    await driver.stop('kept.blue.k0');
    await deploy('k1', `${repository}:k1`);
    for (const version of ['k2', 'k3', 'k4']) {
      await deploy(version, `${repository}:${version}`);
      if (version !== 'k2') await driver.stop(`kept.blue.${version}`);
    }
    await driver.stop('kept.blue.k1');
    await deploy('k4', `${repository}:k4`);

    await until(async () => !(await names()).includes('pointsman.local/kept:k1'));
    const left = (await names()).filter((one) => /kept|mine:k/.test(one)).sort();
    expect(left).toEqual(
      [
        // What a person built here cannot be had again: only our own name for it went.
        'mine:k0',
        // Still runs, so the image stays, though it is the third newest.
        `${repository}:k2`,
        'pointsman.local/kept:k2',
        `${repository}:k3`,
        `${repository}:k4`,
        'pointsman.local/kept:k3',
        'pointsman.local/kept:k4',
      ].sort(),
    );
  });
});
