/**
 * Targets that are reached in another way than by TCP alone: by TLS, and on a socket in the file
 * system. Part of `laneSuite`.
 *
 * The rule this file keeps: an application whose certificate is not taken gets no byte of a request.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import type { TargetEntry } from '../../../src/wire.ts';
import type { TargetTls } from '../../../src/wireTls.ts';
import { Authority, type Pair } from '../../support/certificates.ts';
import { ask, eventually, exchangeRaw, keepAlive } from '../../support/client.ts';
import { entry, type MakeLane, policy, startProxy, type TestProxy } from '../../support/proxy.ts';
import { listenOnSocket, setOfTrust, startSecure, trust } from '../../support/targetTls.ts';

const big = 'x'.repeat(300_000);

/** Echoes; says what it was asked. */
function application(req: IncomingMessage, res: ServerResponse): void {
  if (req.url === '/big') {
    res.end(big);
    return;
  }
  let body = '';
  req.on('data', (chunk) => {
    body += chunk;
  });
  req.on('end', () => {
    const { host, via, 'x-forwarded-proto': proto } = req.headers;
    const client = (req.socket as TLSSocket).getPeerCertificate?.()?.serialNumber ?? '';
    res.end(JSON.stringify({ host, via, proto, client, body }));
  });
}

export function reachedSuite(name: string, makeLane: MakeLane): void {
  describe(`${name}: by TLS`, () => {
    let folder = '';
    let ca: Authority;
    let other: Authority;
    let good: Pair;

    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), 'pointsman-reached-'));
      ca = new Authority(join(folder, 'ca'));
      other = new Authority(join(folder, 'other'), 'Other Authority');
      good = ca.sign(join(folder, 'good'), { names: ['127.0.0.1', 'app.internal'] });
    });
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    async function inFrontOf(
      ports: readonly number[],
      by: TargetTls,
      change: Partial<TargetEntry> = {},
    ): Promise<TestProxy> {
      const targets = ports.map((port) => {
        const id = `https://127.0.0.1:${port}`;
        const at = { id, host: '127.0.0.1', port, scheme: 'https', tls: by.id } as const;
        return { ...at, healthy: true, ...change };
      });
      const blue = { id: 'shop.blue.1', release: 'v1', targets };
      const proxy = await startProxy(makeLane, {
        services: [
          entry({ pools: { blue, green: null }, policy: { ...policy, connectMs: 5_000 } }),
        ],
      });
      proxy.plane.certificates.replace(setOfTrust(by));
      return proxy;
    }

    test('an application is reached, bodies of any size pass both ways, and its connection is kept', async () => {
      const app = await startSecure(good, application);
      const proxy = await inFrontOf([app.port], trust({ ca: ca.pem }));
      const agent = keepAlive(1);

      const got = await ask(proxy.port, { method: 'POST', body: big, agent });
      const large = await ask(proxy.port, { path: '/big', agent });

      expect(got.status).toBe(200);
      expect(JSON.parse(got.body)).toMatchObject({
        host: `127.0.0.1:${proxy.port}`,
        via: '1.1 pointsman-1-shop',
        proto: 'http',
        body: big,
      });
      expect([large.status, large.body === big]).toEqual([200, true]);
      expect(app.sockets.size).toBe(1);
    });

    test('a certificate that is not to be trusted is a 502 with a code of its own, and the application learns nothing', async () => {
      const at = (file: string): string => join(folder, file);
      const lone = new Authority(at('lone'), '127.0.0.1');
      const past = { from: '20200101000000Z', until: '20200201000000Z' };
      const future = { from: '20490101000000Z', until: '20490201000000Z' };
      const names = ['127.0.0.1'];
      const wrong: [string, Pair][] = [
        ['expired', ca.sign(at('expired'), { names, ...past })],
        ['not valid yet', ca.sign(at('future'), { names, ...future })],
        ['of another name', ca.sign(at('name'), { names: ['elsewhere.internal'] })],
        ['of an unknown issuer', other.sign(at('issuer'), { names })],
        ['signed by itself', { cert: lone.file, key: join(lone.dir, 'ca.key'), serial: '' }],
      ];
      for (const [what, pair] of wrong) {
        const app = await startSecure(pair, application);
        const proxy = await inFrontOf([app.port], trust({ ca: ca.pem }));

        const got = await ask(proxy.port);
        const posted = await ask(proxy.port, { method: 'POST', body: 'secret' });

        expect([what, got.status, posted.status]).toEqual([what, 502, 502]);
        expect(proxy.lines.map(({ fault }) => fault)).toEqual(Array(2).fill('UPSTREAM_UNVERIFIED'));
        expect([what, app.received()]).toEqual([what, 0]);
      }
    });

    test('without a word on authorities those of the system hold, and a private one is none of them', async () => {
      const app = await startSecure(good, application);
      const proxy = await inFrontOf([app.port], trust({}));

      expect((await ask(proxy.port)).status).toBe(502);
      expect([proxy.lines[0]?.fault, app.received()]).toEqual(['UPSTREAM_UNVERIFIED', 0]);
    });

    test('what a client asks for as host is never what a certificate is held against', async () => {
      const pair = ca.sign(join(folder, 'asked'), { names: ['asked.example'] });
      const app = await startSecure(pair, application);
      const proxy = await inFrontOf([app.port], trust({ ca: ca.pem }));

      const got = await ask(proxy.port, { headers: { host: 'asked.example' } });

      expect([got.status, proxy.lines[0]?.fault]).toEqual([502, 'UPSTREAM_UNVERIFIED']);
    });

    test('a server name is asked for and verified in place of the host; and where it is said, nothing is verified', async () => {
      const asked: string[] = [];
      const pair = ca.sign(join(folder, 'named'), { names: ['app.internal'] });
      const SNICallback = (servername: string, done: (error: null) => void): void => {
        asked.push(servername);
        done(null);
      };
      const app = await startSecure(pair, application, { SNICallback });
      const named = await inFrontOf([app.port], trust({ ca: ca.pem, serverName: 'app.internal' }));
      const open = await inFrontOf([app.port], trust({ verify: false }));

      expect((await ask(named.port)).status).toBe(200);
      expect((await ask(open.port)).status).toBe(200);
      expect(asked).toEqual(['app.internal']);
    });

    test('an application that asks for a certificate gets that of the service, and without one answers nothing', async () => {
      const ours = ca.sign(join(folder, 'ours'), { names: ['pointsman.internal'] });
      const options = { requestCert: true, rejectUnauthorized: true, ca: ca.pem };
      const app = await startSecure(good, application, options);
      const cert = readFileSync(ours.cert, 'utf8');
      const key = readFileSync(ours.key, 'utf8');
      const known = await inFrontOf([app.port], trust({ ca: ca.pem, cert, key }));
      const unknown = await inFrontOf([app.port], trust({ ca: ca.pem }));

      const got = await ask(known.port);

      expect(JSON.parse(got.body)).toMatchObject({ client: ours.serial });
      expect((await ask(unknown.port)).status).toBe(502);
    });

    test('a request goes on to another target where one cannot be verified', async () => {
      const wrong = await startSecure(other.sign(join(folder, 'alone'), {}), application);
      const app = await startSecure(good, application);
      const proxy = await inFrontOf([wrong.port, app.port], trust({ ca: ca.pem }));

      for (let i = 0; i < 4; i++) {
        const got = await ask(proxy.port, { method: 'POST', body: 'once' });
        expect([got.status, JSON.parse(got.body).body]).toEqual([200, 'once']);
      }

      expect(proxy.lines.some(({ retryReason }) => retryReason === 'unverified')).toBe(true);
      expect(wrong.received()).toBe(0);
    });

    test('a target whose verification changes is verified anew: no connection of before is used', async () => {
      const app = await startSecure(good, application);
      const lax = trust({ verify: false });
      const proxy = await inFrontOf([app.port], lax);
      const agent = keepAlive(1);
      expect((await ask(proxy.port, { agent })).status).toBe(200);
      const strict = trust({});

      proxy.plane.certificates.replace(setOfTrust(strict));
      expect((await ask(proxy.port, { agent })).status).toBe(200);
      const at = { host: '127.0.0.1', port: app.port, scheme: 'https', tls: strict.id } as const;
      const targets = [{ id: `https://127.0.0.1:${app.port}`, ...at, healthy: true }];
      const blue = { id: 'shop.blue.1', release: 'v1', targets };
      proxy.stage([entry({ pools: { blue, green: null } })]);

      expect((await ask(proxy.port, { agent })).status).toBe(502);
      expect(proxy.lines.at(-1)?.fault).toBe('UPSTREAM_UNVERIFIED');
    });

    test('nothing is sent to a target of which nobody said how it is verified', async () => {
      const app = await startSecure(good, application);
      const proxy = await inFrontOf([app.port], trust({ ca: ca.pem }), { tls: 'unknown' });

      expect((await ask(proxy.port)).status).toBe(502);
      expect(app.received()).toBe(0);
    });

    test('a handshake that does not end is given up when a connection is', async () => {
      const silent = net.createServer();
      await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
      const open = new Set<net.Socket>();
      silent.on('connection', (socket) => {
        open.add(socket);
        socket.on('error', () => {});
        socket.once('close', () => open.delete(socket));
        socket.resume();
      });
      onTestFinished(() => void silent.close());
      const by = trust({ ca: ca.pem });
      const { port } = silent.address() as AddressInfo;
      const at = { host: '127.0.0.1', port, scheme: 'https', tls: by.id } as const;
      const blue = {
        id: 'shop.blue.1',
        release: 'v1',
        targets: [{ id: 'silent', ...at, healthy: true }],
      };
      const impatient = { ...policy, connectMs: 100 };
      const proxy = await startProxy(makeLane, {
        services: [entry({ pools: { blue, green: null }, policy: impatient })],
      });
      proxy.plane.certificates.replace(setOfTrust(by));

      const got = await ask(proxy.port);

      expect([got.status, proxy.lines[0]?.fault]).toEqual([502, 'UPSTREAM_UNREACHABLE']);
      await eventually(
        () => open.size,
        (left) => left === 0,
      );
    });

    test('a WebSocket passes, and an upgrade to one that cannot be verified is a 502', async () => {
      const app = await startSecure(good, application);
      new WebSocketServer({ server: app.server }).on('connection', (socket) => {
        socket.on('message', (message) => socket.send(`${message}!`));
      });
      const proxy = await inFrontOf([app.port], trust({ ca: ca.pem }));
      const refused = await inFrontOf([app.port], trust({ ca: other.pem }));
      const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/`);
      onTestFinished(() => socket.terminate());
      await new Promise((resolve) => socket.once('open', resolve));

      socket.send('hello');
      const said = await new Promise((resolve) => socket.once('message', resolve));
      const head = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';

      expect(String(said)).toBe('hello!');
      expect(await exchangeRaw(refused.port, head)).toMatch(/^HTTP\/1\.1 502 /);
      expect(refused.lines[0]?.fault).toBe('UPSTREAM_UNVERIFIED');
    });
  });

  test(`${name}: an application on a socket in the file system is reached, kept, and upgraded`, async () => {
    const server = http.createServer(application);
    let connections = 0;
    server.on('connection', () => connections++);
    new WebSocketServer({ server }).on('connection', (socket) => {
      socket.on('message', (message) => socket.send(`${message}!`));
    });
    const host = await listenOnSocket(server);
    const targets = [{ id: `unix:${host}`, host, port: 0, scheme: 'unix', healthy: true } as const];
    const blue = { id: 'shop.blue.1', release: 'v1', targets };
    const proxy = await startProxy(makeLane, {
      services: [entry({ pools: { blue, green: null } })],
    });
    const agent = keepAlive(1);

    const posted = await ask(proxy.port, { method: 'POST', body: big, agent });
    const large = await ask(proxy.port, { path: '/big', agent });
    const old = await exchangeRaw(proxy.port, 'GET / HTTP/1.0\r\n\r\n');
    const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/`);
    onTestFinished(() => socket.terminate());
    await new Promise((resolve) => socket.once('open', resolve));
    socket.send('hello');
    const said = await new Promise((resolve) => socket.once('message', resolve));

    expect(JSON.parse(posted.body)).toMatchObject({ host: `127.0.0.1:${proxy.port}`, body: big });
    expect(large.body === big).toBe(true);
    expect(connections).toBeLessThanOrEqual(3);
    expect(old).toContain('"host":"localhost"');
    expect(String(said)).toBe('hello!');
  });

  test(`${name}: a socket that nobody made, or listens at, is a target that cannot be reached`, async () => {
    const targets = [
      { id: 'unix:/nowhere', host: '/nowhere', port: 0, scheme: 'unix', healthy: true } as const,
    ];
    const blue = { id: 'shop.blue.1', release: 'v1', targets };
    const proxy = await startProxy(makeLane, {
      services: [entry({ pools: { blue, green: null } })],
    });

    const got = await ask(proxy.port);

    expect([got.status, proxy.lines[0]?.fault]).toEqual([502, 'UPSTREAM_UNREACHABLE']);
  });
}
