/**
 * Going back is wanted most when the machine is busiest: rollbacks beside processes that take all
 * the CPU there is.
 *
 * The rule this file keeps: what a flip costs a client is what it waited, less what clients wait on
 * the same machine without any flip, and less what their own process stood still.
 */
import { spawn } from 'node:child_process';
import { availableParallelism, getPriority } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { expect, onTestFinished, test } from 'vitest';
import { Load } from '../support/clients.ts';
import { startPointsman, startReleases } from '../support/whole.ts';

const rollbacks = 50;
const waitMsMax = 1_000;

/** As many as there are CPUs, each of which would take one whole. */
function burnCpu(): void {
  for (let count = Math.max(2, availableParallelism()); count > 0; count--) {
    const child = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' });
    onTestFinished(() => void child.kill('SIGKILL'));
  }
}

test(`${rollbacks} rollbacks on a busy machine: all committed, no error, nobody waits for a second`, async () => {
  const addresses = await startReleases(['alder', 'birch']);
  const pointsman = await startPointsman({
    workers: 2,
    run: { static: {} },
    first: { release: 'alder', targets: [addresses.alder ?? ''] },
    // As a service has it that says nothing: a probe may take 2 s.
    service: { health: { rise: 1 } },
  });
  const { json } = await pointsman.deploy('birch', { targets: [addresses.birch ?? ''] });
  expect(await pointsman.flipped(json.id)).toMatchObject({ error: null });
  const load = new Load(pointsman.port, { get: 60, post: 20, slow: 0 });
  burnCpu();
  const own = monitorEventLoopDelay({ resolution: 1 });
  own.enable();
  await load.answered('birch', 1_000);
  const waits = () => load.exchanges.map(({ start, head }) => head - start);
  const without = Math.max(...waits());

  for (let at = 0; at < rollbacks; at++) {
    const to = at % 2 === 0 ? 'alder' : 'birch';
    const { status, json: done, text } = await pointsman.rollback(to);
    expect({ status, text }).toMatchObject({ status: 200 });
    expect(done?.receipt?.generation).toBe(at + 3);
    expect(done?.receipt?.waitedMsMax).toBeLessThan(waitMsMax);
    await load.answered(to, 5);
  }
  await load.stop();
  own.disable();

  expect(load.errors).toEqual([]);
  expect(load.closed).toEqual([]);
  const still = own.max / 1e6;
  expect(Math.max(...waits()) - without - still).toBeLessThan(waitMsMax);
});

test('workers and controller come before others, where the system lets them', async () => {
  const addresses = await startReleases(['alder']);
  const pointsman = await startPointsman({
    workers: 2,
    run: { static: {} },
    first: { release: 'alder', targets: [addresses.alder ?? ''] },
  });
  const { controller, workers } = pointsman.pids();
  const root = process.getuid?.() === 0;
  const wanted = root ? Math.max(getPriority() - 5, -20) : getPriority();

  expect([controller ?? 0, ...workers].map((pid) => getPriority(pid))).toEqual(
    Array(3).fill(wanted),
  );
});
