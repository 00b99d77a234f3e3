/**
 * Clients of a service under load: they keep one connection each, never retry, and write down
 * everything.
 *
 * The rule this file keeps: all of them live in this process, so that the times in their records
 * come from one clock and can be compared: if one answer was read before another request was
 * written, it happened before.
 */
import { createHash, randomBytes } from 'node:crypto';
import type http from 'node:http';
import type { Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { type Where, wayTo } from './ways.ts';
import { until } from './whole.ts';

/** One request, from the moment it was about to be written. Times by `performance.now()`. */
export interface Exchange {
  readonly client: number;
  readonly start: number;
  /** When the head of its answer was read; when it failed, where there was none. */
  readonly head: number;
  readonly status: number;
  /** Which release answered, and the pid it named; empty where none did. */
  readonly by: string;
  readonly pid: number;
  /** What went wrong; null: nothing, and the body was what it should be. */
  readonly error: string | null;
}

export interface Closed {
  readonly client: number;
  readonly at: number;
  /** The client's port of the connection that the server closed. */
  readonly port: number;
}

export interface Mix {
  readonly get: number;
  readonly post: number;
  readonly slow: number;
  /** Between an answer and the next request. */
  readonly restMs?: number;
  /** false: each request on a connection of its own. */
  readonly keep?: boolean;
}

type Kind = 'get' | 'post' | 'slow';

/** Many clients, each with one connection and one request at a time. */
export class Load {
  readonly exchanges: Exchange[] = [];
  /** Connections that were closed while their client still wanted them. */
  readonly closed: Closed[] = [];
  readonly #way: ReturnType<typeof wayTo>;
  readonly #restMs: number;
  readonly #keep: boolean;
  readonly #ports = new Map<number, number>();
  readonly #sockets = new Set<Socket>();
  readonly #ends: Promise<void>[] = [];
  #stopping = false;

  /** Begins at once; stops by itself at the end of the test. */
  constructor(where: Where, mix: Mix) {
    this.#way = wayTo(where);
    this.#restMs = mix.restMs ?? 10;
    this.#keep = mix.keep ?? true;
    const kinds = (['get', 'post', 'slow'] as const).flatMap((kind) =>
      Array.from({ length: mix[kind] }, () => kind),
    );
    for (const [client, kind] of kinds.entries()) this.#ends.push(this.#run(client, kind));
    onTestFinished(() => this.stop());
  }

  get clients(): number {
    return this.#ends.length;
  }

  get errors(): readonly Exchange[] {
    return this.exchanges.filter(({ error }) => error !== null);
  }

  /** The connections now open: the port of the client's end, by client. */
  get ports(): ReadonlyMap<number, number> {
    return this.#ports;
  }

  /** Waits until so many requests that start from now on have been answered by this release. */
  async answered(by: string, count: number): Promise<void> {
    const since = performance.now();
    let from = this.exchanges.length;
    let seen = 0;
    await until(`${count} answers by ${by}`, () => {
      for (const one of this.exchanges.slice(from)) {
        if (one.by === by && one.start >= since) seen++;
      }
      from = this.exchanges.length;
      return seen >= count;
    });
  }

  /** Lets what is under way end, then closes the connections. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#ends);
  }

  async #run(client: number, kind: Kind): Promise<void> {
    const agent = this.#way.agent({ keepAlive: this.#keep, maxSockets: 1 });
    while (!this.#stopping) {
      this.exchanges.push(await this.#exchange(client, kind, agent));
      await new Promise((resolve) => setTimeout(resolve, this.#restMs));
    }
    // From here on a closed connection is our own doing.
    this.#ports.delete(client);
    agent.destroy();
  }

  #exchange(client: number, kind: Kind, agent: http.Agent): Promise<Exchange> {
    const body = kind === 'post' ? randomBytes(1 + Math.floor(Math.random() * 20_000)) : null;
    const digest = body && createHash('sha256').update(body).digest('hex');
    const path = { get: '/', post: '/echo', slow: `/slow?ms=${50 + Math.random() * 250}` }[kind];
    const method = body === null ? 'GET' : 'POST';
    return new Promise((resolve) => {
      const start = performance.now();
      let head = 0;
      let status = 0;
      let by = '';
      let pid = 0;
      const done = (error: string | null): void => {
        if (head === 0) head = performance.now();
        resolve({ client, start, head, status, by, pid, error });
      };
      const req = this.#way.request({ ...this.#way.options, method, path, agent });
      req.once('socket', (socket) => this.#watch(client, socket));
      req.once('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
      req.once('response', (res) => {
        head = performance.now();
        status = res.statusCode ?? 0;
        by = String(res.headers['x-release'] ?? '');
        pid = Number(res.headers['x-pid']);
        const wanted = { get: `hello from ${by}\n`, post: digest, slow: 'slow\n' }[kind];
        let text = '';
        res.setEncoding('utf8').on('data', (part: string) => {
          text += part;
        });
        res.once('error', (error) => done(error.message));
        res.once('end', () => {
          const right = status === 200 && text === wanted;
          done(right ? null : `${method} ${path}: ${status} ${text.slice(0, 200)}`);
        });
      });
      req.end(body ?? undefined);
    });
  }

  #watch(client: number, socket: Socket): void {
    if (this.#sockets.has(socket)) return;
    this.#sockets.add(socket);
    const connected = (): void => {
      this.#ports.set(client, socket.localPort ?? 0);
    };
    if (socket.connecting) socket.once('connect', connected);
    else connected();
    socket.once('close', () => {
      this.#sockets.delete(socket);
      const port = this.#ports.get(client);
      if (port === undefined) return;
      this.#ports.delete(client);
      this.closed.push({ client, at: performance.now(), port });
    });
  }
}

/** A WebSocket that says something after each answer, and is told the same back. */
export interface Talk {
  /** The release it talks to. */
  readonly by: string;
  readonly said: number;
  /** What was wrong: an answer out of order, an error. */
  readonly wrongs: readonly string[];
  /** The code it was closed with, once it is. */
  readonly code: number | null;
  readonly closed: Promise<number>;
  close(): void;
}

export async function talk(where: Where, restMs = 20): Promise<Talk> {
  const { port, ...options } = wayTo(where).options;
  const scheme = typeof where === 'number' ? 'ws' : 'wss';
  const socket = new WebSocket(`${scheme}://127.0.0.1:${port}/ws`, options);
  const wrongs: string[] = [];
  let by = '';
  let said = 0;
  let code: number | null = null;
  const closed = new Promise<number>((resolve) => {
    socket.once('close', (with_) => {
      code = with_;
      resolve(with_);
    });
  });
  socket.on('error', (error) => wrongs.push(error.message));
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.once('message', (hello) => {
      by = String(hello).replace('hello ', '');
      resolve();
    });
  });
  const say = (): void => {
    if (socket.readyState === WebSocket.OPEN) socket.send(String(said));
  };
  socket.on('message', (data) => {
    if (String(data) !== `${by} ${said}`) wrongs.push(`after ${said}: ${data}`);
    said++;
    setTimeout(say, restMs);
  });
  say();
  onTestFinished(() => socket.terminate());
  return {
    by,
    wrongs,
    get said() {
      return said;
    },
    get code() {
      return code;
    },
    closed,
    close: () => socket.close(1000),
  };
}

/** An answer that goes on: events or a download. */
export interface Stream {
  readonly by: string;
  /** Events so far, or bytes. */
  readonly count: number;
  /** What was wrong; null while nothing is. */
  readonly wrong: string | null;
  /** Resolves when it is over, with what was wrong, or null. */
  readonly over: Promise<string | null>;
  /** As a browser does that leaves the page. */
  leave(): void;
}

/** Server-sent events; each must be the next one. */
export function listen(where: Where): Promise<Stream> {
  let next = 0;
  let rest = '';
  return stream(where, '/sse', (part) => {
    const events = (rest + part.toString()).split('\n\n');
    rest = events.pop() ?? '';
    for (const event of events) {
      if (event !== `id: ${next}\ndata: ${next}`) return `after ${next}: ${event}`;
      next++;
    }
    return events.length;
  });
}

/** A download whose digest comes as a trailer. @param chunks of 32 KiB, one every `ms` */
export function download(where: Where, chunks: number, ms: number): Promise<Stream> {
  const hash = createHash('sha256');
  const take = (part: Buffer): number => {
    hash.update(part);
    return part.length;
  };
  return stream(where, `/download?chunks=${chunks}&ms=${ms}`, take, (res) => {
    const digest = hash.digest('hex');
    return res.trailers['x-digest'] === digest ? null : `digest ${digest}, not as in the trailer`;
  });
}

function stream(
  where: Where,
  path: string,
  take: (part: Buffer) => number | string,
  end: (res: http.IncomingMessage) => string | null = () => 'it ended',
): Promise<Stream> {
  return new Promise((resolve, reject) => {
    const way = wayTo(where);
    const req = way.request({ ...way.options, path, agent: false }).end();
    req.once('error', reject);
    onTestFinished(() => void req.destroy());
    req.once('response', (res) => {
      let count = 0;
      let wrong: string | null = null;
      let left = false;
      const over = new Promise<string | null>((done) => {
        res.on('data', (part: Buffer) => {
          const took = take(part);
          if (typeof took === 'string') wrong ??= took;
          else count += took;
        });
        res.on('error', (error) => {
          if (!left) wrong ??= error.message;
        });
        res.once('end', () => {
          if (!left) wrong ??= end(res);
        });
        res.once('close', () => done(wrong));
      });
      resolve({
        by: String(res.headers['x-release']),
        get count() {
          return count;
        },
        get wrong() {
          return wrong;
        },
        over,
        leave() {
          left = true;
          req.destroy();
        },
      });
    });
  });
}
