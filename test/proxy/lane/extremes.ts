/**
 * What is allowed and much: thousands of fields, and interim answers without an end. Part of
 * `laneSuite`.
 */
import { expect, test } from 'vitest';
import { exchangeRaw } from '../../support/client.ts';
import { type MakeLane, oneService, startProxy, startRawOrigin } from '../../support/proxy.ts';

export function extremeSuite(name: string, makeLane: MakeLane): void {
  test.each([1_000, 3_000])(
    `${name}: a request with %i fields reaches its target with each of them`,
    async (count) => {
      const origin = await startRawOrigin((socket, soFar) => {
        if (!soFar.endsWith('\r\n\r\n')) return;
        socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      });
      const limits = { headerBytesMax: 64 * 1024 };
      const proxy = await startProxy(makeLane, oneService(origin.port, limits));
      const fields = Array.from({ length: count }, (_, at) => `f${at.toString(36)}:`);

      for (const line of ['GET / HTTP/1.1', 'POST / HTTP/1.1\r\nContent-Length: 0']) {
        const head = `${line}\r\nHost: a\r\nConnection: close\r\n${fields.join('\r\n')}\r\n\r\n`;
        expect(await exchangeRaw(proxy.port, head)).toMatch(/^HTTP\/1\.1 200 [\s\S]*ok$/);
      }

      const seen = origin.received.map((text) =>
        text.split('\r\n').flatMap((one) => /^(f[0-9a-z]{1,3}): ?$/.exec(one)?.[1] ?? []),
      );
      const names = fields.map((one) => one.slice(0, -1));
      expect(seen).toEqual([names, names]);
    },
  );

  test.each(['100 Continue', '102 Processing', '103 Early Hints'])(
    `${name}: 100,000 interim answers end as an answer that is none, and the next request is served`,
    async (interim) => {
      const row = Buffer.from(`HTTP/1.1 ${interim}\r\n\r\n`.repeat(100_000));
      const origin = await startRawOrigin((socket, soFar) => {
        if (!soFar.endsWith('\r\n\r\n')) return;
        if (!soFar.startsWith('GET /endless')) {
          socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
          return;
        }
        socket.write(row);
        socket.end('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone');
      });
      const proxy = await startProxy(makeLane, oneService(origin.port));
      const get = (path: string): string =>
        `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;

      const got = await exchangeRaw(proxy.port, get('/endless'));

      expect(got).toMatch(/HTTP\/1\.1 502 [\s\S]*interim/);
      expect(got).not.toMatch(/HTTP\/1\.1 200/);
      expect(got.length).toBeLessThan(512 * 1024);
      expect(origin.received).toHaveLength(1);
      expect(await exchangeRaw(proxy.port, get('/'))).toMatch(/^HTTP\/1\.1 200 [\s\S]*ok$/);
    },
  );
}
