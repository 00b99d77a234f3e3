/**
 * A real admin server on a free port in front of a fake control, and a bare HTTP client that sends
 * what it is told: any Host, any header, any bytes.
 */
import { type IncomingHttpHeaders, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { Admin } from '../../src/control/admin/server.ts';
import { type AdminOptions, startAdmin } from '../../src/control/admin/server.ts';
import { type FakeControl, fakeControl } from './fakeControl.ts';

export interface Served {
  readonly control: FakeControl;
  readonly admin: Admin;
  readonly url: string;
  readonly port: number;
  readonly bugs: readonly unknown[];
  readonly logged: readonly { readonly level: string; readonly message: string; fields: object }[];
  call(method: string, path: string, options?: CallOptions): Promise<Answered>;
  close(): Promise<void>;
}

export interface CallOptions {
  readonly headers?: Record<string, string>;
  /** An object is sent as JSON. */
  readonly body?: unknown;
}

export interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of many shapes.
  readonly json: any;
}

export async function serveAdmin(
  options: Partial<AdminOptions> & { readonly control?: FakeControl } = {},
): Promise<Served> {
  const control = options.control ?? fakeControl();
  const bugs: unknown[] = [];
  const logged: { level: string; message: string; fields: object }[] = [];
  const logger = (level: string) => (fields: object, message: string) => {
    logged.push({ level, message, fields });
  };
  const admin = await startAdmin({
    listen: { host: '127.0.0.1', port: 0 },
    tokenFile: null,
    hosts: [],
    pageDir: null,
    onBug: (thrown) => bugs.push(thrown),
    log: { info: logger('info'), warn: logger('warn'), error: logger('error') },
    ...options,
    control,
  });
  control.readTokens = () => admin.reload();
  const { port } = admin.address;
  return {
    control,
    admin,
    port,
    url: `http://127.0.0.1:${port}`,
    bugs,
    logged,
    call: (method, path, more) => ask(port, method, path, more),
    close: () => admin.close(),
  };
}

/** One request on a connection of its own. */
export function ask(
  port: number,
  method: string,
  path: string,
  { headers = {}, body }: CallOptions = {},
): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
    const json = typeof body === 'object' ? { 'content-type': 'application/json' } : {};
    const length = text === undefined ? {} : { 'content-length': Buffer.byteLength(text) };
    const all = { ...json, ...length, ...headers };
    const req = request({ host: '127.0.0.1', port, method, path, headers: all, agent: false });
    req.once('error', reject);
    req.once('response', (res) => {
      let got = '';
      res.setEncoding('utf8');
      res.on('data', (chunk: string) => {
        got += chunk;
      });
      res.once('error', reject);
      res.once('end', () => {
        const isJson = String(res.headers['content-type']).includes('json');
        const parsed = isJson && got ? JSON.parse(got) : null;
        resolve({ status: res.statusCode ?? 0, headers: res.headers, text: got, json: parsed });
      });
    });
    req.end(text);
  });
}

/** A raw connection: what it received so far, and how to wait for more. */
export interface Wire {
  readonly socket: Socket;
  readonly received: string;
  until(found: string | RegExp): Promise<string>;
  readonly closed: Promise<void>;
}

export function dial(port: number): Wire {
  const socket = connect(port, '127.0.0.1');
  let received = '';
  const waiting = new Set<() => void>();
  socket.setEncoding('utf8');
  socket.on('data', (chunk: string) => {
    received += chunk;
    for (const look of waiting) look();
  });
  socket.on('error', () => {});
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  return {
    socket,
    get received() {
      return received;
    },
    closed,
    until: (found) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const has = typeof found === 'string' ? received.includes(found) : found.test(received);
          if (!has) return;
          waiting.delete(look);
          resolve(received);
        };
        waiting.add(look);
        closed.then(() => reject(new Error(`closed before ${found}; got ${received}`)));
        look();
      }),
  };
}
