/** What a lane does where clients stay on a target by a cookie. Part of `laneSuite`. */
import { expect, test } from 'vitest';
import { type Got, keepAlive, rawClient } from '../../support/client.ts';
import {
  entry,
  type MakeLane,
  type Origin,
  pool,
  serviceEdge,
  startOrigin,
  startProxy,
} from '../../support/proxy.ts';
import { http1, type Speaker } from './speaker.ts';

const edge = serviceEdge({ sticky: 'shop_target' });

export function stickySuite(name: string, makeLane: MakeLane, by: Speaker = http1): void {
  const { ask, proto } = by;
  const ends = proto === 'https' ? /; SameSite=Lax; Secure$/ : /; SameSite=Lax$/;
  test(`${name}: sticky: a client comes back to its target, others are spread, and the cookie is said once`, async () => {
    const origins = await several(3);
    const proxy = await startProxy(makeLane, { services: [shop(origins)] });

    const seen: string[] = [];
    for (let client = 0; client < 3; client++) {
      const agent = keepAlive(1);
      const first = await ask(proxy.port, { agent });
      const cookie = cookieOf(first);
      expect(first.headers['set-cookie']?.[0]).toMatch(
        /^shop_target=[0-9a-f]{16}; Path=\/; HttpOnly; SameSite=Lax/,
      );
      expect(first.headers['set-cookie']?.[0]).toMatch(ends);
      for (let round = 0; round < 4; round++) {
        const again = await ask(proxy.port, { agent, headers: { Cookie: `a=b; ${cookie}; c=d` } });
        expect([again.body, again.headers['set-cookie']]).toEqual([first.body, undefined]);
      }
      seen.push(first.body);
    }

    expect(new Set(seen).size).toBe(3);
  });

  test(`${name}: sticky: an answer that repeats for one client takes no cookie of another along`, async () => {
    const origins = await several(2);
    const proxy = await startProxy(makeLane, { services: [shop(origins)] });
    const agent = keepAlive(1);
    const mine = cookieOf(await ask(proxy.port, { agent }));

    const told: (string | undefined)[] = [];
    for (let round = 0; round < 12; round++) {
      const headers = round % 3 === 0 ? {} : { Cookie: mine };
      told.push((await ask(proxy.port, { agent, headers })).headers['set-cookie']?.[0]);
    }

    expect(told.map((cookie) => cookie !== undefined)).toEqual(
      Array.from({ length: 12 }, (_, round) => round % 3 === 0),
    );
  });

  test(`${name}: sticky: a flip loses no client and leaves none on the old color; a cookie of nobody is any`, async () => {
    const blue = await several(2, 'blue');
    const green = await several(2, 'green');
    const proxy = await startProxy(makeLane, { services: [shop(blue)] });
    const clients = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const agent = keepAlive(1);
        return { agent, cookie: cookieOf(await ask(proxy.port, { agent })) };
      }),
    );

    proxy.flip({
      ...shop(blue),
      generation: 2,
      live: 'green',
      pools: { blue: filled('shop.blue.1', blue), green: filled('shop.green.2', green) },
    });
    const after = await Promise.all(
      clients.map(({ agent, cookie }) => ask(proxy.port, { agent, headers: { Cookie: cookie } })),
    );
    const settled = await Promise.all(
      after.map((got) => ask(proxy.port, { headers: { Cookie: cookieOf(got) } })),
    );
    const nobody = await ask(proxy.port, { headers: { Cookie: 'shop_target=0123456789abcdef' } });

    expect(after.every(({ status, body }) => status === 200 && body.startsWith('green'))).toBe(
      true,
    );
    expect(settled.map(({ body }) => body)).toEqual(after.map(({ body }) => body));
    expect(settled.every(({ headers }) => headers['set-cookie'] === undefined)).toBe(true);
    expect(cookieOf(nobody)).toMatch(/^shop_target=/);
  });

  test(`${name}: sticky: where the target is down or gone another one is taken, and the cookie follows`, async () => {
    const origins = await several(2);
    const proxy = await startProxy(makeLane, { services: [shop(origins)] });
    const first = await ask(proxy.port);
    const headers = { Cookie: cookieOf(first) };
    const [mine, other] = origins.toSorted((a) => (first.body.endsWith(` ${a.port}`) ? -1 : 1));
    if (mine === undefined || other === undefined) throw new Error('there are two');
    const targets = filled('shop.blue.1', origins).targets.map((target) => ({
      ...target,
      healthy: target.port !== mine.port,
    }));

    proxy.stage([
      {
        ...shop(origins),
        pools: { blue: { id: 'shop.blue.1', release: 'v1', targets }, green: null },
      },
    ]);
    const down = await ask(proxy.port, { headers });
    proxy.stage([shop(origins)]);
    const back = await ask(proxy.port, { headers });
    mine.server.close();
    for (const socket of mine.sockets) socket.destroy();
    const gone = await ask(proxy.port, { headers });

    expect([down.body, cookieOf(down) === headers.Cookie]).toEqual([`blue ${other.port}`, false]);
    expect([back.body, back.headers['set-cookie']]).toEqual([first.body, undefined]);
    expect([gone.status, gone.body, cookieOf(gone)]).toEqual([200, down.body, cookieOf(down)]);
  });

  if (!by.speaksBytes) return;

  test(`${name}: sticky: a tunnel is given the cookie with its 101`, async () => {
    const [origin] = await several(1);
    if (origin === undefined) throw new Error('there is one');
    origin.server.on('upgrade', (_req, socket) => {
      socket.end('HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nover');
    });
    const proxy = await startProxy(makeLane, { services: [shop([origin])] });

    const client = await rawClient(proxy.port);
    client.send('GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n');

    expect(await client.until(/over/)).toMatch(/\r\nSet-Cookie: shop_target=[0-9a-f]{16}; /);
  });
}

function several(count: number, color = 'blue'): Promise<Origin[]> {
  return Promise.all(
    Array.from({ length: count }, () =>
      startOrigin((req, res) => res.end(`${color} ${req.socket.localPort}`)),
    ),
  );
}

function filled(id: string, origins: readonly Origin[]) {
  return pool(
    id,
    origins.map(({ port }) => port),
  );
}

function shop(origins: readonly Origin[]) {
  return entry({ edge, pools: { blue: filled('shop.blue.1', origins), green: null } });
}

/** As a client sends it back. */
function cookieOf(got: Got): string {
  return got.headers['set-cookie']?.[0]?.split(';')[0] ?? '';
}
