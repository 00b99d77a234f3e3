/** What a lane does with requests that come back to it. Part of `laneSuite`. */
import { expect, test } from 'vitest';
import { ask, eventually, exchangeRaw, keepAlive } from '../../support/client.ts';
import {
  entry,
  type MakeLane,
  oneService,
  pool,
  startOrigin,
  startProxy,
} from '../../support/proxy.ts';

export function loopSuite(name: string, makeLane: MakeLane): void {
  test(`${name}: a service whose target is Pointsman itself answers 508 at once, whatever is asked`, async () => {
    const proxy = await startProxy(makeLane, oneService(1));
    const itself = { blue: pool('shop.blue.2', [proxy.port]), green: null };
    proxy.stage([entry({ pools: itself })]);

    const got = await ask(proxy.port, { agent: keepAlive() });
    const again = await ask(proxy.port, { headers: { Via: '1.0 fred' } });
    const posted = await ask(proxy.port, { method: 'POST', body: 'a body', headers: {} });
    const asked = [
      'GET / HTTP/1.1',
      'Host: a',
      'Connection: Upgrade',
      'Upgrade: websocket',
      '',
      '',
    ];
    const upgraded = await exchangeRaw(proxy.port, asked.join('\r\n'));

    expect([got.status, again.status, posted.status]).toEqual([508, 508, 508]);
    expect(got.body).toContain('LOOP_DETECTED');
    expect(upgraded).toMatch(/^HTTP\/1\.1 508 Loop Detected\r\n/);
    // Each was asked once by its client, and once by ourselves.
    await eventually(
      () => proxy.lines.length,
      (lines) => lines >= 8,
    );
    expect(proxy.lines.map(({ status }) => status)).toEqual(Array(8).fill(508));
    expect(proxy.lines.filter(({ fault }) => fault === 'LOOP_DETECTED')).toHaveLength(4);
  });

  test(`${name}: a probe that comes back is 508 at whichever service it arrives`, async () => {
    let asked = 0;
    const origin = await startOrigin((_req, res) => {
      asked++;
      res.end();
    });
    const proxy = await startProxy(makeLane, oneService(origin.port));

    const got = await ask(proxy.port, { path: '/up', headers: { Via: '1.1 pointsman-1-probe' } });

    expect(got.status).toBe(508);
    expect(asked).toBe(0);
  });

  test(`${name}: what came through another service of ours, or another Pointsman, is no loop`, async () => {
    const origin = await startOrigin((req, res) => res.end(req.headers.via));
    const proxy = await startProxy(makeLane, oneService(origin.port));
    const before = '1.1 pointsman-1-auth, 1.1 pointsman-2-shop';
    const agent = keepAlive(1);

    const got = await ask(proxy.port, { headers: { Via: before }, agent });
    const repeated = await ask(proxy.port, { headers: { Via: before }, agent });

    expect(got.body).toBe(`${before}, 1.1 pointsman-1-shop`);
    expect(repeated.body).toBe(got.body);
  });

  test(`${name}: on one connection each request carries the mark of its own service`, async () => {
    const origin = await startOrigin((req, res) => res.end(req.headers.via));
    const pools = (id: string) => ({ blue: pool(`${id}.blue.1`, [origin.port]), green: null });
    const api = { request: 'pointsman-1-api', probe: 'pointsman-1-probe' };
    const proxy = await startProxy(makeLane, {
      services: [
        entry({ pools: pools('shop') }),
        entry({ name: 'api', paths: ['/api'], via: api, pools: pools('api') }),
      ],
    });
    const agent = keepAlive(1);

    const seen: string[] = [];
    for (const path of ['/', '/api', '/', '/', '/api']) {
      seen.push((await ask(proxy.port, { path, agent })).body);
    }

    const [shop, other] = ['1.1 pointsman-1-shop', '1.1 pointsman-1-api'];
    expect(seen).toEqual([shop, other, shop, shop, other]);
  });
}
