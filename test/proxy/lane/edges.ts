/**
 * What a lane does at the edge of a service: one table, and every line of it for each lane, three
 * times on one connection, since what repeats is made once. Part of `laneSuite`.
 */
import { expect, test } from 'vitest';
import type { Edge } from '../../../src/wire.ts';
import type { ServiceEdge } from '../../../src/wireEdge.ts';
import { exchangeRaw, type Got, keepAlive, rawClient } from '../../support/client.ts';
import {
  deadPort,
  entry,
  type MakeLane,
  oneService,
  type ProxySetup,
  passwordHash,
  pool,
  serviceEdge,
  startOrigin,
  startProxy,
} from '../../support/proxy.ts';
import { http1, type Speaker } from './speaker.ts';

/** Cheap on purpose, so that a test is not about time. */
const hash = passwordHash('open sesame');
const basicAuth = { realm: 'the shop', users: [{ name: 'ali', hash }] };
const authorized = (text: string) => [
  'Authorization',
  `Basic ${Buffer.from(text).toString('base64')}`,
];
const challenge = 'Basic realm="the shop", charset="UTF-8"';

interface Case {
  readonly promise: string;
  readonly edge: Partial<ServiceEdge>;
  readonly proxy?: Partial<Edge>;
  readonly method?: string;
  readonly path?: string;
  /** Names and values in turn. */
  readonly headers?: readonly string[];
  readonly body?: string;
  /** Of the answer. */
  readonly status?: number;
  /** What the origin is asked for; null: it is not asked at all. */
  readonly asked?: string | null;
  /** The whole body of the answer. */
  readonly answered?: string;
  /** Fields that the origin sees, lower case; null: it does not see them. */
  readonly sent?: Readonly<Record<string, string | null>>;
  /** Node's client of HTTP/2 says no such thing. */
  readonly speaksBytes?: boolean;
  /** Fields that the client sees. */
  readonly got?: Readonly<Record<string, string | readonly string[] | null>>;
}

const nothing = { remove: [], set: [], add: [] };
const trusting = { trustedProxies: ['127.0.0.0/8', '10.9.0.0/16'] };

const table: readonly Case[] = [
  {
    promise: 'request fields are removed, set and added, in this order and whatever their case',
    edge: {
      request: {
        remove: ['x-gone', 'x-again'],
        set: [['X-Set', 'ours']],
        add: [
          ['X-Again', 'yes'],
          ['X-More', 'b'],
          ['X-More', 'c'],
        ],
      },
    },
    headers: ['X-GONE', '1', 'x-set', 'theirs', 'X-SET', 'too', 'X-Again', 'no', 'X-More', 'a'],
    sent: { 'x-gone': null, 'x-set': 'ours', 'x-again': 'yes', 'x-more': 'a, b, c' },
  },
  {
    promise: 'a body keeps its length beside fields that are changed',
    edge: { request: { ...nothing, set: [['X-Set', 'ours']] } },
    method: 'POST',
    body: 'hello',
    sent: { 'x-set': 'ours', 'content-length': '5' },
  },
  {
    promise: 'Host can be set, and clients are told of by X-Forwarded-Host all the same',
    edge: { request: { ...nothing, set: [['Host', 'inside.example']] } },
    sent: { host: 'inside.example', 'x-forwarded-host': 'shop.test' },
  },
  {
    promise: 'what we say of a request can be changed too',
    edge: { request: { remove: ['via'], set: [['X-Forwarded-Proto', 'https']], add: [] } },
    sent: { via: null, 'x-forwarded-proto': 'https', 'x-request-id': 'my-id' },
    headers: ['X-Request-Id', 'my-id'],
  },
  {
    promise: "fields of a target's answer are removed, set and added",
    edge: {
      response: {
        remove: ['server'],
        set: [
          ['X-Frame-Options', 'DENY'],
          ['Strict-Transport-Security', 'max-age=5'],
        ],
        add: [['Set-Cookie', 'c=3']],
      },
    },
    got: {
      server: null,
      'x-frame-options': 'DENY',
      'strict-transport-security': 'max-age=5',
      'set-cookie': ['a=1', 'b=2', 'c=3'],
    },
  },
  {
    promise: 'Forwarded is said where the config wants it, and what a stranger says in it is not',
    edge: { forwarded: true },
    headers: ['Forwarded', 'for=6.6.6.6'],
    sent: {
      forwarded: 'for=127.0.0.1;proto=http;host="shop.test"',
      'x-forwarded-for': '127.0.0.1',
    },
  },
  {
    promise: 'Forwarded is appended to where the peer is trusted',
    edge: { forwarded: true },
    proxy: trusting,
    headers: ['Forwarded', 'for=6.6.6.6'],
    sent: { forwarded: 'for=6.6.6.6, for=127.0.0.1;proto=http;host="shop.test"' },
  },
  {
    promise: 'a prefix is stripped, and the target is told which',
    edge: { stripPrefix: '/shop' },
    path: '/shop/a%2Fb//c?d=/shop',
    asked: '/a%2Fb//c?d=/shop',
    sent: { 'x-forwarded-prefix': '/shop' },
  },
  {
    promise: 'of a bare prefix the root is left',
    edge: { stripPrefix: '/shop' },
    path: '/shop',
    asked: '/',
  },
  {
    promise: 'of a prefix with a query alone too',
    edge: { stripPrefix: '/shop' },
    path: '/shop?a',
    asked: '/?a',
  },
  {
    promise: 'a prefix ends on a segment border',
    edge: { stripPrefix: '/shop' },
    path: '/shops/a',
    headers: ['X-Forwarded-Prefix', '/evil'],
    asked: '/shops/a',
    sent: { 'x-forwarded-prefix': null },
  },
  {
    promise: 'a prefix is put in front',
    edge: { addPrefix: '/v2' },
    path: '/a?b',
    asked: '/v2/a?b',
  },
  {
    promise: 'one prefix takes the place of another',
    edge: { stripPrefix: '/shop', addPrefix: '/v2' },
    path: '/shop/a',
    asked: '/v2/a',
  },
  {
    promise: 'one host is sent to another, with path, query, method and port',
    edge: { redirects: { 'shop.test': 'bare.test' } },
    method: 'POST',
    path: '/a?b=//c',
    headers: ['Host', 'SHOP.test:8443'],
    body: 'hello',
    status: 308,
    asked: null,
    got: { location: 'http://bare.test:8443/a?b=//c' },
  },
  {
    promise: 'a port that the config names is the one; the scheme is what a trusted proxy says',
    edge: { redirects: { 'shop.test': 'bare.test:444' } },
    proxy: trusting,
    headers: ['X-Forwarded-Proto', 'https'],
    status: 308,
    asked: null,
    got: { location: 'https://bare.test:444/' },
  },
  {
    promise: 'other hosts are not redirected',
    edge: { redirects: { 'www.shop.test': 'shop.test' } },
  },
  {
    promise: 'an address that is not allowed gets 403, whatever it says of itself',
    edge: { allow: ['10.0.0.0/8'] },
    headers: ['X-Forwarded-For', '10.1.1.1'],
    status: 403,
    asked: null,
  },
  { promise: 'an address that is allowed passes', edge: { allow: ['::1', '127.0.0.0/8'] } },
  {
    promise: 'behind trusted proxies the nearest address that is none of theirs decides',
    edge: { allow: ['192.0.2.0/24'] },
    proxy: trusting,
    headers: ['X-Forwarded-For', '8.8.8.8, 192.0.2.7', 'X-Forwarded-For', '10.9.1.1'],
  },
  {
    promise: 'what a client wrote in front of its own address does not let it in',
    edge: { allow: ['192.0.2.0/24'] },
    proxy: trusting,
    headers: ['X-Forwarded-For', '192.0.2.7, 8.8.8.8, 10.9.1.1'],
    status: 403,
    asked: null,
  },
  {
    promise: 'who brings no name and password is asked for them',
    edge: { basicAuth },
    status: 401,
    asked: null,
    got: { 'www-authenticate': challenge, 'cache-control': 'no-store' },
  },
  {
    promise: 'a right name and password come through, each time',
    edge: { basicAuth },
    headers: authorized('ali:open sesame'),
    sent: { authorization: `Basic ${Buffer.from('ali:open sesame').toString('base64')}` },
  },
  {
    promise: 'a wrong password is asked for again, each time',
    edge: { basicAuth },
    headers: authorized('ali:open barley'),
    status: 401,
    asked: null,
    got: { 'www-authenticate': challenge },
  },
  {
    promise: 'a right password of nobody is none',
    edge: { basicAuth },
    headers: authorized('baba:open sesame'),
    status: 401,
    asked: null,
  },
  ...['Bearer x', 'Basic', 'Basic !!!', `Basic ${Buffer.from('ali').toString('base64')}`].map(
    (header): Case => ({
      promise: `"${header}" is no name and password`,
      edge: { basicAuth },
      headers: ['Authorization', header],
      status: 401,
      asked: null,
    }),
  ),
  {
    promise: 'two of them are none, since nobody can say which is meant',
    speaksBytes: true,
    edge: { basicAuth },
    headers: [...authorized('ali:open sesame'), ...authorized('ali:open sesame')],
    status: 401,
    asked: null,
  },
  {
    promise:
      'a body is refused with its request, and the next request on the connection is read right',
    edge: { basicAuth },
    method: 'POST',
    body: 'hello',
    headers: authorized('ali:no'),
    status: 401,
    asked: null,
  },
  {
    promise: 'nobody is asked for a password who is not allowed in the first place',
    edge: { basicAuth, allow: ['10.0.0.0/8'] },
    headers: authorized('ali:open sesame'),
    status: 403,
    asked: null,
    got: { 'www-authenticate': null },
  },
  {
    promise: 'a browser gets the page of the service, in its own letters, in place of our answer',
    edge: { allow: ['10.0.0.0/8'], pages: { 403: '<h1>für Gäste</h1>' } },
    headers: ['Accept', 'text/html,*/*'],
    status: 403,
    asked: null,
    answered: Buffer.from('<h1>für Gäste</h1>').toString('latin1'),
    got: { 'content-type': 'text/html; charset=utf-8', 'content-length': '20' },
  },
  {
    promise: 'who wants JSON gets JSON, whatever pages there are',
    edge: { allow: ['10.0.0.0/8'], pages: { 403: '<h1>guests</h1>' } },
    headers: ['Accept', 'application/json, text/html'],
    status: 403,
    asked: null,
    got: { 'content-type': 'application/json; charset=utf-8' },
  },
  {
    promise: 'a status without a page of its own is answered as ever',
    edge: { allow: ['10.0.0.0/8'], pages: { 503: '<h1>later</h1>' } },
    headers: ['Accept', 'text/html', 'X-Request-Id', 'r-1'],
    status: 403,
    asked: null,
    got: { 'content-type': 'text/html; charset=utf-8', 'x-request-id': 'r-1' },
  },
  {
    promise: 'HEAD gets the length of the page and none of it',
    edge: { allow: ['10.0.0.0/8'], pages: { 403: '<h1>guests</h1>' } },
    method: 'HEAD',
    headers: ['Accept', 'text/html'],
    status: 403,
    asked: null,
    answered: '',
    got: { 'content-length': '15' },
  },
  {
    promise: 'a chain that cannot be read lets nobody in',
    edge: { allow: ['0.0.0.0/0'] },
    proxy: trusting,
    headers: ['X-Forwarded-For', 'unknown'],
    status: 403,
    asked: null,
  },
];

export function edgeSuite(name: string, makeLane: MakeLane, by: Speaker = http1): void {
  const { ask, proto } = by;
  for (const one of table) {
    if (one.speaksBytes && !by.speaksBytes) continue;
    test(`${name}: edge: ${one.promise}`, async () => {
      const seen: { url: string; headers: NodeJS.Dict<string | string[]> }[] = [];
      const origin = await startOrigin((req, res) => {
        seen.push({ url: req.url ?? '', headers: req.headers });
        req.resume();
        res.setHeader('Server', 'inside/1');
        res.setHeader('X-Frame-Options', 'SAMEORIGIN');
        res.setHeader('Set-Cookie', ['a=1', 'b=2']);
        res.end('origin');
      });
      const setup = oneService(origin.port);
      const services = setup.services.map((is) => ({ ...is, edge: serviceEdge(one.edge) }));
      const proxy = await startProxy(makeLane, { services, edge: one.proxy ?? {} });
      const { method = 'GET', path = '/', headers = [], body, status = 200 } = one;
      const wanted = one.asked === undefined ? path : one.asked;
      const agent = keepAlive(1);
      const hosted = headers.some((field) => field === 'Host')
        ? headers
        : ['Host', 'shop.test', ...headers];
      const length = body === undefined ? [] : ['Content-Length', String(body.length)];

      for (let round = 0; round < 3; round++) {
        seen.length = 0;
        const got = await ask(proxy.port, {
          method,
          path,
          headers: [...hosted, ...length],
          body,
          agent,
        });

        expect(got.status).toBe(status);
        expect(seen.map(({ url }) => url)).toEqual(wanted === null ? [] : [wanted]);
        if (one.answered !== undefined) expect(got.body).toBe(one.answered);
        for (const [field, value] of Object.entries(one.sent ?? {})) {
          expect([field, seen[0]?.headers[field]]).toEqual([field, spoken(value, proto)]);
        }
        for (const [field, value] of Object.entries(one.got ?? {})) {
          expect([field, fieldOf(got, field)]).toEqual([field, spoken(value, proto)]);
        }
      }
    });
  }

  test(`${name}: edge: what changes in the config holds from the next request on, on the same connection`, async () => {
    const origin = await startOrigin((req, res) => res.end(String(req.headers['x-step'])));
    const setup = oneService(origin.port);
    const at = (step: string | null) =>
      setup.services.map((is) => ({
        ...is,
        edge:
          step === null
            ? null
            : serviceEdge({
                request: { ...nothing, set: [['X-Step', step]] },
                response: { ...nothing, set: [['X-Step', step]] },
              }),
      }));
    const proxy = await startProxy(makeLane, { services: at(null) });
    const agent = keepAlive(1);
    const told: unknown[] = [];

    for (const step of [null, 'one', 'two', null]) {
      proxy.stage(at(step));
      for (let round = 0; round < 3; round++) {
        const got = await ask(proxy.port, { agent });
        told.push([got.body, got.headers['x-step']]);
      }
    }

    const thrice = (one: unknown) => [one, one, one];
    expect(told).toEqual(
      [
        ['undefined', undefined],
        ['one', 'one'],
        ['two', 'two'],
        ['undefined', undefined],
      ].flatMap(thrice),
    );
  });

  test(`${name}: edge: two services on one connection keep their own fields and prefixes`, async () => {
    const origin = await startOrigin((req, res) => {
      res.end(`${req.url} ${req.headers['x-service']} ${req.headers['x-forwarded-prefix']}`);
    });
    const pools = { blue: pool('shop.blue.1', [origin.port]), green: null };
    const service = (called: string, paths: string[], edge: ServiceEdge | null) =>
      entry({ name: called, paths, pools, edge });
    const ofApi = serviceEdge({
      stripPrefix: '/api',
      request: { ...nothing, set: [['X-Service', 'api']] },
    });
    const services = [service('shop', ['/'], null), service('api', ['/api', '/rest'], ofApi)];
    const proxy = await startProxy(makeLane, { services });
    const agent = keepAlive(1);
    const of = async (path: string) => (await ask(proxy.port, { path, agent })).body;

    const told: string[] = [];
    for (let round = 0; round < 3; round++) {
      for (const path of ['/a', '/api/a', '/rest/a', '/api/b']) told.push(await of(path));
    }

    const once = ['/a undefined undefined', '/a api /api', '/rest/a api undefined', '/b api /api'];
    expect(told).toEqual([...once, ...once, ...once]);
  });

  test(`${name}: edge: pages stand in for our answers alone: a target's 503 is its own, one that is gone is ours`, async () => {
    const origin = await startOrigin((_req, res) => res.writeHead(503).end('theirs'));
    const edge = serviceEdge({ pages: { 502: '<p>gone', 503: '<p>later' } });
    const of = (setup: ProxySetup) => ({ services: setup.services.map((is) => ({ ...is, edge })) });
    const here = await startProxy(makeLane, of(oneService(origin.port)));
    const gone = await startProxy(makeLane, of(oneService(await deadPort())));
    const headers = { Accept: 'text/html' };

    const theirs = await ask(here.port, { headers });
    const ours = await ask(gone.port, { headers });

    expect([theirs.status, theirs.body]).toEqual([503, 'theirs']);
    expect([ours.status, ours.body]).toEqual([502, '<p>gone']);
  });

  test(`${name}: edge: paused with a page, a service answers at once, and its connections stay`, async () => {
    const origin = await startOrigin((_req, res) => res.end('theirs'));
    const edge = serviceEdge({ pages: { 503: '<p>back at ten' } });
    const [open] = oneService(origin.port).services;
    if (open === undefined) throw new Error('there is no service');
    const shut = { ...open, edge, paused: true, pausePage: true };
    const proxy = await startProxy(makeLane, { services: [shut] });
    const agent = keepAlive(1);

    const page = await ask(proxy.port, { agent, headers: { Accept: 'text/html' } });
    const headers = { Accept: 'application/json' };
    const program = await ask(proxy.port, { agent, headers });
    proxy.stage([{ ...open, edge }]);
    const after = await ask(proxy.port, { agent });

    expect([page.status, page.body, page.headers['retry-after']]).toEqual([
      503,
      '<p>back at ten',
      '2',
    ]);
    expect(JSON.parse(program.body)).toMatchObject({ status: 503, code: 'SERVICE_PAUSED' });
    expect([after.status, after.body]).toEqual([200, 'theirs']);
    expect(proxy.sockets.size).toBe(1);
  });

  if (!by.speaksBytes) return;

  test(`${name}: edge: a client that leaves while its password is looked at leaves nothing behind`, async () => {
    const origin = await startOrigin((_req, res) => res.end('origin'));
    const setup = oneService(origin.port);
    const services = setup.services.map((is) => ({ ...is, edge: serviceEdge({ basicAuth }) }));
    const proxy = await startProxy(makeLane, { services });

    for (let round = 0; round < 20; round++) {
      const client = await rawClient(proxy.port);
      const field = authorized(`ali:${round}`).join(': ');
      client.send(`GET /${round} HTTP/1.1\r\nHost: a\r\n${field}\r\n\r\n`);
      client.socket.resetAndDestroy();
    }
    const headers = ['Host', 'a', ...authorized('ali:open sesame')];

    // Those that left are still looked at, and so many of one address wait.
    let status = 503;
    for (let tries = 0; status === 503 && tries < 1_000; tries++) {
      status = (await ask(proxy.port, { headers })).status;
    }

    expect(status).toBe(200);
    expect(proxy.plane.idle).toBe(true);
  });

  test(`${name}: edge: a tunnel is asked for with the same fields and path, and so is HTTP/1.0`, async () => {
    const origin = await startOrigin((req, res) => res.end(`<${req.url} ${req.headers.host}>`));
    origin.server.on('upgrade', (req, socket) => {
      socket.end(
        `HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n<${req.url} ${req.headers.host}>`,
      );
    });
    const setup = oneService(origin.port);
    const edge = serviceEdge({
      stripPrefix: '/shop',
      request: { ...nothing, set: [['Host', 'inside.example']] },
      response: { ...nothing, set: [['X-Answer', 'ours']] },
    });
    const services = setup.services.map((is) => ({ ...is, edge }));
    const proxy = await startProxy(makeLane, { services });

    const client = await rawClient(proxy.port);
    client.send('GET /shop/ws HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n');
    const tunnel = await client.until(/<[^>]*>/);
    const old = await exchangeRaw(proxy.port, 'GET /shop/old HTTP/1.0\r\n\r\n');

    expect(tunnel).toMatch(/\r\nX-Answer: ours\r\n[\s\S]*<\/ws inside\.example>/);
    expect(old).toMatch(/\r\nX-Answer: ours\r\n[\s\S]*<\/old inside\.example>/);
  });
}

/** What a table says of plain HTTP, as it is by the scheme that is spoken. */
function spoken<T>(value: T | null, proto: string): T | string | undefined {
  if (typeof value !== 'string') return value ?? undefined;
  return value.replace(/^http:/, `${proto}:`).replace('proto=http;', `proto=${proto};`);
}

function fieldOf({ headers }: Got, field: string): string | string[] | undefined {
  return headers[field];
}
