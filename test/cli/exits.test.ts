/** Every exit code, each from a real command against a real admin server. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { exitOf, exits } from '../../src/cli/exits.ts';
import { Fault } from '../../src/errors.ts';
import { type Served, serveAdmin } from '../support/admin.ts';
import { runCli, startCli } from '../support/cli.ts';

let served: Served;
let dir: string;

beforeEach(async () => {
  served = await serveAdmin();
  dir = await mkdtemp(join(tmpdir(), 'pointsman-cli-'));
});

afterEach(async () => {
  await served.close();
  await rm(dir, { recursive: true });
});

const run = (...argv: string[]) => runCli(argv, { url: served.url });
const ready = {
  ready: false,
  to: null,
  reason: 'The warm pool has 1 of 2 targets.',
  asleep: false,
  unsafe: null,
};

test('0: a command that did what it was asked', async () => {
  expect((await run('status')).exit).toBe(0);
  expect((await run('pause', 'shop')).exit).toBe(0);
  expect((await run('--version')).stdout).toBe('0.1.0\n');
  expect((await run('--help')).exit).toBe(0);
});

test('1: a bug on the other side', async () => {
  served.control.failNext(new TypeError('x is undefined'));

  const ran = await run('pause', 'shop');

  expect(ran.exit).toBe(1);
  expect(ran.stderr).toMatch(/^pointsman: This is a bug\. The log of Pointsman/);
});

test.each([
  [[], 'Usage: pointsman'],
  [['deplyo'], 'Did you mean deploy'],
  [['deploy', 'shop'], "missing required argument 'release'"],
  [['status', '--colour'], 'unknown option'],
  [['deploy', 'shop', 'v2', '--target', 'nowhere'], '--target: wanted a target'],
  [['status', '--timeout', 'soon'], '--timeout: wanted a duration'],
  [['status', '--admin', 'localhost'], '--admin: wanted a URL'],
  [['status', '--token-file', '/nope/token'], '--token-file: '],
  [['rollback', 'shop', '--if-generation', 'x'], '--if-generation: wanted a whole number'],
  [['history', '--limit', '-1'], '--limit'],
  [['history', '--limit', '5000'], 'limit'],
  [['deploy', 'shop', '../v2', '--target', '127.0.0.1:1'], 'release'],
])('2: a command line that is wrong: %j', async (argv, said) => {
  const ran = await run(...argv);

  expect(ran.exit).toBe(2);
  expect(ran.stderr).toContain(said);
  expect(ran.stdout).toBe('');
  expect(served.control.calls).toEqual([]);
});

test('3: a configuration that is wrong, here or where Pointsman runs', async () => {
  const file = join(dir, 'pointsman.yaml');
  await writeFile(file, 'listen: nowhere\nworker: 3\n');

  const check = await run('check', '-c', file);
  served.control.failNext(new Fault('CONFIG_INVALID', `${file}:1:9: listen: wanted host:port`));
  const reload = await run('reload');
  const missing = await run('check', '-c', join(dir, 'nope.yaml'));

  expect([check.exit, reload.exit, missing.exit]).toEqual([3, 3, 3]);
  expect(check.stdout).toBe('');
  expect(check.stderr).toContain(`${file}:1:`);
  expect(check.stderr).toContain(`${file}:2:`);
});

test('4: nobody listens, and the message says what was tried', async () => {
  await served.close();

  const ran = await run('status');

  expect(ran.exit).toBe(4);
  expect(ran.stderr).toBe(
    `pointsman: Is Pointsman running? Tried ${served.url}: the connection was refused. ` +
      '--admin or POINTSMAN_ADMIN names another address.\n',
  );
});

test('the config that POINTSMAN_CONFIG names says where the admin API is; a broken one says nothing', async () => {
  const file = join(dir, 'pointsman.yaml');
  const env = { POINTSMAN_CONFIG: file };
  const { port } = new URL(served.url);
  const rest = 'services: { shop: { run: { static: {} } } }';
  await writeFile(file, `admin: { listen: "127.0.0.1:${port}" }\n${rest}`);
  const named = await runCli(['health'], { env });
  await writeFile(file, `admin: { listen: ":${port}", allowAnonymous: nonsense }\n${rest}`);
  const broken = await runCli(['health'], { env });

  expect(named.exit).toBe(0);
  expect(broken.exit).toBe(4);
  expect(broken.stderr).toContain('Tried http://127.0.0.1:9400:');
});

test('4: something else answers there', async () => {
  const other: Server = createServer((_req, res) => {
    res.writeHead(404, { 'content-type': 'text/html' }).end('<h1>nginx</h1>');
  });
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port } = other.address() as { port: number };

  const ran = await runCli(['status'], { url: `http://127.0.0.1:${port}` });

  expect(ran.exit).toBe(4);
  expect(ran.stderr).toContain("is not Pointsman's admin API (HTTP 404, text/html)");
  other.closeAllConnections();
  other.close();
});

test('5: refused: a rollback that is not ready says why', async () => {
  served.control.setService('shop', { rollback: ready });

  const ran = await run('rollback', 'shop');

  expect(ran.exit).toBe(5);
  expect(ran.stderr).toContain('The warm pool has 1 of 2 targets.');
  expect(served.control.calls).toEqual([]);
});

test('5: refused: an unknown service, no token, nothing to flip', async () => {
  const tokenFile = join(dir, 'token');
  await writeFile(tokenFile, 'correct-horse-battery-staple', { mode: 0o600 });
  const locked = await serveAdmin({ tokenFile });

  const unknown = await run('status', 'shpo');
  const flip = await run('flip', 'shop');
  const nobody = await runCli(['status'], { url: locked.url });
  const somebody = await runCli(['status', '--token-file', tokenFile], { url: locked.url });

  expect([unknown.exit, flip.exit, nobody.exit, somebody.exit]).toEqual([5, 5, 5, 0]);
  expect(unknown.stderr).toContain('There is no service shpo.');
  expect(nobody.stderr).toContain('--token-file');
  await locked.close();
});

test('5: a deployment that failed, with the reason in one sentence', async () => {
  const deploy = startCli(['deploy', 'shop', 'v2', '--target', '127.0.0.1:4001'], {
    url: served.url,
  });
  await deploy.until('shop-1 starting');
  served.control.fail(
    'shop-1',
    'GATE_TIMEOUT',
    '127.0.0.1:4001 got status 503, wanted 200 to 299.',
  );

  const ran = await deploy.ended;

  expect(ran.exit).toBe(5);
  expect(ran.stderr).toContain(
    'pointsman: shop-1 failed: 127.0.0.1:4001 got status 503, wanted 200 to 299.\n',
  );
  expect(ran.stdout).toBe('');
});

test('5: health of a Pointsman that is not ready', async () => {
  served.control.setReady(['Worker 2 has no table yet.']);

  const ran = await run('health');

  expect(ran.exit).toBe(5);
  expect(ran.stderr).toContain('Worker 2 has no table yet.');
  served.control.setReady([]);
  expect((await run('health')).exit).toBe(0);
});

test('6: a conflict: another deployment, a generation that has passed, nothing to abort', async () => {
  await run('deploy', 'shop', 'v2', '--target', '127.0.0.1:4001', '--detach');

  const second = await run('deploy', 'shop', 'v3', '--target', '127.0.0.1:4001');
  const stale = await run('rollback', 'shop', '--if-generation', '2');
  await run('abort', 'shop');
  const nothing = await run('abort', 'shop');

  expect([second.exit, stale.exit, nothing.exit]).toEqual([6, 6, 6]);
  expect(second.stderr).toContain('shop-1 runs');
  expect(stale.stderr).toContain('generation 3, not 2');
  expect(nothing.stderr).toContain('nothing to abort');
});

test('a controller that is still starting is waited for', async () => {
  served.control.failNext(new Fault('STARTING', 'Pointsman is starting: try again in a moment.'));

  const ran = await run('pause', 'shop');

  expect(ran.exit).toBe(0);
  expect(served.control.calls).toHaveLength(2);
});

test('124: no end within --timeout, and what goes on is named', async () => {
  const go = served.control.hold();
  const call = await run('pause', 'shop', '--timeout', '200ms');
  go();
  const argv = ['deploy', 'shop', 'v2', '--target', '127.0.0.1:4001', '--timeout', '400ms'];
  const deploy = await run(...argv);

  expect([call.exit, deploy.exit]).toEqual([124, 124]);
  expect(call.stderr).toContain('No answer within 200ms');
  expect(deploy.stderr).toContain('shop-1 goes on; see: pointsman status shop');
});

test('130: Ctrl-C leaves the deployment alone and says so', async () => {
  const deploy = startCli(['deploy', 'shop', 'v2', '--target', '127.0.0.1:4001'], {
    url: served.url,
  });
  await deploy.until('shop-1 starting');

  deploy.interrupt();

  const ran = await deploy.ended;
  expect(ran.exit).toBe(130);
  expect(ran.stderr).toContain('shop-1 goes on');
  expect(served.control.calls.map(({ what }) => what)).toEqual(['deploy']);
});

test('with --json a failure is one document on stdout, with its exit code', async () => {
  const unknown = await run('status', 'shpo', '--json');
  const usage = await run('deplyo', '--json');
  served.control.setReady(['no worker']);
  const health = await run('health', '--json');

  expect(JSON.parse(unknown.stdout)).toMatchObject({ code: 'SERVICE_UNKNOWN', exit: 5 });
  expect(JSON.parse(usage.stdout)).toMatchObject({ exit: 2 });
  expect(JSON.parse(health.stdout)).toEqual({ ready: false, reasons: ['no worker'], exit: 5 });
});

test('run hands its file over and ends as it ends', async () => {
  const paths: string[] = [];
  const io = {
    run: async (path: string) => {
      paths.push(path);
      return 1;
    },
  };

  expect((await runCli(['run', '-c', 'my.yaml'], io)).exit).toBe(1);
  await runCli(['run'], io);
  await runCli(['run'], { ...io, env: { POINTSMAN_CONFIG: '/etc/pointsman.yaml' } });
  expect(paths).toEqual(['my.yaml', 'pointsman.yaml', '/etc/pointsman.yaml']);
});

test('run that is refused before it starts ends by its fault: 3 for the file, 1 for the port', async () => {
  const refuse = (code: 'CONFIG_INVALID' | 'PORT_IN_USE') =>
    runCli(['run'], {
      run: async () => {
        throw new Fault(code, 'The reason.');
      },
    });

  const [file, port] = [await refuse('CONFIG_INVALID'), await refuse('PORT_IN_USE')];

  expect([file.exit, port.exit]).toEqual([3, 1]);
  expect(port.stderr).toBe('pointsman: The reason.\n');
});

test('faults map to codes by what a script can do about them', () => {
  expect(exitOf('HOLD_TIMEOUT', 503)).toBe(exits.refused);
  expect(exitOf('STATE_NOT_WRITABLE', 507)).toBe(exits.refused);
  expect(exitOf('RELEASE_TAKEN', 409)).toBe(exits.conflict);
  expect(exitOf('ROLLBACK_NOT_READY', 409)).toBe(exits.refused);
  expect(exitOf('SOMETHING_NEW', 500)).toBe(exits.failed);
});
