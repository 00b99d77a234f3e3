/**
 * Bodies that fit no memory, both ways through both lanes: they pass whole, and a worker holds no
 * more at their end than a few buffers.
 */
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { long } from '../support/form.ts';
import { type Pointsman, startPointsman } from '../support/whole.ts';

const bytes = long ? 2 * 1024 ** 3 : 192 * 1024 ** 2;
const piece = Buffer.alloc(256 * 1024, 'x');
const grownKibMax = 64 * 1024;
/** Nothing that the express lane knows: octets above 0x7e are the general lane's. */
const unusual = 'X-Name: h\xfcte\r\n';

test.each([
  ['express', ''],
  ['general', unusual],
] as const)(
  `a body of ${bytes} bytes goes up and one comes down at flat memory: %s lane`,
  async (lane, field) => {
    const pointsman = await startPointsman({
      workers: 1,
      run: { static: {} },
      first: { release: 'v1', targets: [await startVault()] },
      service: { limits: { body: '4GiB' } },
    });
    const [worker = 0] = pointsman.pids().workers;
    const head = (line: string, more = ''): string =>
      `${line} HTTP/1.1\r\nHost: shop\r\n${field}${more}\r\n`;
    const length = `Content-Length: ${bytes}\r\n`;
    // What a worker takes for its first traffic is not what a body takes.
    for (let nth = 0; nth < 20; nth++) await exchange(pointsman.port, head('GET /small'), 0);
    const before = await lanes(pointsman);
    const rss = watchRss(worker);

    const up = await exchange(pointsman.port, head('POST /', length), bytes);
    const down = await exchange(pointsman.port, head('GET /large'), 0);

    expect(up.text).toMatch(new RegExp(`^HTTP/1\\.1 200 [\\s\\S]*\r\n\r\n${bytes}$`));
    expect(down.text).toMatch(/^HTTP\/1\.1 200 /);
    expect(down.body).toBe(bytes);
    expect(rss.grownKib()).toBeLessThan(grownKibMax);
    const after = await lanes(pointsman);
    expect(after[lane] - before[lane]).toBe(2);
  },
);

/** A target that counts what it is given, and has as much to give. @returns its address. */
async function startVault(): Promise<string> {
  const server = net.createServer((socket) => {
    let head = '';
    let taken = -1;
    socket.on('error', () => {});
    socket.on('data', (data) => {
      if (taken >= 0) taken += data.length;
      else {
        head += data.toString('latin1');
        const end = head.indexOf('\r\n\r\n');
        if (end === -1) return;
        const [, method, path] = /^(\S+) (\S+)/.exec(head) ?? [];
        taken = head.length - end - 4;
        head = '';
        if (method === 'GET') {
          const size = path === '/large' ? bytes : 0;
          taken = -1;
          socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
          pour(socket, size);
          return;
        }
      }
      if (taken < bytes) return;
      const text = String(taken);
      taken = -1;
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return `127.0.0.1:${(server.address() as net.AddressInfo).port}`;
}

/** Writes as fast as is taken. */
function pour(socket: net.Socket, size: number): void {
  let left = size;
  const more = (): void => {
    while (left > 0 && !socket.destroyed) {
      const next = left < piece.length ? piece.subarray(0, left) : piece;
      left -= next.length;
      if (!socket.write(next)) {
        socket.once('drain', more);
        return;
      }
    }
  };
  more();
}

/** One request on a connection of its own. @returns its answer's text where it is short. */
async function exchange(
  port: number,
  head: string,
  size: number,
): Promise<{ readonly text: string; readonly body: number }> {
  const socket = net.connect({ port, host: '127.0.0.1' });
  onTestFinished(() => void socket.destroy());
  socket.write(head, 'latin1');
  pour(socket, size);
  let text = '';
  let seen = 0;
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once('close', () => reject(new Error(`closed after ${seen} bytes: ${text}`)));
    socket.on('data', (data) => {
      seen += data.length;
      if (text.length < 4_096) text += data.toString('latin1', 0, 4_096);
      const end = text.indexOf('\r\n\r\n') + 4;
      const length = Number(/content-length: (\d+)/i.exec(text)?.[1]);
      if (end < 4 || seen < end + length) return;
      resolve({ text: text.slice(0, end + length), body: seen - end });
      socket.destroy();
    });
  });
}

async function lanes(pointsman: Pointsman): Promise<{ express: number; general: number }> {
  const { text } = await pointsman.call('GET', '/metrics');
  const of = (lane: string): number =>
    Number(
      new RegExp(`^pointsman_lane_requests_total\\{lane="${lane}"\\} (\\d+)$`, 'm').exec(text)?.[1],
    );
  return { express: of('express'), general: of('general') };
}

/** The most that a process held since now, beyond what it holds now. */
function watchRss(pid: number): { grownKib(): number } {
  const kib = (): number =>
    Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  const before = kib();
  let most = before;
  const timer = setInterval(() => {
    most = Math.max(most, kib());
  }, 20);
  onTestFinished(() => clearInterval(timer));
  return { grownKib: () => Math.max(most, kib()) - before };
}
