/** What a lane does with requests that are as they should be. Part of `laneSuite`. */
import { expect, test } from 'vitest';
import { ask, exchangeRaw, keepAlive, rawClient } from '../../support/client.ts';
import {
  entry,
  type MakeLane,
  oneService,
  policy,
  pool,
  startOrigin,
  startProxy,
  startRawOrigin,
} from '../../support/proxy.ts';

export function plainSuite(name: string, makeLane: MakeLane): void {
  test(`${name}: a request reaches its service and the answer comes back as it was`, async () => {
    const origin = await startOrigin((req, res) => {
      res.writeHead(203, 'As It Was', ['X-CaSe', 'kept', 'Set-Cookie', 'a=1', 'Set-Cookie', 'b=2']);
      res.end(`${req.method} ${req.url}`);
    });
    const proxy = await startProxy(makeLane, oneService(origin.port));

    const got = await ask(proxy.port, { path: '//a//b?c=%20&d', agent: keepAlive() });

    expect(got.status).toBe(203);
    expect(got.reason).toBe('As It Was');
    expect(got.body).toBe('GET //a//b?c=%20&d');
    expect(got.rawHeaders).toContain('X-CaSe');
    expect(got.headers['set-cookie']).toEqual(['a=1', 'b=2']);
    expect(got.headers.via).toBe('1.1 pointsman');
    expect(got.headers.connection).not.toBe('close');
  });

  test(`${name}: bodies of all kinds arrive whole, both ways`, async () => {
    const origin = await startOrigin((req, res) => {
      const chunks: Buffer[] = [];
      req.on('data', (chunk: Buffer) => chunks.push(chunk));
      req.on('end', () => {
        const body = Buffer.concat(chunks);
        if (req.url === '/chunked') res.write(body.subarray(0, 10));
        else res.setHeader('Content-Length', body.length);
        res.end(req.url === '/chunked' ? body.subarray(10) : body);
      });
    });
    const proxy = await startProxy(makeLane, oneService(origin.port));
    const body = Buffer.alloc(300_000, 'pointsman');

    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
      for (const path of ['/chunked', '/length']) {
        for (const headers of [
          { 'Content-Length': body.length },
          { 'Transfer-Encoding': 'chunked' },
        ]) {
          const got = await ask(proxy.port, { method, path, headers, body });
          expect(got.body === body.toString()).toBe(true);
        }
      }
    }
  });

  test(`${name}: one client connection carries many requests, and so does one to the target`, async () => {
    const origin = await startOrigin((_req, res) => res.end('ok'));
    const proxy = await startProxy(makeLane, oneService(origin.port));
    const agent = keepAlive(1);

    for (let round = 0; round < 50; round++) await ask(proxy.port, { agent });

    expect(proxy.sockets.size).toBe(1);
    expect(origin.sockets.size).toBe(1);
  });

  test(`${name}: HEAD, 204 and 304 have no body, and the connection stays usable`, async () => {
    const origin = await startOrigin((req, res) => {
      if (req.url === '/204') res.writeHead(204).end();
      else if (req.url === '/304') res.writeHead(304, { ETag: '"x"' }).end();
      else res.writeHead(200, { 'Content-Length': 5 }).end(req.method === 'HEAD' ? '' : 'hello');
    });
    const proxy = await startProxy(makeLane, oneService(origin.port));
    const agent = keepAlive(1);

    const head = await ask(proxy.port, { method: 'HEAD', agent });
    const none = await ask(proxy.port, { path: '/204', agent });
    const same = await ask(proxy.port, { path: '/304', agent });
    const full = await ask(proxy.port, { agent });

    expect([head.status, head.headers['content-length'], head.body]).toEqual([200, '5', '']);
    expect([none.status, none.headers['transfer-encoding'], none.body]).toEqual([
      204,
      undefined,
      '',
    ]);
    expect([same.status, same.headers.etag, same.body]).toEqual([304, '"x"', '']);
    expect(full.body).toBe('hello');
    expect(proxy.sockets.size).toBe(1);
  });

  test(`${name}: trailers and 103 pass, both ways`, async () => {
    const origin = await startOrigin((req, res) => {
      res.writeEarlyHints({ link: '</style.css>; rel=preload' });
      req.resume();
      req.on('end', () => {
        res.writeHead(200, { Trailer: 'X-Sum' });
        res.write(JSON.stringify(req.trailers));
        res.addTrailers([['X-Sum', 'answered']]);
        res.end();
      });
    });
    const proxy = await startProxy(makeLane, oneService(origin.port));
    const client = await rawClient(proxy.port);

    client.send(
      'POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nTrailer: X-Sent\r\n' +
        'Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sent: yes\r\nHost: evil\r\n\r\n',
    );
    const got = await client.until(/answered\r\n\r\n$/);

    expect(got).toMatch(/^HTTP\/1\.1 103 .*\r\nLink: <\/style\.css>; rel=preload\r\n/i);
    expect(got).toContain('{"x-sent":"yes"}');
    expect(got).toMatch(/\r\n0\r\nX-Sum: answered\r\n\r\n$/);
  });

  test(`${name}: of an absolute form the host wins over Host, and the target gets the origin form`, async () => {
    const origin = await startOrigin((req, res) => {
      const hosts = req.rawHeaders.filter((_, at, all) => all[at - 1]?.toLowerCase() === 'host');
      res.end(`${req.url} ${hosts} ${req.headers['x-forwarded-host']}`);
    });
    const setup = oneService(origin.port);
    const services = setup.services.map((one) => ({ ...one, hosts: ['shop.test'] }));
    const proxy = await startProxy(makeLane, { services });
    const of = async (target: string): Promise<string> => {
      const head = `GET ${target} HTTP/1.1\r\nHost: other.test\r\nConnection: close\r\n\r\n`;
      return exchangeRaw(proxy.port, head);
    };

    expect(await of('http://shop.test/abs?q=1')).toContain('/abs?q=1 shop.test shop.test');
    expect(await of('HTTP://shop.test:80?q')).toContain('/?q shop.test:80 shop.test:80');
    expect(await of('http://other.test/')).toMatch(/^HTTP\/1\.1 404 /);
    expect(proxy.lines.map((line) => line.path)).toEqual(['/abs?…', '/?…', '/']);
  });

  test(`${name}: an expectation without a body does not end the connection`, async () => {
    const origin = await startOrigin((req, res) => res.end(`<${req.method} ${req.url}>`));
    const proxy = await startProxy(makeLane, oneService(origin.port));

    for (const first of ['POST /1 HTTP/1.1\r\nContent-Length: 0', 'GET /1 HTTP/1.1']) {
      const client = await rawClient(proxy.port);
      client.send(`${first}\r\nHost: a\r\nExpect: 100-continue\r\n\r\n`);
      const got = await client.until(/\/1>/);
      client.send('GET /2 HTTP/1.1\r\nHost: a\r\n\r\n');

      expect(got).not.toMatch(/\r\nConnection: close/i);
      await client.until(/<GET \/2>/);
    }
  });

  test(`${name}: every interim answer passes but 100, also more than a few, and none to HTTP/1.0`, async () => {
    const interim = [
      'HTTP/1.1 100 Continue\r\n\r\n',
      'HTTP/1.1 102 Processing\r\nX-Step: 1\r\nConnection: X-Gone\r\nX-Gone: 1\r\n\r\n'.repeat(30),
      'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nX-Other: 1\r\n\r\n',
      'HTTP/1.1 199 Mine\r\n\r\n',
    ].join('');
    const origin = await startRawOrigin((socket) => {
      socket.end(`${interim}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone`);
    });
    const proxy = await startProxy(makeLane, oneService(origin.port));

    const got = await exchangeRaw(
      proxy.port,
      'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    );
    const old = await exchangeRaw(proxy.port, 'GET / HTTP/1.0\r\nHost: a\r\n\r\n');

    const seen = got.match(/HTTP\/1\.1 \d+ \w+/g) ?? [];
    expect(seen.slice(0, 30)).toEqual(new Array(30).fill('HTTP/1.1 102 Processing'));
    expect(seen.slice(30)).toEqual(['HTTP/1.1 103 Early', 'HTTP/1.1 199 Mine', 'HTTP/1.1 200 OK']);
    expect(got.match(/\r\nX-Step: 1\r\n/g)).toHaveLength(30);
    expect(got).toMatch(/\r\nLink: <\/a\.css>; rel=preload\r\nX-Other: 1\r\n/);
    expect(got).not.toContain('X-Gone');
    expect(got).toMatch(/done$/);
    expect(old.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200']);
  });

  test(`${name}: an answer without a Date gets the time it came, also where its head repeats; one with a Date keeps it`, async () => {
    const origin = await startRawOrigin((socket, soFar) => {
      const date = soFar.includes('/dated') ? 'Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n' : '';
      socket.write(`HTTP/1.1 200 OK\r\n${date}Content-Length: 0\r\n\r\n`);
    });
    const proxy = await startProxy(makeLane, oneService(origin.port));
    const agent = keepAlive(1);
    const dateOf = async (path: string): Promise<string> =>
      (await ask(proxy.port, { path, agent })).headers.date ?? 'none';

    const first = await dateOf('/');
    const sinceMs = Date.parse(first);
    let later = first;
    while (later === first && Date.now() < sinceMs + 5_000) later = await dateOf('/');

    expect(Math.abs(Date.now() - sinceMs)).toBeLessThan(10_000);
    expect(new Date(sinceMs).toUTCString()).toBe(first);
    expect(Date.parse(later)).toBeGreaterThan(sinceMs);
    expect(await dateOf('/dated')).toBe('Thu, 01 Jan 1970 00:00:00 GMT');
  });

  test(`${name}: an answer with 5,000 fields passes, each of them`, async () => {
    const fields = Array.from({ length: 5_000 }, (_, at) => `X-${at}: y`);
    const origin = await startRawOrigin((socket) => {
      socket.end(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n${fields.join('\r\n')}\r\n\r\nok`);
    });
    const proxy = await startProxy(makeLane, oneService(origin.port));

    const got = await exchangeRaw(
      proxy.port,
      'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    );

    expect(got).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*ok$/);
    expect(got.split('\r\n').filter((line) => /^X-\d+: y$/.test(line))).toEqual(fields);
  });

  test(`${name}: HTTP/1.0 is answered in its own terms`, async () => {
    const origin = await startOrigin((req, res) => {
      res.write(`${req.headers['x-forwarded-host'] ?? 'no host'} `);
      res.end(req.headers.via);
    });
    const proxy = await startProxy(makeLane, oneService(origin.port));

    const bare = await exchangeRaw(proxy.port, 'GET / HTTP/1.0\r\n\r\n');
    const kept = await exchangeRaw(
      proxy.port,
      'HEAD / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\nHost: a\r\n\r\n',
    );

    expect(bare).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(bare).not.toMatch(/chunked/i);
    expect(bare).toMatch(/\r\nConnection: close\r\n/i);
    expect(bare).toMatch(/\r\n\r\nno host 1\.0 pointsman-1-shop$/);
    expect(kept.match(/HTTP\/1\.1 200/g)).toHaveLength(2);
    expect(kept).toMatch(/a 1\.0 pointsman-1-shop$/);
  });

  test(`${name}: the body of "Expect: 100-continue" is asked for when there is a target for it`, async () => {
    const origin = await startOrigin((req, res) => {
      expect(req.headers.expect).toBeUndefined();
      let bytes = 0;
      req.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      req.on('end', () => res.end(`got ${bytes}`));
    });
    const pools = { blue: pool('shop.blue.1', [origin.port]), green: null };
    const proxy = await startProxy(makeLane, { services: [entry({ pools, paused: true })] });
    const client = await rawClient(proxy.port);

    client.send('POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n');
    const later = await rawClient(proxy.port);
    later.send('GET /nothing HTTP/1.1\r\nHost: a b\r\n\r\n');
    await later.until(/400/);
    const before = client.got;
    proxy.stage([entry({ pools, paused: false })]);
    await client.until(/^HTTP\/1\.1 100 Continue\r\n\r\n$/);
    client.send('hello');
    const got = await client.until(/got 5/);

    expect(before).toBe('');
    expect(got).toMatch(/HTTP\/1\.1 200 OK/);
  });

  test(`${name}: routing is by host and by the longest prefix, on segment borders`, async () => {
    const origin = await startOrigin((req, res) => res.end(`${req.headers.host}`));
    const service = (called: string, hosts: string[], paths: string[]) =>
      entry({
        name: called,
        hosts,
        paths,
        pools: { blue: pool(`${called}.blue.1`, [origin.port]), green: null },
      });
    const proxy = await startProxy(makeLane, {
      services: [
        service('shop', ['shop.example', '*.shop.example'], ['/']),
        service('api', ['shop.example'], ['/api']),
      ],
    });
    const of = async (host: string, path: string) => {
      const got = await ask(proxy.port, { path, headers: { Host: host } });
      const line = proxy.lines.at(-1);
      return [got.status, line?.service];
    };

    expect(await of('shop.example', '/')).toEqual([200, 'shop']);
    expect(await of('SHOP.example:8080', '/api/x')).toEqual([200, 'api']);
    expect(await of('shop.example', '/apis')).toEqual([200, 'shop']);
    expect(await of('a.b.shop.example', '/api')).toEqual([200, 'shop']);
    expect(await of('other.example', '/')).toEqual([404, null]);
  });

  test(`${name}: an own answer is plain, JSON or HTML by Accept, and carries code and id`, async () => {
    const proxy = await startProxy(makeLane, { services: [] });

    const plain = await ask(proxy.port, { headers: { 'X-Request-Id': 'mine-1' } });
    const json = await ask(proxy.port, { headers: { Accept: 'application/json' } });
    const html = await ask(proxy.port, { headers: { Accept: 'text/html,*/*;q=0.1' } });

    expect(plain.status).toBe(404);
    expect(plain.body).toContain('ROUTE_UNKNOWN mine-1');
    expect(plain.headers['x-request-id']).toBe('mine-1');
    expect(plain.headers['cache-control']).toBe('no-store');
    expect(JSON.parse(json.body)).toMatchObject({
      code: 'ROUTE_UNKNOWN',
      requestId: json.headers['x-request-id'],
    });
    expect(html.headers['content-type']).toBe('text/html; charset=utf-8');
    expect(html.body).toContain('<h1>404 Not Found</h1>');
  });

  test(`${name}: every exchange leaves a line with what happened to it`, async () => {
    const origin = await startOrigin((req, res) => {
      req.resume();
      req.on('end', () => res.end('four'));
    });
    const proxy = await startProxy(makeLane, oneService(origin.port));

    await ask(proxy.port, { method: 'POST', path: '/a?secret=1', body: 'abc' });

    expect(proxy.lines).toHaveLength(1);
    expect(proxy.lines[0]).toMatchObject({
      service: 'shop',
      color: 'blue',
      release: 'release of shop.blue.1',
      generation: 1,
      target: `${origin.port}`,
      client: '127.0.0.1',
      method: 'POST',
      path: '/a?…',
      status: 200,
      bytesIn: 3,
      bytesOut: 4,
      retries: 0,
      ending: 'finished',
      fault: null,
    });
  });

  test(`${name}: a target's answer without an end of its own ends with its connection`, async () => {
    const origin = await startRawOrigin((socket) => {
      socket.end('HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end');
    });
    const proxy = await startProxy(makeLane, oneService(origin.port));

    const got = await ask(proxy.port);

    expect(got.body).toBe('until the end');
    expect(got.headers.via).toBe('1.0 pointsman');
  });

  test(`${name}: a header larger than the service takes is 431, a longer request line 414, a larger body 413, before a target hears of it`, async () => {
    let asked = 0;
    const origin = await startOrigin((_req, res) => {
      asked++;
      res.end();
    });
    const limits = { headerBytesMax: 2048, bodyBytesMax: 1000 };
    const proxy = await startProxy(makeLane, oneService(origin.port, limits));

    const big = await ask(proxy.port, { headers: { 'X-Big': 'x'.repeat(3000) } });
    const long = await ask(proxy.port, { path: `/${'p'.repeat(3000)}` });
    const measured = await ask(proxy.port, { method: 'POST', body: 'x'.repeat(1001) });
    const fits = await ask(proxy.port, { method: 'POST', body: 'x'.repeat(1000) });

    expect([big.status, long.status, measured.status, fits.status]).toEqual([431, 414, 413, 200]);
    expect(asked).toBe(1);
    expect(policy.headerBytesMax).toBeGreaterThan(2048);
  });
}
