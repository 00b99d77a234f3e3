/** Probes by HTTP/2 and by gRPC: whatever the target does, they end with a sentence to act on. */
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import type { Health } from '../../../src/config/config.ts';
import { httpProbe } from '../../../src/control/health/probe.ts';
import { startGrpc } from '../../support/grpc.ts';
import { deadPort, startOrigin, startRawOrigin } from '../../support/proxy.ts';
import { systemTls } from '../../support/targetTls.ts';

const health: Health = {
  path: '/up',
  host: null,
  port: null,
  intervalMs: 2_000,
  timeoutMs: 60_000,
  rise: 2,
  fall: 3,
  status: { from: 200, to: 299 },
  tls: systemTls,
  http2: true,
};

const probe = (port: number, more: Partial<Health> = {}) =>
  httpProbe(systemClock, 'pointsman-1-probe')(
    { host: '127.0.0.1', port },
    { ...health, ...more },
    new AbortController().signal,
  );

async function plain(handle: (stream: http2.ServerHttp2Stream, path: string) => void) {
  const server = http2.createServer();
  const sessions = new Set<http2.ServerHttp2Session>();
  server.on('session', (session) => sessions.add(session));
  server.on('stream', (stream, headers) => handle(stream, String(headers[':path'])));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

test('a path is asked for by HTTP/2, and its status decides', async () => {
  const port = await plain((stream, path) => {
    stream.respond({ ':status': path === '/up' ? 204 : 503 });
    stream.end(path === '/up' ? undefined : 'warming up');
  });

  expect(await probe(port)).toMatchObject({ passed: true, status: 204, error: null });
  expect(await probe(port, { path: '/other' })).toMatchObject({
    passed: false,
    status: 503,
    error: `127.0.0.1:${port} answered 503 to /other, and 200-299 is wanted`,
    body: 'warming up',
  });
});

test('gRPC says of itself, or of one service, whether it serves', async () => {
  const said = { serving: true };
  const { port } = await startGrpc('blue', said);

  expect(await probe(port, { grpc: '' })).toMatchObject({ passed: true, status: 200 });
  expect(await probe(port, { grpc: 'test.Shop' })).toMatchObject({ passed: true });
  expect((await probe(port, { grpc: 'test.Other' })).error).toBe(
    `127.0.0.1:${port} knows of no service "test.Other"`,
  );
  said.serving = false;
  expect((await probe(port, { grpc: '' })).error).toBe(
    `127.0.0.1:${port} says NOT_SERVING, and SERVING is wanted`,
  );
});

test('a server without the health service is told to register it; what is none is said to be none', async () => {
  const bare = await plain((stream) => {
    const fields = { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '12' };
    stream.respond(fields, { endStream: true });
  });
  const one = await startOrigin((_, res) => res.end('ok'));
  const silent = await startRawOrigin((socket) => socket.destroy());
  const dead = await deadPort();

  expect((await probe(bare, { grpc: '' })).error).toBe(
    `127.0.0.1:${bare} has no grpc.health.v1.Health: register it there`,
  );
  for (const port of [one.port, silent.port, dead]) {
    const { passed, error } = await probe(port, { grpc: '' });
    expect({ passed, error }).toEqual({ passed: false, error: expect.stringContaining(`${port}`) });
  }
});
