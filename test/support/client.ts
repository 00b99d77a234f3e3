/**
 * Clients for tests of the proxy: one that speaks bytes, one that speaks HTTP and never retries.
 *
 * The rule this file keeps: they wait for what they were told to wait for, never for time.
 */
import http from 'node:http';
import net from 'node:net';
import { onTestFinished } from 'vitest';

export interface RawClient {
  readonly socket: net.Socket;
  /** All that came, as latin1. */
  readonly got: string;
  send(bytes: string | Buffer): void;
  /** Waits until what came matches. @throws when the connection ends before. */
  until(pattern: RegExp): Promise<string>;
  /** Waits until the proxy has ended or broken the connection; all that came. */
  ended(): Promise<string>;
}

export async function rawClient(port: number, options: object = {}): Promise<RawClient> {
  const socket = net.connect({ port, host: '127.0.0.1', noDelay: true, ...options });
  let got = '';
  let over = false;
  const waiting = new Set<() => void>();
  const look = (): void => {
    for (const one of [...waiting]) one();
  };
  socket.on('data', (chunk) => {
    got += chunk.toString('latin1');
    look();
  });
  const end = (): void => {
    over = true;
    look();
  };
  socket.on('error', end);
  socket.on('end', end);
  socket.on('close', end);
  await new Promise<void>((resolve) => socket.once('connect', resolve));
  onTestFinished(() => void socket.destroy());
  const when = (done: () => boolean): Promise<string> =>
    new Promise((resolve, reject) => {
      const one = (): void => {
        if (done()) {
          waiting.delete(one);
          resolve(got);
        } else if (over) {
          waiting.delete(one);
          reject(new Error(`the connection ended after: ${got}`));
        }
      };
      waiting.add(one);
      one();
    });
  return {
    socket,
    get got() {
      return got;
    },
    send: (bytes) =>
      void socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes),
    until: (pattern) => when(() => pattern.test(got)),
    ended: () => when(() => over),
  };
}

/** Sends bytes on a connection of their own; all that came until it ended. */
export async function exchangeRaw(port: number, bytes: string): Promise<string> {
  const client = await rawClient(port);
  client.send(bytes);
  return client.ended();
}

export interface Got {
  readonly status: number;
  readonly reason: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly body: string;
  readonly bytes: number;
  readonly trailers: NodeJS.Dict<string>;
  readonly interim: readonly http.InformationEvent[];
}

export interface Ask {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: http.OutgoingHttpHeaders | string[];
  readonly body?: string | Buffer | undefined;
  readonly agent?: http.Agent;
}

/** One request by Node's client, which never retries. @throws whatever went wrong. */
export function ask(port: number, what: Ask = {}): Promise<Got> {
  const { method = 'GET', path = '/', headers = {}, body, agent } = what;
  return new Promise((resolve, reject) => {
    const interim: http.InformationEvent[] = [];
    const req = http.request({
      host: '127.0.0.1',
      port,
      method,
      path,
      headers,
      agent: agent ?? false,
    });
    req.on('error', reject);
    req.on('information', (info) => interim.push(info));
    req.on('response', (res) => {
      const chunks: Buffer[] = [];
      res.on('data', (chunk: Buffer) => chunks.push(chunk));
      res.on('error', reject);
      res.on('end', () => {
        const whole = Buffer.concat(chunks);
        resolve({
          status: res.statusCode ?? 0,
          reason: res.statusMessage ?? '',
          headers: res.headers,
          rawHeaders: res.rawHeaders,
          body: whole.toString('latin1'),
          bytes: whole.length,
          trailers: res.trailers,
          interim,
        });
      });
    });
    req.end(body);
  });
}

/** An agent that keeps connections, destroyed after the test. */
export function keepAlive(maxSockets = Number.POSITIVE_INFINITY): http.Agent {
  const agent = new http.Agent({ keepAlive: true, maxSockets });
  onTestFinished(() => agent.destroy());
  return agent;
}

/**
 * Looks again and again, a turn of the event loop apart, until it holds; fails with what was last
 * seen.
 */
export async function eventually<T>(
  look: () => T,
  holds: (seen: T) => boolean,
  limitMs = 5_000,
): Promise<T> {
  const until = performance.now() + limitMs;
  for (;;) {
    const seen = look();
    if (holds(seen)) return seen;
    if (performance.now() > until) throw new Error(`still ${JSON.stringify(seen)}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
