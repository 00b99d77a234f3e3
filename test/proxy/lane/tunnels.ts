/**
 * Upgraded connections: passing, refusing, breaking, and leaving in good order. Part of
 * `laneSuite`.
 */
import type { Duplex } from 'node:stream';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { ask, eventually, rawClient } from '../../support/client.ts';
import {
  entry,
  flipped,
  type MakeLane,
  type Origin,
  oneService,
  pool,
  startOrigin,
  startProxy,
  startRawOrigin,
} from '../../support/proxy.ts';

const upgrade = 'Connection: Upgrade\r\nUpgrade: echo\r\n';

/** Speaks a protocol of its own: everything comes back. */
async function startEcho(): Promise<Origin & { readonly tunnels: Set<Duplex> }> {
  const tunnels = new Set<Duplex>();
  const origin = await startOrigin((_req, res) => res.writeHead(426).end('upgrade!'));
  origin.server.on('upgrade', (req, socket: Duplex) => {
    tunnels.add(socket);
    socket.on('close', () => tunnels.delete(socket));
    socket.on('error', () => {});
    if (req.url === '/no') {
      socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nX-Why: so\r\n\r\nno');
      return;
    }
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\nX-Seen: ',
    );
    socket.write(`${req.headers['x-forwarded-for']}\r\n\r\nhello `);
    socket.pipe(socket);
  });
  return { ...origin, tunnels };
}

async function startWebSockets(): Promise<Origin & { readonly sockets2: WebSocketServer }> {
  const origin = await startOrigin((_req, res) => res.end('plain'));
  const sockets2 = new WebSocketServer({ server: origin.server });
  sockets2.on('connection', (socket) => {
    socket.on('message', (message, binary) => socket.send(message, { binary }));
  });
  return { ...origin, sockets2 };
}

async function openWebSocket(port: number): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
  onTestFinished(() => socket.terminate());
  await new Promise((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  return socket;
}

function echoed(socket: WebSocket, message: string): Promise<string> {
  return new Promise((resolve) => {
    socket.once('message', (data) => resolve(String(data)));
    socket.send(message);
  });
}

function closeOf(socket: WebSocket): Promise<number> {
  return new Promise((resolve) => socket.once('close', (code) => resolve(code)));
}

export function tunnelSuite(name: string, makeLane: MakeLane): void {
  test(`${name}: an upgrade passes with its headers and with what came right behind it`, async () => {
    const origin = await startEcho();
    const proxy = await startProxy(makeLane, oneService(origin.port));
    const client = await rawClient(proxy.port);

    client.send(`GET / HTTP/1.1\r\nHost: a\r\n${upgrade}\r\nearly `);
    const got = await client.until(/early $/);
    client.send('late');
    await client.until(/late$/);

    expect(got).toMatch(/^HTTP\/1\.1 101 Switching Protocols\r\n/);
    expect(got).toMatch(/\r\nX-Seen: 127\.0\.0\.1\r\n/);
    expect(got).toMatch(/\r\nUpgrade: echo\r\n/i);
    expect(got).toMatch(/\r\n\r\nhello early $/);
    expect(proxy.plane.stats().services[0]?.pools[0]?.inside.upgrade).toBe(1);
  });

  test.each([
    ['GET', ''],
    ['POST', ''],
    ['PUT', ''],
    ['POST', 'Content-Length: 0\r\n'],
  ])(
    `${name}: an upgrade by %s with framing %j gets no body, and no framing but its own`,
    async (method, framing) => {
      const origin = await startRawOrigin((socket, soFar) => {
        if (!soFar.endsWith('\r\n\r\n')) return;
        socket.write(
          'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n',
        );
      });
      const proxy = await startProxy(makeLane, oneService(origin.port));
      const client = await rawClient(proxy.port);

      client.send(
        `${method} /ws HTTP/1.1\r\nHost: a\r\n${framing}Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n`,
      );
      await client.until(/^HTTP\/1\.1 101 [\s\S]*\r\n\r\n$/);
      client.send('first words');
      const seen = await eventually(
        () => origin.received[0] ?? '',
        (bytes) => bytes.endsWith('words'),
      );

      const [head = '', ...behind] = seen.split('\r\n\r\n');
      expect(behind).toEqual(['first words']);
      expect(head).not.toMatch(/\r\nTransfer-Encoding:/i);
      expect(/\r\nContent-Length:/i.test(head)).toBe(framing !== '');
    },
  );

  const posted = (size: number, ...more: readonly string[]): string =>
    [
      'POST /exec HTTP/1.1',
      'Host: a',
      `Content-Length: ${size}`,
      'Connection: Upgrade',
      'Upgrade: tcp',
      ...more,
      '\r\n',
    ].join('\r\n');

  test.each([
    ['in one read', 5, [5 + 6]],
    ['in reads that end with it', 5, [0, 5]],
    ['in reads that tear it', 5, [0, 1, 3, 4]],
    ['of 300 KiB', 300 * 1024, []],
  ])(
    `${name}: the body before a tunnel, %s, is the request's, and what is behind it the tunnel's`,
    async (_how, size, cuts) => {
      const origin = await startRawOrigin((socket, soFar) => {
        if (soFar.slice(soFar.indexOf('\r\n\r\n') + 4).length !== size) return;
        socket.write('HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nhi');
      });
      const proxy = await startProxy(makeLane, oneService(origin.port));
      const client = await rawClient(proxy.port);
      const body = 'b'.repeat(size);

      client.send(posted(size));
      let sent = 0;
      for (const cut of cuts) {
        if (cut === 0) continue;
        client.send(`${body}behind`.slice(sent, cut));
        sent = cut;
        await new Promise((resolve) => setImmediate(resolve));
      }
      client.send(`${body}behind`.slice(sent));
      const got = await client.until(/\r\n\r\nhi$/);
      const seen = await eventually(
        () => origin.received[0] ?? '',
        (bytes) => bytes.endsWith('behind'),
      );

      expect(got).toMatch(/^HTTP\/1\.1 101 /);
      expect(seen.match(/\r\nContent-Length: \d+/gi)).toEqual([`\r\nContent-Length: ${size}`]);
      expect(seen).toMatch(/\r\nUpgrade: tcp\r\n/i);
      expect(seen.slice(seen.indexOf('\r\n\r\n') + 4) === `${body}behind`).toBe(true);
    },
  );

  test(`${name}: a target that opens the tunnel before it has the body is no target for it`, async () => {
    const origin = await startRawOrigin((socket, soFar) => {
      if (!soFar.endsWith('\r\n\r\n')) return;
      socket.write('HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nhi');
    });
    const proxy = await startProxy(makeLane, oneService(origin.port));
    const client = await rawClient(proxy.port);

    client.send(posted(100 * 1024, 'Expect: 100-continue'));

    expect(await client.ended()).toMatch(/HTTP\/1\.1 502 [\s\S]*UPSTREAM_MALFORMED/);
  });

  test(`${name}: a tunnel with a body that is refused, and one whose client leaves in it, leave nothing`, async () => {
    const origin = await startEcho();
    const proxy = await startProxy(makeLane, oneService(origin.port));
    const leaving = await rawClient(proxy.port);
    const refused = await rawClient(proxy.port);

    leaving.send(`${posted(5)}bo`);
    refused.send(`${posted(5).replace('/exec', '/no')}bodies`);
    const got = await refused.ended();
    leaving.socket.destroy();

    expect(got).toMatch(/^HTTP\/1\.1 403 [\s\S]*no$/);
    const inside = await eventually(
      () => proxy.plane.stats().services[0]?.pools[0]?.inside,
      (count) => count?.http === 0,
    );
    expect(inside).toMatchObject({ http: 0, upgrade: 0 });
  });

  test(`${name}: a half-close passes through a tunnel, and both sides end`, async () => {
    const origin = await startEcho();
    const proxy = await startProxy(makeLane, oneService(origin.port));
    const client = await rawClient(proxy.port);

    client.send(`GET / HTTP/1.1\r\nHost: a\r\n${upgrade}\r\n`);
    await client.until(/hello /);
    client.socket.end('last words');
    const got = await client.ended();

    expect(got).toMatch(/hello last words$/);
    await eventually(
      () => origin.tunnels.size + proxy.sockets.size,
      (open) => open === 0,
    );
    expect(proxy.lines[0]).toMatchObject({ status: 101, kind: 'upgrade', ending: 'finished' });
  });

  test(`${name}: a refused upgrade is an answer like any other`, async () => {
    const origin = await startEcho();
    const proxy = await startProxy(makeLane, oneService(origin.port));
    const client = await rawClient(proxy.port);

    client.send(`GET /no HTTP/1.1\r\nHost: a\r\n${upgrade}\r\n`);
    const got = await client.ended();

    expect(got).toMatch(/^HTTP\/1\.1 403 Forbidden\r\n/);
    expect(got).toMatch(/\r\nX-Why: so\r\n/);
    expect(got).toMatch(/no$/);
    expect(proxy.lines[0]).toMatchObject({ status: 403, kind: 'http' });
  });

  test(`${name}: an upgrade that cannot be served gets an answer of ours`, async () => {
    const proxy = await startProxy(makeLane, { services: [] });
    const client = await rawClient(proxy.port);

    client.send(`GET / HTTP/1.1\r\nHost: a\r\n${upgrade}\r\n`);

    expect(await client.ended()).toMatch(/^HTTP\/1\.1 404 [\s\S]*ROUTE_UNKNOWN/);
  });

  test(`${name}: resets before, at and after an upgrade harm nobody and leave nothing open`, async () => {
    const origin = await startEcho();
    const proxy = await startProxy(makeLane, oneService(origin.port));

    for (let round = 0; round < 30; round++) {
      const path = round % 2 === 0 ? '/' : '/no';
      const client = await rawClient(proxy.port);
      client.send(`GET ${path} HTTP/1.1\r\nHost: a\r\n${upgrade}\r\n`);
      if (round % 3 === 1) await client.until(/HTTP/);
      if (round % 3 === 2) for (const tunnel of origin.tunnels) tunnel.destroy();
      client.socket.resetAndDestroy();
    }

    await eventually(
      () => [origin.tunnels.size, proxy.sockets.size, origin.sockets.size],
      (open) => open.every((count) => count === 0),
    );
    expect((await ask(proxy.port)).status).toBe(426);
  });

  test(`${name}: a target that dies takes its tunnel with it`, async () => {
    const origin = await startEcho();
    const proxy = await startProxy(makeLane, oneService(origin.port));
    const client = await rawClient(proxy.port);

    client.send(`GET / HTTP/1.1\r\nHost: a\r\n${upgrade}\r\n`);
    await client.until(/hello /);
    for (const tunnel of origin.tunnels) tunnel.destroy();

    await client.ended();
    await eventually(
      () => proxy.sockets.size,
      (open) => open === 0,
    );
  });

  test(`${name}: a WebSocket stays on its pool over flips, and is told 1012 when that pool is retired`, async () => {
    const blueOrigin = await startWebSockets();
    const greenOrigin = await startWebSockets();
    const blue = pool('shop.blue.1', [blueOrigin.port]);
    const green = pool('shop.green.2', [greenOrigin.port]);
    const proxy = await startProxy(makeLane, { services: [entry({ pools: { blue, green } })] });
    const socket = await openWebSocket(proxy.port);
    const upstreamCodes: number[] = [];
    for (const one of blueOrigin.sockets2.clients) {
      one.on('close', (code) => upstreamCodes.push(code));
    }

    proxy.flip(flipped('green', 2, { blue, green }));
    proxy.flip(flipped('blue', 3, { blue, green }));
    proxy.flip(flipped('green', 4, { blue, green }));
    const still = await echoed(socket, 'still here');
    const closed = closeOf(socket);
    proxy.stage([flipped('green', 4, { blue: null, green })]);

    expect(still).toBe('still here');
    expect(await closed).toBe(1012);
    await eventually(
      () => upstreamCodes,
      (codes) => codes.length === 1,
    );
    expect(upstreamCodes).toEqual([1012]);
    await eventually(
      () => proxy.plane.stats().services[0]?.pools.length,
      (pools) => pools === 1,
    );
  });

  test(`${name}: pings, pongs and the codes of Close pass both ways, over a flip too`, async () => {
    const origin = await startWebSockets();
    const green = pool('shop.green.2', [origin.port]);
    const blue = pool('shop.blue.1', [origin.port]);
    const proxy = await startProxy(makeLane, { services: [entry({ pools: { blue, green } })] });
    const closed: string[] = [];
    origin.sockets2.on('connection', (one) => {
      one.on('close', (code, reason) => closed.push(`${code} ${reason}`));
    });
    const socket = await openWebSocket(proxy.port);
    const other = await openWebSocket(proxy.port);
    const [toSocket, toOther] = [...origin.sockets2.clients];
    const pinged = async (
      from: WebSocket,
      to: WebSocket | undefined,
      data: string,
    ): Promise<string> => {
      const heard = new Promise<string>((resolve) =>
        to?.once('ping', (ping) => resolve(`${ping}`)),
      );
      const answered = new Promise<string>((resolve) =>
        from.once('pong', (pong) => resolve(`${pong}`)),
      );
      from.ping(data);
      return `${await heard} ${await answered}`;
    };

    const before = await pinged(socket, toSocket, 'up');
    proxy.flip(flipped('green', 2, { blue, green }));
    const behind = toSocket && (await pinged(toSocket, socket, 'down'));
    const fromTarget = new Promise((resolve) =>
      other.once('close', (code, reason) => resolve(`${code} ${reason}`)),
    );
    toOther?.close(4001, 'by the target');
    socket.close(4000, 'by the client');

    expect([before, behind]).toEqual(['up up', 'down down']);
    expect(await fromTarget).toBe('4001 by the target');
    await eventually(
      () => closed,
      (codes) => codes.includes('4000 by the client'),
    );
  });

  test(`${name}: the Close frame never lands inside another frame`, async () => {
    const origin = await startWebSockets();
    const green = pool('shop.green.2', [origin.port]);
    const services = [entry({ pools: { blue: pool('shop.blue.1', [origin.port]), green } })];
    const proxy = await startProxy(makeLane, { services });
    const socket = await openWebSocket(proxy.port);
    const message = Buffer.alloc(3_000_000, 'm');
    let broken: Error | null = null;
    let received = 0;
    socket.on('error', (error) => {
      broken = error;
    });
    socket.on('message', (data: Buffer) => {
      received++;
      if (data.length !== message.length) broken = new Error('a message came in pieces');
    });

    for (let sent = 0; sent < 20; sent++) socket.send(message);
    await eventually(
      () => received,
      (count) => count > 2,
    );
    const closed = closeOf(socket);
    proxy.flip(flipped('green', 2, { blue: null, green }));

    expect(await closed).toBe(1012);
    expect(broken).toBeNull();
  });

  test(`${name}: a WebSocket of an unrelated service is not touched by a change (caddy #7222)`, async () => {
    const origin = await startWebSockets();
    const shop = entry({
      paths: ['/shop'],
      pools: { blue: pool('shop.blue.1', [origin.port]), green: null },
    });
    const chat = entry({
      name: 'chat',
      pools: { blue: pool('chat.blue.1', [origin.port]), green: null },
    });
    const proxy = await startProxy(makeLane, { services: [shop, chat] });
    const socket = await openWebSocket(proxy.port);

    proxy.stage([
      { ...shop, pools: { blue: pool('shop.blue.2', [origin.port]), green: null } },
      chat,
    ]);
    proxy.stage([chat]);
    proxy.stage([chat, { ...shop, hosts: ['other'] }]);

    expect(await echoed(socket, 'untouched')).toBe('untouched');
  });

  test(`${name}: shutdown with an open WebSocket ends (caddy #3818)`, async () => {
    const origin = await startWebSockets();
    const proxy = await startProxy(makeLane, oneService(origin.port));
    const sockets = await Promise.all([1, 2, 3].map(() => openWebSocket(proxy.port)));
    const closed = Promise.all(sockets.map(closeOf));

    proxy.plane.close(1_000);

    expect(await closed).toEqual([1012, 1012, 1012]);
    await eventually(
      () => proxy.plane.idle,
      (idle) => idle,
    );
  });
}
