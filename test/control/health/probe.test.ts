/**
 * One probe, over real sockets. The rule: whatever the target does, it ends with a sentence to act
 * on.
 */
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTcp, type Server, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import type { Health } from '../../../src/config/config.ts';
import { httpProbe } from '../../../src/control/health/probe.ts';

const health: Health = {
  path: '/up',
  host: null,
  port: null,
  intervalMs: 2_000,
  timeoutMs: 300,
  rise: 2,
  fall: 3,
  status: { from: 200, to: 299 },
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
  const begun = performance.now();

  const got = await probe(port);

  expect(got.error).toBe(`no answer within 300 ms from 127.0.0.1:${port}`);
  expect(performance.now() - begun).toBeLessThan(2_000);
});

test('a head that comes byte by byte does not outstay the deadline', async () => {
  const port = await tcp((socket) => {
    socket.write('HTTP/1.1 200 OK\r\n');
    const drip = setInterval(() => socket.write('x'), 20);
    socket.on('close', () => clearInterval(drip));
  });

  expect((await probe(port)).error).toContain('no answer within 300 ms');
});

test('an error whose body never ends is told with what came of it', async () => {
  const port = await http((_req, res) => {
    res.writeHead(503);
    res.write('warming up');
  });

  const got = await probe(port);

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
