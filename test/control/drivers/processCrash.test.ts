/** A controller that is killed: its replicas run on, and the next controller has them all. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import type { RunningTarget } from '../../../src/control/drivers/driver.ts';
import { ProcessDriver } from '../../../src/control/drivers/process/processDriver.ts';
import { orderOf } from '../../contracts/driver.ts';
import { bundle } from '../../support/bundle.ts';
import { settled } from '../../support/clock.ts';
import { long } from '../../support/form.ts';
import { appRelease, ask, endMarked, marked, pidOf } from '../../support/processes.ts';
import { seed, seeded } from '../../support/random.ts';

const rounds = Number(process.env.POINTSMAN_KILL_ROUNDS ?? (long ? 10 : 4));

let host: string;
let stateDir: string;

beforeAll(async () => {
  host = await bundle(join(import.meta.dirname, '../../support/processHost.ts'));
});
afterAll(() => rm(dirname(host), { recursive: true, force: true }));
beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), 'pointsman-process-'));
});
afterEach(async () => {
  await endMarked(stateDir);
  await rm(stateDir, { recursive: true, force: true });
});

const release = appRelease('v1', {}, { replicas: 3 });

/** A controller in a process of its own that starts the pool, and the lines it says. */
function controller() {
  const args = [host, stateDir, JSON.stringify(orderOf(release))];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const line = async (): Promise<string> => (await lines.next()).value as string;
  const kill = async (): Promise<void> => {
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  };
  return { line, kill };
}

async function copiesOf(dir: string): Promise<number> {
  let copies = 0;
  for (const pid of (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name))) {
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (command.includes(`${host}\0${dir}`)) copies++;
  }
  return copies;
}

test('replicas survive a kill -9 of their controller and are adopted with the same pids', async () => {
  const before = controller();
  await before.line();
  const targets = JSON.parse(await before.line()) as RunningTarget[];
  await before.kill();

  const driver = new ProcessDriver({ stateDir, clock: systemClock });
  const found = await driver.list();
  const adopted = await driver.start(orderOf(release));

  expect(found).toHaveLength(1);
  for (const again of [found[0]?.targets ?? [], adopted.targets]) {
    expect(again.map(pidOf)).toEqual(targets.map(pidOf));
    expect(again.map(({ port }) => port)).toEqual(targets.map(({ port }) => port));
  }
  for (const target of adopted.targets) expect((await ask(target)).pid).toBe(pidOf(target));

  await driver.stop('shop.blue.1');
  expect(await marked(stateDir)).toEqual([]);
  await driver.close();
});

test(`a controller that is killed at a random moment of a start leaks nothing (${rounds} rounds)`, async () => {
  const random = seeded(seed);
  let found = 0;
  const whole = controller();
  await whole.line();
  const begun = performance.now();
  await whole.line();
  // How long a start takes here and now: on a busy machine it is no 60 ms.
  const startMs = performance.now() - begun;
  await whole.kill();
  const first = new ProcessDriver({ stateDir, clock: systemClock });
  await first.stop('shop.blue.1');
  await first.close();

  for (let round = 1; round <= rounds; round++) {
    const hint = `seed ${seed}, round ${round}`;
    const before = controller();
    await before.line();
    // The moment of the kill is what this test is about; nothing is waited for.
    await delay(random() * 1.2 * startMs);
    await before.kill();
    // What it forked just before is a copy of it until its program takes over.
    while ((await copiesOf(stateDir)) > 0) await settled();

    const running = await marked(stateDir);
    const driver = new ProcessDriver({ stateDir, clock: systemClock });
    const pools = await driver.list();
    const pids = pools
      .flatMap(({ targets }) => targets)
      .filter(({ state }) => state === 'running')
      .map(pidOf);
    found += pids.length;
    expect(pids.sort(), hint).toEqual(running.map(({ pid }) => pid).sort());

    const { targets } = await driver.start(orderOf(release));
    expect(targets.map(pidOf), hint).toEqual(expect.arrayContaining(pids));
    expect(await marked(stateDir), hint).toHaveLength(3);

    await driver.stop('shop.blue.1');
    expect(await marked(stateDir), hint).toEqual([]);
    await driver.close();
  }
  expect(found).toBeGreaterThan(0);
});
