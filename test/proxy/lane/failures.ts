/** What a lane does when targets fail, and what it does not let them do. Part of `laneSuite`. */
import { expect, test } from 'vitest';
import { ask, eventually, exchangeRaw, keepAlive, rawClient } from '../../support/client.ts';
import {
  deadPort,
  type MakeLane,
  oneService,
  startOrigin,
  startProxy,
  startRawOrigin,
} from '../../support/proxy.ts';

const count = Number(process.env.POINTSMAN_TEST_COUNT ?? 100);

/** Answers that are no HTTP, or that could be read in two ways. */
const malformed: readonly (readonly [string, string])[] = [
  ['no HTTP', 'hello\r\n\r\n'],
  ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
  [
    'CL with TE',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ],
  ['an unknown coding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n'],
  ['a status of two digits', 'HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n'],
  ['a status below 100', 'HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n'],
  ['a version of another kind', 'HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n'],
  ['a status beyond 599', 'HTTP/1.1 700 OK\r\nContent-Length: 0\r\n\r\n'],
  ['a length with a leading zero', 'HTTP/1.1 200 OK\r\nContent-Length: 05\r\n\r\nhello'],
  ['chunks in HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  [
    'a change of protocol that nobody asked for',
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n',
  ],
  ['a blank before a colon', 'HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n'],
];

export function failureSuite(name: string, makeLane: MakeLane): void {
  for (const [what, bytes] of malformed) {
    test(`${name}: an answer with ${what} is a 502, and its connection is not kept`, async () => {
      const origin = await startRawOrigin((socket) => socket.write(bytes));
      const proxy = await startProxy(makeLane, oneService(origin.port));

      const got = await ask(proxy.port);

      expect([got.status, proxy.lines[0]?.fault]).toEqual([502, 'UPSTREAM_MALFORMED']);
      await eventually(
        () => origin.sockets.size,
        (open) => open === 0,
      );
    });
  }

  test.each([1, 2, 64, 200])(
    `${name}: an answer's head of limits.responseHeader, %i KiB, passes, and one byte more is a 502 that says so`,
    async (kibibytes) => {
      const most = kibibytes * 1024;
      const headOf = (bytes: number): string => {
        // Many short lines, as cookies are, and one that makes it exact.
        const short = 'S: c\r\n'.repeat(Math.floor(bytes / 12));
        const head = `HTTP/1.1 200 OK\r\nContent-Length: 2\r\n${short}X: `;
        return `${head}${'y'.repeat(bytes - head.length - 4)}\r\n\r\n`;
      };
      const origin = await startRawOrigin((socket, soFar) => {
        if (soFar.includes('/exact')) socket.end(`${headOf(most)}ok`);
        else if (soFar.includes('/over')) socket.end(`${headOf(most + 1)}ok`);
        else if (soFar.includes('/interim'))
          socket.end(`${headOf(most + 1).replace('200 OK', '103 EH')}HTTP/1.1 204 N\r\n\r\n`);
        else socket.write(`${headOf(3 * most).slice(0, -4)}yyyy`);
      });
      const limits = { responseHeaderBytesMax: most };
      const proxy = await startProxy(makeLane, oneService(origin.port, limits));
      const get = (path: string): Promise<string> =>
        exchangeRaw(proxy.port, `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);

      const exact = await get('/exact');
      const others = [await get('/over'), await get('/interim'), await get('/unended')];

      expect(exact).toMatch(/^HTTP\/1\.1 200 [\s\S]*yy\r\n[\s\S]*\r\n\r\nok$/);
      for (const other of others) {
        expect(other).toMatch(/^HTTP\/1\.1 502 [\s\S]*UPSTREAM_HEADER_TOO_LARGE/);
        expect(other).toContain(`(limits.responseHeader: ${kibibytes}KiB)`);
      }
    },
  );

  test(`${name}: a target that says 102 is alive, and one that says it without end is not`, async () => {
    const step = 'HTTP/1.1 102 Processing\r\n\r\n';
    const origin = await startRawOrigin((socket, soFar) => {
      if (soFar.includes('/endless')) {
        const more = (): void => {
          while (!socket.destroyed && socket.write(step.repeat(100)));
        };
        socket.on('drain', more);
        more();
        return;
      }
      let said = 0;
      const timer = setInterval(() => {
        if (++said < 5) socket.write(step);
        else socket.end('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone');
        if (said === 5) clearInterval(timer);
      }, 500);
    });
    const waits = await startProxy(makeLane, oneService(origin.port, { responseMs: 1_500 }));
    const proxy = await startProxy(makeLane, oneService(origin.port));

    const slow = await ask(waits.port);
    const endless = await ask(proxy.port, { path: '/endless' });

    expect([slow.status, slow.body]).toEqual([200, 'done']);
    expect(endless.status).toBe(502);
    expect(proxy.lines.at(-1)?.fault).toBe('UPSTREAM_INTERIM_ENDLESS');
    expect(origin.received).toHaveLength(2);
  });

  test(`${name}: behind an interim answer nothing is tried again`, async () => {
    const origin = await startRawOrigin((socket) => {
      socket.end('HTTP/1.1 102 Processing\r\n\r\n');
    });
    const proxy = await startProxy(makeLane, oneService(origin.port));

    const got = await ask(proxy.port);

    expect([got.status, proxy.lines[0]?.fault]).toEqual([502, 'UPSTREAM_RESET']);
    expect(origin.received).toHaveLength(1);
  });

  test(`${name}: control characters in a reason phrase never harm the process`, async () => {
    const origin = await startRawOrigin((socket) => {
      socket.write('HTTP/1.1 200 fi\x01ne\x7f\r\nContent-Length: 2\r\n\r\nok');
    });
    const proxy = await startProxy(makeLane, oneService(origin.port));

    const got = await ask(proxy.port);

    expect([200, 502]).toContain(got.status);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not come through.
    expect(got.reason).not.toMatch(/[\x00-\x1f\x7f]/);
  });

  test(`${name}: an answer without a length that breaks off never ends cleanly`, async () => {
    const origin = await startRawOrigin((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n');
      setImmediate(() => socket.destroy());
    });
    const proxy = await startProxy(makeLane, oneService(origin.port));
    const client = await rawClient(proxy.port);

    client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    const got = await client.ended();

    expect(got).toContain('hello');
    expect(got).not.toMatch(/\r\n0\r\n\r\n$/);
    await eventually(
      () => proxy.lines.length,
      (lines) => lines === 1,
    );
    expect(proxy.lines[0]).toMatchObject({ status: 200, fault: 'UPSTREAM_RESET' });
  });

  test(`${name}: an answer shorter than its length breaks off for the client too`, async () => {
    const origin = await startRawOrigin((socket) => {
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello');
    });
    const proxy = await startProxy(makeLane, oneService(origin.port));

    await expect(ask(proxy.port)).rejects.toThrow(/aborted|hang up/);
  });

  test(`${name}: the target breaks off before an answer: 502; it hangs: 504, by our own timer`, async () => {
    const origin = await startRawOrigin((socket, soFar) => {
      if (soFar.includes('/reset')) socket.destroy();
    });
    const proxy = await startProxy(makeLane, oneService(origin.port, { responseMs: 200 }));

    const reset = await ask(proxy.port, { method: 'POST', path: '/reset', body: 'x' });
    const hangs = await ask(proxy.port, { path: '/hang' });

    expect([reset.status, hangs.status]).toEqual([502, 504]);
    expect(proxy.lines.map((line) => line.fault)).toEqual(['UPSTREAM_RESET', 'UPSTREAM_TIMEOUT']);
    expect(origin.received.filter((head) => head.includes('/reset'))).toHaveLength(1);
    await eventually(
      () => origin.sockets.size,
      (open) => open === 0,
    );
  });

  test(`${name}: a target that falls silent in mid-answer is given up; an event stream lives on`, async () => {
    const origin = await startOrigin((req, res) => {
      const type = req.url === '/sse' ? 'text/event-stream' : 'text/plain';
      res.writeHead(200, { 'Content-Type': type });
      res.write('data: 1\n\n');
      if (req.url === '/sse') setTimeout(() => res.end('data: 2\n\n'), 900);
    });
    const proxy = await startProxy(makeLane, oneService(origin.port, { idleMs: 200 }));

    const stream = ask(proxy.port, { path: '/sse' });
    await expect(ask(proxy.port, { path: '/silent' })).rejects.toThrow(/aborted|hang up/);
    const got = await stream;

    expect(got.body).toBe('data: 1\n\ndata: 2\n\n');
    expect(proxy.lines.map((line) => [line.kind, line.fault])).toEqual([
      ['http', 'UPSTREAM_TIMEOUT'],
      ['sse', null],
    ]);
  });

  test(`${name}: a head that comes alone does not wait for its body`, async () => {
    const origin = await startOrigin((_req, res) => {
      res.writeHead(200, { 'Content-Type': 'text/event-stream' });
      res.flushHeaders();
    });
    const proxy = await startProxy(makeLane, oneService(origin.port));
    const client = await rawClient(proxy.port);

    client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await client.until(/text\/event-stream\r\n[\s\S]*\r\n\r\n/);

    expect(proxy.plane.stats().services[0]?.pools[0]?.inside).toEqual({
      http: 0,
      sse: 1,
      upgrade: 0,
    });
  });

  test(`${name}: a black-holed target is given up and the request goes to another (kamal-proxy)`, async () => {
    const origin = await startOrigin((_req, res) => res.end('here'));
    const setup = oneService(origin.port, { connectMs: 200 });
    const [service] = setup.services;
    if (service === undefined || service.pools.blue === null) throw new Error('no pool');
    // 192.0.2.0/24 is for documentation: nothing answers there, or the system says so at once.
    const hole = { id: 'hole', host: '192.0.2.1', port: 80, healthy: true };
    const blue = { ...service.pools.blue, targets: [hole, ...service.pools.blue.targets] };
    const proxy = await startProxy(makeLane, {
      services: [{ ...service, pools: { blue, green: null } }],
    });

    const got = [await ask(proxy.port), await ask(proxy.port, { method: 'POST', body: 'x' })];

    expect(got.map(({ status }) => status)).toEqual([200, 200]);
    expect(proxy.lines.some((line) => line.retryReason === 'connect')).toBe(true);
  });

  test(`${name}: a target that refuses costs nobody anything while there is another`, async () => {
    const origin = await startOrigin((req, res) => {
      req.resume();
      res.end('here');
    });
    const proxy = await startProxy(makeLane, oneService([await deadPort(), origin.port]));

    for (let at = 0; at < 10; at++) {
      const got = await ask(proxy.port, at % 2 === 0 ? {} : { method: 'POST', body: 'abc' });
      expect(got.status).toBe(200);
    }
  });

  test(`${name}: both pools down, then one back: 503 with Retry-After at once, then 200`, async () => {
    const port = await deadPort();
    const setup = oneService(port);
    const down = setup.services.map((service) => ({
      ...service,
      pools: {
        ...service.pools,
        blue: {
          id: 'shop.blue.1',
          release: 'v1',
          targets: [{ id: 'a', host: '127.0.0.1', port, healthy: false }],
        },
      },
    }));
    const proxy = await startProxy(makeLane, { services: down });

    const since = performance.now();
    const got = await ask(proxy.port);
    const tookMs = performance.now() - since;
    const origin = await startOrigin((_req, res) => res.end('back'));
    proxy.stage(
      down.map((service) => ({
        ...service,
        pools: {
          ...service.pools,
          blue: {
            id: 'shop.blue.1',
            release: 'v1',
            targets: [{ id: 'b', host: '127.0.0.1', port: origin.port, healthy: true }],
          },
        },
      })),
    );
    const back = await ask(proxy.port);

    expect([got.status, got.headers['retry-after']]).toEqual([503, '2']);
    expect(got.body).toContain('NO_HEALTHY_TARGET');
    // At once: it does not wait in the queue.
    expect(tookMs).toBeLessThan(4_000);
    expect([back.status, back.body]).toEqual([200, 'back']);
  });

  test(`${name}: a target closes idle connections at random: no request is lost`, async () => {
    const origin = await startOrigin((_req, res) => {
      res.end('ok');
      const { socket } = res;
      // Sometimes just as the next request is on its way.
      if (Math.random() < 0.5) setTimeout(() => socket?.destroy(), Math.random() * 3);
    });
    const proxy = await startProxy(makeLane, oneService(origin.port));
    const agent = keepAlive(8);

    const statuses: number[] = [];
    const ids = Array.from({ length: count * 4 }, (_, at) => at);
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        while (ids.pop() !== undefined) statuses.push((await ask(proxy.port, { agent })).status);
      }),
    );

    expect(statuses.filter((status) => status !== 200)).toEqual([]);
    expect(statuses).toHaveLength(count * 4);
  });

  test(`${name}: a kept connection that breaks: a GET is sent again, a POST never`, async () => {
    const seen: string[] = [];
    const origin = await startRawOrigin((socket, soFar) => {
      const requests = soFar.match(/(?:GET|POST) \/\w*/g) ?? [];
      seen.push(requests.at(-1) ?? '');
      // Each connection answers once, and breaks when it is used again.
      if (requests.length > 1) socket.destroy();
      else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
    const proxy = await startProxy(makeLane, oneService(origin.port));

    await ask(proxy.port, { path: '/first' });
    const get = await ask(proxy.port, { path: '/again' });
    await ask(proxy.port, { path: '/third' });
    const post = await ask(proxy.port, { method: 'POST', path: '/post', body: 'x' });

    expect([get.status, post.status]).toEqual([200, 502]);
    expect(proxy.lines[1]).toMatchObject({ retries: 1, retryReason: 'stale' });
    expect(seen.filter((one) => one.includes('/again'))).toHaveLength(2);
    expect(seen.filter((one) => one.includes('/post'))).toHaveLength(1);
    expect(proxy.plane.stats().services[0]?.counts[0]?.retries).toEqual({ stale: 1 });
  });

  test(`${name}: a container is killed and its published port still takes connections: no GET is lost`, async () => {
    let killed = false;
    const dying = await startRawOrigin((socket) => {
      if (killed) socket.destroy();
      else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
    const well = await startRawOrigin((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
    const proxy = await startProxy(makeLane, withOneDown(well.port, dying.port, true));
    const ask4 = () => Promise.all([1, 2, 3, 4].map(() => ask(proxy.port, { path: '/it' })));

    await ask4();
    killed = true;
    const answers = await ask4();

    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    const retries = proxy.plane.stats().services[0]?.counts[0]?.retries;
    expect(retries?.stale).toBeGreaterThan(0);
    expect(retries?.reset).toBeGreaterThan(0);
  });

  test(`${name}: a kept connection that breaks says nothing against its target, the only one that is up`, async () => {
    const origin = await startRawOrigin((socket, soFar) => {
      const requests = soFar.match(/GET \/\w*/g) ?? [];
      if (requests.length > 1) socket.destroy();
      else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
    const proxy = await startProxy(makeLane, withOneDown(origin.port, await deadPort()));

    await ask(proxy.port, { path: '/first' });
    const again = await ask(proxy.port, { path: '/again' });

    expect(again.status).toBe(200);
    expect(proxy.lines[1]).toMatchObject({ target: 'up', retryReason: 'stale', retries: 1 });
    expect(proxy.plane.stats().services[0]?.counts[0]?.panics).toBe(0);
  });

  test(`${name}: a target that refuses is asked again where all others are down, and that is no panic`, async () => {
    const proxy = await startProxy(makeLane, withOneDown(await deadPort(), await deadPort()));

    const got = await ask(proxy.port);

    expect(got.status).toBe(502);
    expect(proxy.lines[0]).toMatchObject({
      target: 'up',
      fault: 'UPSTREAM_UNREACHABLE',
      retryReason: 'connect',
    });
    expect(proxy.plane.stats().services[0]?.counts[0]?.panics).toBe(0);
  });

  test(`${name}: bytes that a target sends unasked never become somebody's answer`, async () => {
    let asked = 0;
    const origin = await startRawOrigin((socket) => {
      asked++;
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n${asked % 10}!`);
      setTimeout(() => {
        if (!socket.destroyed) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL');
      }, 10);
    });
    const proxy = await startProxy(makeLane, oneService(origin.port));

    const first = await ask(proxy.port);
    await eventually(
      () => origin.sockets.size,
      (open) => open === 0,
    );
    const second = await ask(proxy.port);

    expect([first.body, second.body]).toEqual(['1!', '2!']);
  });

  test(`${name}: bytes behind an answer, in the same breath, end the connection to the target`, async () => {
    const origin = await startRawOrigin((socket) => {
      socket.write(
        'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL',
      );
    });
    const proxy = await startProxy(makeLane, oneService(origin.port));

    for (let round = 0; round < 5; round++) {
      const got = await ask(proxy.port);
      // Whether the whole answer in front of the rest still counts is the lane's choice.
      expect(got.body.includes('EVIL')).toBe(false);
    }
  });

  test(`${name}: an answer that comes before the body was sent is passed on`, async () => {
    const origin = await startOrigin((req, res) => {
      if (req.url === '/early') res.writeHead(401, { 'Content-Length': 2 }).end('no');
      else req.resume().on('end', () => res.end('whole'));
    });
    const proxy = await startProxy(makeLane, oneService(origin.port));
    const client = await rawClient(proxy.port);

    client.send('POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n12345');
    const got = await client.until(/\r\n\r\nno$/);

    expect(got).toMatch(/^HTTP\/1\.1 401 /);
  });
}

/** A service of two targets: probes say that `up` works, and `down` does not. */
function withOneDown(up: number, down: number, healthy = false): ReturnType<typeof oneService> {
  const setup = oneService(up);
  const targets = [
    { id: 'up', host: '127.0.0.1', port: up, healthy: true },
    { id: 'down', host: '127.0.0.1', port: down, healthy },
  ];
  return {
    ...setup,
    services: setup.services.map((service) => ({
      ...service,
      pools: { blue: { id: 'shop.blue.1', release: 'v1', targets }, green: null },
    })),
  };
}
