/** What clients see of a flip: nothing. Part of `laneSuite`. */
import { expect, test } from 'vitest';
import { ask, eventually, keepAlive, rawClient } from '../../support/client.ts';
import {
  entry,
  flipped,
  type MakeLane,
  type Origin,
  policy,
  pool,
  startOrigin,
  startProxy,
} from '../../support/proxy.ts';

const rounds = Number(process.env.POINTSMAN_TEST_ROUNDS ?? 5);

interface Counting extends Origin {
  /** Ids of the POSTs it ran. */
  readonly posts: string[];
}

async function startNamed(called: string): Promise<Counting> {
  const posts: string[] = [];
  const origin = await startOrigin((req, res) => {
    if (req.method === 'POST') posts.push(`${req.headers['x-post']}`);
    req.resume();
    req.on('end', () => {
      setTimeout(() => res.end(called), req.url === '/slow' ? 300 : Math.random() * 5);
    });
  });
  return { ...origin, posts };
}

export function flipSuite(name: string, makeLane: MakeLane): void {
  test(`${name}: no request is lost by flips, and none starts on the old pool after the new one answered`, async () => {
    const blueOrigin = await startNamed('blue');
    const greenOrigin = await startNamed('green');
    const blue = pool('shop.blue.1', [blueOrigin.port]);
    const green = pool('shop.green.2', [greenOrigin.port]);
    const proxy = await startProxy(makeLane, { services: [entry({ pools: { blue, green } })] });
    let live: 'blue' | 'green' = 'blue';
    let late = 0;
    let done = false;
    const failed: unknown[] = [];
    const agent = keepAlive(10);
    const client = async (): Promise<void> => {
      while (!done) {
        const expected = live;
        const flipsBefore = generation;
        try {
          const got = await ask(proxy.port, { agent });
          if (got.status !== 200) failed.push(got.status);
          if (flipsBefore === generation && got.body !== expected) late++;
        } catch (error) {
          failed.push(error);
        }
      }
    };
    let generation = 1;
    const clients = Array.from({ length: 10 }, client);

    for (let round = 0; round < rounds * 4; round++) {
      await ask(proxy.port);
      live = live === 'blue' ? 'green' : 'blue';
      generation++;
      proxy.flip(flipped(live, generation, { blue, green }));
    }
    done = true;
    await Promise.all(clients);

    expect(failed).toEqual([]);
    expect(late).toBe(0);
    expect(proxy.sockets.size).toBeLessThanOrEqual(11);
  });

  test(`${name}: a request that picked blue just before the flip ends on blue (kamal-proxy 587ee7c)`, async () => {
    const blueOrigin = await startNamed('blue');
    const greenOrigin = await startNamed('green');
    const blue = pool('shop.blue.1', [blueOrigin.port]);
    const green = pool('shop.green.2', [greenOrigin.port]);
    const proxy = await startProxy(makeLane, { services: [entry({ pools: { blue, green } })] });

    const slow = ask(proxy.port, { path: '/slow' });
    await eventually(
      () => blueOrigin.sockets.size,
      (open) => open === 1,
    );
    proxy.flip(flipped('green', 2, { blue, green }));
    const quick = await ask(proxy.port);
    const drainedMeanwhile = proxy.plane.stats().services[0]?.pools[0]?.drained;

    expect(quick.body).toBe('green');
    expect(drainedMeanwhile).toMatchObject({ stillOpen: 1, done: false });
    expect((await slow).body).toBe('blue');
    await eventually(
      () => proxy.plane.stats().services[0]?.pools[0]?.drained,
      (drained) => drained?.done === true && drained.finished === 1,
    );
    // Its connections are closed with the drain: none may carry a request to whoever takes the port
    // next.
    await eventually(
      () => blueOrigin.sockets.size,
      (open) => open === 0,
    );
  });

  test(`${name}: what is held waits and is let in by the commit, in order`, async () => {
    const blueOrigin = await startNamed('blue');
    const greenOrigin = await startNamed('green');
    const blue = pool('shop.blue.1', [blueOrigin.port]);
    const green = pool('shop.green.2', [greenOrigin.port]);
    const proxy = await startProxy(makeLane, { services: [entry({ pools: { blue, green } })] });
    const fence = { service: 'shop', generation: 2 };

    proxy.stage([flipped('green', 2, { blue, green })]);
    proxy.plane.hold(fence);
    const held = Array.from({ length: 5 }, () => ask(proxy.port));
    await eventually(
      () => proxy.plane.stats().services[0]?.waiting,
      (waiting) => waiting === 5,
    );
    const committed = proxy.plane.commit(fence, true);

    expect(committed).toMatchObject({ waited: 5, inflight: { http: 0, sse: 0, upgrade: 0 } });
    expect((await Promise.all(held)).map(({ body }) => body)).toEqual(Array(5).fill('green'));
  });

  test(`${name}: the old pool is killed 50 ms after a flip: no GET fails, a POST runs at most once`, async () => {
    for (let round = 0; round < rounds; round++) {
      const origins = [await startNamed('blue'), await startNamed('green')] as const;
      const blue = pool('shop.blue.1', [origins[0].port]);
      const green = pool('shop.green.2', [origins[1].port]);
      const proxy = await startProxy(makeLane, { services: [entry({ pools: { blue, green } })] });
      const statuses: number[] = [];
      const posts: string[] = [];
      let done = false;
      const agent = keepAlive(12);
      const client = async (_: unknown, at: number): Promise<void> => {
        for (let sent = 0; !done; sent++) {
          const id = `${round}.${at}.${sent}`;
          const post = at % 4 === 3;
          const got = await ask(
            proxy.port,
            post ? { method: 'POST', body: 'x', headers: { 'X-Post': id }, agent } : { agent },
          );
          if (post) posts.push(`${id} ${got.status}`);
          else statuses.push(got.status);
        }
      };
      const clients = Array.from({ length: 12 }, client);

      await ask(proxy.port);
      proxy.flip(flipped('green', 2, { blue, green }));
      await new Promise((resolve) => setTimeout(resolve, 50));
      origins[0].server.close();
      for (const socket of origins[0].sockets) socket.destroy();
      await new Promise((resolve) => setTimeout(resolve, 30));
      done = true;
      await Promise.all(clients);

      expect(statuses.filter((status) => status !== 200)).toEqual([]);
      const ran = [...origins[0].posts, ...origins[1].posts];
      expect(new Set(ran).size).toBe(ran.length);
      expect(posts.filter((one) => !/ (?:200|502)$/.test(one))).toEqual([]);
    }
  });

  test(`${name}: a request that outstays the drain is cut, and its client is told so`, async () => {
    const origin = await startOrigin((req, res) => {
      if (req.url === '/sse') {
        res.writeHead(200, { 'Content-Type': 'text/event-stream' });
        res.write('data: 1\n\n');
      } else if (req.url === '/half') {
        res.write('half');
      }
    });
    const blue = pool('shop.blue.1', [origin.port]);
    const green = pool('shop.green.2', [origin.port]);
    const short = { ...policy, drainMs: 200 };
    const proxy = await startProxy(makeLane, {
      services: [entry({ pools: { blue, green }, policy: short })],
    });
    const hangs = ask(proxy.port, { path: '/hang' });
    const half = await rawClient(proxy.port);
    half.send('GET /half HTTP/1.1\r\nHost: a\r\n\r\n');
    await half.until(/half/);
    const sse = await rawClient(proxy.port);
    sse.send('GET /sse HTTP/1.1\r\nHost: a\r\n\r\n');
    await sse.until(/data: 1/);
    await eventually(
      () => origin.sockets.size,
      (open) => open === 3,
    );

    proxy.flip({ ...flipped('green', 2, { blue, green }), policy: short });

    expect((await hangs).status).toBe(504);
    expect(await half.ended()).not.toMatch(/\r\n0\r\n\r\n$/);
    await sse.until(/\r\n0\r\n\r\n$/);
    expect(proxy.plane.stats().services[0]?.pools[0]?.drained).toEqual({
      inflight: { http: 2, sse: 1, upgrade: 0 },
      finished: 0,
      clientAborted: 0,
      cut: 3,
      stillOpen: 0,
      done: true,
    });
  });
}
