/**
 * Commands that go on looking: `status -w` and `events -f`; and what texts from elsewhere may do.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Served, serveAdmin } from '../support/admin.ts';
import { runCli, startCli } from '../support/cli.ts';
import { fakeControl, fakeService } from '../support/fakeControl.ts';

let served: Served;

beforeEach(async () => {
  served = await serveAdmin();
});

afterEach(() => served.close());

const start = (argv: string[], tty = false) => startCli(argv, { url: served.url, tty });
const tell = (what: string) =>
  served.control.events.emit({ type: 'service', service: 'shop', what });

test('events -f prints what happens, over a restart of the server, once each', async () => {
  const events = start(['events', '-f', '--after', '0']);
  tell('one');
  await events.until(' one');
  const { port } = served;
  const { control } = served;
  await served.close();
  tell('two');
  served = await serveAdmin({ control, listen: { host: '127.0.0.1', port } });
  await events.until(' two');
  tell('three');
  await events.until(' three');

  events.interrupt();

  const ran = await events.ended;
  expect(ran.exit).toBe(130);
  expect(ran.stdout.match(/shop (one|two|three)/g)).toEqual(['shop one', 'shop two', 'shop three']);
  expect(ran.stderr).toContain('Out of sight, trying again.');
});

test('events -f that cannot begin ends with 4, and does not wait for ever', async () => {
  await served.close();

  expect((await start(['events', '-f']).ended).exit).toBe(4);
});

test('events --json gives one document a line', async () => {
  tell('one');
  tell('two');

  const ran = await start(['events', '--json']).ended;

  const lines = ran.stdout.trimEnd().split('\n');
  expect(lines.map((line) => JSON.parse(line).what)).toEqual(['one', 'two']);
});

test('status -w without a terminal shows the picture once, and then what happens', async () => {
  const watch = start(['status', '-w']);
  await watch.until('ROLLBACK');

  tell('paused');

  await watch.until('shop paused');
  watch.interrupt();
  const ran = await watch.ended;
  expect(ran.stdout.match(/ROLLBACK/g)).toHaveLength(1);
  expect(ran.stdout).not.toContain('\u001b');
});

test('status -w on a terminal draws the picture again when something happens', async () => {
  const watch = start(['status', 'shop', '-w'], true);
  await watch.until('generation 3');

  await served.call('POST', '/v1/services/shop/rollback', { body: { to: 'v0' } });

  await watch.until('generation 4');
  watch.interrupt();
  const ran = await watch.ended;
  expect(ran.stdout).toContain('\u001b[H');
});

test('status -w on a terminal says when Pointsman is out of sight, and comes back', async () => {
  const watch = start(['status', '-w'], true);
  await watch.until('ROLLBACK');
  const { port, control } = served;
  await served.close();
  await watch.until('Out of sight');
  control.setService('shop', { generation: 77 });

  served = await serveAdmin({ control, listen: { host: '127.0.0.1', port } });

  await watch.until(/shop.*77/);
  watch.interrupt();
  await watch.ended;
});

test('status --json is what the admin API answers', async () => {
  const all = await start(['status', '--json']).ended;
  const one = await start(['status', 'shop', '--json']).ended;

  expect(JSON.parse(all.stdout)).toEqual((await served.call('GET', '/v1/services')).json);
  expect(JSON.parse(one.stdout)).toMatchObject({ name: 'shop', generation: 3 });
});

test('what a target answers cannot steer the terminal', async () => {
  served.control.setService('shop', { problem: 'a\u001b[2J\u0007b\u009bc\u202ed\r\ne' });

  const ran = await start(['status', 'shop']).ended;

  expect(ran.stdout).toContain('a [2J b c d');
  expect([...ran.stdout].filter((c) => /(?!\n)[\p{Cc}\u202e]/u.test(c))).toEqual([]);
});

test('200 services with long names are one line each', async () => {
  const names = Array.from({ length: 200 }, (_, i) => `service-with-a-rather-long-name-${i}`);
  const many = await serveAdmin({
    control: fakeControl({ services: names.map((name) => fakeService(name)) }),
  });

  const ran = await runCli(['status'], { url: many.url });

  const lines = ran.stdout.trimEnd().split('\n');
  expect(lines).toHaveLength(201);
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
  await many.close();
});

test('the token comes from --token-file, POINTSMAN_TOKEN_FILE or POINTSMAN_TOKEN', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'pointsman-token-'));
  const tokenFile = join(dir, 'token');
  await writeFile(tokenFile, 'correct-horse-battery-staple\n', { mode: 0o600 });
  const locked = await serveAdmin({ tokenFile });
  const { url } = locked;

  const exits = [
    await runCli(['status', '--token-file', tokenFile], { url }),
    await runCli(['status'], { url, env: { POINTSMAN_TOKEN_FILE: tokenFile } }),
    await runCli(['status'], { url, env: { POINTSMAN_TOKEN: 'correct-horse-battery-staple' } }),
    await runCli(['status'], { url, env: { POINTSMAN_TOKEN: 'of yesterday, with blanks' } }),
    await runCli(['events', '-f'], { url, env: { POINTSMAN_TOKEN: 'a-wrong-token-altogether' } }),
  ].map(({ exit }) => exit);

  expect(exits).toEqual([0, 0, 0, 2, 5]);
  await locked.close();
  await rm(dir, { recursive: true });
});

test('who calls is you@host unless --by says otherwise', async () => {
  await runCli(['pause', 'shop'], { url: served.url });
  await runCli(['resume', 'shop', '--by', 'Zoë', '--why', 'enough'], { url: served.url });

  expect(served.control.calls.map(({ call }) => [call.by, call.why, call.generation])).toEqual([
    ['ada@desk', '', 3],
    ['Zoë', 'enough', 3],
  ]);
});
