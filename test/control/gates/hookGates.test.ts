/** Requests, commands and calls around a flip, against real sockets and real processes. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import type { CallHook, CommandHook, HttpHook } from '../../../src/config/hook.ts';
import type { Gates } from '../../../src/control/gates/gate.ts';
import { hookGates } from '../../../src/control/gates/hookGates.ts';
import { type Fate, gateContract } from '../../contracts/gate.ts';
import { subjectAt } from '../../support/fakeGates.ts';
import { marked } from '../../support/processes.ts';
import { systemTls } from '../../support/targetTls.ts';

let dir: string;
let gates: Gates;
const never = new AbortController().signal;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'pointsman-gates-'));
  const log = { info() {}, warn() {}, error() {} };
  gates = hookGates({ clock: systemClock, log, stateDir: dir, env: process.env, via: 'probe' });
});
afterEach(async () => {
  await gates.close();
  await rm(dir, { recursive: true });
});

const httpHook: HttpHook = {
  kind: 'http',
  method: 'GET',
  path: '/login',
  headers: {},
  host: null,
  tls: systemTls,
  status: { from: 200, to: 299 },
  text: null,
  json: {},
  times: 1,
  everyMs: 0,
  timeoutMs: 30_000,
};

const callHook: CallHook = {
  kind: 'call',
  url: '',
  headers: {},
  status: { from: 200, to: 299 },
  private: true,
  timeoutMs: 30_000,
};

function commandHook(script: string, more: Partial<CommandHook> = {}): CommandHook {
  const command = [process.execPath, '-e', script];
  return { kind: 'command', command, cwd: dir, env: {}, timeoutMs: 30_000, ...more };
}

interface Target {
  readonly port: number;
  readonly server: Server;
  readonly asked: Promise<unknown>;
  readonly seen: { method: string; url: string; headers: object; body: string }[];
  /** Connections that are open. */
  open(): Promise<number>;
}

/** @param answer null: none comes. */
async function target(answer: { status?: number; body?: string } | null): Promise<Target> {
  const seen: Target['seen'] = [];
  const open = new Set<object>();
  const server = createServer((req, res) => {
    let body = '';
    req.setEncoding('utf8').on('data', (text: string) => {
      body += text;
    });
    req.on('end', () => {
      seen.push({ method: req.method ?? '', url: req.url ?? '', headers: req.headers, body });
      if (answer !== null) res.writeHead(answer.status ?? 200).end(answer.body ?? 'fine');
    });
  });
  server.on('connection', (socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
  });
  const asked = new Promise((resolve) => server.once('request', resolve));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return {
    port,
    server,
    asked,
    seen,
    async open() {
      // What was closed at one end may be on its way to the other.
      for (let turn = 0; open.size > 0 && turn < 500; turn++) await turnOver();
      return open.size;
    },
  };
}

function turnOver(): Promise<void> {
  return new Promise((resolve) => systemClock.after(2, resolve));
}

const answers: Readonly<Record<Fate, { status: number } | null>> = {
  good: { status: 200 },
  bad: { status: 500 },
  silent: null,
};

gateContract('a request to targets', async (fate, timeoutMs) => {
  const [one, two] = [await target({ status: 200 }), await target(answers[fate])];
  const [gate] = gates.of([{ ...httpHook, timeoutMs }]);
  if (gate === undefined) throw new Error('no gate');
  return {
    gate,
    subject: subjectAt(one.port, two.port),
    begun: two.asked,
    running: async () => (await one.open()) + (await two.open()) > 0,
  };
});

gateContract('a call', async (fate, timeoutMs) => {
  const receiver = await target(answers[fate]);
  const url = `http://127.0.0.1:${receiver.port}/hook`;
  const [gate] = gates.of([{ ...callHook, url, timeoutMs }]);
  if (gate === undefined) throw new Error('no gate');
  const running = async () => (await receiver.open()) > 0;
  return { gate, subject: subjectAt(), begun: receiver.asked, running };
});

gateContract('a command', async (fate, timeoutMs) => {
  const file = join(dir, 'begun');
  // Neither a SIGTERM nor a session of its own saves what it leaves behind.
  const stays = `
    process.on('SIGTERM', () => {});
    const { spawn } = require('node:child_process');
    const rest = ['-e', 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1e6)'];
    spawn(process.execPath, rest, { detached: true, stdio: 'ignore' });
    require('node:fs').writeFileSync('begun', '');
    setInterval(() => {}, 1e6);`;
  const script = { good: '0', bad: 'process.exit(1)', silent: stays }[fate];
  const [gate] = gates.of([commandHook(script, { timeoutMs })]);
  if (gate === undefined) throw new Error('no gate');
  const exists = async (): Promise<void> => {
    while ((await readFile(file).catch(() => null)) === null) await turnOver();
  };
  return {
    gate,
    subject: subjectAt(),
    begun: fate === 'silent' && timeoutMs > 1_000 ? exists() : Promise.resolve(),
    running: async () => (await marked(join(dir, 'hooks'))).length > 0,
  };
});

async function http(more: Partial<HttpHook>, ...targets: Target[]) {
  const [gate] = gates.of([{ ...httpHook, ...more }]);
  const ports = targets.map(({ port }) => port);
  return gate?.check(subjectAt(...ports), never, () => {});
}

test.each([
  [
    'a status',
    { status: { from: 302, to: 302 } },
    'answered 200 to GET /login, and 302 is wanted, saying "{"status":"ok"',
  ],
  ['a text', { text: 'Sign in' }, 'answered GET /login without "Sign in", saying "{"status":"ok"'],
  ['a member', { json: { status: 'down' } }, 'with "ok" for status, and "down" is wanted'],
  ['a member of another type', { json: { 'db.shards': '3' } }, 'with 3 for db.shards, and "3" is'],
  ['a member that is not there', { json: { 'db.lag': 0 } }, 'with nothing for db.lag, and 0 is'],
] as const)('%s that is not as wanted is named, with what came', async (_, more, words) => {
  const one = await target({ body: '{"status":"ok","db":{"up":true,"shards":3}}' });

  const verdict = await http(more, one);

  expect(verdict).toEqual({ passed: false, result: expect.stringContaining(words) });
});

test('what is wanted of a body may be text and members of its JSON at once', async () => {
  const one = await target({ body: '{"status":"ok","db":{"up":true,"shards":3}}' });

  const json = { status: 'ok', 'db.up': true, 'db.shards': 3 };

  expect(await http({ text: 'shards', json }, one)).toMatchObject({ passed: true });
});

test('one bad target among good ones is found, and named', async () => {
  const [good, bad] = [await target({}), await target({ status: 503, body: 'no db' })];

  const verdict = await http({}, good, bad);

  expect(verdict?.result).toBe(
    `127.0.0.1:${bad.port} answered 503 to GET /login, and 200-299 is wanted, saying "no db"`,
  );
});

test('each target is asked so many times, as the config says it', async () => {
  const one = await target({});
  const headers = { 'X-Smoke': 'yes', Host: 'shop.example' };

  const verdict = await http({ times: 3, method: 'POST', headers }, one);

  expect(verdict).toEqual({ passed: true, result: '1 target answered 3 times as wanted' });
  expect(one.seen).toHaveLength(3);
  expect(one.seen[0]).toMatchObject({
    method: 'POST',
    url: '/login',
    headers: { 'x-smoke': 'yes', host: 'shop.example', via: '1.1 probe' },
  });
});

test('a pool without targets has not passed', async () => {
  expect(await http({})).toEqual({ passed: false, result: 'there is no target to ask' });
});

test('a call carries what it is about, as JSON', async () => {
  const receiver = await target({});
  const url = `http://127.0.0.1:${receiver.port}/hook?key=secret`;
  const [gate] = gates.of([{ ...callHook, url, headers: { authorization: 'Bearer x' } }]);

  const verdict = await gate?.check(subjectAt(3001, 3002), never, () => {});

  const [told] = receiver.seen;
  expect(told).toMatchObject({ method: 'POST', headers: { authorization: 'Bearer x' } });
  expect(JSON.parse(told?.body ?? '')).toEqual({
    hook: 'beforeFlip',
    service: 'shop',
    deployment: 'shop-7',
    release: 'v2',
    color: 'green',
    generation: 4,
    before: 'v1',
    preview: 'http://preview.example',
    targets: '127.0.0.1:3001,127.0.0.1:3002',
    error: null,
  });
  expect(JSON.stringify({ verdict, name: gate?.name })).not.toContain('secret');
});

test('a private address is not called unless the config allows it', async () => {
  const receiver = await target({});
  const url = `http://127.0.0.1:${receiver.port}/hook`;
  const [gate] = gates.of([{ ...callHook, url, private: false }]);

  const verdict = await gate?.check(subjectAt(), never, () => {});

  expect(verdict).toMatchObject({ passed: false, result: expect.stringContaining('127.0.0.1') });
  expect(receiver.seen).toEqual([]);
});

test('a command is given what it is about, and what it prints is told line by line', async () => {
  const script = `
    const own = Object.entries(process.env).filter(([name]) => /^(POINTSMAN_(?!MARK)|STAGE)/.test(name));
    console.log(JSON.stringify(Object.fromEntries(own)));
    console.error('\\u001b[31mlast words\\u001b[0m');
    process.exitCode = 3;`;
  const lines: string[] = [];
  const [gate] = gates.of([commandHook(script, { env: { STAGE: 'smoke' } })]);

  const verdict = await gate?.check(subjectAt(3001), never, (line) => lines.push(line));

  expect(verdict).toEqual({ passed: false, result: 'it ended with 3' });
  expect(lines).toContain('last words');
  expect(JSON.parse(lines.find((line) => line.startsWith('{')) ?? '')).toEqual({
    STAGE: 'smoke',
    POINTSMAN_HOOK: 'beforeFlip',
    POINTSMAN_SERVICE: 'shop',
    POINTSMAN_DEPLOYMENT: 'shop-7',
    POINTSMAN_RELEASE: 'v2',
    POINTSMAN_COLOR: 'green',
    POINTSMAN_GENERATION: '4',
    POINTSMAN_BEFORE: 'v1',
    POINTSMAN_PREVIEW: 'http://preview.example',
    POINTSMAN_TARGETS: '127.0.0.1:3001',
    POINTSMAN_ERROR: '',
  });
});

test('a command that is not there has not passed, and nobody else is harmed', async () => {
  const [gate] = gates.of([commandHook('', { command: ['/no/such/program', '{}; rm -rf /'] })]);

  const verdict = await gate?.check(subjectAt(), never, () => {});

  expect(verdict).toEqual({
    passed: false,
    result: `/no/such/program could not be started in ${dir} (ENOENT)`,
  });
});

test('what an earlier life left running of a deployment is ended, and of no other', async () => {
  const log = { info() {}, warn() {}, error() {} };
  const before = hookGates({ clock: systemClock, log, stateDir: dir, env: process.env, via: '' });
  const ender = new AbortController();
  const stays = commandHook('setInterval(() => {}, 1e6)');
  const checks = ['shop-7', 'shop-8'].map((deployment) =>
    before.of([stays])[0]?.check({ ...subjectAt(), deployment }, ender.signal, () => {}),
  );
  while ((await marked(join(dir, 'hooks'))).length < 2) await turnOver();

  await gates.sweep('shop-7');

  const left = await marked(join(dir, 'hooks'));
  expect(left.map(({ mark }) => mark?.poolId)).toEqual(['shop-8']);
  expect(await checks[0]).toMatchObject({ passed: false, result: 'it was ended by SIGTERM' });
  ender.abort();
  await checks[1];
});
