/** PROXY headers: whose connection it is, said by those who may say it, and by nobody else. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { afterAll, expect, test } from 'vitest';
import { createEntrances } from '../../../src/proxy/serving/entrances.ts';
import { readProxyHeader } from '../../../src/proxy/serving/proxyHeader.ts';
import { Authority } from '../../support/certificates.ts';
import { rawClient } from '../../support/client.ts';
import { oneService, serviceEdge, startOrigin, startProxy } from '../../support/proxy.ts';
import { setOf, startTls } from '../../support/tls.ts';

const dir = mkdtempSync(join(tmpdir(), 'pointsman-proxy-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const listed = ['127.0.0.0/8'];
const get = 'GET / HTTP/1.1\r\nHost: a.example\r\n\r\n';

/** Version 2; 1: PROXY. @param addresses both, and both ports, as bytes. */
function v2(command: 0 | 1, family: number, addresses: readonly number[], more = 0): Buffer {
  const rest = Buffer.concat([Buffer.from(addresses), Buffer.alloc(more, 4)]);
  const head = Buffer.from('\r\n\r\n\0\r\nQUIT\n\0\0\0\0', 'latin1');
  head[12] = 0x20 | command;
  head[13] = family;
  head.writeUInt16BE(rest.length, 14);
  return Buffer.concat([head, rest]);
}

const four = [192, 0, 2, 7, 10, 0, 0, 1, 200, 1, 0, 80];
const six = [0x20, 1, 0xd, 0xb8, ...Array(11).fill(0), 5, ...Array(15).fill(0), 1, 200, 1, 0, 80];
const mapped = [...Array(10).fill(0), 255, 255, 192, 0, 2, 9, ...Array(16).fill(0), 200, 1, 0, 80];

const said: readonly [string, string | Buffer, string][] = [
  ['version 1 of IPv4', 'PROXY TCP4 192.0.2.7 10.0.0.1 51201 80\r\n', '192.0.2.7'],
  ['version 1 of IPv6', 'PROXY TCP6 2001:DB8::5 ::1 51201 80\r\n', '2001:db8::5'],
  ['version 1 that does not know', 'PROXY UNKNOWN whatever it says\r\n', '127.0.0.1'],
  ['version 2 of IPv4', v2(1, 0x11, four), '192.0.2.7'],
  ['version 2 of IPv6', v2(1, 0x21, six), '2001:db8::5'],
  ['version 2 of IPv4 in IPv6 clothing', v2(1, 0x21, mapped), '192.0.2.9'],
  ['version 2 with what clouds add to it', v2(1, 0x11, four, 300), '192.0.2.7'],
  ['version 2 of a proxy that speaks for itself', v2(0, 0x00, []), '127.0.0.1'],
];

for (const lanes of ['auto', 'general'] as const) {
  for (const [name, header, address] of said) {
    test(`lanes: ${lanes}: ${name} says whose connection it is, in one piece and byte by byte`, async () => {
      const origin = await startOrigin((req, res) => {
        res.end(`<${req.headers['x-forwarded-for']}>`);
      });
      const setup = oneService(origin.port);
      const proxy = await startProxy((plane) => createEntrances(plane).plain, {
        ...setup,
        edge: { lanes, proxyProtocol: listed },
      });
      const bytes = Buffer.concat([Buffer.from(header), Buffer.from(get)]);

      const whole = await rawClient(proxy.port);
      whole.send(bytes);
      await whole.until(/<.*>/);
      whole.send(get);
      const got = await whole.until(/<.*>[\s\S]*<.*>/);
      const slow = await rawClient(proxy.port);
      for (const byte of bytes) slow.send(Buffer.of(byte));
      const later = await slow.until(/<.*>/);

      const addresses = [...`${got}${later}`.matchAll(/<(.*)>/g)].map((match) => match[1]);
      expect(addresses).toEqual([address, address, address]);
      expect(new Set(proxy.lines.map(({ client }) => client))).toEqual(new Set([address]));
    });
  }
}

const wrong: readonly [string, string | Buffer][] = [
  ['no header at all', get],
  ['another version', 'PROXY TCP7 192.0.2.7 10.0.0.1 51201 80\r\n'],
  ['an address of the other family', 'PROXY TCP4 ::1 ::1 51201 80\r\n'],
  ['an address that is none', 'PROXY TCP4 192.0.2.777 10.0.0.1 51201 80\r\n'],
  ['an address with a zone', 'PROXY TCP6 fe80::1%eth0 ::1 51201 80\r\n'],
  ['a port that is none', 'PROXY TCP4 192.0.2.7 10.0.0.1 66000 80\r\n'],
  ['two blanks', 'PROXY  TCP4 192.0.2.7 10.0.0.1 51201 80\r\n'],
  ['a line without an end', `PROXY TCP4 ${'1'.repeat(200)}`],
  ['version 3', Buffer.concat([v2(1, 0x11, four).fill(0x31, 12, 13)])],
  ['a command that is none', Buffer.concat([v2(1, 0x11, four).fill(0x22, 12, 13)])],
  ['a family that is none', v2(1, 0x41, four)],
  ['addresses that are too short', v2(1, 0x21, four)],
  ['more than anybody adds', v2(1, 0x11, four, 5_000)],
];

test.each(wrong)(
  'a proxy that is listed and sends %s is sent away, and told why',
  async (_, bytes) => {
    const origin = await startOrigin((_req, res) => res.end('origin'));
    const proxy = await startProxy((plane) => createEntrances(plane).plain, {
      ...oneService(origin.port),
      edge: { proxyProtocol: listed },
    });

    const client = await rawClient(proxy.port);
    client.send(bytes);
    const got = await client.ended();

    expect(got).toMatch(/^HTTP\/1\.1 400 [\s\S]*PROXY_HEADER_MISSING/);
    expect(proxy.plane.stats().unrouted).toEqual({ PROXY_HEADER_MISSING: 1 });
  },
);

test('of somebody who is not listed no header is read: it is a request, and a wrong one', async () => {
  const origin = await startOrigin((_req, res) => res.end('origin'));
  const proxy = await startProxy((plane) => createEntrances(plane).plain, {
    ...oneService(origin.port),
    edge: { proxyProtocol: ['10.0.0.0/8'] },
  });

  for (const header of ['PROXY TCP4 192.0.2.7 10.0.0.1 51201 80\r\n', v2(1, 0x11, four)]) {
    const client = await rawClient(proxy.port);
    client.send(Buffer.concat([Buffer.from(header), Buffer.from(get)]));

    const got = await client.ended();
    expect(got).toMatch(/^HTTP\/1\.1 (?:400|501) /);
    expect(got).not.toContain('origin');
  }
});

test('what is said in front of a handshake holds behind it, for lists and for headers', async () => {
  const ca = new Authority(join(dir, 'ca'));
  const pair = ca.sign(join(dir, 'pair'), { names: ['a.example'] });
  const origin = await startOrigin((req, res) => res.end(`<${req.headers['x-forwarded-for']}>`));
  const edge = serviceEdge({ allow: ['192.0.2.0/24'] });
  const services = oneService(origin.port).services.map((is) => ({ ...is, edge }));
  const proxy = await startTls({ services, edge: { proxyProtocol: listed } }, await setOf([pair]));
  const through = async (header: Buffer): Promise<string> => {
    const client = await rawClient(proxy.port);
    // By itself first: the handshake begins in a read of its own.
    client.send(header);
    client.socket.removeAllListeners('data');
    const socket = tls.connect({
      socket: client.socket,
      servername: 'a.example',
      rejectUnauthorized: false,
    });
    socket.end(get.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'));
    let got = '';
    for await (const part of socket) got += part;
    return got;
  };

  const allowed = await through(v2(1, 0x11, four));
  const refused = await through(v2(1, 0x21, six));

  expect(allowed).toMatch(/^HTTP\/1\.1 200 [\s\S]*<192\.0\.2\.7>/);
  expect(refused).toMatch(/^HTTP\/1\.1 403 [\s\S]*ADDRESS_FORBIDDEN/);
});

test('of a header that ends early more is wanted, and never one byte too many is taken', () => {
  for (const [, header] of said) {
    const bytes = Buffer.from(header);
    for (let end = 0; end < bytes.length; end++) {
      expect(readProxyHeader(bytes.subarray(0, end))).toBe('more');
    }
    const read = readProxyHeader(Buffer.concat([bytes, Buffer.from(get)]));
    expect(typeof read === 'object' && read.bytes).toBe(bytes.length);
  }
});
