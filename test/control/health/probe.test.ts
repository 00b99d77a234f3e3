/**
 * One probe, over real sockets. The rule: whatever the target does, it ends with a sentence to act
 * on.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTcp, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import type { Health } from '../../../src/config/config.ts';
import { httpProbe } from '../../../src/control/health/probe.ts';
import type { ProbedTarget } from '../../../src/control/health/targetConnection.ts';
import type { TargetTls } from '../../../src/wireTls.ts';
import { Authority, type Pair } from '../../support/certificates.ts';
import { listenOnSocket, startSecure, systemTls, trust } from '../../support/targetTls.ts';

const health: Health = {
  path: '/up',
  host: null,
  port: null,
  intervalMs: 2_000,
  timeoutMs: 10_000,
  rise: 2,
  fall: 3,
  status: { from: 200, to: 299 },
  tls: systemTls,
};
const servers: Server[] = [];
const sockets = new Set<Socket>();

afterEach(() => {
  for (const socket of sockets) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

async function listening(server: Server): Promise<number> {
  servers.push(server);
  server.on('connection', (socket: Socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as { port: number }).port;
}

const http = (answer: RequestListener): Promise<number> => listening(createServer(answer));
const tcp = (talk: (socket: Socket) => void): Promise<number> =>
  listening(
    createTcp((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => talk(socket));
    }),
  );

const probe = (port: number, more: Partial<Health> = {}, signal = new AbortController().signal) =>
  httpProbe(systemClock, 'pointsman-1-probe')(
    { host: '127.0.0.1', port },
    { ...health, ...more },
    signal,
  );

test('an answer in range passes, on a connection of its own that is closed after it', async () => {
  const seen: string[] = [];
  const port = await http((req, res) => {
    seen.push(`${req.method} ${req.url} ${req.headers.host} ${req.headers.connection}`);
    res.end('fine');
  });

  const got = await probe(port);
  await probe(port, { host: 'shop.example' });

  expect(got).toMatchObject({ passed: true, status: 200, error: null, body: null });
  expect(seen).toEqual([`GET /up 127.0.0.1:${port} close`, 'GET /up shop.example close']);
  expect(sockets.size).toBe(2);
});

test('a probe says in Via whose it is, and one that comes back to us says so', async () => {
  const seen: (string | undefined)[] = [];
  const port = await http((req, res) => {
    seen.push(req.headers.via);
    res.writeHead(508).end('LOOP_DETECTED');
  });

  const got = await probe(port);

  expect(seen).toEqual(['1.1 pointsman-1-probe']);
  expect(got).toMatchObject({ passed: false, status: 508 });
  expect(got.error).toContain('leads back to Pointsman itself');
});

test('bug of kamal-proxy: a redirect to a login is no health, and is not followed', async () => {
  const paths: (string | undefined)[] = [];
  const port = await http((req, res) => {
    paths.push(req.url);
    res.writeHead(302, { location: '/login?next=\u00e9' }).end();
  });

  const got = await probe(port);

  expect(got).toMatchObject({ passed: false, status: 302 });
  expect(got.error).toContain('redirects /up to /login');
  expect(got.error).toContain('a health check is not followed');
  expect(paths).toEqual(['/up']);
});

test('an answer out of range says what came and what was wanted, with the body cleaned', async () => {
  const body = `db\u0000 down\r\n\u001b[31mred ${'x'.repeat(500)}`;
  const port = await http((_req, res) => res.writeHead(500).end(body));

  const got = await probe(port);

  expect(got).toMatchObject({ passed: false, status: 500 });
  expect(got.error).toBe(
    `127.0.0.1:${port} answered 500 Internal Server Error to /up, and 200-299 is wanted`,
  );
  expect(got.body).toMatch(/^db down \[31mred x+$/);
  expect(got.body?.length).toBeLessThanOrEqual(200);
});

test('a target where nothing listens, says so', async () => {
  const port = await http(() => {});
  servers.pop()?.close();

  expect(await probe(port)).toMatchObject({
    passed: false,
    status: null,
    error: `connection refused: nothing listens on 127.0.0.1:${port}`,
  });
});

test('a target that never answers is given up at the deadline', async () => {
  const port = await http(() => {});

  const got = await probe(port, { timeoutMs: 300 });

  expect(got.error).toBe(`no answer within 300 ms from 127.0.0.1:${port}`);
});

test('a head that comes byte by byte does not outstay the deadline', async () => {
  const port = await tcp((socket) => {
    socket.write('HTTP/1.1 200 OK\r\n');
    const drip = setInterval(() => socket.write('x'), 20);
    socket.on('close', () => clearInterval(drip));
  });

  expect((await probe(port, { timeoutMs: 300 })).error).toContain('no answer within 300 ms');
});

test('an error whose body never ends is told with what came of it', async () => {
  const port = await http((_req, res) => {
    res.writeHead(503);
    res.write('warming up');
  });

  const got = await probe(port, { timeoutMs: 300 });

  expect(got).toMatchObject({ passed: false, status: 503 });
  expect(got.error).toContain('answered 503 Service Unavailable');
});

test('a target that closes, resets, or speaks something else is told apart', async () => {
  const closes = await tcp((socket) => socket.end());
  const resets = await tcp((socket) => socket.resetAndDestroy());
  const speaks = await tcp((socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n'));

  expect((await probe(closes)).error).toContain('closed the connection without an answer');
  expect((await probe(resets)).error).toContain('closed the connection without an answer');
  expect((await probe(speaks)).error).toContain('sent something that is not HTTP');
});

test('an endless body of a good answer is not read', async () => {
  let written = 0;
  const port = await http((_req, res) => {
    res.on('error', () => {});
    const more = (): void => {
      while (!res.destroyed && written < 50_000_000) {
        written += 65_536;
        if (!res.write(Buffer.alloc(65_536))) return void res.once('drain', more);
      }
    };
    more();
  });

  // Who writes it shares a process with the probe: neither may be out of breath.
  expect(await probe(port, { timeoutMs: 60_000 })).toMatchObject({ passed: true });
  expect(written).toBeLessThan(50_000_000);
});

test('a probe that is given up ends at once', async () => {
  const port = await http(() => {});
  const controller = new AbortController();
  const probing = probe(port, { timeoutMs: 60_000 }, controller.signal);
  controller.abort();

  expect(await probing).toMatchObject({ passed: false, error: 'the probe was given up' });
});

const probeOf = (target: ProbedTarget, how: Health) =>
  httpProbe(systemClock, 'pointsman-1-probe')(target, how, new AbortController().signal);

test('a target by TLS is asked as it is used: verified, and what is wrong with its certificate is said in words', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'pointsman-probe-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const at = (name: string): string => join(folder, name);
  const ca = new Authority(at('ca'));
  const other = new Authority(at('other'), 'Other Authority');
  const alone = new Authority(at('alone'), '127.0.0.1');
  const names = ['127.0.0.1'];
  const past = { names, from: '20200101000000Z', until: '20200201000000Z' };
  const good = ca.sign(at('good'), { names });
  const ask = async (pair: Pair, by: Partial<TargetTls>, options = {}): Promise<string> => {
    const hosts: unknown[] = [];
    const app = await startSecure(
      pair,
      (req, res) => {
        hosts.push(req.headers.host);
        res.end();
      },
      options,
    );
    const target = { host: '127.0.0.1', port: app.port, scheme: 'https' } as const;
    const slow = { ...health, tls: trust({ ca: ca.pem, ...by }) };
    const { error } = await probeOf(target, slow);
    if (error === null) expect(hosts).toEqual([`127.0.0.1:${app.port}`]);
    else if (!error.includes('certificate of ours')) expect(app.received()).toBe(0);
    return (error ?? 'passed').replaceAll(`https://127.0.0.1:${app.port}`, 'APP');
  };

  expect(await ask(good, {})).toBe('passed');
  expect(await ask(good, { ca: null, verify: false })).toBe('passed');
  expect(await ask(ca.sign(at('past'), past), {})).toBe(
    'the certificate of APP has expired, or one above it: it was valid until Feb  1 00:00:00 2020 GMT',
  );
  expect(await ask(ca.sign(at('name'), { names: ['a.internal', 'b.internal'] }), {})).toBe(
    'the certificate of APP is for another name: it is for a.internal, b.internal',
  );
  expect(await ask(other.sign(at('issuer'), { names }), {})).toMatch(
    /^the issuer of the certificate of APP is unknown: Other Authority is none of the authorities of targetTls\.ca/,
  );
  expect(await ask({ cert: alone.file, key: at('alone/ca.key'), serial: '' }, {})).toBe(
    'the certificate of APP is signed by itself, and is none of the authorities of targetTls.ca',
  );
  const signed = other.sign(at('chain'), { names });
  writeFileSync(at('chain.pem'), `${readFileSync(signed.cert)}${other.pem}`);
  expect(await ask(signed, { ca: null })).toBe(
    "the certificate of APP leads to a root that is not trusted: it is none of the system's authorities",
  );
  const asks = { requestCert: true, rejectUnauthorized: true, ca: ca.pem };
  expect(await ask(good, {}, asks)).toBe(
    'APP wants a certificate of ours, and targetTls.cert names none',
  );
});

test('a port that speaks plain HTTP is told from one that speaks TLS', async () => {
  const port = await http((_req, res) => res.end());
  const target = { host: '127.0.0.1', port, scheme: 'https' } as const;

  const { error } = await probeOf(target, health);

  expect(error).toBe(`https://127.0.0.1:${port} does not speak TLS`);
});

test('a socket in the file system is asked; one that is not there, or nobody listens at, is said to be so', async () => {
  const hosts: unknown[] = [];
  const server = createServer((req, res) => {
    hosts.push(req.headers.host);
    res.end();
  });
  const path = await listenOnSocket(server);
  const ask = async (host: string): Promise<string | null> =>
    (await probeOf({ host, port: 0, scheme: 'unix' }, health)).error;

  expect([await ask(path), hosts]).toEqual([null, ['localhost']]);
  expect(await ask('/nowhere/app.sock')).toBe('there is no socket at unix:/nowhere/app.sock');
  writeFileSync(`${path}.plain`, '');
  expect(await ask(`${path}.plain`)).toBe(
    `connection refused: nothing listens on unix:${path}.plain`,
  );
});
