/** Sockets that a service manager holds: nobody is refused by a stop and a start. */
import { spawnSync } from 'node:child_process';
import http from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { holdListeners } from '../../src/listener.ts';
import { type Pointsman, preparePointsman, startReleases, until } from '../support/whole.ts';

/** Says to the process that it becomes, as systemd does, that two sockets are for it. */
const meantForIt = ['sh', '-c', 'LISTEN_PID=$$ LISTEN_FDS=2 exec "$@"', 'sh'];
const inTurn = 8;

async function prepare(workers: number): Promise<Pointsman> {
  const { alder = '' } = await startReleases(['alder']);
  const first = { release: 'r0', targets: [alder] };
  return preparePointsman({ workers, run: { static: {} }, first, top: { shutdown: '1s' } });
}

/** The sockets of a Pointsman, held by this test. */
async function hold({ port, adminPort }: Pointsman): Promise<number[]> {
  const addresses = [port, adminPort].map((one) => ({ host: '127.0.0.1', port: one }));
  const held = await holdListeners(addresses);
  onTestFinished(() => {
    for (const one of held) one.close();
  });
  return held.map(({ fd }) => fd);
}

/** @returns the status, or the error. */
function get(port: number): Promise<string> {
  return new Promise((resolve) => {
    const req = http.get({ host: '127.0.0.1', port, agent: false }, (res) => {
      res.resume().once('end', () => resolve(String(res.statusCode)));
    });
    req.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}

test.each([0, 2])(
  'workers: %i: a stop and a start under load refuse and reset nobody',
  async (workers) => {
    const pointsman = await prepare(workers);
    const fds = await hold(pointsman);
    await pointsman.start({ before: meantForIt, fds });
    const answers: string[] = [];
    let asking = true;
    const clients = Array.from({ length: inTurn }, async () => {
      while (asking) answers.push(await get(pointsman.port));
    });
    await until('it serves', () => answers.length > inTurn);

    const { code } = await pointsman.stop();
    const waiting = get(pointsman.port);
    await pointsman.start({ before: meantForIt, fds });
    const since = answers.length;
    await until('it serves again', () => answers.length > since + inTurn);
    asking = false;
    await Promise.all(clients);

    expect(code).toBe(0);
    expect(await waiting).toBe('200');
    expect(new Set(answers)).toEqual(new Set(['200']));
  },
);

test('a socket that the config does not name: exit code 3, and its address', async () => {
  const pointsman = await prepare(2);
  const fds = await hold(pointsman);
  const [other = 0, admin = 0] = [pointsman.port + 1, pointsman.adminPort];
  pointsman.configure({
    listen: `127.0.0.1:${other}`,
    state: './state',
    admin: { listen: `127.0.0.1:${admin}` },
    services: { shop: { run: { static: {} } } },
  });
  pointsman.launch({ before: meantForIt, fds });

  const { code, output } = await pointsman.ended;

  expect(code).toBe(3);
  expect(output).toContain(`127.0.0.1:${pointsman.port} is in none of listen, tls.listen`);
  await pointsman.nothingLeft();
});

test('systemd-socket-activate: the first client is answered by what it starts', async (context) => {
  if (spawnSync('systemd-socket-activate', ['--version']).error !== undefined) {
    if (process.env.CI) throw new Error('systemd is not installed');
    context.skip('systemd is not installed');
  }
  const pointsman = await prepare(2);
  await pointsman.start();
  await pointsman.stop();
  const ports = [pointsman.port, pointsman.adminPort];
  const before = ['systemd-socket-activate', ...ports.map((port) => `--listen=127.0.0.1:${port}`)];
  pointsman.launch({ before });
  await until('it listens', () => pointsman.output.includes('Listening on'));

  const first = await get(pointsman.port);
  await pointsman.ready();
  const { code } = await pointsman.stop();

  expect([first, code]).toEqual(['200', 0]);
});
