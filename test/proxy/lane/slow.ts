/** Clients that hold places by being slow, faster than silence. Part of `laneSuite`. */
import { expect, onTestFinished, test } from 'vitest';
import { ask, eventually, type RawClient, rawClient } from '../../support/client.ts';
import { inside, type MakeLane, oneService, startOrigin, startProxy } from '../../support/proxy.ts';

/** Does it every 50 ms, until the test is over. */
function often(what: () => void): void {
  const timer = setInterval(what, 50);
  onTestFinished(() => clearInterval(timer));
}

/** More comes than the system may have kept for it. */
async function readsOn({ socket }: RawClient): Promise<void> {
  let bytes = 0;
  socket.removeAllListeners('data');
  socket.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  socket.resume();
  await eventually(
    () => bytes,
    (read) => read > 32 * 1024 * 1024,
    15_000,
  );
}

export function slowSuite(name: string, makeLane: MakeLane): void {
  test(`${name}: who is slower than limits.minRate is cut, up or down; silent event streams and quick clients are not`, async () => {
    const block = Buffer.alloc(1024 * 1024, 'b');
    const streams: (() => void)[] = [];
    const origin = await startOrigin((req, res) => {
      req.on('error', () => {});
      req.resume();
      if (req.url === '/events') {
        res.writeHead(200, { 'Content-Type': 'text/event-stream' });
        res.write('data: first\n\n');
        streams.push(() => res.write('data: second\n\n'));
      } else if (req.method === 'GET') {
        const more = (): void => {
          while (res.write(block));
        };
        res.on('drain', more);
        more();
      } else {
        req.on('end', () => res.end('got it'));
      }
    });
    const proxy = await startProxy(
      makeLane,
      // Quicker than what trickles, by far; and nobody here is ever silent for so long.
      oneService(origin.port, { idleMs: 1_500, bytesPerSecondMin: 20_000_000 }),
    );
    const events = await rawClient(proxy.port);
    const sized = await rawClient(proxy.port);
    const chunked = await rawClient(proxy.port);
    const reads = await rawClient(proxy.port);
    reads.socket.removeAllListeners('data');
    reads.socket.pause();

    events.send('GET /events HTTP/1.1\r\nHost: a\r\n\r\n');
    sized.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n');
    chunked.send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
    reads.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await eventually(
      () => inside(proxy),
      (now) => now === 4,
    );
    often(() => {
      if (sized.got === '') sized.send('x');
      if (chunked.got === '') chunked.send('1\r\nx\r\n');
      reads.socket.read(64 * 1024);
    });
    const answers = await Promise.all([sized.ended(), chunked.ended()]);
    await eventually(
      () => inside(proxy),
      (now) => now === 1,
      15_000,
    );
    const quick = await ask(proxy.port, { method: 'POST', body: 'x'.repeat(500_000) });
    streams[0]?.();

    for (const answer of answers) {
      expect(answer).toMatch(/^HTTP\/1\.1 408 [\s\S]*\r\nConnection: close\r\n/i);
      expect(answer).toContain('limits.minRate');
      expect(answer).toContain('REQUEST_TOO_SLOW');
    }
    expect([quick.status, quick.body]).toEqual([200, 'got it']);
    expect(await events.until(/second/)).toMatch(/^HTTP\/1\.1 200 /);
    const endings = proxy.lines.map((line) => line.ending);
    expect(endings.filter((ending) => ending === 'slow')).toHaveLength(3);
  });

  test(`${name}: one address cannot keep all places by reading nothing, and who shares a proxy with it is not taken for it`, async () => {
    const block = Buffer.alloc(1024 * 1024, 'b');
    const origin = await startOrigin((req, res) => {
      if (req.url !== '/large') {
        res.end('ok');
        return;
      }
      const more = (): void => {
        while (res.write(block));
      };
      res.on('drain', more);
      more();
    });
    const setup = oneService(origin.port, {
      connectionsPerTargetMax: 8,
      queueMs: 60_000,
      idleMs: 60_000,
    });
    const proxy = await startProxy(makeLane, {
      ...setup,
      edge: { trustedProxies: ['127.0.0.0/8'] },
    });
    const open = async (address: string): Promise<RawClient> => {
      const client = await rawClient(proxy.port);
      client.socket.pause();
      client.send(`GET /large HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: ${address}\r\n\r\n`);
      return client;
    };
    await Promise.all(Array.from({ length: 6 }, () => open('203.0.113.6')));
    const patient = await Promise.all([open('203.0.113.7'), open('203.0.113.7')]);
    await eventually(
      () => inside(proxy),
      (now) => now === 8,
    );

    const addresses = ['203.0.113.6', '203.0.113.7', '203.0.113.8'];
    const beside = await Promise.all(
      addresses.map((address) => ask(proxy.port, { headers: { 'X-Forwarded-For': address } })),
    );

    const cut = proxy.lines.filter((line) => line.ending === 'crowding');
    expect(beside.map((got) => got.status)).toEqual([200, 200, 200]);
    // At most what is beyond its share; none that others had.
    expect(cut.length).toBeGreaterThan(0);
    expect(cut.length).toBeLessThanOrEqual(4);
    expect(inside(proxy)).toBe(8 - cut.length);
    await Promise.all(patient.map(readsOn));
  });

  test(`${name}: of uploads that trickle from one address those beyond its share are told so where others wait`, async () => {
    const origin = await startOrigin((req, res) => {
      req.on('error', () => {});
      req.resume();
      req.on('end', () => res.end('got it'));
    });
    const proxy = await startProxy(
      makeLane,
      oneService(origin.port, { connectionsPerTargetMax: 8, queueMs: 60_000, idleMs: 60_000 }),
    );
    const head = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nx';
    const slow = await Promise.all(Array.from({ length: 4 }, () => rawClient(proxy.port)));
    for (const client of slow) client.send(head);
    await eventually(
      () => inside(proxy),
      (now) => now === 4,
    );

    const waits = await ask(proxy.port, { method: 'POST', body: 'x'.repeat(500_000) });
    await eventually(
      () => slow.filter((client) => client.got !== '').length,
      (told) => told > 0,
    );

    expect(waits.body).toBe('got it');
    const told = slow.filter((client) => client.got !== '');
    expect(told.length).toBeLessThanOrEqual(2);
    for (const client of told) {
      expect(client.got).toMatch(/^HTTP\/1\.1 429 [\s\S]*SLOW_REQUESTS_TOO_MANY/);
    }
    expect(inside(proxy)).toBeGreaterThanOrEqual(2);
  });
}
