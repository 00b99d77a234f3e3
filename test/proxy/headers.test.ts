/** Header policy, field by field. */
import { describe, expect, test } from 'vitest';
import { type Arrival, requestHeaders, responseHeaders } from '../../src/proxy/headers.ts';
import { trailerPairs } from '../../src/proxy/trailers.ts';

const arrival: Arrival = {
  client: '10.1.2.3',
  trusted: false,
  proto: 'http',
  host: 'shop.example',
  id: 'id-1',
  version: '1.1',
  chunked: false,
  upgrade: false,
  rules: null,
  prefix: '',
  mark: 'pointsman-1-shop',
};
const departure = {
  status: 200,
  chunked: false,
  connection: null,
  hstsSeconds: 0,
  edits: null,
} as const;

/** What is always added for `arrival`. */
const added = [
  ...['X-Forwarded-For', '10.1.2.3', 'X-Forwarded-Proto', 'http'],
  ...['X-Forwarded-Host', 'shop.example', 'X-Request-Id', 'id-1', 'Via', '1.1 pointsman-1-shop'],
];

describe('what a target is sent', () => {
  test('keeps order, case and repeated lines of everything that simply passes', () => {
    const raw = ['HOST', 'shop.example', 'X-a', '1', 'Cookie', 'a=1', 'x-A', '2', 'Cookie', 'b=2'];

    expect(requestHeaders(raw, arrival)).toEqual([...raw, ...added]);
  });

  test.each([
    'Connection',
    'Keep-Alive',
    'Proxy-Connection',
    'Proxy-Authorization',
    'Proxy',
    'Trailer',
    'Transfer-Encoding',
    'Upgrade',
    'HTTP2-Settings',
    'Expect',
  ])('leaves out %s', (field) => {
    expect(requestHeaders([field, 'close'], arrival)).toEqual(added);
  });

  test.each([
    'X-Forwarded-For',
    'x-forwarded-proto',
    'X-Forwarded-Host',
    'X-Forwarded-Port',
    'X-Forwarded-Prefix',
    'X-Forwarded-Anything',
    'Forwarded',
    'X-Real-IP',
    'X_Forwarded_For',
    'X-Forwarded_Proto',
    'X_Real_IP',
    'x_request_id',
    'Content_Length',
    'Transfer_Encoding',
    'Proxy_Authorization',
  ])('does not believe %s of a stranger', (field) => {
    expect(requestHeaders([field, '6.6.6.6'], arrival)).toEqual(added);
  });

  test('leaves other names with underscores alone', () => {
    expect(requestHeaders(['my_own_name', 'x'], arrival)).toEqual(['my_own_name', 'x', ...added]);
  });

  test('leaves out what Connection nominates, wherever it stands', () => {
    const raw = [
      'X-Before',
      '1',
      'Connection',
      'close, X-Before,x-AFTER',
      'X-After',
      '2',
      'X-C',
      '3',
    ];

    expect(requestHeaders(raw, arrival)).toEqual(['X-C', '3', ...added]);
  });

  test('no nomination takes away what others rely on', () => {
    const kept = ['Host', 'a', 'Content-Length', '3', 'Authorization', 'x', 'Cookie', 'c'];
    const nominate =
      'host, content-length, authorization, cookie, x-forwarded-for, via, x-request-id';

    expect(requestHeaders([...kept, 'Connection', nominate], arrival)).toEqual([...kept, ...added]);
  });

  test('appends to what a trusted proxy says, and sets what it does not say', () => {
    const raw = [
      'X-Forwarded-For',
      '1.1.1.1',
      'X-Forwarded-For',
      '2.2.2.2',
      'X-Forwarded-Proto',
      'https',
    ];

    expect(requestHeaders(raw, { ...arrival, trusted: true })).toEqual([
      ...['X-Forwarded-Proto', 'https', 'X-Forwarded-For', '1.1.1.1, 2.2.2.2, 10.1.2.3'],
      ...added.slice(4),
    ]);
  });

  test.each([
    ['10.1.2.3', 'for=1.1.1.1, for=10.1.2.3;proto=http;host="shop.example"'],
    ['2001:db8::1', 'for=1.1.1.1, for="[2001:db8::1]";proto=http;host="shop.example"'],
    ['', 'for=1.1.1.1, for=unknown;proto=http;host="shop.example"'],
  ])('appends itself to Forwarded of a trusted proxy (%s)', (client, forwarded) => {
    const out = requestHeaders(['Forwarded', 'for=1.1.1.1'], { ...arrival, client, trusted: true });

    expect(out[out.indexOf('Forwarded') + 1]).toBe(forwarded);
  });

  test('says nothing of a client whose address is gone', () => {
    const out = requestHeaders([], { ...arrival, client: '' });

    expect(out).not.toContain('X-Forwarded-For');
  });

  test('appends to Via, with the version the client spoke', () => {
    const out = requestHeaders(['Via', '1.0 a', 'Via', '1.1 b'], { ...arrival, version: '1.0' });

    expect(out.slice(-2)).toEqual(['Via', '1.0 a, 1.1 b, 1.0 pointsman-1-shop']);
  });

  test.each([
    ['trailers', true],
    ['gzip, trailers', true],
    ['Trailers;q=1', true],
    ['gzip;q=0.5', false],
    ['nottrailers', false],
  ])('of TE: %s only the trailers pass', (value, pass) => {
    const out = requestHeaders(['TE', value, 'Connection', 'TE'], arrival);

    expect(out.slice(0, 4)).toEqual(
      pass ? ['TE', 'trailers', 'Connection', 'TE'] : added.slice(0, 4),
    );
  });

  test('a body in chunks keeps its Trailer; a tunnel keeps its Upgrade', () => {
    const chunked = requestHeaders(['Trailer', 'X-Sum'], { ...arrival, chunked: true });
    const upgrade = requestHeaders(['Connection', 'keep-alive, Upgrade', 'Upgrade', 'websocket'], {
      ...arrival,
      upgrade: true,
    });

    expect(chunked.slice(0, 4)).toEqual(['Trailer', 'X-Sum', 'Transfer-Encoding', 'chunked']);
    expect(upgrade.slice(0, 4)).toEqual(['Connection', 'Upgrade', 'Upgrade', 'websocket']);
  });
});

describe('what a client is sent', () => {
  test('keeps Date, Server and every Set-Cookie', () => {
    const raw = ['Date', 'x', 'Server', 'y', 'Set-Cookie', 'a=1', 'set-cookie', 'b=2'];

    expect(responseHeaders(raw, '1.1', departure)).toEqual([...raw, 'Via', '1.1 pointsman']);
  });

  test('leaves out what concerns one connection, and what is nominated', () => {
    const raw = ['Connection', 'X-Hop, content-length', 'X-Hop', '1', 'Keep-Alive', 'timeout=5'];
    const more = [
      'Proxy-Authenticate',
      'x',
      'Upgrade',
      'h2c',
      'Trailer',
      'X',
      'Content-Length',
      '2',
    ];

    expect(responseHeaders([...raw, ...more], '1.0', departure)).toEqual([
      ...['Content-Length', '2', 'Via', '1.0 pointsman'],
    ]);
  });

  test('a 204 has no Content-Length; a 304 may', () => {
    const raw = ['Content-Length', '5'];

    expect(responseHeaders(raw, '1.1', { ...departure, status: 204 })).toHaveLength(2);
    expect(responseHeaders(raw, '1.1', { ...departure, status: 304 })).toHaveLength(4);
  });

  test('says of the connection what it is told to say', () => {
    const close = responseHeaders([], '1.1', { ...departure, connection: 'close', hstsSeconds: 0 });
    const open = responseHeaders(['Upgrade', 'websocket'], '1.1', {
      ...departure,
      status: 101,
      connection: 'Upgrade',
      hstsSeconds: 0,
    });

    expect(close).toEqual(['Connection', 'close', 'Via', '1.1 pointsman']);
    expect(open.slice(0, 4)).toEqual(['Connection', 'Upgrade', 'Upgrade', 'websocket']);
  });
});

test('no trailer changes framing, routing or who is asking', () => {
  const raw = ['Host', 'Content-Length', 'transfer-encoding', 'X-Forwarded-For', 'Authorization'];

  expect(trailerPairs([...raw, 'X_Real_IP', 'X-Sum'].flatMap((name) => [name, 'v']))).toEqual([
    ['X-Sum', 'v'],
  ]);
});
