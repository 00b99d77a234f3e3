/** `pointsman upgrade`: what is said of a hand-over, and how the command ends. */
import { expect, onTestFinished, test } from 'vitest';
import { type Served, serveAdmin } from '../support/admin.ts';
import { runCli, startCli } from '../support/cli.ts';
import { fakeControl } from '../support/fakeControl.ts';

async function serve(): Promise<Served> {
  const served = await serveAdmin({ control: fakeControl() });
  onTestFinished(() => served.close());
  return served;
}

const left = { connections: 12, ended: 9, tunnels: 2, cut: 1 };

test('it returns when the successor serves', async () => {
  const served = await serve();
  // The hand-over before this one has ended, and is not taken for it.
  served.control.handOver('failed', { startedAt: '2025-01-01T00:00:00.000Z', error: 'no' });

  const ran = await runCli(['upgrade', '--by', 'ann'], { url: served.url });

  expect(ran).toMatchObject({ exit: 0, stderr: '' });
  expect(ran.stdout).toBe(
    'Pointsman 0.2.0 (Node 24.1.0, pid 200) serves (the state changed hands in 12 ms); ' +
      'connections of pid 100 may end\n',
  );
  expect(served.control.calls.at(-1)).toMatchObject({ what: 'upgrade', call: { by: 'ann' } });
});

test('--wait-drained: it returns when the old one has ended, with what became of its connections', async () => {
  const served = await serve();

  const running = startCli(['upgrade', '--wait-drained'], { url: served.url });
  await running.until('may end');
  served.control.handOver('done', { left });
  const ran = await running.ended;

  expect(ran.exit).toBe(0);
  expect(ran.stdout).toBe(
    'pid 100 has ended: of 12 connections 9 ended by themselves, 2 WebSockets closed, 1 cut\n',
  );
});

test('a successor that fails: exit code 1, and why', async () => {
  const served = await serve();

  const running = startCli(['upgrade', '--json', '--wait-drained'], { url: served.url });
  await running.until('may end');
  served.control.handOver('failed', { error: 'The successor has ended: exit code 1.' });
  const ran = await running.ended;

  expect(ran.exit).toBe(1);
  expect(ran.stderr).toContain('has ended: exit code 1. The one before serves as it did.');
  expect(JSON.parse(ran.stdout)).toMatchObject({ code: 'HANDOVER_FAILED' });
});
