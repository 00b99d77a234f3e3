/** Processes as replicas: what they are given, how they die and come back, how they are ended. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Clock, systemClock } from '../../../src/clock.ts';
import type { DriverEvent, RunningTarget } from '../../../src/control/drivers/driver.ts';
import { Output } from '../../../src/control/drivers/process/output.ts';
import { Ports } from '../../../src/control/drivers/process/ports.ts';
import { ProcessDriver } from '../../../src/control/drivers/process/processDriver.ts';
import { identityOf } from '../../../src/processIdentity.ts';
import { driverContract, eventOf, orderOf } from '../../contracts/driver.ts';
import { type FakeClock, fakeClock, settled } from '../../support/clock.ts';
import { answers, appRelease, ask, endMarked, marked, pidOf } from '../../support/processes.ts';
import { seeded } from '../../support/random.ts';

let stateDir: string;
const drivers: ProcessDriver[] = [];

beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), 'pointsman-process-'));
});
afterEach(async () => {
  // Not awaited: where a test failed, a start may wait for a clock that nobody moves any more.
  for (const driver of drivers.splice(0)) void driver.close();
  await endMarked(stateDir);
  await rm(stateDir, { recursive: true, force: true });
});

function newDriver(
  clock: Clock = systemClock,
  env: NodeJS.ProcessEnv = process.env,
): ProcessDriver {
  const driver = new ProcessDriver({ stateDir, clock, env });
  drivers.push(driver);
  return driver;
}

function first<T>(all: readonly T[]): T {
  const [one] = all;
  if (one === undefined) throw new Error('at least one was wanted');
  return one;
}

/** Lets time pass until what waits for it is over. */
async function driven<T>(clock: FakeClock, waiting: Promise<T>): Promise<T> {
  let over = false;
  const end = (): void => {
    over = true;
  };
  waiting.then(end, end);
  while (!over) await clock.passAsync(20);
  return waiting;
}

/** Kills and waits until it is gone, which for nobody's child only looking can tell. */
async function killed(pid: number): Promise<void> {
  process.kill(pid, 'SIGKILL');
  while ((await identityOf(pid)) !== null) await settled();
}

/** The next `targets` event in which the replica is as wanted. */
async function replicaThat(
  driver: ProcessDriver,
  wanted: (target: RunningTarget) => boolean,
  id = 'replica-1',
): Promise<RunningTarget> {
  const isIt = (target: RunningTarget): boolean => target.id === id && wanted(target);
  const event = (await eventOf(
    driver,
    (one) => one.kind === 'targets' && one.targets.some(isIt),
  )) as Extract<DriverEvent, { kind: 'targets' }>;
  return first(event.targets.filter(isIt));
}

driverContract('the process driver', { runs: true }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'pointsman-contract-'));
  let driver = new ProcessDriver({ stateDir: folder, clock: systemClock });
  return {
    driver,
    release: (name) => appRelease(name),
    foreign: { name: 'v1', run: { kind: 'static', targets: [{ host: 'a', port: 1 }] } },
    runs: {
      failing: appRelease('bad', { APP_EXIT: '3' }),
      says: 'cannot open the database',
      kill: async (target) => {
        process.kill(pidOf(target), 'SIGKILL');
      },
      answers,
    },
    async reopen() {
      await driver.close();
      driver = new ProcessDriver({ stateDir: folder, clock: systemClock });
      return driver;
    },
    async close() {
      await driver.close();
      await endMarked(folder);
      await rm(folder, { recursive: true, force: true });
    },
  };
});

test('a replica is given its own port, its place, and what the release says, filled in', async () => {
  await mkdir(join(stateDir, 'v7'));
  const release = appRelease(
    'v7',
    { GREETING: 'hello {release}', PORT: '1', RELEASE: 'x' },
    { cwd: `${stateDir}/{release}` },
  );
  const run = { ...release.run, command: [...release.run.command, '--tag={release}'] };
  const base = {
    PATH: process.env.PATH,
    POINTSMAN_TOKEN: 'secret',
    NODE_UNIQUE_ID: '1',
    KEPT: 'y',
  };

  const { targets } = await newDriver(systemClock, base).start(orderOf({ ...release, run }));
  const abouts = await Promise.all(targets.map((target) => ask(target)));

  for (const [index, about] of abouts.entries()) {
    expect(about).toMatchObject({ release: 'v7', cwd: join(stateDir, 'v7'), args: ['--tag=v7'] });
    expect(about.environment).toMatchObject({
      GREETING: 'hello v7',
      HOST: '127.0.0.1',
      PORT: String(targets[index]?.port),
      RELEASE: 'v7',
      POINTSMAN_SERVICE: 'shop',
      POINTSMAN_COLOR: 'blue',
      POINTSMAN_POOL: 'shop.blue.1',
      POINTSMAN_REPLICA: String(index + 1),
      KEPT: 'y',
    });
    expect(Object.keys(about.environment)).not.toContain('POINTSMAN_TOKEN');
    expect(Object.keys(about.environment)).not.toContain('NODE_UNIQUE_ID');
  }
  expect(new Set(abouts.map(({ pid }) => pid)).size).toBe(2);
});

test('list says what each replica costs', async () => {
  const driver = newDriver();
  await driver.start(orderOf(appRelease('v1', {}, { replicas: 1 })));

  const [pool] = await driver.list();

  expect(pool?.targets[0]?.memoryBytes).toBeGreaterThan(1_000_000);
});

test('a command that cannot be started is refused with its reason, and leaves nothing', async () => {
  const script = join(stateDir, 'not-executable');
  await writeFile(script, '#!/bin/sh\n');
  await chmod(script, 0o644);
  const { run } = appRelease('v1');
  const refused: [Partial<typeof run>, string, RegExp][] = [
    [
      { command: ['/no/such/program'] },
      'START_FAILED',
      /\/no\/such\/program was not found.*ENOENT/,
    ],
    [{ command: [script] }, 'START_FAILED', /may not be executed.*EACCES/],
    [
      { cwd: '/no/such/folder' },
      'START_FAILED',
      /\/no\/such\/folder, which cannot be used \(ENOENT/,
    ],
    [{ cwd: script }, 'START_FAILED', /is no directory/],
    [{ command: [] }, 'RELEASE_INVALID', /command is empty/],
    [{ command: ['node', 'a\0b'] }, 'RELEASE_INVALID', /ERR_INVALID_ARG_VALUE/],
    [{ replicas: -1 }, 'RELEASE_INVALID', /got -1/],
    [{ replicas: 1.5 }, 'RELEASE_INVALID', /got 1\.5/],
  ];
  const driver = newDriver();

  for (const [wrong, code, message] of refused) {
    const release = { name: 'v1', run: { ...run, ...wrong } };
    await expect(driver.start(orderOf(release))).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  }
  await expect(
    driver.start(orderOf(appRelease('v1'), { poolId: '../../etc' })),
  ).rejects.toMatchObject({ code: 'RELEASE_INVALID' });

  expect(await driver.list()).toEqual([]);
  expect(await readdir(join(stateDir, 'processes'))).toEqual([]);
});

test('output of a failed start is in the error, clean, with how it ended', async () => {
  // No time passes, so it ends within the grace however slow the machine is.
  const starting = newDriver(fakeClock()).start(orderOf(appRelease('bad', { APP_EXIT: '3' })));

  await expect(starting).rejects.toMatchObject({
    code: 'START_FAILED',
    message: expect.stringMatching(
      /^Replica \d of release bad exited with code 3 right after its start .*app\.mjs\)\. Its last output: opening the database \| cannot open the database: no such host$/,
    ),
    detail: { release: 'bad', end: 'exited with code 3' },
  });
  expect(await marked(stateDir)).toEqual([]);
});

test('a start of which one replica fails stops the others again', async () => {
  const driver = newDriver();
  const { run } = appRelease('v1');
  // The second replica finds the folder of the first, and ends.
  const command = ['/bin/sh', '-c', 'mkdir once && exec "$0" "$1" || exit 9', ...run.command];

  await expect(
    driver.start(orderOf({ name: 'v1', run: { ...run, command, cwd: stateDir } })),
  ).rejects.toMatchObject({ code: 'START_FAILED' });

  expect(await marked(stateDir)).toEqual([]);
  expect(await driver.list()).toEqual([]);
});

test('a pool that ran before a start that fails runs on as it was', async () => {
  const driver = newDriver();
  const { run } = appRelease('v1');
  const command = ['/bin/sh', '-c', 'mkdir once && exec "$0" "$1" || exit 9', ...run.command];
  const release = { name: 'v1', run: { ...run, command, cwd: stateDir, replicas: 1 } };
  const before = await driver.start(orderOf(release));

  await expect(driver.start(orderOf(release, { replicas: 2 }))).rejects.toMatchObject({
    code: 'START_FAILED',
  });

  const [pool] = await driver.list();
  expect(pool?.targets).toMatchObject([first(before.targets)]);
  expect(await ask(first(before.targets))).toMatchObject({ pid: pidOf(first(before.targets)) });
});

test('a pool that runs one release is not turned into another', async () => {
  const driver = newDriver();
  await driver.start(orderOf(appRelease('v1', {}, { replicas: 1 })));

  await expect(driver.start(orderOf(appRelease('v2')))).rejects.toMatchObject({
    code: 'RELEASE_INVALID',
    message: expect.stringContaining('runs release v1'),
  });
});

test('a slow application is started when it has lived for a moment; whether it answers is not asked', async () => {
  const release = appRelease('v1', { APP_DEAF: '1' }, { replicas: 1 });

  const { targets } = await newDriver().start(orderOf(release));

  expect(await answers(first(targets))).toBe(false);
  expect(await identityOf(pidOf(first(targets)))).not.toBeNull();
});

test('a replica that crashes is told at once with its exit code, and comes back on its port', async () => {
  const driver = newDriver();
  const { targets } = await driver.start(orderOf(appRelease('v1', {}, { replicas: 1 })));
  const target = first(targets);
  const down = replicaThat(driver, ({ state }) => state === 'down');
  const back = down.then(() => replicaThat(driver, ({ state }) => state === 'running'));

  await ask(target, '/exit?3');

  expect((await down).detail).toBe('exited with code 3; it is started again after 0.25 s');
  expect((await back).port).toBe(target.port);
  const about = await ask(target);
  expect(about.pid).not.toBe(pidOf(target));
  expect(about.pid).toBe(pidOf(await back));
});

test('a replica whose port was taken meanwhile comes back on another one', async () => {
  const clock = fakeClock();
  const driver = newDriver(clock);
  const { targets } = await driven(
    clock,
    driver.start(orderOf(appRelease('v1', {}, { replicas: 1 }))),
  );
  const target = first(targets);
  await ask(target);
  const down = replicaThat(driver, ({ state }) => state === 'down');
  process.kill(pidOf(target), 'SIGKILL');
  await down;
  const stranger = await listening(target.port);

  const back = replicaThat(driver, ({ state }) => state === 'running');
  clock.pass(250);

  const moved = await back;
  expect(moved.port).not.toBe(target.port);
  expect(await ask(moved)).toMatchObject({ pid: pidOf(moved) });
  stranger.close();
});

test('a replica that crashes again and again is started after waits that double, up to a limit', async () => {
  const clock = fakeClock();
  const driver = newDriver(clock);
  const { targets } = await driven(
    clock,
    driver.start(orderOf(appRelease('v1', {}, { replicas: 1 }))),
  );
  let target = first(targets);
  const waits: string[] = [];

  for (let death = 1; death <= 9; death++) {
    const down = replicaThat(driver, ({ state }) => state === 'down');
    process.kill(pidOf(target), 'SIGKILL');
    const { detail } = await down;
    const wait = Number(/after ([\d.]+) s/.exec(detail)?.[1]);
    waits.push(String(wait));
    const back = replicaThat(driver, ({ state }) => state === 'running');
    clock.pass(wait * 1000);
    target = await back;
  }

  expect(waits.join(' ')).toBe('0.25 0.5 1 2 4 8 16 30 30');

  clock.pass(30_000);
  const down = replicaThat(driver, ({ state }) => state === 'down');
  process.kill(pidOf(target), 'SIGKILL');
  expect((await down).detail).toContain('after 0.25 s');
});

test('a replica whose program was taken away is tried again until it is there', async () => {
  const clock = fakeClock();
  const driver = newDriver(clock);
  const program = join(stateDir, 'app');
  const text = `#!/bin/sh\nexec ${process.execPath} "$1"\n`;
  await writeFile(program, text, { mode: 0o755 });
  const { run } = appRelease('v1');
  const command = [program, ...run.command.slice(1)];
  const { targets } = await driven(
    clock,
    driver.start(orderOf({ name: 'v1', run: { ...run, command, replicas: 1 } })),
  );
  const down = replicaThat(driver, ({ state }) => state === 'down');
  await rm(program);
  process.kill(pidOf(first(targets)), 'SIGKILL');
  await down;

  const refused = replicaThat(driver, ({ detail }) => detail.includes('ENOENT'));
  clock.pass(250);
  expect((await refused).detail).toMatch(/could not be started again: .*after 0\.5 s$/);
  await writeFile(program, text, { mode: 0o755 });
  const back = replicaThat(driver, ({ state }) => state === 'running');
  clock.pass(500);

  expect((await back).port).toBe(first(targets).port);
});

test("a replica that is down stays the driver's though a start that finds it so fails", async () => {
  const clock = fakeClock();
  const driver = newDriver(clock);
  const gate = join(stateDir, 'gate');
  await writeFile(gate, '');
  const { run } = appRelease('v1');
  const command = ['/bin/sh', '-c', 'cat gate && exec "$0" "$1" || exit 9', ...run.command];
  const release = { name: 'v1', run: { ...run, command, cwd: stateDir, replicas: 1 } };
  const { targets } = await driven(clock, driver.start(orderOf(release)));
  const down = replicaThat(driver, ({ state }) => state === 'down');
  await rm(gate);
  process.kill(pidOf(first(targets)), 'SIGKILL');
  await down;

  const again = driver.start(orderOf(release));
  await expect(again).rejects.toMatchObject({ code: 'START_FAILED' });

  expect(await driver.list()).toMatchObject([{ targets: [{ id: 'replica-1', state: 'down' }] }]);
  await writeFile(gate, '');
  const back = replicaThat(driver, ({ state }) => state === 'running');
  clock.pass(30_000);
  expect((await back).port).toBe(first(targets).port);
});

test('a crash while a stop waits starts nothing again', async () => {
  const driver = newDriver();
  const release = appRelease('v1', { APP_IGNORE_TERM: '1' }, { replicas: 1, stopMs: 10_000 });
  const { targets } = await driver.start(orderOf(release));
  await ask(first(targets));

  const stopping = driver.stop('shop.blue.1');
  process.kill(pidOf(first(targets)), 'SIGKILL');
  await stopping;

  expect(await marked(stateDir)).toEqual([]);
  expect(await driver.list()).toEqual([]);
});

test('a replica that ignores SIGTERM is ended by SIGKILL after its time, not before', async () => {
  const clock = fakeClock();
  const driver = newDriver(clock);
  const release = appRelease('v1', { APP_IGNORE_TERM: '1' }, { replicas: 1, stopMs: 4_000 });
  const { targets } = await driven(clock, driver.start(orderOf(release)));
  await ask(first(targets));
  const pid = pidOf(first(targets));
  const begun = clock.now();

  const stopping = driver.stop('shop.blue.1');
  while (clock.now() < begun + 3_900) await clock.passAsync(20);
  expect(await identityOf(pid)).not.toBeNull();
  while (clock.now() < begun + 4_100) await clock.passAsync(20);
  // The kernel takes real time to end it, however little of the clock's passes.
  while ((await identityOf(pid)) !== null) await clock.passAsync(1);
  await driven(clock, stopping);

  expect(await marked(stateDir)).toEqual([]);
});

for (const where of ['group', 'session'] as const) {
  test(
    `nothing leaks after a stop: a child of a replica in a ${where} of its own is ended too`.replace(
      'group of its own',
      'group with it',
    ),
    async () => {
      const driver = newDriver();
      const release = appRelease('v1', { APP_CHILD: where }, { replicas: 1 });
      const { targets } = await driver.start(orderOf(release));
      const { pid, child } = await ask(first(targets));
      expect(await identityOf(child ?? 0)).not.toBeNull();

      await driver.stop('shop.blue.1');

      expect([await identityOf(pid), await identityOf(child ?? 0)]).toEqual([null, null]);
      expect(await marked(stateDir)).toEqual([]);
      expect(await readdir(join(stateDir, 'processes'))).toEqual([]);
    },
  );
}

test('a process in the middle of an exec, which shows no environment, is found all the same', async () => {
  const script = join(stateDir, 'again');
  await writeFile(script, '#!/bin/sh\nexec "$0"\n', { mode: 0o755 });
  const { run } = appRelease('v1');
  const release = { name: 'v1', run: { ...run, command: [script], replicas: 1 } };
  await newDriver().start(orderOf(release));

  const counts = new Set<number>();
  for (let look = 0; look < 25; look++) counts.add((await marked(stateDir)).length);

  expect([...counts]).toEqual([1]);
});

test('a driver that was closed starts nothing again, whatever it was about to do', async () => {
  for (const closedBefore of ['the wait is over', 'the restart is'] as const) {
    const clock = fakeClock();
    const driver = newDriver(clock);
    const release = appRelease('v1', {}, { replicas: 1 });
    const { targets } = await driven(clock, driver.start(orderOf(release)));
    const down = replicaThat(driver, ({ state }) => state === 'down');
    process.kill(pidOf(first(targets)), 'SIGKILL');
    await down;

    if (closedBefore === 'the restart is') clock.pass(250);
    await driver.close();
    for (let second = 0; second < 60; second++) await clock.passAsync(1_000);

    expect(await marked(stateDir)).toEqual([]);
  }
});

test('what a replica starts when it is asked to end is ended too', async () => {
  const driver = newDriver();
  const script = 'trap "sleep 1000 & exit" TERM; echo ready; while :; do sleep 0.02; done';
  const { run } = appRelease('v1');
  const command = ['/bin/sh', '-c', script];
  const ready = eventOf(driver, (event) => event.kind === 'output' && event.line === 'ready');
  await driver.start(orderOf({ name: 'v1', run: { ...run, command, replicas: 1 } }));
  await ready;

  await driver.stop('shop.blue.1');

  expect(await marked(stateDir)).toEqual([]);
});

test('a replica that a smaller pool has no place for is not told as dead', async () => {
  const driver = newDriver();
  await driver.start(orderOf(appRelease('v1')));
  const told: DriverEvent[] = [];
  driver.watch((event) => told.push(event));

  await driver.start(orderOf(appRelease('v1'), { replicas: 1 }));
  await settled();

  expect(told).toEqual([]);
});

test('what a crashed replica leaves behind is ended before it is started again', async () => {
  const driver = newDriver();
  const release = appRelease('v1', { APP_CHILD: 'session' }, { replicas: 1 });
  const { targets } = await driver.start(orderOf(release));
  const { pid, child } = await ask(first(targets));
  const back = replicaThat(driver, ({ state, detail }) => {
    return state === 'running' && detail !== `pid ${pid}`;
  });

  process.kill(pid, 'SIGKILL');
  await back;

  expect(await identityOf(child ?? 0)).toBeNull();
});

test('a stop that finds its pid with a stranger does not touch the stranger (pid reuse)', async () => {
  const stranger = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'], {
    detached: true,
    stdio: 'ignore',
  });
  await once(stranger, 'spawn');
  const pid = stranger.pid ?? 0;
  const before = newDriver();
  const { targets } = await before.start(orderOf(appRelease('v1', {}, { replicas: 1 })));
  await before.close();
  await killed(pidOf(first(targets)));
  const file = join(stateDir, 'processes/shop.blue.1/1.json');
  const record = JSON.parse(await readFile(file, 'utf8')) as object;
  await writeFile(file, JSON.stringify({ ...record, pid }));

  const driver = newDriver();
  expect(await driver.list()).toMatchObject([{ targets: [{ state: 'down' }] }]);
  const again = await driver.start(orderOf(appRelease('v1', {}, { replicas: 1 })));
  expect(again.targets.map(({ port }) => port)).toEqual(targets.map(({ port }) => port));
  await driver.stop('shop.blue.1');

  expect(await identityOf(pid)).not.toBeNull();
  stranger.kill('SIGKILL');
  await once(stranger, 'exit');
});

test('a record that cannot be read costs nothing: its process is found by its mark', async () => {
  const before = newDriver();
  const { targets } = await before.start(orderOf(appRelease('v1')));
  await before.close();
  await writeFile(join(stateDir, 'processes/shop.blue.1/1.json'), '{"pid":');
  await rm(join(stateDir, 'processes/shop.blue.1/2.json'));

  const driver = newDriver();
  const [pool] = await driver.list();

  expect(pool?.targets.map(pidOf)).toEqual(targets.map(pidOf));
  expect(pool?.targets.map(({ port }) => port)).toEqual(targets.map(({ port }) => port));
});

test('an adopted replica that dies is seen within a second, and started again', async () => {
  const before = newDriver();
  const release = appRelease('v1', {}, { replicas: 1 });
  const { targets } = await before.start(orderOf(release));
  await ask(first(targets));
  await before.close();
  const clock = fakeClock();
  const driver = newDriver(clock);
  const adopted = await driven(clock, driver.start(orderOf(release)));
  expect(adopted.targets).toMatchObject([{ detail: `pid ${pidOf(first(targets))}, adopted` }]);

  await killed(pidOf(first(targets)));
  // A look that began while it was adopted is over, and the next one is set.
  while (clock.pending === 0) await settled();
  const down = replicaThat(driver, ({ state }) => state === 'down');
  clock.pass(1_000);
  expect((await down).detail).toMatch(/exit code is unknown/);
  const back = replicaThat(driver, ({ state }) => state === 'running');
  clock.pass(250);

  expect((await back).port).toBe(first(targets).port);
});

test('output is told line by line, without control characters', async () => {
  const driver = newDriver();
  const lines: string[] = [];
  const said = new Promise<void>((resolve) => {
    driver.watch((event) => {
      if (event.kind !== 'output') return;
      lines.push(`${event.poolId} ${event.target} ${event.line}`);
      if (lines.length === 3) resolve();
    });
  });
  const release = appRelease('v1', { APP_SAY: 'first' }, { replicas: 1 });
  const { targets } = await driver.start(orderOf(release));

  await ask(first(targets), '/say?%1b[31msecond%1b[0m%07%0athird');
  await said;

  expect(lines).toEqual(
    ['first', 'second', 'third'].map((line) => `shop.blue.1 replica-1 ${line}`),
  );
});

test('the last output of a replica that crashes is told though its line was never ended', async () => {
  const driver = newDriver();
  const { run } = appRelease('v1');
  const command = ['/bin/sh', '-c', '"$0" "$1"; printf "the end"', ...run.command];
  const release = { name: 'v1', run: { ...run, command, replicas: 1 } };
  const { targets } = await driver.start(orderOf(release));
  const said = eventOf(driver, (event) => event.kind === 'output');

  await ask(first(targets), '/exit?0');

  expect(await said).toMatchObject({ line: 'the end' });
});

test('output is bounded: a full file is kept once and begun anew, and told on from there', async () => {
  const file = join(stateDir, 'noise.log');
  const output = new Output(file, 1_000);
  const log = await output.openForWriting();
  await log.write(`${'x'.repeat(400)}\n`.repeat(3));
  expect(await output.news(false)).toHaveLength(3);

  await output.bound();
  await log.write('after\n');

  expect(await output.news(false)).toEqual(['after']);
  expect([(await stat(file)).size, (await stat(`${file}.1`)).size]).toEqual([6, 1203]);
  await log.write(`${'y'.repeat(99)}\n`.repeat(2_000));
  const flood = await output.news(false);
  expect(flood[0]).toMatch(/^\(\d+ bytes of output are left out here\)$/);
  expect(flood.length).toBeLessThan(700);
  await log.close();
});

test('a port is never given out twice at once, and never one that somebody has', async () => {
  const random = seeded(3);
  const ports = new Ports(random);
  const same = seeded(3);
  const busy = await listening(20_000 + Math.floor(same() * 12_000));

  const taken = await Promise.all(Array.from({ length: 300 }, () => ports.take(null)));

  expect(new Set(taken).size).toBe(300);
  expect(taken).not.toContain((busy.address() as { port: number }).port);
  expect(Math.max(...taken)).toBeLessThan(32_768);
  const port = first(taken);
  expect(await ports.take(port)).not.toBe(port);
  ports.free(port);
  expect(await ports.take(port)).toBe(port);
  busy.close();
});

function listening(port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}
