/** How a lane counts what a release is judged by. Part of `laneSuite`. */
import { expect, test } from 'vitest';
import { ask, eventually, rawClient } from '../../support/client.ts';
import {
  deadPort,
  type MakeLane,
  oneService,
  startOrigin,
  startProxy,
  type TestProxy,
} from '../../support/proxy.ts';

export function outcomeSuite(name: string, makeLane: MakeLane): void {
  test(`${name}: failures of the release are counted with their client, and nothing else is`, async () => {
    const origin = await startOrigin((req, res) => {
      if (req.url === '/reset') req.socket.destroy();
      else if (req.url === '/half') {
        res.writeHead(200, { 'content-length': '10' });
        res.write('half', () => req.socket.destroy());
      } else if (req.url !== '/never') {
        res.writeHead(Number(req.url?.slice(1)));
        res.end();
      }
    });
    const proxy = await startProxy(makeLane, oneService(origin.port));

    for (const path of ['/200', '/404', '/500', '/503', '/reset']) await ask(proxy.port, { path });
    await ask(proxy.port, { path: '/half' }).catch(() => undefined);
    const left = await rawClient(proxy.port);
    left.send('GET /never HTTP/1.1\r\nHost: a\r\n\r\n');
    await sent(proxy, 7);
    left.socket.destroy();

    await eventually(
      () => outcomes(proxy),
      (counts) => counts?.failed === 4,
    );
    expect(outcomes(proxy)).toEqual({ sent: 7, failed: 4, clients: { '127.0.0.1': 4 } });
  });

  test(`${name}: a target that refuses connections fails the release, once a request`, async () => {
    const ports = [await deadPort(), await deadPort()];
    const proxy = await startProxy(makeLane, oneService(ports));

    const got = await ask(proxy.port);

    expect(got.status).toBe(502);
    expect(outcomes(proxy)).toEqual({ sent: 1, failed: 1, clients: { '127.0.0.1': 1 } });
  });

  test(`${name}: a request that went well on its second target failed nobody`, async () => {
    const origin = await startOrigin((_req, res) => res.end('ok'));
    const proxy = await startProxy(makeLane, oneService([await deadPort(), origin.port]));

    for (let one = 0; one < 4; one++) expect((await ask(proxy.port)).status).toBe(200);

    expect(outcomes(proxy)).toEqual({ sent: 4, failed: 0, clients: {} });
  });

  test(`${name}: behind a trusted proxy its client is the one that failed`, async () => {
    const origin = await startOrigin((_req, res) => {
      res.writeHead(500);
      res.end();
    });
    const edge = { trustedProxies: ['127.0.0.0/8'] };
    const proxy = await startProxy(makeLane, { ...oneService(origin.port), edge });

    for (const client of ['203.0.113.1', '203.0.113.2', '203.0.113.1']) {
      await ask(proxy.port, { headers: { 'x-forwarded-for': client } });
    }

    expect(outcomes(proxy)?.clients).toEqual({ '203.0.113.1': 2, '203.0.113.2': 1 });
  });
}

function outcomes(proxy: TestProxy) {
  return proxy.plane.stats().services[0]?.pools[0]?.outcomes;
}

async function sent(proxy: TestProxy, count: number): Promise<void> {
  await eventually(
    () => outcomes(proxy)?.sent,
    (now) => now === count,
  );
}
