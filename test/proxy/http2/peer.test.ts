/**
 * HTTP/2 as somebody else reads it: python3-h2 says what may not be said, and finds fault with
 * every answer that is not as RFC 9113 has it.
 */
import { expect, test } from 'vitest';
import { type Fields, fieldsWith } from '../../support/frames.ts';
import { askByPeer, h2peerMissing, type PeerOutcome } from '../../support/h2peer.ts';
import { startHttp2 } from '../../support/http2.ts';
import { oneService, startOrigin, startRawOrigin } from '../../support/proxy.ts';
import { refused } from './refusedHeads.ts';

const skips = h2peerMissing !== null && process.env.CI !== 'true';
const why = skips ? ` (skipped: ${h2peerMissing})` : '';

test.skipIf(skips)(`of what python3-h2 may not say no target hears${why}`, async () => {
  const origin = await startRawOrigin((socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  });
  const proxy = await startHttp2(oneService(origin.port));
  const post = (length: string): Fields =>
    fieldsWith({ ':method': 'POST' }, [['content-length', length]]);
  const table = [
    ...Object.entries(refused).map(([name, [fields, body, wanted]]) => ({
      name,
      fields,
      body: body === undefined ? null : [body],
      wanted,
    })),
    { name: 'more than its length', fields: post('2'), body: ['a', 'bc'], wanted: { reset: 1 } },
    { name: 'less than its length', fields: post('9'), body: ['a'], wanted: { reset: 1 } },
    {
      name: 'a pseudo-header in trailers',
      fields: fieldsWith({ ':method': 'POST' }),
      body: ['a'],
      trailers: [[':path', '/two']] as Fields,
      wanted: { reset: 1 },
    },
  ];

  const outcomes = await askByPeer(proxy.port, table);

  // The nghttp2 of newer Nodes ends the whole connection for some.
  const endOf = ({ status, reset, goaway }: PeerOutcome): object => {
    if (goaway === 1 || (status === 0 && reset === undefined)) return { reset: 1 };
    return reset === undefined ? { status } : { reset };
  };
  const told = outcomes.map((outcome, at) => [table[at]?.name, endOf(outcome)]);
  expect(told).toEqual(table.map(({ name, wanted }) => [name, wanted]));
  const heard = origin.received.filter((text) => text.startsWith('GET'));
  expect(heard).toEqual([]);
  // Of those that broke off in their body a target may have heard, and never of a whole one.
  for (const text of origin.received) expect(text).not.toMatch(/\r\n0\r\n|\r\n\r\nab|two/);
});

const valueIn = (outcome: PeerOutcome | undefined, name: string): string | undefined =>
  outcome?.headers.find(([field]) => field === name)?.[1];

test.skipIf(skips)(`python3-h2 finds no fault with an answer of any kind${why}`, async () => {
  const seen: { cookie: string | undefined; te: unknown }[] = [];
  const origin = await startOrigin((req, res) => {
    seen.push({ cookie: req.headers.cookie, te: req.headers.te });
    req.resume();
    req.on('end', () => {
      const status = Number(/^\/(\d+)/.exec(req.url ?? '')?.[1] ?? 200);
      if (req.url === '/early') res.writeEarlyHints({ link: '</a.css>; rel=preload' });
      res.setHeader('Connection', 'x-hop');
      res.setHeader('X-Hop', '1');
      res.setHeader('Set-Cookie', ['a=1', 'b=2']);
      if (req.url === '/trailers') {
        res.writeHead(200, { Trailer: 'X-Sum' });
        res.write('hello');
        res.addTrailers({ 'X-Sum': '5', 'Set-Cookie': 'late=1' });
        res.end();
        return;
      }
      res.writeHead(status, status === 204 ? {} : { 'Content-Length': '5' });
      res.end(status === 200 && req.method !== 'HEAD' ? 'hello' : undefined);
    });
  });
  const proxy = await startHttp2(oneService(origin.port, { bodyBytesMax: 10 }));
  const at = (path: string, change: Record<string, string> = {}, more: Fields = []) => ({
    fields: fieldsWith({ ':path': path, ...change }, more),
    body: null as string[] | null,
  });
  const crumbs: Fields = [
    ['cookie', 'a=1'],
    ['cookie', 'b=2'],
    ['te', 'trailers'],
  ];

  const outcomes = await askByPeer(proxy.port, [
    at('/200', {}, crumbs),
    at('/200', { ':method': 'HEAD' }),
    at('/204'),
    at('/205'),
    at('/304'),
    at('/early'),
    at('/trailers'),
    { ...at('/200', { ':method': 'POST' }), body: ['one', 'two'] },
    { ...at('/200', { ':method': 'POST' }), body: ['one'], trailers: [['x-sum', '3']] },
    { ...at('/200', { ':method': 'POST' }), body: ['too much ', 'by far'] },
    at('/200', { ':method': 'FETCH' }),
  ]);

  const told = outcomes.map(({ status, body, whole, wrong }) => [
    status,
    status < 400 ? body : '',
    whole,
    wrong,
  ]);
  const whole = (status: number, body = '') => [status, body, true, undefined];
  expect(told).toEqual([
    whole(200, 'hello'),
    whole(200),
    whole(204),
    whole(205),
    whole(304),
    whole(200, 'hello'),
    whole(200, 'hello'),
    whole(200, 'hello'),
    whole(200, 'hello'),
    whole(413),
    whole(501),
  ]);
  const lengths = [1, 4].map((nth) => valueIn(outcomes[nth], 'content-length'));
  expect(lengths).toEqual(['5', '5']);
  expect(outcomes[5]?.interims).toEqual([103]);
  expect(outcomes[6]?.trailers).toEqual([['x-sum', '5']]);
  expect(outcomes[0]?.headers.filter(([name]) => name === 'set-cookie')).toHaveLength(2);
  for (const { headers } of outcomes) {
    for (const [name] of headers) expect(name).not.toMatch(/^(?:connection|x-hop|keep-alive)$/);
  }
  expect(seen[0]).toEqual({ cookie: 'a=1; b=2', te: 'trailers' });
});
