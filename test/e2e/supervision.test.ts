/** Starting, stopping, reloading, and what the machine may do to the processes meanwhile. */

import { spawnSync } from 'node:child_process';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { sidesOf } from '../../src/control/model/api.ts';
import { download, Load, listen, talk } from '../support/clients.ts';
import {
  kill,
  type Pointsman,
  preparePointsman,
  type ShopOptions,
  startPointsman,
  startReleases,
  until,
} from '../support/whole.ts';

/** A service with a release r0 on `alder`; `birch` is for the next one. */
async function shop(
  workers: number,
  more: Partial<ShopOptions> = {},
): Promise<ShopOptions & { readonly birch: readonly string[] }> {
  const { alder, birch } = await startReleases(['alder', 'birch']);
  return {
    workers,
    run: { static: {} },
    first: { release: 'r0', targets: [alder] },
    birch: [birch ?? ''],
    ...more,
  };
}

async function live(pointsman: Pointsman): Promise<string | undefined> {
  return sidesOf(await pointsman.status()).live?.release;
}

function get(port: number, path = '/'): Promise<{ status: number; by: string }> {
  return new Promise((resolve, reject) => {
    const req = http.get({ host: '127.0.0.1', port, path, agent: false }, (res) => {
      res.resume().once('end', () => {
        resolve({ status: res.statusCode ?? 0, by: String(res.headers['x-release'] ?? '') });
      });
    });
    req.once('error', reject);
  });
}

test.each([0, 2])(
  'workers: %i: SIGTERM ends within its limit with open WebSockets, and what is in flight is answered',
  async (workers) => {
    const pointsman = await startPointsman(await shop(workers));
    const tunnels = await Promise.all([talk(pointsman.port), talk(pointsman.port)]);
    const slow = get(pointsman.port, '/slow?ms=3000');
    await until('the slow request is inside', async () => {
      const { pools } = await pointsman.status();
      return pools.blue?.inside.http === 1 && pools.blue.inside.upgrade === 2;
    });

    const { code } = await pointsman.stop();

    expect(code).toBe(0);
    expect(await slow).toMatchObject({ status: 200, by: 'alder' });
    expect(await Promise.all(tunnels.map(({ closed }) => closed))).toEqual([1012, 1012]);
    expect(tunnels.flatMap(({ wrongs }) => wrongs)).toEqual([]);
    await pointsman.nothingLeft();
  },
);

test.each([0, 2])(
  'workers: %i: a second SIGTERM ends it at once, whatever is open',
  async (workers) => {
    const pointsman = await startPointsman(await shop(workers, { top: { shutdown: '10m' } }));
    const file = await download(pointsman.port, 100_000, 50);

    pointsman.signal('SIGTERM');
    await until('it is stopping', () => pointsman.output.includes('stopping'));
    pointsman.signal('SIGTERM');

    expect((await pointsman.ended).code).toBe(1);
    expect(await file.over).not.toBeNull();
    await pointsman.nothingLeft();
  },
);

test('SIGTERM under a load that goes on: what is in flight is answered, later ones are refused', async () => {
  const pointsman = await startPointsman(await shop(2));
  const load = new Load(pointsman.port, { get: 8, post: 4, slow: 4 });
  await load.answered('alder', 30);

  pointsman.signal('SIGTERM');
  const { code } = await pointsman.ended;
  const ended = performance.now();
  await load.stop();

  expect(code).toBe(0);
  const lost = load.errors.filter(({ error, start }) => error !== 'ECONNREFUSED' && start < ended);
  // Nobody was cut in mid-answer. A connection may be caught between the kernel's handshake and
  // ours.
  expect(lost.filter(({ status, error }) => status !== 0 || error !== 'ECONNRESET')).toEqual([]);
  expect(lost.length).toBeLessThanOrEqual(2);
});

/** Mistakes that people make, and what the error must name. */
const mistakes: readonly (readonly [text: string, named: RegExp])[] = [
  ['', /pointsman\.yaml/],
  ['services: {', /pointsman\.yaml:1:/],
  ['services: {}\nservces: {}', /pointsman\.yaml:2:1: servces: .*services/],
  ['listen: 8080000\nservices: { a: { run: { static: {} } } }', /pointsman\.yaml:1:9: listen/],
  ['services:\n  shop:\n    run: {}', /pointsman\.yaml:3:\d+: services\.shop\.run/],
  ['services:\n  shop:\n    drain: 5\n    run: { static: {} }', /:3:12: services\.shop\.drain/],
  ['services:\n\tshop: 1', /pointsman\.yaml:2:/],
  ['workers: -1\nservices: { a: { run: { static: {} } } }', /:1:10: workers/],
  ['workers: many\nservices: { a: { run: { static: {} } } }', /:1:10: workers/],
  ['admin: { listen: 0.0.0.0:1 }\nservices: { a: { run: { static: {} } } }', /:1:.*admin/],
];

test('SIGHUP, 30 bad configs: the old one stays, traffic goes on, the error names the line', async () => {
  const options = await shop(2);
  const pointsman = await startPointsman(options);
  const load = new Load(pointsman.port, { get: 4, post: 2, slow: 2 });
  const status = await pointsman.status();

  for (let nth = 0; nth < 30; nth++) {
    const [text, named] = mistakes[nth % mistakes.length] ?? ['', /./];
    pointsman.configure(text);
    const from = pointsman.output.length;
    pointsman.signal('SIGHUP');
    const told = await until(`mistake ${nth} is told`, () => {
      const line = pointsman.output
        .slice(from)
        .split('\n')
        .find((one) => one.includes('not reloaded'));
      return line === undefined ? null : (JSON.parse(line) as { msg: string }).msg;
    });
    expect(told).toMatch(named);
  }
  expect(await pointsman.status()).toMatchObject({ live: status.live, generation: 1 });
  const other = { hosts: ['other.example'], run: { static: {} } };
  const config = pointsman.config(options) as { services: object };
  pointsman.configure({ ...config, services: { ...config.services, other } });
  pointsman.signal('SIGHUP');
  await until('the good one is in force', async () => {
    return (await pointsman.call('GET', '/v1/services/other')).status === 200;
  });
  await load.stop();

  expect([load.errors, load.closed]).toEqual([[], []]);
});

test('a bad config at the start: exit code 3, all mistakes at once, with their places', async () => {
  const pointsman = await preparePointsman(await shop(2));
  pointsman.configure('workers: -1\nservices:\n  shop:\n    drain: 5\n    run: {}\n');
  pointsman.launch();

  const { code, output } = await pointsman.ended;

  expect(code).toBe(3);
  expect(output).toMatch(/pointsman\.yaml:1:10: workers: .*got/);
  expect(output).toMatch(/pointsman\.yaml:4:12: services\.shop\.drain/);
  expect(output).toMatch(/pointsman\.yaml:5:5: services\.shop\.run/);
});

test.each([
  ['traffic', 0],
  ['traffic', 2],
  ['admin', 0],
  ['admin', 2],
] as const)('the %s port is taken, workers: %i: it says so, and ends', async (which, workers) => {
  const pointsman = await preparePointsman(await shop(workers));
  const port = which === 'traffic' ? pointsman.port : pointsman.adminPort;
  const taken = net.createServer().listen(port, '127.0.0.1');
  onTestFinished(() => void taken.close());
  pointsman.launch();

  const { code, output } = await pointsman.ended;

  expect(code).not.toBe(0);
  expect(code).not.toBeNull();
  expect(output).toMatch(new RegExp(`[Ll]isten.* on 127.0.0.1:${port}\\b`));
  // Who has it, where that can be seen; else how to find out.
  expect(output).toMatch(new RegExp(`process ${process.pid}\\b|ss -ltnp`));
  await pointsman.nothingLeft();
});

test.each([
  ['is cut short', (file: string) => truncateSync(file, 100)],
  ['is empty', (file: string) => truncateSync(file, 0)],
  [
    'has a flipped bit',
    (file: string) => {
      const bytes = readFileSync(file);
      bytes.writeUInt8(bytes.readUInt8(bytes.length - 40) ^ 1, bytes.length - 40);
      writeFileSync(file, bytes);
    },
  ],
])('a state file that %s is refused by name, once, and left alone', async (_, damage) => {
  const pointsman = await startPointsman(await shop(2));
  await pointsman.stop();
  for (const name of ['state.json', 'state.previous.json']) {
    const file = join(pointsman.stateDir, name);
    try {
      damage(file);
    } catch {
      // There was only one save.
    }
  }
  const damaged = readFileSync(join(pointsman.stateDir, 'state.json'));
  pointsman.launch();

  const { code, output } = await pointsman.ended;

  expect(code).toBe(1);
  expect(output.match(/state\.json/g)?.length).toBeGreaterThan(0);
  expect(output.match(/^pointsman: /gm)).toHaveLength(1);
  expect(output).not.toContain('starting another');
  expect(readFileSync(join(pointsman.stateDir, 'state.json'))).toEqual(damaged);
  await pointsman.nothingLeft();
});

interface Death {
  readonly worker: number;
  readonly delayMs: number;
}

test('workers that die are replaced with a growing delay, and clients of the others notice nothing', async () => {
  const pointsman = await startPointsman(await shop(2));
  const killed: number[] = [];
  for (let nth = 0; nth < 4; nth++) {
    const [first = 0] = await until('both workers are there', async () => {
      const { workers } = await pointsman.health();
      const pids = workers.map(({ pid }) => pid).filter((pid) => !killed.includes(pid));
      return pids.length === 2 ? pids : null;
    });
    killed.push(first);
    kill(first, 'SIGKILL');
  }
  const delays = await until('each death is told', () => {
    const lines = pointsman.output.split('\n').filter((line) => line.includes('worker ended'));
    return lines.length === 4 ? lines.map((line) => JSON.parse(line) as Death) : null;
  });

  for (const slot of [1, 2]) {
    const own = delays.filter(({ worker }) => worker === slot).map(({ delayMs }) => delayMs);
    expect(own).toEqual(own.map((_, nth) => 50 * 2 ** nth));
  }
  await until('it serves', async () => (await get(pointsman.port)).status === 200);
});

test('an only worker that dies costs nobody a refused connection', async () => {
  const pointsman = await startPointsman(await shop(1));
  const [worker = 0] = pointsman.pids().workers;

  kill(worker, 'SIGKILL');
  const answers = await Promise.all(Array.from({ length: 20 }, () => get(pointsman.port)));

  expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200));
});

test('the controller is killed while nothing happens: clients notice nothing, and it comes back', async () => {
  const options = await shop(2);
  const pointsman = await startPointsman(options);
  const load = new Load(pointsman.port, { get: 8, post: 4, slow: 4 });
  const tunnel = await talk(pointsman.port);
  const events = await listen(pointsman.port);

  for (let nth = 0; nth < 3; nth++) {
    const { controller } = pointsman.pids();
    kill(controller ?? 0, 'SIGKILL');
    await until('there is another', () => {
      const now = pointsman.pids().controller;
      return now !== null && now !== controller;
    });
    await pointsman.ready();
  }
  const [said, heard] = [tunnel.said, events.count];
  await until('both get on', () => tunnel.said > said && events.count > heard);
  const { json } = await pointsman.deploy('r1', { targets: options.birch });
  expect(await pointsman.flipped(json.id)).toMatchObject({ error: null });
  await load.answered('birch', load.clients);
  await load.stop();

  expect([load.errors, load.closed, tunnel.wrongs, events.wrong]).toEqual([[], [], [], null]);
});

test('a controller that starts again keeps the state it has, whatever the file says by then', async () => {
  const options = await shop(1);
  const pointsman = await startPointsman(options);
  pointsman.configure({ ...pointsman.config(options), state: './elsewhere', workers: 2 });
  const { controller } = pointsman.pids();

  kill(controller ?? 0, 'SIGKILL');

  await until('another controller answers', async () => {
    const now = pointsman.pids().controller;
    return now !== null && now !== controller && (await pointsman.health()).ready;
  });
  expect(await live(pointsman)).toBe('r0');
  const { json } = await pointsman.call('POST', '/v1/config/reload', { body: {} });
  expect(json).toMatchObject({
    handover: ['workers becomes 2; it is 1.'],
    needsRestart: [expect.stringMatching(/^state stays .*elsewhere\.$/)],
  });
});

test('a full disk: the flip is refused, traffic stays, and it recovers when there is space', async (context) => {
  const options = await shop(2);
  const pointsman = await preparePointsman(options);
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'none', pointsman.dir]);
  if (mounted.status !== 0) {
    if (process.env.CI) throw new Error(`mount: ${mounted.stderr}`);
    context.skip('a small tmpfs cannot be mounted here: that takes root');
  }
  onTestFinished(() => void spawnSync('umount', ['-l', pointsman.dir]));
  pointsman.configure(pointsman.config(options));
  await pointsman.start();
  const load = new Load(pointsman.port, { get: 4, post: 2, slow: 2 });
  const filler = join(pointsman.dir, 'filler');
  await fill(filler);

  const refused = await pointsman.deploy('r1', { targets: options.birch });
  expect(refused.json).toMatchObject({ status: 507, code: 'STATE_NOT_WRITABLE' });
  expect(await live(pointsman)).toBe('r0');
  await load.answered('alder', load.clients);

  truncateSync(filler, 0);
  const { json } = await until('it takes a deployment again', async () => {
    const answer = await pointsman.deploy('r1', { targets: options.birch });
    return answer.status === 202 ? answer : null;
  });
  expect(await pointsman.flipped(json.id)).toMatchObject({ error: null });
  await fill(filler);
  const back = await pointsman.rollback('r0');
  expect(back.json).toMatchObject({ status: 507, code: 'STATE_NOT_WRITABLE' });
  await load.answered('birch', load.clients);
  truncateSync(filler, 0);
  await until('it goes back', async () => (await pointsman.rollback('r0')).status === 200);
  await load.answered('alder', load.clients);
  await load.stop();
  expect([load.errors, load.closed]).toEqual([[], []]);

  await pointsman.crash();
  await pointsman.start();
  expect(await live(pointsman)).toBe('r0');
  expect((await pointsman.stop()).code).toBe(0);
});

/** Writes until nothing more fits, also when what Pointsman was about to write has been written. */
async function fill(file: string): Promise<void> {
  let quiet = 0;
  await until('the disk is full', () => {
    quiet++;
    for (let size = 64 * 1024; size >= 1; size = Math.floor(size / 2)) {
      for (;;) {
        try {
          writeFileSync(file, Buffer.alloc(size, 1), { flag: 'a' });
          quiet = 0;
        } catch {
          break;
        }
      }
    }
    return quiet > 20;
  });
}

test('the wall clock jumps two days back and forth: deadlines and drains hold', async (context) => {
  if (spawnSync('faketime', ['--version']).error !== undefined) {
    if (process.env.CI) throw new Error('faketime is not installed');
    context.skip('faketime is not installed');
  }
  const options = await shop(1);
  const pointsman = await preparePointsman(options);
  const clock = join(pointsman.dir, 'clock');
  writeFileSync(clock, '+0');
  await pointsman.start({
    env: {
      LD_PRELOAD: '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1',
      FAKETIME_TIMESTAMP_FILE: clock,
      FAKETIME_NO_CACHE: '1',
      // Only the wall clock: what measures durations does not jump.
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    },
  });
  const load = new Load(pointsman.port, { get: 4, post: 2, slow: 4 });
  await load.answered('alder', 20);

  for (const [release, jump, targets, by] of [
    ['r1', '-2d', options.birch, 'birch'],
    ['r2', '+2d', (options.first as { targets: string[] }).targets, 'alder'],
  ] as const) {
    const { json } = await pointsman.deploy(release, { targets });
    writeFileSync(clock, jump);
    expect(await pointsman.flipped(json.id)).toMatchObject({ error: null });
    await load.answered(by, load.clients);
    await until('the drain has ended', async () => {
      const { deployment } = await pointsman.status();
      return deployment?.phase === 'live' && deployment.receipt?.drained?.cut === 0;
    });
    const at = Date.parse((await pointsman.status()).deployment?.receipt?.committedAt ?? '');
    expect(Math.abs(at - Date.now())).toBeGreaterThan(86_400_000);
  }
  await load.stop();
  expect([load.errors, load.closed]).toEqual([[], []]);
  expect((await pointsman.stop()).code).toBe(0);
});

test.each([0, 1])(
  '600 connections and 256 descriptors, workers: %i: no crash, admin reachable, well again in 2 s',
  async (workers) => {
    const pointsman = await startPointsman(await shop(workers), {
      before: ['sh', '-c', 'ulimit -n 256; exec "$@"', 'sh'],
    });
    const pids = pointsman.pids();
    const sockets = Array.from({ length: 600 }, () =>
      net.connect({ port: pointsman.port, host: '127.0.0.1' }).on('error', () => {}),
    );
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
    });
    for (const socket of sockets) socket.write('GET /slow?ms=100 HTTP/1.1\r\nHost: shop\r\n\r\n');
    const answered = new Set<net.Socket>();
    for (const socket of sockets) socket.once('data', () => answered.add(socket));
    await until('some are answered', () => answered.size > 50);

    expect((await pointsman.call('GET', '/healthz')).status).toBe(200);
    for (const socket of sockets) socket.destroy();
    const gone = performance.now();
    await until('it serves', async () => (await get(pointsman.port)).status === 200);
    // 2 s on a quiet machine.
    expect(performance.now() - gone).toBeLessThan(20_000);
    expect(pointsman.pids()).toEqual(pids);
    expect((await pointsman.stop()).code).toBe(0);
  },
);

test.each([0, 1])('160 descriptors are enough to start, workers: %i', async (workers) => {
  const pointsman = await startPointsman(await shop(workers), {
    before: ['sh', '-c', 'ulimit -n 160; exec "$@"', 'sh'],
  });

  expect((await get(pointsman.port)).status).toBe(200);
  expect((await pointsman.stop()).code).toBe(0);
});

test('a log pipe that nobody reads: traffic goes on, and dropped lines are counted', async () => {
  const pointsman = await startPointsman(await shop(1, { top: { accessLog: 'all' } }), {
    read: false,
  });
  const load = new Load(pointsman.port, { get: 32, post: 0, slow: 0, restMs: 0 });

  // Until more was logged than the pipe and the backlog hold.
  await until('lines are dropped', async () => {
    const { text } = await pointsman.call('GET', '/metrics');
    return /^pointsman_log_lines_dropped_total(\{.*\})? [1-9]/m.test(text);
  });
  await load.answered('alder', 100);
  await load.stop();

  expect([load.errors, load.closed]).toEqual([[], []]);
  // A write to that pipe blocks for ever, and must not keep any process from ending.
  await pointsman.stop();
  await pointsman.nothingLeft();
});

test('50 pairs of concurrent deployments: exactly one of each is accepted, the other gets 409', async () => {
  const options = await shop(2);
  const pointsman = await startPointsman(options);
  const load = new Load(pointsman.port, { get: 4, post: 2, slow: 0 });
  const targets = [(options.first as { targets: string[] }).targets, options.birch];

  for (let nth = 1; nth <= 50; nth++) {
    const pair = await Promise.all(
      ['a', 'b'].map((one) =>
        pointsman.deploy(`r${nth}${one}`, { targets: targets[nth % 2] ?? [] }),
      ),
    );
    expect(pair.map(({ status }) => status).sort()).toEqual([202, 409]);
    const id = pair.find(({ status }) => status === 202)?.json.id;
    const other = pair.find(({ status }) => status === 409)?.json;
    expect(other).toMatchObject({ code: 'DEPLOYMENT_IN_PROGRESS' });
    expect(other.detail).toContain(id);
    if (nth % 5 === 0) await pointsman.flipped(id);
    else await pointsman.call('DELETE', `/v1/deployments/${id}`);
    await until('it has ended', async () => (await pointsman.status()).deployment?.endedAt);
  }
  await load.stop();

  expect([load.errors, load.closed]).toEqual([[], []]);
});
