/** What a lane refuses, and that nothing of it reaches a target. Part of `laneSuite`. */
import { expect, test } from 'vitest';
import { ask, eventually, exchangeRaw, keepAlive, rawClient } from '../../support/client.ts';
import { type MakeLane, oneService, startOrigin, startProxy } from '../../support/proxy.ts';
import { refused } from './refused.ts';

/**
 * What Node's parser takes, or not, from version to version: a refusal or one request, nothing
 * else.
 */
const chunkedBody = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';
const doubtful: readonly (readonly [string, string])[] = [
  ['bare LF between lines', 'GET / HTTP/1.1\nHost: a\n\nGET /smuggled HTTP/1.1\nHost: a\n\n'],
  [
    'a chunk extension with LF',
    `${chunkedBody}0;\nX\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n`,
  ],
];

export function refusalSuite(name: string, makeLane: MakeLane): void {
  for (const [what, bytes, status] of refused) {
    test(`${name}: ${what} is refused with ${status} and never forwarded`, async () => {
      let whole = 0;
      const origin = await startOrigin((req, res) => {
        req.on('end', () => {
          whole++;
          res.end();
        });
        req.on('error', () => {});
        req.resume();
      });
      const proxy = await startProxy(makeLane, oneService(origin.port));

      const got = await exchangeRaw(proxy.port, bytes);

      expect(got).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
      expect(got).toMatch(/\r\nConnection: close\r\n/i);
      expect(got.match(/HTTP\/1\.1 /g)).toHaveLength(1);
      expect(whole).toBe(0);
    }, 10_000);
  }

  for (const [what, bytes] of doubtful) {
    test(`${name}: behind ${what} nothing is smuggled`, async () => {
      const seen: string[] = [];
      const origin = await startOrigin((req, res) => {
        seen.push(req.url ?? '');
        req.resume();
        res.end();
      });
      const proxy = await startProxy(makeLane, oneService(origin.port));

      const client = await rawClient(proxy.port);
      client.send(bytes);
      client.socket.end();
      const got = await client.ended();

      const answered = got.match(/HTTP\/1\.1 200/g)?.length ?? 0;
      expect(seen.length).toBe(answered);
      expect(got).toMatch(/HTTP\/1\.1 400/);
    });
  }

  test(`${name}: a chunked DELETE and OPTIONS reach the target as one request (CVE-2026-29057)`, async () => {
    const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n';
    const seen: string[] = [];
    const origin = await startOrigin((req, res) => {
      let body = '';
      req.on('data', (chunk) => {
        body += chunk;
      });
      req.on('end', () => {
        seen.push(`${req.method} ${req.url} ${body.length} ${req.headers['transfer-encoding']}`);
        res.end('ok');
      });
    });
    const proxy = await startProxy(makeLane, oneService(origin.port));
    const agent = keepAlive(1);

    for (const method of ['DELETE', 'OPTIONS']) {
      const headers = { 'Transfer-Encoding': 'chunked' };
      const got = await ask(proxy.port, { method, headers, body: smuggled, agent });
      expect(got.body).toBe('ok');
    }

    expect(seen).toEqual([
      `DELETE / ${smuggled.length} chunked`,
      `OPTIONS / ${smuggled.length} chunked`,
    ]);
  });

  test(`${name}: garbage behind a valid request does not cost that request its answer`, async () => {
    const origin = await startOrigin((_req, res) => {
      setTimeout(() => res.end('the answer'), 50);
    });
    const proxy = await startProxy(makeLane, oneService(origin.port));

    const got = await exchangeRaw(
      proxy.port,
      'GET / HTTP/1.1\r\nHost: a\r\n\r\n\x00\x01 garbage\r\n\r\n',
    );

    expect(got).toMatch(/^HTTP\/1\.1 200 OK/);
    expect(got).toContain('the answer');
    expect(got).toMatch(/the answer(?:\r\n0\r\n\r\n)?HTTP\/1\.1 400 /);
  });

  test(`${name}: a refused request is the last of its connection, in its turn as at once`, async () => {
    const seen: string[] = [];
    const origin = await startOrigin((req, res) => {
      seen.push(req.url ?? '');
      setTimeout(() => res.end('the answer'), 20);
    });
    const proxy = await startProxy(makeLane, oneService(origin.port));
    const refused = 'GET /without-host HTTP/1.1\r\n\r\n';
    const behind = 'GET /behind HTTP/1.1\r\nHost: a\r\n\r\n';

    const atOnce = await exchangeRaw(proxy.port, refused + behind);
    const inTurn = await exchangeRaw(
      proxy.port,
      `GET /first HTTP/1.1\r\nHost: a\r\n\r\n${refused}${behind}`,
    );
    // One more round trip, so that whatever was sent to the target has come.
    await ask(proxy.port, { path: '/after' });

    expect(atOnce.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 400']);
    expect(inTurn.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 400']);
    expect(inTurn).toMatch(/ 400 .*\r\nConnection: close\r\n/is);
    expect(seen).toEqual(['/first', '/after']);
  });

  test(`${name}: pipelined requests are answered in order, one at a time`, async () => {
    let inside = 0;
    let insideMax = 0;
    const origin = await startOrigin((req, res) => {
      insideMax = Math.max(insideMax, ++inside);
      setTimeout(
        () => {
          inside--;
          res.end(`<${req.url}>`);
        },
        req.url === '/0' ? 40 : 1,
      );
    });
    const proxy = await startProxy(makeLane, oneService(origin.port));
    const client = await rawClient(proxy.port);

    const order = Array.from({ length: 20 }, (_, at) => `/${at}`);
    client.send(order.map((path) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`).join(''));
    const got = await client.until(/<\/19>/);

    expect(got.match(/<[^>]*>/g)).toEqual(order.map((path) => `<${path}>`));
    expect(insideMax).toBe(1);
    const more = await rawClient(proxy.port);
    more.send('GET /more HTTP/1.1\r\nHost: a\r\n\r\n');
    await more.until(/<\/more>/);
  });

  test(`${name}: what a client sends behind its last request is not carried out`, async () => {
    const seen: string[] = [];
    const origin = await startOrigin((req, res) => {
      seen.push(req.url ?? '');
      setTimeout(() => res.end('ok'), 20);
    });
    const proxy = await startProxy(makeLane, oneService(origin.port));

    const got = await exchangeRaw(
      proxy.port,
      'GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n' +
        'POST /behind HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n',
    );
    // One more round trip, so that whatever was sent to the target has come.
    await ask(proxy.port, { path: '/after' });

    expect(got.match(/HTTP\/1\.1 /g)).toHaveLength(1);
    expect(seen).toEqual(['/last', '/after']);
  });

  test(`${name}: a body that turns out too large is 413, and the client gets to read it`, async () => {
    const origin = await startOrigin((req) => void req.resume());
    const proxy = await startProxy(makeLane, oneService(origin.port, { bodyBytesMax: 100_000 }));
    const client = await rawClient(proxy.port);

    client.send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
    const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`;
    for (let sent = 0; sent < 40; sent++) client.send(chunk);
    const got = await client.ended();

    expect(got).toMatch(/^HTTP\/1\.1 413 /);
    expect(got).toContain('BODY_TOO_LARGE');
    expect(proxy.lines[0]).toMatchObject({ status: 413, fault: 'BODY_TOO_LARGE' });
    await eventually(
      () => origin.sockets.size,
      (open) => open === 0,
    );
  });

  test(`${name}: more than a thousand header lines are all seen, and limited by their size`, async () => {
    const origin = await startOrigin((req, res) => res.end(String(req.rawHeaders.length)), {
      maxHeaderSize: 256 * 1024,
    });
    const proxy = await startProxy(
      makeLane,
      oneService(origin.port, { headerBytesMax: 100 * 1024 }),
    );
    const many = Array.from({ length: 1_500 }, (_, at) => `X-${at}: y\r\n`).join('');

    const two = await exchangeRaw(
      proxy.port,
      `GET / HTTP/1.1\r\nHost: a\r\n${many}Host: b\r\n\r\n`,
    );
    const huge = await exchangeRaw(
      proxy.port,
      `GET / HTTP/1.1\r\nHost: a\r\nX: ${'y'.repeat(300_000)}\r\n\r\n`,
    );

    expect(two).toMatch(/^HTTP\/1\.1 400 /);
    expect(huge).toMatch(/^HTTP\/1\.1 431 /);
  });
}
