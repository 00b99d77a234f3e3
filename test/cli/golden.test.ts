/** What people see, word for word, at 80 columns. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { type Served, serveAdmin } from '../support/admin.ts';
import { runCli, startCli } from '../support/cli.ts';
import {
  type FakeControl,
  fakeCheck,
  fakeControl,
  fakePool,
  fakeService,
  fakeTarget,
  probe,
} from '../support/fakeControl.ts';

let served: Served;

const sick = fakeTarget('10.0.0.13:3001', {
  healthy: false,
  passes: 0,
  failures: 4,
  state: 'down',
  detail: 'pid 4711 exited with 1, started again in 2 s',
  probe: probe(false, 'wanted a status of 200 to 299, got 503'),
  ejectedBy: 2,
  memoryBytes: 52_428_800,
  cpuPercent: 12.34,
});

beforeAll(async () => {
  const services = [
    fakeService('shop'),
    fakeService('checkout-api', {
      live: 'green',
      run: 'process',
      paused: true,
      waiting: 12,
      rollback: {
        ready: false,
        to: null,
        reason: 'There is no warm pool.',
        asleep: false,
        unsafe: null,
      },
      pools: {
        blue: null,
        green: fakePool('checkout-api', 'green', '2026.01.01-abcdef', 'live', [
          fakeTarget('10.0.0.12:3001', { memoryBytes: 52_428_800, cpuPercent: 2 }),
          sick,
        ]),
      },
    }),
  ];
  served = await serveAdmin({ control: fakeControl({ services }) });
});

afterAll(() => served.close());

async function shown(...argv: string[]): Promise<string> {
  const ran = await runCli(argv, { url: served.url });
  for (const line of ran.stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  return ran.stdout;
}

test('status of all services', async () => {
  expect(await shown('status')).toMatchInlineSnapshot(`
    "SERVICE       LIVE            GEN  HEALTHY  STANDBY        ROLLBACK   DEPLOYMENT
    shop          blue v1           3  1/1      green v0 warm  ready      -
    checkout-api  green 2026.01…    3  1/2      -              not ready  -

    checkout-api: 1 of 2 live targets is down
    checkout-api: paused; 12 requests waiting
    checkout-api: rollback is not ready: There is no warm pool.
    "
  `);
});

test('status of one service', async () => {
  expect(await shown('status', 'shop')).toMatchInlineSnapshot(`
    "shop: blue v1 is live, generation 3
      hosts        shop.example
      paths        /
      runs         static
      rollback     ready: to v0 on green

    blue  LIVE for 3 min  v1  1 of 1 target healthy
      127.0.0.1:3001
      inside: 0 http, 0 sse, 0 upgrade
      TARGET          HEALTH  LAST PROBE                IN  REQ  ERR
      127.0.0.1:3001  up      200 in 1.5 ms, 3 min ago   0  100    0

    green  WARM for 3 min  v0  1 of 1 target healthy
      127.0.0.1:3002
      inside: 0 http, 0 sse, 0 upgrade
      TARGET          HEALTH  LAST PROBE                IN  REQ  ERR
      127.0.0.1:3002  up      200 in 1.5 ms, 3 min ago   0  100    0
    "
  `);
});

test('status of a service whose first release is still being proved', async () => {
  const blue = fakePool('shop', 'blue', 'v1', 'probing', [
    fakeTarget('127.0.0.1:3001', { healthy: false, probe: null, requests: 0 }),
  ]);
  const rollback = { ready: false, to: null, reason: null, asleep: false, unsafe: null };
  const first = { generation: 0, live: null, pools: { blue, green: null }, rollback };
  const control = fakeControl({ services: [fakeService('shop', first)] });
  const beginning = await serveAdmin({ control });
  onTestFinished(() => beginning.close());

  const all = await runCli(['status'], { url: beginning.url });
  const one = await runCli(['status', 'shop'], { url: beginning.url });
  const json = await runCli(['status', 'shop', '--json'], { url: beginning.url });

  expect(all.stdout).toMatch(/^shop +nothing +0 +- +blue v1 probing +not ready/m);
  expect(one.stdout).toMatch(/^shop: nothing is live, generation 0$/m);
  expect(one.stdout).toMatch(/^blue {2}PROBING {2}v1 /m);
  expect(one.stdout).not.toMatch(/LIVE/);
  expect(JSON.parse(json.stdout)).toMatchObject({ live: null, generation: 0 });
});

test('status of a target that is a name: what it stands for, and since when nobody can say', async () => {
  const target = fakeTarget('app.internal:443', {
    addresses: [
      { address: '10.0.0.7', used: true, error: null },
      { address: '10.0.0.8', used: false, error: 'connection refused' },
    ],
    unresolved: { reason: 'DNS does not say what it is', since: '2026-11-20T10:00:00Z' },
  });
  const blue = fakePool('shop', 'blue', 'v1', 'live', [target]);
  const control = fakeControl({
    services: [fakeService('shop', { pools: { blue, green: null } })],
  });
  const served = await serveAdmin({ control });
  onTestFinished(() => served.close());

  const { stdout } = await runCli(['status', 'shop'], { url: served.url });

  const plain = stdout.replace(/\s+/g, ' ');
  expect(plain).toContain('stands for 10.0.0.7, 10.0.0.8 left out (connection refused)');
  expect(plain).toContain(
    'its name cannot be resolved since 2026-11-20T10:00:00Z: DNS does not say what it is',
  );
});

test('status of a service in trouble', async () => {
  expect(await shown('status', 'checkout-api')).toMatchInlineSnapshot(`
    "checkout-api: green 2026.01.01-abcdef is live, generation 3
      hosts        checkout-api.example
      paths        /
      runs         process
      1 of 2 live targets is down
      paused; 12 requests waiting
      rollback is not ready: There is no warm pool.

    green  LIVE for 3 min  2026.01.01-abcdef  1 of 2 targets healthy
      10.0.0.12:3001, 10.0.0.13:3001
      inside: 0 http, 0 sse, 0 upgrade; costs 100 MiB, 14.3 % CPU
      TARGET          HEALTH  LAST PROBE                IN  REQ  ERR
      10.0.0.12:3001  up      200 in 1.5 ms, 3 min ago   0  100    0
      10.0.0.13:3001  DOWN    503, 3 min ago             0  100    0
        10.0.0.13:3001: failed 4 times in a row: wanted a status of 200 to 299, got
                        503: "migrations are running"
        10.0.0.13:3001: pid 4711 exited with 1, started again in 2 s
        10.0.0.13:3001: taken out by 2 workers after errors in a row

    blue  EMPTY
    "
  `);
});

test('status of a service that is frozen says why', async () => {
  const freeze = 'The quarter closes on Friday';
  const control = fakeControl({ services: [fakeService('shop', { freeze })] });
  const frozen = await serveAdmin({ control });
  onTestFinished(() => frozen.close());

  const all = await runCli(['status'], { url: frozen.url });
  const one = await runCli(['status', 'shop'], { url: frozen.url });

  expect(all.stdout).toContain(`shop: frozen, deployments are refused: ${freeze}`);
  expect(one.stdout).toContain(`frozen, deployments are refused: ${freeze}`);
});

test('a deployment as plain lines, and its receipt', async () => {
  const deploy = startCli(['deploy', 'shop', 'v2', '--target', '127.0.0.1:4001'], {
    url: served.url,
  });
  await deploy.until('shop-1 starting');
  served.control.enter('shop-1', 'probing');
  served.control.miss('shop-1', '127.0.0.1:4001', 'connect ECONNREFUSED');
  served.control.pass('shop-1', '127.0.0.1:4001', 1);
  served.control.pass('shop-1', '127.0.0.1:4001', 2);
  served.control.flipNow('shop-1', false);
  const ran = await deploy.ended;
  served.control.drain('shop-1');

  expect(ran.stderr).toMatchInlineSnapshot(`
    "shop-1 starting: deploy v2 on green (from v1 on blue)
    shop-1 probing
    shop-1 127.0.0.1:4001 probe failed: connect ECONNREFUSED: "migrations are running"
    shop-1 127.0.0.1:4001 probe passed 1 of 2: 200 in 1.5 ms
    shop-1 127.0.0.1:4001 probe passed 2 of 2: 200 in 1.5 ms
    shop-1 draining
    "
  `);
  expect(ran.stdout).toMatchInlineSnapshot(`
    "shop: v1 (blue) -> v2 (green), generation 4
      committed  2026-01-01 00:01:02.345 UTC
      flip       1.94 ms over 2 workers
      held       0.82 ms at most
      waited     7 requests, at most 0.71 ms
      in flight  5 http, 1 sse, 2 upgrade on the old pool
      The old pool drains, then it stays warm.
    "
  `);
});

const warmedUp = '60 requests to 1 target in 0.4 s; p95 210 ms, then 9 ms';
const answered = '1 target answered as wanted';

/** A service of its own that runs processes, behind an admin server of its own. */
async function alone(): Promise<Served & { readonly control: FakeControl }> {
  const control = fakeControl({ services: [fakeService('shop', { run: 'process' })] });
  const own = await serveAdmin({ control });
  onTestFinished(() => own.close());
  return own;
}

test('a deployment with checks: where it is seen before its flip, and how it was warmed up', async () => {
  const { control, url } = await alone();
  const deploy = startCli(['deploy', 'shop', 'v2'], { url });
  await deploy.until('shop-1 starting');
  control.say('shop-1', 'v2 is seen before its flip: http://next.shop.example');
  control.enter('shop-1', 'probing');
  control.pass('shop-1', '127.0.0.1:4001', 1);
  control.pass('shop-1', '127.0.0.1:4001', 2);
  control.say('shop-1', `beforeFlip: warm-up passed (412 ms): ${warmedUp}`);
  control.say('shop-1', `beforeFlip: GET /login passed (30 ms): ${answered}`);
  control.check('shop-1', [
    fakeCheck('warm-up', 'passed', warmedUp),
    fakeCheck('GET /login', 'passed', answered),
  ]);
  control.flipNow('shop-1');
  const ran = await deploy.ended;

  expect(ran.stderr).toMatchInlineSnapshot(`
    "shop-1 starting: deploy v2 on green (from v1 on blue)
    shop-1 v2 is seen before its flip: http://next.shop.example
    shop-1 probing
    shop-1 127.0.0.1:4001 probe passed 1 of 2: 200 in 1.5 ms
    shop-1 127.0.0.1:4001 probe passed 2 of 2: 200 in 1.5 ms
    shop-1 beforeFlip: warm-up passed (412 ms): 60 requests to 1 target in 0.4 s; p95 210 ms, then 9 ms
    shop-1 beforeFlip: GET /login passed (30 ms): 1 target answered as wanted
    shop-1 live
    "
  `);
  expect(ran.stdout).toMatchInlineSnapshot(`
    "shop: v1 (blue) -> v2 (green), generation 4
      committed  2026-01-01 00:01:02.345 UTC
      flip       1.94 ms over 2 workers
      held       0.82 ms at most
      waited     7 requests, at most 0.71 ms
      in flight  5 http, 1 sse, 2 upgrade on the old pool
      warmed up  60 requests to 1 target in 0.4 s; p95 210 ms, then 9 ms
      drained    5 finished, 1 aborted by clients, 0 cut, 2 still open
    "
  `);
});

test('a deployment that fails a check: which one, why, and what it printed last', async () => {
  const { control, url } = await alone();
  const deploy = startCli(['deploy', 'shop', 'v2'], { url });
  await deploy.until('shop-1 starting');
  const result = 'it exited with 1';
  control.say('shop-1', 'npm run smoke: no such table: users');
  control.say('shop-1', `beforeFlip: npm run smoke FAILED (30 ms): ${result}`);
  const output = ['no such table: users'];
  control.check('shop-1', [
    fakeCheck('GET /login', 'passed', answered),
    fakeCheck('npm run smoke', 'failed', result, { output }),
    fakeCheck('npm run pay', 'waiting'),
  ]);
  const why = `v2 has not passed npm run smoke: ${result}. Last output: ${output[0]}`;
  control.fail('shop-1', 'HOOK_FAILED', why);
  const ran = await deploy.ended;
  const status = await runCli(['status', 'shop'], { url });

  expect(ran).toMatchObject({ exit: 5, stdout: '' });
  expect(ran.stderr).toMatchInlineSnapshot(`
    "shop-1 starting: deploy v2 on green (from v1 on blue)
    shop-1 npm run smoke: no such table: users
    shop-1 beforeFlip: npm run smoke FAILED (30 ms): it exited with 1
    shop-1 failed
    pointsman: shop-1 failed: v2 has not passed npm run smoke: it exited with 1. Last output: no such table: users
    "
  `);
  expect(status.stdout.split('\n\n')[0]).toMatchInlineSnapshot(`
    "shop: blue v1 is live, generation 3
      hosts        shop.example
      paths        /
      runs         process
      rollback     ready: to v0 on green
      last change  shop-1 failed: deploy v2 on green (from v1 on blue), by ada@desk,
                   3 min ago
      before flip  npm run smoke failed in 30 ms: it exited with 1
      shop-1 failed: v2 has not passed npm run smoke: it exited with 1. Last output:
      no such table: users"
  `);
});

test('status while a release is proved beside the warm pool: a candidate, and the way back', async () => {
  const { control, url } = await alone();
  const order = { release: 'v2', image: null, targets: [], flip: null, dryRun: false };
  await control.deploy('shop', order, { by: 'ci', why: '', generation: null });
  const starting = fakeTarget('127.0.0.1:4001', { passes: 1, healthy: false, requests: 0 });
  control.setService('shop', {
    candidate: fakePool('shop', 'green', 'v2', 'probing', [starting]),
    preview: { url: null, host: '', header: 'X-Preview', deployment: 'shop-1' },
  });
  control.check('shop-1', [
    fakeCheck('warm-up', 'passed', warmedUp),
    fakeCheck('GET /login', 'running', null, { runs: 2 }),
    fakeCheck('npm run smoke', 'waiting'),
  ]);
  control.enter('shop-1', 'probing');

  const all = await runCli(['status'], { url });
  const one = await runCli(['status', 'shop'], { url });
  const json = await runCli(['status', 'shop', '--json'], { url });

  expect(all.stdout).toMatchInlineSnapshot(`
    "SERVICE  LIVE     GEN  HEALTHY  STANDBY        ROLLBACK  DEPLOYMENT
    shop     blue v1    3  1/1      green v0 warm  ready     shop-1 probing
    "
  `);
  expect(one.stdout).toMatchInlineSnapshot(`
    "shop: blue v1 is live, generation 3
      hosts        shop.example
      paths        /
      runs         process
      rollback     ready: to v0 on green
      preview      X-Preview: shop-1 shows shop-1
      last change  shop-1 probing: deploy v2 on green (from v1 on blue), by ci, 3
                   min ago
      before flip  warm-up passed in 30 ms: 60 requests to 1 target in 0.4 s; p95
                   210 ms, then 9 ms
      before flip  GET /login running, made 2 times
      before flip  npm run smoke waiting

    blue  LIVE for 3 min  v1  1 of 1 target healthy
      127.0.0.1:3001
      inside: 0 http, 0 sse, 0 upgrade
      TARGET          HEALTH  LAST PROBE                IN  REQ  ERR
      127.0.0.1:3001  up      200 in 1.5 ms, 3 min ago   0  100    0

    green  WARM for 3 min  v0  1 of 1 target healthy
      127.0.0.1:3002
      inside: 0 http, 0 sse, 0 upgrade
      TARGET          HEALTH  LAST PROBE                IN  REQ  ERR
      127.0.0.1:3002  up      200 in 1.5 ms, 3 min ago   0  100    0

    candidate for green  PROBING  v2  0 of 1 target healthy
      127.0.0.1:4001
      inside: 0 http, 0 sse, 0 upgrade
      TARGET          HEALTH  LAST PROBE                IN  REQ  ERR
      127.0.0.1:4001  DOWN    200 in 1.5 ms, 3 min ago   0    0    0
    "
  `);
  expect(JSON.parse(json.stdout)).toMatchObject({
    candidate: { color: 'green', release: 'v2', role: 'probing' },
    pools: { green: { release: 'v0', role: 'warm' } },
  });
});

test('a rollback names where it goes, and shows its receipt', async () => {
  const ran = await runCli(['rollback', 'shop', '--why', 'errors in the basket'], {
    url: served.url,
  });

  expect(ran.stderr).toMatchInlineSnapshot(`
    "Rolling shop back from v2 on green to v1 on blue.
    "
  `);
  expect(ran.stdout).toMatchInlineSnapshot(`
    "shop: v2 (green) -> v1 (blue), generation 5
      committed  2026-01-01 00:01:02.345 UTC
      flip       1.94 ms over 2 workers
      held       0.82 ms at most
      waited     7 requests, at most 0.71 ms
      in flight  5 http, 1 sse, 2 upgrade on the old pool
      drained    5 finished, 1 aborted by clients, 0 cut, 2 still open
    "
  `);
});

test('history', async () => {
  const { json } = await served.call('POST', '/v1/services/shop/deployments', {
    body: { release: 'v3', targets: ['127.0.0.1:4001'] },
  });
  const why = '127.0.0.1:4001 got status 503 for 60 s, wanted 200 to 299.';
  served.control.fail(json.id, 'GATE_TIMEOUT', why);

  expect(await shown('history', 'shop')).toMatchInlineSnapshot(`
    "ID      STARTED (UTC)     WHAT               END                       BY
    shop-3  2026-01-01 00:00  deploy v1 -> v3    failed GATE_TIMEOUT       admin API
        127.0.0.1:4001 got status 503 for 60 s, wanted 200 to 299.
    shop-2  2026-01-01 00:00  rollback v2 -> v1  live, held 0.82 ms        ada@desk
        why: errors in the basket
    shop-1  2026-01-01 00:00  deploy v1 -> v2    superseded, held 0.82 ms  ada@desk
    "
  `);
  expect(await shown('history', 'checkout-api')).toBe('Nothing has been deployed yet.\n');
});

test('events', async () => {
  const ran = await runCli(['events', 'shop'], { url: served.url });

  expect(ran.stdout).toMatchInlineSnapshot(`
    "2026-01-01 00:00:00  deployment  shop-1 starting, deploy v2 on green (from v1 on blue), by ada@desk
    2026-01-01 00:00:00  deployment  shop-1 probing, deploy v2 on green (from v1 on blue), by ada@desk
    2026-01-01 00:00:00  probe       shop green 127.0.0.1:4001 probe failed: connect ECONNREFUSED: "migrations are running"
    2026-01-01 00:00:00  probe       shop green 127.0.0.1:4001 probe passed 1 of 2: 200 in 1.5 ms
    2026-01-01 00:00:00  probe       shop green 127.0.0.1:4001 probe passed 2 of 2: 200 in 1.5 ms
    2026-01-01 00:00:00  flip        shop flipped v1 -> v2, generation 4, held 0.82 ms, 7 requests waited
    2026-01-01 00:00:00  deployment  shop-1 draining, deploy v2 on green (from v1 on blue), by ada@desk
    2026-01-01 00:00:00  deployment  shop-1 live, deploy v2 on green (from v1 on blue), by ada@desk
    2026-01-01 00:00:00  flip        shop flipped v2 -> v1, generation 5, held 0.82 ms, 7 requests waited
    2026-01-01 00:00:00  deployment  shop-2 live, rollback v1 on blue (from v2 on green), by ada@desk
    2026-01-01 00:00:00  deployment  shop-3 starting, deploy v3 on green (from v1 on blue), by admin API
    2026-01-01 00:00:00  deployment  shop-3 failed, deploy v3 on green (from v1 on blue), by admin API: 127.0.0.1:4001 got status 503 for 60 s, wanted 200 to 299.
    "
  `);
});

test('pause, resume, retire, reload', async () => {
  const said = [
    await shown('pause', 'shop'),
    await shown('pause', 'shop', '--page'),
    await shown('resume', 'shop'),
    await shown('retire', 'shop'),
    await shown('reload'),
  ];

  expect(said.join('')).toMatchInlineSnapshot(`
    "shop is paused: new requests wait. Let them go: pointsman resume shop
    shop is paused: new requests get a 503. Let them go: pointsman resume shop
    shop takes requests.
    v2 on green is retired; there is no rollback of shop now.
    The configuration was read again: added api; changed shop.
    "
  `);
});

test('a rollback to a warm pool that sleeps wakes it first; wake alone stops there', async () => {
  const reason = 'The warm pool (v1 on blue) is kept frozen; `pointsman wake` thaws it.';
  const to = { color: 'blue', release: 'v1' } as const;
  const asleep = { rollback: { ready: false, to, reason, asleep: true, unsafe: null } };
  served.control.setService('shop', asleep);
  const woken = await runCli(['wake', 'shop', '--why', 'a drill'], { url: served.url });
  served.control.setService('shop', asleep);
  const back = await runCli(['rollback', 'shop'], { url: served.url });

  expect(woken).toMatchObject({ exit: 0, stderr: 'Waking v1 on blue.\n' });
  expect(woken.stdout).toBe('A rollback of shop to v1 on blue is ready.\n');
  expect(back.exit).toBe(0);
  expect(back.stderr).toMatch(/^Waking v1 on blue\.\nRolling shop back /);
});

test('check of a configuration that is right', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'pointsman-check-'));
  const file = join(dir, 'pointsman.yaml');
  // Where nobody listens, whatever else runs here.
  const ports = 'listen: 127.0.0.1:1\nadmin: { listen: 127.0.0.1:2 }\n';
  await writeFile(file, `${ports}state: ${dir}\nservices:\n  shop:\n    run: { static: {} }\n`);

  const ran = await runCli(['check', '-c', file]);
  const json = await runCli(['check', '-c', file, '--json']);
  await rm(dir, { recursive: true });

  expect(ran.stderr).toBe('');
  expect(ran.stdout).toBe(`${file} is right: 1 service (shop)\n`);
  expect(JSON.parse(json.stdout)).toEqual({ ok: true, services: ['shop'] });
});

test('help fits the terminal', async () => {
  for (const command of ['run', 'check', 'status', 'deploy', 'rollback', 'events', 'history']) {
    await shown(command, '--help');
  }
  const help = await shown('--help');
  for (const name of ['flip', 'abort', 'retire', 'wake', 'pause', 'resume', 'health', 'reload']) {
    expect(help).toMatch(new RegExp(`^  ${name} `, 'm'));
  }
});

test('thirty services without a warm pool are one line, not thirty', async () => {
  const reason = 'There is no warm pool to go back to.';
  const rollback = { ready: false, to: null, reason, asleep: false, unsafe: null };
  const services = Array.from({ length: 30 }, (_, n) => {
    const name = `shop-${n}`;
    const pools = { blue: fakePool(name, 'blue', 'v1', 'live'), green: null };
    return fakeService(name, { rollback, pools });
  });
  const some = await serveAdmin({
    control: fakeControl({ services: [fakeService('warm'), ...services] }),
  });
  const ran = await runCli(['status'], { url: some.url });
  await some.close();

  expect(ran.stdout.split('\n\n')[1]).toMatchInlineSnapshot(`
    "No warm pool: shop-0, shop-1, shop-2, shop-3, shop-4 and 25 more. A rollback
    becomes possible with the next deployment.
    "
  `);
});

test('wake where nothing is warm says that there is nothing to wake', async () => {
  const rollback = {
    ready: false,
    to: null,
    reason: 'There is no warm pool.',
    asleep: false,
    unsafe: null,
  };
  served.control.setService('shop', { rollback });
  const ran = await runCli(['wake', 'shop'], { url: served.url });

  expect(ran.exit).toBe(5);
  expect(ran.stderr).toBe('pointsman: shop has nothing to wake: There is no warm pool.\n');
});

test('a wrong command line names what was wrong, what is right, and the help of its command', async () => {
  const said = async (...argv: string[]) => (await runCli(argv, { url: served.url })).stderr;

  expect(await said('deploy', 'shop', 'bad name')).toBe(
    'pointsman: release: wanted 1 to 128 of A-Z a-z 0-9 . _ -, the first a letter or digit, ' +
      'got "bad name".\n',
  );
  expect(await said('deploy', 'shop', 'v9', '--target', 'a:1,b:2')).toBe(
    'pointsman: --target takes one address; repeat --target: --target a:1 --target b:2\n',
  );
  expect(await said('deploy')).toBe(
    "pointsman: missing required argument 'service'. See: pointsman deploy --help\n",
  );
  expect(await said('check')).toBe(
    'pointsman: The config file pointsman.yaml cannot be read: there is no such file; ' +
      '-c <file> names another\n',
  );
  expect(await said('check', '-c', '/nowhere.yaml')).toBe(
    'pointsman: The config file /nowhere.yaml cannot be read: there is no such file\n',
  );
});
