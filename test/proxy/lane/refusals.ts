/** What a lane refuses, and that nothing of it reaches a target. Part of `laneSuite`. */
import { expect, test } from 'vitest';
import { ask, eventually, exchangeRaw, keepAlive, rawClient } from '../../support/client.ts';
import { type MakeLane, oneService, startOrigin, startProxy } from '../../support/proxy.ts';

const ok = 'Host: a\r\n';

/** Name, bytes, and the status of the answer. */
const refused: readonly (readonly [string, string, number])[] = [
  ['two Hosts', 'GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n', 400],
  ['no Host', 'GET / HTTP/1.1\r\nX: y\r\n\r\n', 400],
  ['an empty Host', 'GET / HTTP/1.1\r\nHost:\r\n\r\n', 400],
  ['a Host with userinfo', 'GET / HTTP/1.1\r\nHost: u@a\r\n\r\n', 400],
  ['a Host that is a list', 'GET / HTTP/1.1\r\nHost: a, b\r\n\r\n', 400],
  ['a Host with a space', 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n', 400],
  ['a Host with a slash', 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n', 400],
  ['a Host with a bad port', 'GET / HTTP/1.1\r\nHost: a:b\r\n\r\n', 400],
  ['GET *', `GET * HTTP/1.1\r\n${ok}\r\n`, 400],
  ['OPTIONS *', `OPTIONS * HTTP/1.1\r\n${ok}\r\n`, 400],
  ['an absolute form with userinfo', `GET http://u@a/ HTTP/1.1\r\n${ok}\r\n`, 400],
  ['an absolute form without a host', `GET http:///a HTTP/1.1\r\n${ok}\r\n`, 400],
  ['an absolute form with a bad port', `GET http://a:b/ HTTP/1.1\r\n${ok}\r\n`, 400],
  ['an absolute form of another scheme', `GET ftp://a/ HTTP/1.1\r\n${ok}\r\n`, 400],
  ['an absolute form with a fragment', `GET http://a/#b HTTP/1.1\r\n${ok}\r\n`, 400],
  ['an absolute form without a Host', 'GET http://a/ HTTP/1.1\r\n\r\n', 400],
  ['an https address without TLS', `GET https://a/ HTTP/1.1\r\n${ok}\r\n`, 421],
  ['CONNECT', `CONNECT a:443 HTTP/1.1\r\n${ok}\r\n`, 405],
  ['TRACE', `TRACE / HTTP/1.1\r\n${ok}\r\n`, 405],
  ['a method of an extension', `BASELINE-CONTROL / HTTP/1.1\r\n${ok}\r\n`, 501],
  ['a method that nobody knows', `FOO-BAR / HTTP/1.1\r\n${ok}\r\n`, 501],
  ['a method that begins like another', `GET-X / HTTP/1.1\r\n${ok}\r\n`, 501],
  ['a method of RTSP', `DESCRIBE / HTTP/1.1\r\n${ok}\r\n`, 501],
  ['a method in small letters', `get / HTTP/1.1\r\n${ok}\r\n`, 400],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505],
  ['a fragment in the target', `GET /a#b HTTP/1.1\r\n${ok}\r\n`, 400],
  ['a control character in the target', `GET /a\x01b HTTP/1.1\r\n${ok}\r\n`, 400],
  ['an octet above ASCII in the target', `GET /\xe4 HTTP/1.1\r\n${ok}\r\n`, 400],
  ['an unknown version', `GET / HTTP/1.7\r\n${ok}\r\n`, 505],
  ['HTTP/2.0 in words', `GET / HTTP/2.0\r\n${ok}\r\n`, 505],
  [
    'two lengths',
    `POST / HTTP/1.1\r\n${ok}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd`,
    400,
  ],
  [
    'the same length twice',
    `POST / HTTP/1.1\r\n${ok}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc`,
    400,
  ],
  ['a list of lengths', `POST / HTTP/1.1\r\n${ok}Content-Length: 3, 3\r\n\r\nabc`, 400],
  ['a length with a plus', `POST / HTTP/1.1\r\n${ok}Content-Length: +3\r\n\r\nabc`, 400],
  ['a negative length', `POST / HTTP/1.1\r\n${ok}Content-Length: -3\r\n\r\nabc`, 400],
  ['a hexadecimal length', `POST / HTTP/1.1\r\n${ok}Content-Length: 0x3\r\n\r\nabc`, 400],
  [
    'an endless length',
    `POST / HTTP/1.1\r\n${ok}Content-Length: 99999999999999999999\r\n\r\nabc`,
    400,
  ],
  [
    'CL with TE',
    `POST / HTTP/1.1\r\n${ok}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    400,
  ],
  [
    'TE with CL',
    `POST / HTTP/1.1\r\n${ok}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n`,
    400,
  ],
  [
    'TE that is not chunked',
    `POST / HTTP/1.1\r\n${ok}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
    501,
  ],
  ['TE: identity', `POST / HTTP/1.1\r\n${ok}Transfer-Encoding: identity\r\n\r\n`, 400],
  [
    'chunked twice',
    `POST / HTTP/1.1\r\n${ok}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    400,
  ],
  ['xchunked', `POST / HTTP/1.1\r\n${ok}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`, 400],
  [
    'a blank before the colon',
    `POST / HTTP/1.1\r\n${ok}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`,
    400,
  ],
  [
    'a vertical tab before chunked',
    `POST / HTTP/1.1\r\n${ok}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n`,
    400,
  ],
  ['TE in HTTP/1.0', `POST / HTTP/1.0\r\n${ok}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
  ['a bare CR in a value', `GET / HTTP/1.1\r\n${ok}X: a\rb\r\n\r\n`, 400],
  ['a NUL in a value', `GET / HTTP/1.1\r\n${ok}X: a\x00b\r\n\r\n`, 400],
  ['a line folded', `GET / HTTP/1.1\r\n${ok}X: a\r\n b\r\n\r\n`, 400],
  ['a name with a space', `GET / HTTP/1.1\r\n${ok}X y: a\r\n\r\n`, 400],
  ['a bad chunk size', `POST / HTTP/1.1\r\n${ok}Transfer-Encoding: chunked\r\n\r\nxyz\r\n`, 400],
  [
    'a chunk longer than it says',
    `POST / HTTP/1.1\r\n${ok}Transfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n0\r\n\r\n`,
    400,
  ],
  [
    'an expectation that is none',
    `POST / HTTP/1.1\r\n${ok}Expect: 200-ok\r\nContent-Length: 3\r\n\r\nabc`,
    417,
  ],
  ['no HTTP at all', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
];

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
