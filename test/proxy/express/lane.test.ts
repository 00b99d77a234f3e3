/**
 * What is the express lane's own: which requests it serves and why it leaves the others, what it
 * counts, and how it keeps connections to targets.
 */
import net, { type AddressInfo } from 'node:net';
import { Duplex } from 'node:stream';
import { describe, expect, onTestFinished, test } from 'vitest';
import { connectionHandler } from '../../../src/proxy/express/lane.ts';
import { createGeneralLane } from '../../../src/proxy/general/lane.ts';
import { Plane } from '../../../src/proxy/plane.ts';
import { ask, eventually, keepAlive, rawClient } from '../../support/client.ts';
import { type FakeClock, fakeClock } from '../../support/clock.ts';
import {
  flipped,
  type MakeLane,
  oneService,
  pool,
  serviceEdge,
  startOrigin,
  startProxy,
  startRawOrigin,
} from '../../support/proxy.ts';

const lanes: MakeLane = (plane) => {
  const { server, deadlines } = createGeneralLane(plane);
  return connectionHandler(plane, server, deadlines);
};
const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const hello = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello';

/** A lane without a network on the client's side, whose time stands still. */
function stillLane(clock: FakeClock): { plane: Plane; connect: () => Client } {
  const plane = new Plane({ clock, worker: 0, sink: { line() {}, dropped: 0 } });
  const { services } = oneService(1);
  plane.stage({
    version: 1,
    edge: { trustedProxies: [], proxyProtocol: [], accessLog: 'off', lanes: 'auto', tls: null },
    services,
  });
  const serve = lanes(plane);
  return {
    plane,
    connect() {
      const client = new Client();
      serve(client as unknown as net.Socket);
      return client;
    },
  };
}

/** Both ends of a client's connection. */
class Client extends Duplex {
  got = '';

  constructor() {
    super({ allowHalfOpen: true, decodeStrings: false });
    this.on('error', () => {});
  }

  override _read(): void {}

  override _write(chunk: Buffer | string, _encoding: string, done: () => void): void {
    this.got += typeof chunk === 'string' ? chunk : chunk.toString('latin1');
    done();
  }
}

describe('which lane', () => {
  test('a plain request is served here, and counted', async () => {
    const origin = await startOrigin((_req, res) => res.end('hello'));
    const proxy = await startProxy(lanes, oneService(origin.port));
    const agent = keepAlive(1);

    await ask(proxy.port, { agent });
    await ask(proxy.port, { method: 'POST', body: 'x'.repeat(100_000), agent });

    expect(proxy.plane.stats()).toMatchObject({
      lanes: { express: 2, general: 0, http2: 0 },
      handovers: {},
    });
    expect(proxy.lines.map(({ lane, bytesIn, bytesOut }) => [lane, bytesIn, bytesOut])).toEqual([
      ['express', 0, 5],
      ['express', 100_000, 5],
    ]);
  });

  test('what is left is served by the general lane on the same connection, from there on for good', async () => {
    const origin = await startOrigin((req, res) => {
      req.resume();
      res.end(`${req.method} ${req.url}`);
    });
    const proxy = await startProxy(lanes, oneService(origin.port));
    const client = await rawClient(proxy.port);

    client.send('GET /one HTTP/1.1\r\nHost: a\r\n\r\n');
    await client.until(/GET \/one$/);
    client.send(
      'POST /two HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
    );
    await client.until(/POST \/two$/);
    client.send('GET /three HTTP/1.1\r\nHost: a\r\n\r\n');
    await client.until(/GET \/three$/);

    await eventually(
      () => proxy.plane.stats(),
      ({ lanes: { express, general }, handovers }) =>
        express === 1 && general === 2 && handovers.framing === 1,
    );
  });

  test('each reason to leave a connection has a name', async () => {
    const origin = await startOrigin((_req, res) => res.end('hello'));
    const setup = oneService(origin.port, { bodyBytesMax: 3 });
    const edge = serviceEdge({ redirects: { 'moved.test': 'a' } });
    const services = setup.services.map((is) => ({ ...is, edge }));
    const proxy = await startProxy(lanes, { services });
    const told: Record<string, string> = {
      method: 'TRACE / HTTP/1.1\r\nHost: a\r\n\r\n',
      target: 'GET * HTTP/1.1\r\nHost: a\r\n\r\n',
      version: 'GET / HTTP/1.0\r\nHost: a\r\n\r\n',
      grammar: 'GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n',
      host: 'GET / HTTP/1.1\r\n\r\n',
      framing: 'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n',
      connection: 'GET / HTTP/1.1\r\nHost: a\r\nConnection: x\r\n\r\n',
      expect: 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n',
      upgrade: 'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n',
      size: 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody',
      pipelined: get + get,
      edge: 'GET / HTTP/1.1\r\nHost: moved.test\r\n\r\n',
    };

    for (const text of Object.values(told)) {
      const client = await rawClient(proxy.port);
      client.send(text);
      await client.until(/^HTTP/);
    }

    const once = Object.fromEntries(Object.keys(told).map((reason) => [reason, 1]));
    expect(proxy.plane.stats().handovers).toMatchObject({
      ...once,
      connection: expect.any(Number),
    });
  });

  test('lanes: general in the config turns it off, for connections that are open as well', async () => {
    const origin = await startOrigin((_req, res) => res.end('hello'));
    const setup = oneService(origin.port);
    const proxy = await startProxy(lanes, setup);
    const agent = keepAlive(1);
    await ask(proxy.port, { agent });

    proxy.stage(setup.services, { lanes: 'general' });
    await ask(proxy.port, { agent });
    await ask(proxy.port);

    expect(proxy.plane.stats()).toMatchObject({
      lanes: { express: 1, general: 2, http2: 0 },
      handovers: { off: 2 },
    });
  });

  test('requests sent ahead are answered in their order', async () => {
    const answer: (() => void)[] = [];
    const origin = await startOrigin((req, res) => {
      if (req.url === '/1') answer.push(() => res.end('</1>'));
      else res.end(`<${req.url}>`);
    });
    const proxy = await startProxy(lanes, oneService(origin.port));
    const client = await rawClient(proxy.port);

    client.send('GET /1 HTTP/1.1\r\nHost: a\r\n\r\n');
    await eventually(
      () => answer.length,
      (held) => held === 1,
    );
    client.send('GET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n');
    client.socket.end();
    // The requests sent ahead are with the proxy when a request behind them, on another connection,
    // is done.
    await ask(proxy.port, { path: '/other' });
    for (const go of answer) go();

    expect((await client.ended()).match(/<[^>]*>/g)).toEqual(['</1>', '</2>', '</3>']);
  });
});

describe('slow and silent clients', () => {
  test('a head that takes longer than a second is left to the lane that knows slow heads', async () => {
    const clock = fakeClock();
    const { plane, connect } = stillLane(clock);
    const client = connect();

    client.push('GET / HTTP/1.1\r\n');
    await clock.passAsync(1_200);

    expect(plane.stats().handovers).toEqual({ slow: 1 });
  });

  test('so is one that comes in many small pieces', async () => {
    const clock = fakeClock();
    const { plane, connect } = stillLane(clock);
    const client = connect();

    for (const piece of ['G', 'E', 'T', ' ', '/']) {
      client.push(piece);
      await clock.passAsync(0);
    }

    expect(plane.stats().handovers).toEqual({ slow: 1 });
  });

  test('a client that says nothing is told so after ten seconds, and no deadline is left', async () => {
    const clock = fakeClock();
    const { plane, connect } = stillLane(clock);
    const client = connect();

    await clock.passAsync(9_900);
    expect(client.got).toBe('');
    await clock.passAsync(300);

    expect(client.got).toMatch(/^HTTP\/1\.1 408 [\s\S]*connection: close[\s\S]*REQUEST_TIMEOUT/i);
    expect(plane.stats().unrouted).toEqual({ REQUEST_TIMEOUT: 1 });
    await clock.passAsync(3_000);
    expect(client.destroyed).toBe(true);
  });

  test('a request that came while the process stood still is served, though its time was up', async () => {
    const clock = fakeClock();
    const origin = await startOrigin((_req, res) => res.end('served'));
    const proxy = await startProxy(lanes, { ...oneService(origin.port), clock });
    const client = await rawClient(proxy.port);
    client.send(get);
    await client.until(/served/);

    // Both in one turn: the request is in the socket, unread, when time has passed.
    client.send(get);
    clock.pass(75_050);
    const got = await client.until(/served[\s\S]*served/);

    expect(got.match(/HTTP\/1\.1 200/g)).toHaveLength(2);
  });

  test('a client that leaves in the middle of a head is answered 400', async () => {
    const clock = fakeClock();
    const { connect } = stillLane(clock);
    const client = connect();

    client.push('GET / HT');
    client.push(null);
    await clock.passAsync(0);

    expect(client.got).toMatch(/^HTTP\/1\.1 400 /);
  });
});

describe('connections to targets', () => {
  test('the one used last is used next, and a new one only where none is idle', async () => {
    const origin = await startRawOrigin((socket) => socket.write(hello));
    const proxy = await startProxy(lanes, oneService(origin.port));

    await Promise.all([ask(proxy.port), ask(proxy.port), ask(proxy.port)]);
    for (let at = 0; at < 5; at++) await ask(proxy.port, { path: '/last' });

    const last = origin.received.map((text) => text.split('GET /last').length - 1);
    expect(origin.received.length).toBeLessThanOrEqual(3);
    expect(last.filter((times) => times > 0)).toEqual([5]);
  });

  test('one that speaks while it is idle is closed', async () => {
    const origin = await startRawOrigin((socket) => socket.write(hello));
    const proxy = await startProxy(lanes, oneService(origin.port));
    await ask(proxy.port);
    const [kept] = origin.sockets;

    kept?.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nevil!');
    await eventually(
      () => origin.sockets.size,
      (open) => open === 0,
    );

    expect((await ask(proxy.port)).body).toBe('hello');
  });

  test('a promise of a short life is kept: the connection is given up before its target does', async () => {
    const origin = await startRawOrigin((socket) =>
      socket.write(hello.replace('\r\n', '\r\nKeep-Alive: timeout=1\r\n')),
    );
    const proxy = await startProxy(lanes, oneService(origin.port));

    await ask(proxy.port);
    await ask(proxy.port);

    expect(origin.received).toHaveLength(2);
  });

  test('a flip ends them: none carries a request to the release that was left', async () => {
    const blue = await startRawOrigin((socket) => socket.write(hello));
    const green = await startRawOrigin((socket) => socket.write(hello));
    const setup = oneService(blue.port);
    const proxy = await startProxy(lanes, setup);
    const agent = keepAlive(1);
    await ask(proxy.port, { agent });
    const pools = {
      blue: pool('shop.blue.1', [blue.port]),
      green: pool('shop.green.2', [green.port]),
    };

    proxy.flip(flipped('green', 2, pools));
    await ask(proxy.port, { agent });

    await eventually(
      () => blue.sockets.size,
      (open) => open === 0,
    );
    expect([blue.received.length, green.received.length]).toEqual([1, 1]);
  });

  test('an answer before the body is whole ends its connection, and the client goes on', async () => {
    const origin = await startRawOrigin((socket, soFar) => {
      if (soFar.includes('\r\n\r\n')) socket.write(hello);
    });
    const proxy = await startProxy(lanes, oneService(origin.port));
    const client = await rawClient(proxy.port);

    client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n12345`);
    await client.until(/hello$/);
    await eventually(
      () => origin.sockets.size,
      (open) => open === 0,
    );
    client.send('6'.repeat(19_995));
    client.send(get);
    await client.until(/hello[\s\S]*hello$/);

    expect(origin.received).toHaveLength(2);
  });

  test('a slow client holds an upstream back: what waits for it is bounded', async () => {
    const server = net.createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 500000000\r\n\r\n');
        const block = Buffer.alloc(1024 * 1024);
        const more = (): void => {
          while (!socket.destroyed && socket.write(block));
        };
        socket.on('drain', more);
        more();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const proxy = await startProxy(lanes, oneService((server.address() as AddressInfo).port));
    const client = await rawClient(proxy.port);
    client.socket.pause();

    client.send(get);
    let waiting = 0;
    for (let look = 0; look < 200; look++) {
      await new Promise((resolve) => setImmediate(resolve));
      for (const socket of proxy.sockets) waiting = Math.max(waiting, socket.writableLength);
    }

    expect(waiting).toBeGreaterThan(0);
    expect(waiting).toBeLessThan(512 * 1024);
    client.socket.destroy();
  });
});

test('a large body comes through byte for byte while its buffers are used again', async () => {
  const size = 30 * 1024 * 1024;
  const body = Buffer.alloc(size);
  for (let at = 0; at < size; at += 4) body.writeUInt32LE((at * 2654435761) >>> 0, at);
  const origin = await startOrigin((_req, res) => {
    res.setHeader('Content-Length', size);
    res.end(body);
  });
  const proxy = await startProxy(lanes, oneService(origin.port));

  const clients = await Promise.all([0, 1, 2].map(() => rawClient(proxy.port)));
  const received = clients.map(({ socket }, client) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    socket.removeAllListeners('data');
    return new Promise<Buffer>((resolve) => {
      socket.on('data', (chunk) => {
        chunks.push(chunk);
        bytes += chunk.length;
        // A client that pauses makes the writes to it incomplete.
        if (chunks.length % (3 + client) === 0) {
          socket.pause();
          setImmediate(() => socket.resume());
        }
        if (bytes >= size) resolve(Buffer.concat(chunks));
      });
    });
  });
  for (const client of clients)
    client.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');

  for (const whole of await Promise.all(received)) {
    const start = whole.indexOf('\r\n\r\n') + 4;
    expect(whole.subarray(start).equals(body.subarray(0, whole.length - start))).toBe(true);
  }
});
