/**
 * The head of an answer says that the connection closes exactly where it does (RFC 9112 section
 * 9.6): else the next request of its client is lost. Part of `laneSuite`.
 */
import { expect, test } from 'vitest';
import { rawClient } from '../../support/client.ts';
import {
  deadPort,
  type MakeLane,
  oneService,
  startProxy,
  startRawOrigin,
} from '../../support/proxy.ts';

const ok = 'HTTP/1.1 200 OK\r\n';
/** What a target answers, by the path that it is asked for. */
const answers: Readonly<Record<string, string>> = {
  '/length': `${ok}Content-Length: 4\r\n\r\ndone`,
  '/chunks': `${ok}Transfer-Encoding: chunked\r\n\r\n4\r\ndone\r\n0\r\n\r\n`,
  '/end': `${ok}\r\ndone`,
  '/closes': `${ok}Connection: close\r\nContent-Length: 4\r\n\r\ndone`,
  '/204': 'HTTP/1.1 204 No Content\r\n\r\n',
  '/304': 'HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n',
  '/interim': `HTTP/1.1 102 Processing\r\n\r\n${ok}Content-Length: 4\r\n\r\ndone`,
  '/none': 'this is no HTTP\r\n\r\n',
};

const host = 'Host: a\r\n';
const get = (path: string, ...fields: string[]): string =>
  `GET ${path} HTTP/1.1\r\n${host}${fields.map((field) => `${field}\r\n`).join('')}\r\n`;
const post = (body: string, ...fields: string[]): string =>
  `POST /length HTTP/1.1\r\n${host}${fields.map((field) => `${field}\r\n`).join('')}\r\n${body}`;

/** What a client sends, and whether another request may follow; null: Node's versions differ. */
const requests: readonly (readonly [string, string, boolean | null])[] = [
  ['GET', get('/length'), true],
  ['an answer in chunks', get('/chunks'), true],
  ['an answer that its connection ends', get('/end'), true],
  ['an answer whose target closes', get('/closes'), true],
  ['204', get('/204'), true],
  ['304', get('/304'), true],
  ['an interim answer', get('/interim'), true],
  ['an answer that is none', get('/none'), true],
  ['HEAD', get('/length').replace('GET', 'HEAD'), true],
  ['a query and many fields', get('/length', ...Array.from({ length: 150 }, () => 'X: y')), true],
  ['Connection: close', get('/length', 'Connection: close'), false],
  ['Connection: close in a list', get('/length', 'Connection: x, Close'), false],
  ['a body', post('abc', 'Content-Length: 3'), true],
  ['a body in chunks', post('3\r\nabc\r\n0\r\n\r\n', 'Transfer-Encoding: chunked'), true],
  ['Expect and no body', get('/length', 'Expect: 100-continue'), true],
  ['Expect and a length of 0', post('', 'Content-Length: 0', 'Expect: 100-continue'), true],
  ['Expect and a body at once', post('abc', 'Content-Length: 3', 'Expect: 100-continue'), true],
  [
    'Expect and chunks at once',
    post('0\r\n\r\n', 'Transfer-Encoding: chunked', 'Expect: 100-continue'),
    true,
  ],
  ['an expectation that nobody meets', get('/length', 'Expect: tea'), false],
  ['HTTP/1.0', `GET /length HTTP/1.0\r\n${host}\r\n`, false],
  ['HTTP/1.0 kept', `GET /length HTTP/1.0\r\n${host}Connection: keep-alive\r\n\r\n`, true],
  ['HTTP/1.0 until the end', `GET /end HTTP/1.0\r\n${host}Connection: keep-alive\r\n\r\n`, false],
  ['an offer of h2c', get('/length', 'Connection: Upgrade', 'Upgrade: h2c'), null],
  ['an upgrade that is refused', get('/length', 'Connection: Upgrade', 'Upgrade: x'), false],
  ['absolute form', get('http://a/length'), true],
  ['a method that is refused', `TRACE /length HTTP/1.1\r\n${host}\r\n`, false],
  ['a Host too many', get('/length', 'Host: b'), false],
  ['a version too many', `GET / HTTP/1.7\r\n${host}\r\n`, false],
  ['no HTTP', 'EHLO a\r\n\r\n', false],
  ['a path too long', get(`/${'p'.repeat(17_000)}`), true],
  ['a body too large', post('', 'Content-Length: 9000000000'), false],
];

export function closeSuite(name: string, makeLane: MakeLane): void {
  test.each(requests)(
    `${name}: the head says close exactly where the connection closes: %s`,
    async (_what, request, follows) => {
      const proxy = await startProxy(makeLane, oneService(await answering()));
      const client = await rawClient(proxy.port);

      client.send(request);
      await client.until(/(?:^|\r\n)HTTP\/1\.1 [2-5][\s\S]*?\r\n\r\n/);
      const head = /(?:^|\r\n)(HTTP\/1\.1 [2-5][\s\S]*?)\r\n\r\n/.exec(client.got)?.[1] ?? '';

      const closes = /\r\nConnection: close(?:\r\n|$)/i.test(head);
      if (follows !== null) expect(closes).toBe(!follows);
      if (!closes) {
        client.send(get('/length', 'Connection: close'));
        expect(await client.ended()).toMatch(/HTTP\/1\.1 [2-5][\s\S]*HTTP\/1\.1 200 [\s\S]*done$/);
      } else {
        await client.ended();
      }
    },
  );

  test(`${name}: a client that shut its side is told that the connection closes`, async () => {
    const proxy = await startProxy(makeLane, oneService(await answering(100)));
    const client = await rawClient(proxy.port);

    client.socket.end(get('/length') + get('/length'));
    const got = await client.ended();

    const heads = got.match(/HTTP\/1\.1 200 [\s\S]*?\r\n\r\n/g) ?? [];
    expect(heads.map((head) => /\r\nConnection: close\r\n/i.test(head))).toEqual([false, true]);
  });

  test(`${name}: what was wrong behind a request is answered too where the client shut its side`, async () => {
    const proxy = await startProxy(makeLane, oneService(await answering(100)));
    const client = await rawClient(proxy.port);

    client.socket.end(`${post('', 'Content-Length: 0')}{}`);
    const got = await client.ended();

    expect(got.match(/HTTP\/1\.1 [2-5]\d\d/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 400']);
  });

  test(`${name}: an answer of ours to a client that shut its side says that the connection closes`, async () => {
    const proxy = await startProxy(makeLane, oneService(await deadPort()));
    const client = await rawClient(proxy.port);

    client.socket.end(get('/length'));

    expect(await client.ended()).toMatch(/^HTTP\/1\.1 502 [\s\S]*\r\nConnection: close\r\n/);
  });
}

/** @param delayMs before each answer: what its client does next is seen before it. */
async function answering(delayMs = 0): Promise<number> {
  const seen = new Map<unknown, number>();
  const origin = await startRawOrigin((socket, soFar) => {
    const heads = [...soFar.matchAll(/(GET|HEAD|POST) (\S+) HTTP\/1\.1\r\n[\s\S]*?\r\n\r\n/g)];
    for (const [, method, path = ''] of heads.slice(seen.get(socket) ?? 0)) {
      const text = answers[path] ?? answers['/length'] ?? '';
      const head = method === 'HEAD' ? text.slice(0, text.indexOf('\r\n\r\n') + 4) : text;
      const say = (): void => {
        if (/^\/(?:end|closes|none)$/.test(path)) socket.end(head);
        else socket.write(head);
      };
      if (delayMs === 0) say();
      else setTimeout(say, delayMs);
    }
    seen.set(socket, heads.length);
  });
  return origin.port;
}
