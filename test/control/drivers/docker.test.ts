/**
 * What the docker driver promises beyond the contract, against a real engine.
 *
 * The rule this file keeps: what is claimed of the engine is asked of the engine (by its own CLI),
 * not of the driver; and each test's containers are gone before the next begins.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { type Clock, systemClock } from '../../../src/clock.ts';
import { dockerDriver } from '../../../src/control/drivers/docker/dockerDriver.ts';
import type { DriverEvent } from '../../../src/control/drivers/driver.ts';
import { silentLog } from '../../../src/log.ts';
import { orderOf } from '../../contracts/driver.ts';
import { ask, until, workbench } from '../../support/engine/bench.ts';
import { dockerRelease } from '../../support/engine/releases.ts';
import { describeWithEngine } from '../../support/engine.ts';

/** Without the look that is taken every half minute: what is told then, an event told. */
const onlyEvents: Clock = {
  ...systemClock,
  after: (delayMs, wake) => (delayMs === 30_000 ? () => {} : systemClock.after(delayMs, wake)),
};

describeWithEngine('the docker driver', (engine) => {
  const bench = workbench(engine);
  const docker = (...args: readonly string[]): Promise<string> => engine().docker(...args);
  const inspect = async (name: string, format: string): Promise<string> =>
    docker('inspect', '--format', format, name);
  afterEach(() => bench.clear());

  test('docker ps reads like a table: names, labels, one row for each replica', async () => {
    await engine().image('shop:v1', { VERSION: 'v1' });
    const { driver } = await bench.open();

    await driver.start(orderOf(dockerRelease('v1', { replicas: 2 }), { generation: 7 }));

    const columns = ['service', 'color', 'pool', 'release', 'generation', 'replica', 'port'];
    const format = columns.map((one) => `{{.Label "pointsman.${one}"}}`).join(' ');
    const table = await docker('ps', '--format', `{{.Names}} {{.Image}} ${format}`);
    const id = await docker('image', 'inspect', '--format', '{{.Id}}', 'shop:v1');
    expect(table.split('\n').sort()).toEqual([
      expect.stringMatching(/^shop-blue-v1-0 \S+ shop blue shop\.blue\.1 v1 7 0 3000$/),
      expect.stringMatching(/^shop-blue-v1-1 \S+ shop blue shop\.blue\.1 v1 7 1 3000$/),
    ]);
    expect(await inspect('shop-blue-v1-0', '{{index .Config.Labels "pointsman.digest"}}')).toBe(id);
  });

  test('every option of the run reaches the engine, and its own restart policy is no', async () => {
    await engine().image('shop:v1', { VERSION: 'v1' });
    const { driver } = await bench.open();
    const folder = await bench.folder();
    await writeFile(
      join(folder, 'env'),
      '# settings\nMARK="kept as it is" # all of it\nNAME=file\n',
    );
    await docker('network', 'create', 'options');
    const withLines = '-----BEGIN KEY-----\na+b/c==\n\n"$HOME" `id` \\n = ä\n';
    const release = dockerRelease('v1', {
      env: { NAME: withLines },
      envFile: join(folder, 'env'),
      volumes: [`${folder}:/given:ro`, '/scratch'],
      network: 'options',
      command: [process.execPath, '/app.cjs', 'serve'],
      user: '1000:1000',
      labels: { team: 'a' },
      memoryBytes: 256 * 1024 * 1024,
      cpus: 0.5,
      stopMs: 1500,
      stopSignal: 'SIGINT',
      readOnly: true,
      capDrop: ['ALL'],
      init: true,
    });

    const { targets } = await driver.start(orderOf(release));

    const said = JSON.parse(await inspect('shop-blue-v1-0', '{{json .}}'));
    expect(said.HostConfig).toMatchObject({
      Memory: 256 * 1024 * 1024,
      NanoCpus: 5e8,
      NetworkMode: 'options',
      ReadonlyRootfs: true,
      CapDrop: ['ALL'],
      Init: true,
      Binds: [`${folder}:/given:ro`],
      RestartPolicy: { Name: 'no' },
      PortBindings: { '3000/tcp': [{ HostIp: '127.0.0.1' }] },
    });
    expect(said.Config).toMatchObject({
      User: '1000:1000',
      StopSignal: 'SIGINT',
      StopTimeout: 2,
      Cmd: [process.execPath, '/app.cjs', 'serve'],
      Volumes: { '/scratch': {} },
    });
    expect(said.Config.Labels).toMatchObject({ team: 'a', 'pointsman.service': 'shop' });
    expect(await ask(targets[0])).toMatchObject({
      name: withLines,
      mark: '"kept as it is" # all of it',
    });
    await driver.stop('shop.blue.1');
    expect(await docker('volume', 'ls', '-q')).toBe('');
  });

  test('a health port has an address of its own, beside that of requests, also for who finds it later', async () => {
    await engine().image('shop:v1', { VERSION: 'v1' });
    const { driver, stateDir } = await bench.open();
    const release = dockerRelease('v1', { healthPort: 9000, env: { HEALTH_PORT: '9000' } });

    const { targets } = await driver.start(orderOf(release));

    const [target] = targets;
    const bound = (port: number): Promise<string> =>
      docker('port', 'shop-blue-v1-0', `${port}/tcp`);
    expect(await bound(3000)).toBe(`127.0.0.1:${target?.port}`);
    expect(await bound(9000)).toBe(`127.0.0.1:${target?.healthPort}`);
    expect(await ask(target)).toMatchObject({ version: 'v1' });
    const answer = await fetch(`http://127.0.0.1:${target?.healthPort}/up`);
    expect(await answer.text()).toBe('of itself');
    const { driver: later } = await bench.open({ stateDir });
    expect(await later.list()).toMatchObject([{ targets: [{ healthPort: target?.healthPort }] }]);
  });

  test.each([
    [
      false,
      'what a parent leaves stays a zombie, and SIGTERM is ignored until SIGKILL',
      'Z',
      '137',
    ],
    [true, 'what a parent leaves is reaped, and SIGTERM ends it', 'gone', '143'],
  ])('PID 1 of a container, init: %s: %s', async (init, _what, state, ending) => {
    await engine().image('shop:v1', {});
    const { driver } = await bench.open();
    // A child that leaves a grandchild, which ends a moment later; and no handler of SIGTERM.
    const child = `
      const left = require('child_process').spawn(process.execPath, ['-e', ''], { detached: true });
      left.unref();
      console.log(left.pid);`;
    const script = `
      const args = ['-e', ${JSON.stringify(child)}];
      const pid = Number(require('child_process').spawnSync(process.execPath, args).stdout);
      require('http').createServer((_, answer) => {
        let state = 'gone';
        try {
          state = /[)] (.)/.exec(require('fs').readFileSync('/proc/' + pid + '/stat', 'utf8'))[1];
        } catch {}
        answer.end(JSON.stringify({ state }));
      }).listen(3000);`;
    const command = [process.execPath, '-e', script];

    const { targets } = await driver.start(
      orderOf(dockerRelease('v1', { init, command, stopMs: 1_000 })),
    );

    const began = Date.now();
    const ended = async (): Promise<unknown> => {
      const answer = await fetch(`http://${targets[0]?.host}:${targets[0]?.port}/`).catch(
        () => null,
      );
      const said = (await answer?.json()) as { readonly state: string } | undefined;
      return said?.state;
    };
    await until(async () => ['Z', 'gone'].includes(String(await ended())));
    expect(await ended()).toBe(state);
    await driver.stop('shop.blue.1');
    const seconds = (ms: number): string => (ms / 1_000).toFixed(3);
    const died = ['events', '--since', seconds(began), '--until', seconds(Date.now())];
    const codes = await docker(
      ...[...died, '--filter', 'event=die', '--format', '{{.Actor.Attributes.exitCode}}'],
    );
    expect(codes).toBe(ending);
  });

  test('a label that is ours, a network all would share, a volume that is none: refused', async () => {
    const { driver } = await bench.open();
    const refused = async (more: Parameters<typeof dockerRelease>[1]): Promise<string> => {
      const failed = await driver.start(orderOf(dockerRelease('v1', more))).catch((one) => one);
      expect(failed).toMatchObject({ code: 'RELEASE_INVALID' });
      return failed.message;
    };

    expect(await refused({ labels: { 'pointsman.pool': 'x' } })).toContain('"pointsman.pool"');
    expect(await refused({ network: 'host' })).toContain('"host"');
    expect(await refused({ volumes: ['data:inside'] })).toContain('"data:inside"');
    expect(await refused({ image: 'Shop:v1' })).toContain('"Shop:v1"');
    expect(await refused({ envFile: '/no/such/file' })).toContain('/no/such/file');
    expect(await docker('ps', '-aq')).toBe('');
  });

  test('a network that is not there is named, and nothing is left', async () => {
    await engine().image('shop:v1', { VERSION: 'v1' });
    const { driver } = await bench.open();

    await expect(
      driver.start(orderOf(dockerRelease('v1', { network: 'nowhere' }))),
    ).rejects.toMatchObject({
      code: 'START_FAILED',
      message: expect.stringContaining('network nowhere not found'),
    });

    expect(await docker('ps', '-aq')).toBe('');
  });

  test('an image that does not exist is named, with what the registry said', async () => {
    const { driver } = await bench.open();
    const image = `${engine().registry}/no/such:v9`;

    await expect(driver.start(orderOf(dockerRelease('v9', { image })))).rejects.toMatchObject({
      code: 'START_FAILED',
      message: expect.stringMatching(/no\/such:v9 could not be pulled: .*(unknown|not found)/),
    });
    await expect(
      driver.start(orderOf(dockerRelease('v9', { image, pull: 'never' }))),
    ).rejects.toMatchObject({
      code: 'START_FAILED',
      message: expect.stringContaining('pull is `never`'),
    });

    expect(await docker('ps', '-aq')).toBe('');
  });

  test('a container that exits at its start explains itself: exit code and last lines', async () => {
    await engine().image('shop:fails', { MODE: 'exits' });
    const { driver } = await bench.open();

    const failed = await driver
      .start(orderOf(dockerRelease('v1', { image: 'shop:fails', replicas: 2 })))
      .catch((one) => one);

    expect(failed).toMatchObject({ code: 'START_FAILED', detail: { exitCode: 3 } });
    expect(failed.message).toContain('exited with code 3');
    // One line went to each output, and the engine keeps no order between the two.
    expect(failed.message).toContain('looking for the database');
    expect(failed.message).toContain('no database at db:5432');
    expect(await docker('ps', '-aq')).toBe('');
  });

  test('a command that does not exist is told in the words of the engine', async () => {
    await engine().image('shop:v1', { VERSION: 'v1' });
    const { driver } = await bench.open();

    await expect(
      driver.start(orderOf(dockerRelease('v1', { command: ['/no/such/program'] }))),
    ).rejects.toMatchObject({
      code: 'START_FAILED',
      message: expect.stringContaining('/no/such/program'),
    });

    expect(await docker('ps', '-aq')).toBe('');
  });

  test('a slow start is no failure: the address is known, what it prints is told', async () => {
    await engine().image('shop:slow', { VERSION: 'slow', SLOW_MS: '2600' });
    const { driver, events } = await bench.open();

    const { targets } = await driver.start(orderOf(dockerRelease('v1', { image: 'shop:slow' })));

    expect(targets).toMatchObject([{ id: 'shop-blue-v1-0', state: 'running' }]);
    expect(await ask(targets[0])).toMatchObject({ version: 'slow' });
    const line = 'slow listens on 3000';
    await until(() => events.some((one) => one.kind === 'output' && one.line === line));
  });

  test('a wrong port is no failure of the start: what it listens on is told', async () => {
    await engine().image('shop:wrong', { VERSION: 'wrong', MODE: 'wrong-port' });
    const { driver, events } = await bench.open();

    await driver.start(orderOf(dockerRelease('v1', { image: 'shop:wrong' })));

    const line = 'wrong listens on 4000';
    await until(() => events.some((one) => one.kind === 'output' && one.line === line));
  });

  test('a container that is killed is down by event, with its exit code, and comes back', async () => {
    await engine().image('shop:v1', { VERSION: 'v1' });
    const { driver, told, events } = await bench.open({ clock: onlyEvents });
    const { targets } = await driver.start(orderOf(dockerRelease('v1', { replicas: 2 })));
    const image = await inspect('shop-blue-v1-0', '{{.Image}}');

    await docker('kill', 'shop-blue-v1-0');
    await told('shop.blue.1', ([first]) => first?.state === 'down');

    const down = events.findLast((one) => one.kind === 'targets');
    expect(down).toMatchObject({ targets: [{ port: 0 }, { state: 'running' }] });
    await told('shop.blue.1', ([first]) => first?.detail.includes('code 137') ?? false);
    await told('shop.blue.1', ([first]) => first?.state === 'running');
    expect(await inspect('shop-blue-v1-0', '{{.Image}}')).toBe(image);
    expect((await driver.list())[0]?.targets.map(({ id }) => id)).toEqual(
      targets.map(({ id }) => id),
    );
  });

  test('a container that somebody removes is made again, from the same image', async () => {
    await engine().image('shop:v1', { VERSION: 'v1' });
    const { driver, told } = await bench.open();
    await driver.start(orderOf(dockerRelease('v1')));
    await engine().image('shop:v1', { VERSION: 'moved' });

    await docker('rm', '-f', 'shop-blue-v1-0');
    await told('shop.blue.1', ([first]) => first?.state === 'down');
    await told('shop.blue.1', ([first]) => first?.state === 'running');

    const [pool] = await driver.list();
    expect(await ask(pool?.targets[0])).toMatchObject({ version: 'v1' });
  });

  test('HEALTHCHECK is a state beside ours: starting and unhealthy are told as such', async () => {
    await engine().image('shop:checked', { VERSION: 'v1', MODE: 'sick' }, true);
    const { driver, told, events } = await bench.open();

    await driver.start(orderOf(dockerRelease('v1', { image: 'shop:checked' })));
    const { targets = [] } = (await driver.list())[0] ?? {};
    const at = `http://${targets[0]?.host}:${targets[0]?.port}`;
    await fetch(`${at}/get-well`);
    await told('shop.blue.1', ([first]) => first?.state === 'running');
    await fetch(`${at}/get-sick`);
    await told('shop.blue.1', ([first]) => first?.state === 'unhealthy');
    const sick = events.findLast((one) => one.kind === 'targets');
    await fetch(`${at}/get-well`);
    await told('shop.blue.1', ([first]) => first?.state === 'running');

    const states = events.flatMap((one) =>
      one.kind === 'targets' ? one.targets.map(({ state }) => state) : [],
    );
    expect(states[0]).toMatch(/starting|unhealthy/);
    expect(JSON.stringify(sick)).toContain('health said 500');
  });

  test('a pool that grows again runs what it was filled with, not the settings of today', async () => {
    await engine().image('shop:v1', { VERSION: 'v1' });
    const { driver } = await bench.open();
    const folder = await bench.folder();
    const envFile = join(folder, 'env');
    await writeFile(envFile, 'MARK=then\n');
    const order = orderOf(dockerRelease('v1', { envFile, replicas: 2 }));
    const { release } = await driver.start(order);
    await driver.start({ ...order, release, replicas: 1 });
    await writeFile(envFile, 'MARK=now\n');
    await engine().image('shop:v1', { VERSION: 'moved' });

    const { targets } = await driver.start({ ...order, release, replicas: 2 });

    expect(targets).toHaveLength(2);
    for (const target of targets) {
      expect(await ask(target)).toMatchObject({ mark: 'then', version: 'v1' });
    }
  });

  test('a pool that is frozen keeps its containers and answers nothing; thawed, it is the same', async () => {
    await engine().image('shop:v1', { VERSION: 'v1' });
    const { driver, stateDir } = await bench.open();
    const order = orderOf(dockerRelease('v1', { replicas: 2 }));
    await driver.start(order);
    const states = (): Promise<string> =>
      docker(
        'inspect',
        '--format',
        '{{.Id}} {{.State.Status}}',
        'shop-blue-v1-0',
        'shop-blue-v1-1',
      );
    const before = await states();

    const frozen = await driver.start({ ...order, frozen: true });
    const asleep = await states();
    // A driver that knows nothing of the order yet does not take it for its own.
    const { driver: other } = await bench.open({ stateDir });
    const [found] = await other.list();
    const { targets } = await other.start(order);

    expect(frozen.targets).toMatchObject([{ state: 'frozen' }, { state: 'frozen' }]);
    expect(asleep).toBe(before.replaceAll('running', 'paused'));
    expect(found?.targets[0]).toMatchObject({ state: 'unhealthy' });
    expect(found?.targets[0]?.detail).toContain('paused by someone');
    expect(targets).toMatchObject([{ state: 'running' }, { state: 'running' }]);
    expect(await states()).toBe(before);
    expect(await ask(targets[0])).toMatchObject({ version: 'v1' });
  });

  test('a frozen pool that is stopped hears its signal, and is gone before its timeout', async () => {
    await engine().image('shop:v1', { VERSION: 'v1' });
    const { driver } = await bench.open();
    const order = orderOf(dockerRelease('v1', { stopMs: 50_000 }));
    await driver.start(order);
    await driver.start({ ...order, frozen: true });

    await driver.stop('shop.blue.1');

    expect(await docker('ps', '-aq')).toBe('');
  });

  test('what dies in a frozen pool is started again, and frozen', async () => {
    await engine().image('shop:v1', { VERSION: 'v1' });
    const { driver, told } = await bench.open();
    const order = orderOf(dockerRelease('v1'));
    await driver.start(order);
    await driver.start({ ...order, frozen: true });

    await docker('kill', 'shop-blue-v1-0');
    await told('shop.blue.1', ([one]) => one?.state === 'down');
    await told('shop.blue.1', ([one]) => one?.state === 'frozen');

    expect(await inspect('shop-blue-v1-0', '{{.State.Status}}')).toBe('paused');
  });

  test('what a pool costs is in the list: memory at once, CPU from the second look on', async () => {
    await engine().image('shop:v1', { VERSION: 'v1' });
    const { driver } = await bench.open();
    await driver.start(orderOf(dockerRelease('v1')));

    const [first] = await driver.list();
    let second = await driver.list();
    await until(async () => {
      second = await driver.list();
      return second[0]?.targets[0]?.cpuPercent !== undefined;
    });

    expect(first?.targets[0]?.memoryBytes).toBeGreaterThan(1_000_000);
    expect(second[0]?.targets[0]?.cpuPercent).toBeGreaterThanOrEqual(0);
  });

  test('two Pointsmans on one engine do not see each other, even in the same service', async () => {
    await engine().image('shop:v1', { VERSION: 'v1' });
    const one = await bench.open();
    const other = await bench.open();
    await one.driver.start(orderOf(dockerRelease('v1')));

    expect(await other.driver.list()).toEqual([]);
    await other.driver.start(orderOf(dockerRelease('v1')));
    await other.driver.stop('shop.blue.1');

    expect((await one.driver.list())[0]?.targets).toMatchObject([{ state: 'running' }]);
  });

  test('containers of others with our labels form a pool, and are found rather than started', async () => {
    await engine().image('shop:v1', { VERSION: 'v1', NAME: 'compose' });
    await engine().image('shop:v2', { VERSION: 'v2' });
    const { driver, told } = await bench.open();
    const labelled = (color: string, release: string): string[] =>
      [
        ['pointsman.service', 'shop'],
        ['pointsman.color', color],
        ['pointsman.release', release],
        ['pointsman.port', '3000'],
      ].flatMap(([key, value]) => ['--label', `${key}=${value}`]);
    const compose = ['run', '-d', '-p', '127.0.0.1::3000'];
    await docker(...compose, '--name', 'app-1', ...labelled('green', 'v1'), 'shop:v1');
    await docker(...compose, '--name', 'app-2', ...labelled('green', 'v1'), 'shop:v1');
    const release = dockerRelease('v1', { image: '', port: 0, discover: true });
    const order = orderOf(release, { color: 'green' });

    expect(await driver.list()).toMatchObject([
      { poolId: 'shop.green.adopted-v1', service: 'shop', color: 'green', release: 'v1' },
    ]);
    const { targets, release: pinned } = await driver.start(order);

    expect(targets.map(({ id }) => id)).toEqual(['app-1', 'app-2']);
    expect(await ask(targets[0])).toMatchObject({ name: 'compose' });
    expect(await driver.list()).toMatchObject([{ poolId: 'shop.green.1', release: 'v1' }]);
    // Another image under the same color is another release: it gets no traffic.
    await docker(...compose, '--name', 'app-3', ...labelled('green', 'v1'), 'shop:v2');
    await docker('kill', 'app-1');
    await told('shop.green.1', ([first, , third]) => first?.state === 'down' && !third);
    await docker('start', 'app-1');
    await told('shop.green.1', ([first]) => first?.state === 'running');
    await driver.stop('shop.green.1');
    expect((await docker('ps', '--format', '{{.Names}}')).split('\n').sort()).toEqual([
      ...['app-1', 'app-2', 'app-3'],
    ]);
    const again = await driver.start({ ...order, release: pinned });
    expect(again.targets.map(({ id }) => id)).toEqual(['app-1', 'app-2']);
  });

  test('adopting where nothing runs says which labels were looked for', async () => {
    const { driver } = await bench.open();

    await expect(
      driver.start(orderOf(dockerRelease('v1', { image: '', port: 0, discover: true }))),
    ).rejects.toMatchObject({
      code: 'START_FAILED',
      message: expect.stringContaining('pointsman.service=shop, pointsman.color=blue'),
    });
  });

  test('an engine that is not there is said with its address, and nothing hangs', async () => {
    const folder = await bench.folder();
    const dockerHost = `unix://${folder}/no.sock`;
    const driver = dockerDriver({ clock: systemClock, log: silentLog, dockerHost });
    const told: DriverEvent[] = [];
    driver.watch((event) => told.push(event));

    for (const call of [
      () => driver.start(orderOf(dockerRelease('v1'))),
      () => driver.stop('shop.blue.1'),
      () => driver.list(),
    ]) {
      await expect(call()).rejects.toMatchObject({
        code: 'DRIVER_UNAVAILABLE',
        message: expect.stringContaining(`${dockerHost} is out of reach: there is no such socket`),
      });
    }

    await until(() => told.length > 0);
    expect(told[0]).toMatchObject({ kind: 'platform', available: false });
    driver.close();
  });
});
