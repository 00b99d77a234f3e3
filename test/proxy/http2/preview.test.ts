/** Streams of HTTP/2 that ask for what is being proved: the same as on a connection of HTTP/1. */
import { expect, test } from 'vitest';
import { ask, http2Client, startHttp2 } from '../../support/http2.ts';
import { entry, pool, startOrigin } from '../../support/proxy.ts';

test('a stream for a preview gets what is being proved, that of its deployment, or nothing', async () => {
  const [one, two] = await Promise.all(
    ['v1', 'v2'].map((name) => startOrigin((_req, res) => res.end(name))),
  );
  const pools = {
    blue: pool('shop.blue.1', [one?.port ?? 0]),
    green: pool('shop.green.2', [two?.port ?? 0]),
  };
  const preview = {
    host: 'preview.example',
    header: 'x-preview',
    auth: null,
    pool: 'shop.green.2',
    deployment: 'shop-2',
  };
  const service = entry({ hosts: ['shop.example'], pools, preview });
  const proxy = await startHttp2({ services: [service] });
  const client = http2Client(proxy.port);
  const got = async (headers: Record<string, string>) => {
    const { status, body } = await ask(client, { ':path': '/', ...headers });
    return status === 200 ? body : status;
  };

  expect(await got({})).toBe('v1');
  expect(await got({ ':authority': 'preview.example' })).toBe('v2');
  expect(await got({ ':authority': 'shop-2.preview.example' })).toBe('v2');
  expect(await got({ ':authority': 'shop-3.preview.example' })).toBe(503);
  expect(await got({ 'x-preview': '1' })).toBe('v2');
  proxy.flip({ ...service, live: 'green', generation: 2 });
  expect(await got({ ':authority': 'preview.example' })).toBe(503);
  expect(await got({})).toBe('v2');
});
