/** `pointsman deploy` from its call to its receipt, over broken streams and restarts. */
import { connect, createServer } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Confirm } from '../../src/control/model/state.ts';
import { Fault } from '../../src/errors.ts';
import { type Served, serveAdmin } from '../support/admin.ts';
import { runCli, startCli } from '../support/cli.ts';
import { fakeControl, fakeEvents } from '../support/fakeControl.ts';

let served: Served;

beforeEach(async () => {
  served = await serveAdmin();
});

afterEach(() => served.close());

const argv = ['deploy', 'shop', 'v2', '--target', '127.0.0.1:4001'];
const start = (...more: string[]) => startCli([...argv, ...more], { url: served.url });

/** The same address, another controller. */
async function serveAgain(control = served.control): Promise<void> {
  const { port } = served;
  await served.close();
  served = await serveAdmin({ control, listen: { host: '127.0.0.1', port } });
}

test('it sends the generation it read, a key, who and why, and ends with the receipt', async () => {
  const deploy = start('--why', 'a new\n  basket', '--by', 'ci');
  await deploy.until('shop-1 starting');
  served.control.flipNow('shop-1');

  const ran = await deploy.ended;

  expect(ran.exit).toBe(0);
  expect(ran.stdout).toMatch(/^shop: v1 \(blue\) -> v2 \(green\), generation 4\n/);
  expect(served.control.calls).toEqual([
    {
      what: 'deploy',
      call: { by: 'ci', why: 'a new basket', generation: 3 },
      order: expect.objectContaining({ release: 'v2', flip: null, dryRun: false }),
    },
  ]);
});

test('it ends at the flip, or with --wait-drained when the old pool is empty', async () => {
  const deploy = start('--wait-drained');
  await deploy.until('shop-1 starting');
  served.control.flipNow('shop-1', false);
  await deploy.until('shop-1 draining');
  served.control.drain('shop-1');

  const ran = await deploy.ended;

  expect(ran.stdout).toContain('drained    5 finished, 1 aborted by clients, 0 cut, 2 still open');
});

test('events that come after its end do not keep the command from ending', async () => {
  const deploy = start();
  await deploy.until('shop-1 starting');
  served.control.flipNow('shop-1', false);
  served.control.drain('shop-1');

  expect((await deploy.ended).exit).toBe(0);
});

test('--confirm-within is sent, and the end says what is left to be done', async () => {
  const deploy = start('--confirm-within', '10m');
  await deploy.until('shop-1 starting');
  served.control.flipNow('shop-1');

  const ran = await deploy.ended;

  expect(served.control.calls[0]?.order).toMatchObject({ confirmWithinMs: 600_000 });
  expect(ran.stdout).toContain('v2 is to be confirmed. It goes back to v1 in 10 min, unless');
  expect(ran.stdout).toContain('pointsman confirm shop --if-generation 4');
});

test('a time to confirm that is none is refused before anything has begun', async () => {
  for (const within of ['soon', '1s', '30d']) {
    const ran = await start('--confirm-within', within).ended;

    expect(ran.exit, within).toBe(2);
  }
  expect(served.control.calls).toEqual([]);
});

test('confirm names the generation it saw; with a time it moves the deadline', async () => {
  const confirm = waiting;
  served.control.setService('shop', { confirm });

  const later = await runCli(['confirm', 'shop', '--within', '10m'], { url: served.url });
  const stays = await runCli(['confirm', 'shop', '--by', 'ops'], { url: served.url });
  const nothing = await runCli(['confirm', 'shop'], { url: served.url });

  expect(served.control.calls).toMatchObject([
    { what: 'confirm', call: { generation: 3 }, order: { withinMs: 600_000 } },
    { what: 'confirm', call: { generation: 3, by: 'ops' }, order: { withinMs: null } },
    { what: 'confirm', order: { withinMs: null } },
  ]);
  expect(later.stdout).toMatch(/^v1 is to be confirmed by 20.*, or shop goes back\.$/m);
  expect(stays.stdout).toBe('v1 is confirmed: it stays.\n');
  expect(nothing.stdout).toBe('Nothing of shop waits to be confirmed.\n');
});

test('confirm of another generation is a conflict, and changes nothing', async () => {
  served.control.setService('shop', { confirm: waiting });

  const ran = await runCli(['confirm', 'shop', '--if-generation', '2'], { url: served.url });

  expect(ran.exit).toBe(6);
  expect(served.control.service('shop').confirm).toEqual(waiting);
});

test('status counts down to the deadline, and says why it is overdue', async () => {
  served.control.setService('shop', { confirm: waiting });
  const waits = await runCli(['status', 'shop'], { url: served.url });
  const held = { ...waiting, phase: 'held' as const, reason: 'The warm pool is not whole.' };
  served.control.setService('shop', { confirm: held });
  const late = await runCli(['status', 'shop'], { url: served.url });

  const flat = (text: string) => text.replaceAll(/\s+/g, ' ');
  expect(flat(waits.stdout)).toMatch(
    /v1 is gone back from in .*, unless it is confirmed: pointsman confirm shop/,
  );
  expect(flat(late.stdout)).toContain(
    'v1 was not confirmed in time, and is live all the same: The warm pool is not whole.',
  );
});

test('--rollback-unsafe is sent; status says it, and rollback takes the reason with --unsafe', async () => {
  const why = 'the schema moved on';
  const deploy = start('--rollback-unsafe', why, '--detach');
  await deploy.ended;
  served.control.fail('shop-1', 'GATE_TIMEOUT', 'It was slow.');
  const { rollback } = served.control.service('shop');
  served.control.setService('shop', { rollback: { ...rollback, unsafe: why } });

  const status = await runCli(['status', 'shop'], { url: served.url });
  const bare = await runCli(['rollback', 'shop'], { url: served.url });
  const done = await runCli(['rollback', 'shop', '--unsafe', why], { url: served.url });

  expect(served.control.calls[0]?.order).toMatchObject({ rollbackUnsafe: why });
  expect(status.stdout).toContain(`going back from v1 is unsafe: ${why}`);
  expect(bare.exit).toBe(5);
  expect(bare.stderr).toContain(`Going back is unsafe: ${why}`);
  expect(done.exit).toBe(0);
});

test('--detach returns at once', async () => {
  const ran = await start('--detach').ended;

  expect(ran.exit).toBe(0);
  expect(ran.stdout).toBe('shop-1 has begun; watch it: pointsman status shop -w\n');
  expect(served.control.listeners).toBe(0);
});

test('--dry-run says what would happen, and nothing happens', async () => {
  const ran = await start('--dry-run').ended;

  expect(ran.stdout).toBe(
    'Would deploy v2 to shop on green; v1 stays live on blue. v0, which is warm on green, is ' +
      'kept until the flip, unless the new targets are in its place. Nothing was started.\n',
  );
  expect(served.control.service('shop').deployment).toBeNull();
});

test('--dry-run says what three pools cost, or that the way back is closed', async () => {
  const { pools } = served.control.service('shop');
  const target = { memoryBytes: 64 * 2 ** 20, cpuPercent: 1.25 };
  const blue = pools.blue && {
    ...pools.blue,
    targets: pools.blue.targets.map((one) => ({ ...one, ...target })),
  };
  served.control.setService('shop', { run: 'process', pools: { ...pools, blue } });
  const dry = () => runCli(['deploy', 'shop', 'v2', '--dry-run'], { url: served.url });

  const kept = await dry();
  served.control.setService('shop', { warmUntil: 'deploy' });
  const stopped = await dry();

  expect(kept.stdout).toMatch(
    /v0, which is warm on green, is kept until the flip, to go back to: three pools run until then, which costs about .*MiB, .* % CPU more \(as v1 does now\)\./,
  );
  expect(stopped.stdout).toContain('is stopped for it: until the flip there is no rollback.');
});

test('--no-flip ends when the release is ready, and flip goes on from there', async () => {
  const deploy = start('--no-flip');
  await deploy.until('shop-1 starting');
  served.control.enter('shop-1', 'ready');

  const ran = await deploy.ended;
  const flip = await runCli(['flip', 'shop'], { url: served.url });

  expect(ran.stdout).toBe('shop-1 is ready and waits. Flip it: pointsman flip shop\n');
  expect(served.control.calls[0]?.order).toMatchObject({ flip: 'manual' });
  expect(flip.stdout).toContain('generation 4');
});

test('a service that is flipped by hand does not keep the command waiting', async () => {
  const deploy = start();
  await deploy.until('shop-1 starting');
  served.control.enter('shop-1', 'ready');

  expect((await deploy.ended).stdout).toContain('is ready and waits');
});

test('a stream that breaks is opened again, and nothing that happened meanwhile is missed', async () => {
  const deploy = start();
  await deploy.until('shop-1 starting');
  await serveAgain();
  served.control.enter('shop-1', 'probing');
  served.control.miss('shop-1', '127.0.0.1:4001', 'connect ECONNREFUSED');
  await deploy.until('probe failed: connect ECONNREFUSED');
  served.control.flipNow('shop-1');

  const ran = await deploy.ended;

  expect(ran.exit).toBe(0);
  expect(ran.stderr).toContain('out of sight, trying again');
  expect(ran.stderr.match(/probe failed/g)).toHaveLength(1);
});

test('a controller that restarts meanwhile is waited for, and asked what became of it', async () => {
  const deploy = start();
  await deploy.until('shop-1 starting');
  const interrupted = {
    ...(await served.control.deployment('shop-1')),
    phase: 'failed' as const,
    endedAt: '2026-01-01T00:00:09.000Z',
    error: { code: 'INTERRUPTED', message: 'Pointsman was restarted before the flip.' },
  };
  const events = fakeEvents(1_000_000);
  await serveAgain(fakeControl({ deployments: [interrupted], events }));

  const ran = await deploy.ended;

  expect(ran.exit).toBe(5);
  expect(ran.stderr).toContain('shop-1 failed: Pointsman was restarted before the flip.');
});

test('a deployment that someone aborts ends the command with the reason', async () => {
  const deploy = start();
  await deploy.until('shop-1 starting');

  await runCli(['abort', 'shop', '--by', 'bob'], { url: served.url });

  const ran = await deploy.ended;
  expect(ran.exit).toBe(5);
  expect(ran.stderr).toContain('shop-1 aborted: Aborted by bob.');
});

test('an answer that was lost is asked for again under the same key, and the call is made once', async () => {
  let lost = 0;
  const middle = createServer((client) => {
    const upstream = connect(served.port, '127.0.0.1');
    client.on('error', () => {});
    upstream.on('error', () => {});
    client.on('data', (bytes) => upstream.write(bytes));
    upstream.on('data', (bytes) => {
      if (lost === 0 && bytes.includes('202 Accepted')) {
        lost += 1;
        client.resetAndDestroy();
        upstream.destroy();
        return;
      }
      client.write(bytes);
    });
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
  });
  await new Promise<void>((resolve) => middle.listen(0, '127.0.0.1', resolve));
  const { port } = middle.address() as { port: number };

  const ran = await runCli([...argv, '--detach'], { url: `http://127.0.0.1:${port}` });

  expect(lost).toBe(1);
  expect(ran.exit).toBe(0);
  expect(ran.stdout).toContain('shop-1 has begun');
  expect(served.control.calls).toHaveLength(1);
  middle.close();
});

test('--json gives one document, the deployment as it ended', async () => {
  const deploy = start('--json');
  await deploy.until('shop-1 starting');
  served.control.flipNow('shop-1');

  const ran = await deploy.ended;

  expect(JSON.parse(ran.stdout)).toMatchObject({ id: 'shop-1', receipt: { generation: 4 } });
});

test('on a terminal the block is drawn in place, and no line of it wraps', async () => {
  const deploy = startCli(argv, { url: served.url, tty: true, columns: 60 });
  await deploy.until('[starting]');
  served.control.enter('shop-1', 'probing');
  served.control.miss('shop-1', '127.0.0.1:4001', 'wanted a status of 200 to 299, got 503');
  await deploy.until('FAILED');
  served.control.pass('shop-1', '127.0.0.1:4001', 2);
  served.control.flipNow('shop-1');

  const ran = await deploy.ended;

  const shown = onTerminal(ran.stderr);
  expect(shown).toEqual([
    expect.stringMatching(/^shop: deploy v2 on green \(from v1 on blue\) {2}[\d.]+ m?s$/),
    '  starting > probing > ready > flipping > draining > [live]',
    '  127.0.0.1:4001  ok 2/2  200 in 1.5 ms',
  ]);
  for (const line of ran.stderr.split('\n')) {
    expect(bare(line).length).toBeLessThan(60);
  }
});

test('without colors there are none, and the block is still drawn', async () => {
  const deploy = startCli(argv, { url: served.url, tty: true, env: { NO_COLOR: '1' } });
  await deploy.until('[starting]');
  served.control.flipNow('shop-1');

  const ran = await deploy.ended;

  // biome-ignore lint/suspicious/noControlCharactersInRegex: it looks for what colors begin with.
  expect(ran.stderr + ran.stdout).not.toMatch(/\u001b\[[0-9;]*m/);
  expect(ran.stderr).toContain('\u001b[2K');
});

/** What stands on the terminal in the end: enough of one for `Live`. */
function onTerminal(written: string): string[] {
  const lines: string[] = [''];
  let row = 0;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it reads what steers a terminal.
  for (const [token] of written.matchAll(/\u001b\[\d*[A-Za-z]|\n|\r|[^\u001b\n\r]+/g)) {
    if (token === '\n') row += 1;
    else if (token.endsWith('A') && token.startsWith('\u001b')) row -= Number(token.slice(2, -1));
    else if (token === '\u001b[2K') lines[row] = '';
    else if (token === '\u001b[0J') lines.length = row;
    else if (!token.startsWith('\u001b') && token !== '\r') lines[row] = (lines[row] ?? '') + token;
  }
  return lines.filter((line) => line !== undefined && line !== '');
}

function bare(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it takes out what steers a terminal.
  return text.replaceAll(/\u001b\[[0-9;]*[A-Za-z]|\r/g, '');
}

test('a target that fails in the same way again and again is told of once, and now and then', async () => {
  const deploy = start();
  await deploy.until('shop-1 starting');
  served.control.enter('shop-1', 'probing');
  for (let times = 1; times <= 25; times++) {
    served.control.miss('shop-1', '127.0.0.1:4001', 'connect ECONNREFUSED');
  }
  served.control.miss('shop-1', '127.0.0.1:4001', 'a status of 503');
  served.control.pass('shop-1', '127.0.0.1:4001', 2);
  served.control.flipNow('shop-1', false);
  const ran = await deploy.ended;

  const probes = ran.stderr.split('\n').filter((line) => line.includes(' probe '));
  expect(probes.map((line) => line.replace(/^.* probe /, ''))).toEqual([
    'failed: connect ECONNREFUSED: "migrations are running"',
    'failed: connect ECONNREFUSED: "migrations are running" (20 times)',
    'failed: a status of 503: "migrations are running"',
    'passed 2 of 2: 200 in 1.5 ms',
  ]);
});

test('what is live already is no failure: CI may run twice', async () => {
  served.control.failNext(new Fault('RELEASE_LIVE', 'v2 is live on green already.'));

  const ran = await start().ended;

  expect(ran).toMatchObject({ exit: 0, stdout: 'v2 is live already; nothing was done.\n' });
});

test('what is warm is gone back to, not thrown away and started anew', async () => {
  served.control.failNext(new Fault('RELEASE_WARM', 'v0 is warm on green.'));

  const ran = await runCli(['deploy', 'shop', 'v0', '--target', '127.0.0.1:3002'], {
    url: served.url,
  });

  expect(ran.exit).toBe(0);
  expect(ran.stderr).toBe(
    'v0 is warm: going back to it in place of starting it anew.\n' +
      'Rolling shop back from v1 on blue to v0 on green.\n',
  );
  expect(served.control.calls.map(({ what }) => what)).toEqual(['deploy', 'rollback']);
});

test('--no-flip and --dry-run of what is warm say so, and go nowhere', async () => {
  for (const option of ['--no-flip', '--dry-run']) {
    served.control.failNext(new Fault('RELEASE_WARM', 'v0 is warm on green.'));
    const ran = await start(option).ended;
    expect(ran.exit).toBe(0);
    expect(ran.stdout).toContain('is warm already');
  }
  expect(served.control.calls.map(({ what }) => what)).toEqual(['deploy', 'deploy']);
});

test('--again orders a release of before by its name alone', async () => {
  served.control.setService('shop', { run: 'process' });
  const deploy = startCli(['deploy', 'shop', 'v2', '--again', '--detach'], { url: served.url });

  expect((await deploy.ended).exit).toBe(0);
  expect(served.control.calls[0]?.order).toMatchObject({ release: 'v2', again: true });
});

const waiting: Confirm = {
  deployment: 'shop-0',
  generation: 3,
  release: 'v1',
  since: '2026-01-01T00:00:00.000Z',
  until: '2026-01-01T00:10:00.000Z',
  phase: 'waiting',
  reason: null,
};
