/** Somebody who is told: an HTTP server that remembers what it got, and answers as it is asked to. */
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export interface Told {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface TestReceiver {
  readonly port: number;
  readonly told: readonly Told[];
  /** Of the next requests; null: none comes. */
  status: number | null;
  close(): Promise<void>;
}

/** @param port one that it had before; 0: a free one. */
export async function startReceiver(port = 0): Promise<TestReceiver> {
  const told: Told[] = [];
  const server = createServer((req, res) => {
    const parts: Buffer[] = [];
    req.on('data', (part: Buffer) => parts.push(part));
    req.on('end', () => {
      told.push({
        path: req.url ?? '',
        headers: req.headers,
        body: Buffer.concat(parts).toString(),
      });
      if (receiver.status === null) return;
      res.writeHead(receiver.status, { location: '/elsewhere' }).end('thanks');
    });
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  onTestFinished(close);
  const receiver: TestReceiver = {
    port: (server.address() as AddressInfo).port,
    told,
    status: 204,
    close,
  };
  return receiver;
}
