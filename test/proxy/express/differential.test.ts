/**
 * The two lanes, side by side: whatever a client sends, the origin receives the same and the client
 * gets the same, or the difference is named below, with its reason. And whatever it is, no reader
 * behind the proxy sees more requests in it than were sent.
 *
 * `DIFFERENTIAL_CASES` says how many (100,000 in CI), `SEED` which.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { connectionHandler } from '../../../src/proxy/express/lane.ts';
import { createGeneralLane } from '../../../src/proxy/general/lane.ts';
import type { TargetEntry } from '../../../src/wire.ts';
import { Authority, type Pair } from '../../support/certificates.ts';
import { entry, type MakeLane, serviceEdge, startProxy } from '../../support/proxy.ts';
import { seed } from '../../support/random.ts';
import { listenOnSocket, setOfTrust, startFront, trust } from '../../support/targetTls.ts';
import { type Case, cases } from './cases.ts';
import { requestCorpus } from './corpus.ts';
import { answersIn, normal, requestsSeen, type SeenAnswer } from './readers.ts';

const count = Number(process.env.DIFFERENTIAL_CASES ?? 3_000);
/** Pairs of lanes that work at the same time. */
const rigs = 8;
const patienceMs = 15_000;

const lanes: Record<string, MakeLane> = {
  express: (plane) => {
    const { server, deadlines } = createGeneralLane(plane);
    return connectionHandler(plane, server, deadlines);
  },
  general: (plane) => {
    const { server } = createGeneralLane(plane);
    return (socket) => void server.emit('connection', socket);
  },
};

interface Outcome {
  readonly requests: readonly Received[];
  /** All bytes that reached the origin. */
  readonly raw: string;
  /** Heads that Node's parser saw in them, and streams that it gave up on. */
  readonly heads: number;
  readonly refusedByOrigin: number;
  readonly answers: readonly (Omit<SeenAnswer, 'keeps'> & { readonly keeps: boolean | null })[];
}

interface Received {
  readonly line: string;
  readonly headers: readonly string[];
  readonly body: string;
}

test(
  `the lanes agree on ${count} requests, and none is smuggled (SEED=${seed})`,
  async () => {
    const source = cases(seed);
    let left = count;
    const failures: string[] = [];
    const work = async (_: unknown, at: number): Promise<void> => {
      // Half of them have a service that does things at its edge; half are reached by TCP alone.
      const how = [undefined, undefined, 'https', 'unix'] as const;
      const express = await Rig.start('express', at % 2 === 1, how[(at >> 1) % 4]);
      const general = await Rig.start('general', at % 2 === 1, how[(at >> 1) % 4]);
      while (left-- > 0 && failures.length < 5) {
        const next: Case = source.next().value;
        const [one, other] = await Promise.all([express.send(next), general.send(next)]);
        failures.push(...judge(next, one, other));
      }
      served += express.served;
    };
    let served = 0;

    await Promise.all(Array.from({ length: rigs }, work));

    expect(failures.join('\n\n')).toBe('');
    // Were most handed over, the test would compare the general lane with itself.
    expect(served).toBeGreaterThan(count / 6);
  },
  Math.max(240_000, count * 60),
);

function judge(tried: Case, express: Outcome, general: Outcome): string[] {
  const failures: string[] = [];
  const wrong = (what: string, a: unknown, b: unknown): void => {
    failures.push(
      `${what}\n  case: ${tried.name}\n  text: ${JSON.stringify(tried.text.slice(0, 2_000))}\n` +
        `  cuts: ${JSON.stringify(tried.cuts)}\n  express: ${print(a)}\n  general: ${print(b)}`,
    );
  };
  const print = (value: unknown): string => JSON.stringify(value).slice(0, 3_000);
  const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);
  if (!same(express.requests.map(allowed), general.requests.map(allowed))) {
    wrong('the origin received something else', express.requests, general.requests);
  }
  if (!same(express.answers, general.answers)) {
    wrong('the client got something else', express.answers, general.answers);
  }
  const known = requestCorpus.find(({ text }) => text === tried.text);
  // A made stream may hold several honest requests: as many as the client got answers to.
  const made = tried.whole ? 1 : Math.max(1, general.answers.length);
  const most = known === undefined ? made : (known.most ?? 1);
  for (const [lane, { heads, raw, refusedByOrigin }] of Object.entries({ express, general })) {
    const lenient = requestsSeen(raw);
    if (heads > most || lenient > most || refusedByOrigin > 0) {
      wrong(
        `smuggled by ${lane}: Node sees ${heads}, a lenient reader ${lenient}, refused ${refusedByOrigin}, at most ${most}`,
        raw,
        '',
      );
    }
  }
  return failures;
}

/**
 * What may differ in what the origin receives:
 *
 * - Several Cookie lines. Node's client writes them as one, joined by `; `; the express lane leaves
 *   them as they came. RFC 6265 section 5.4 wants one line, RFC 9113 section 8.2.3 joins them by
 *   the same rule, and every server reads both as the same cookies.
 */
function allowed(received: Received): Received {
  const cookies = received.headers.filter((field) => field.startsWith('cookie: '));
  if (cookies.length === 0) return received;
  const one = `cookie: ${cookies.map((field) => field.slice(8)).join('; ')}`;
  const headers = received.headers.filter((field) => !field.startsWith('cookie: '));
  return { ...received, headers: [...headers, one] };
}

/** An edge with everything that leaves its mark on a message, or keeps one from going on. */
const busy = serviceEdge({
  request: {
    remove: ['user-agent', 'cookie', 'x-forwarded-proto'],
    set: [
      ['Accept', 'text/edge'],
      ['X-Real-IP', 'edge'],
    ],
    add: [['X-Edge', 'a']],
  },
  response: { remove: ['x-bytes'], set: [['Via', 'edge']], add: [['X-Edge', 'b']] },
  forwarded: true,
  stripPrefix: '/a',
  addPrefix: '/x;y=1',
  redirects: { '127.0.0.1': 'b.example' },
  allow: ['127.0.0.0/8'],
  pages: { 400: '<p>für', 413: '<p>für', 414: '<p>für', 431: '<p>für', 501: '<p>für' },
});

/** One lane before an origin that remembers. */
class Rig {
  readonly #lane: string;
  readonly #port: number;
  readonly #plane: { readonly lanes: { readonly express: number } };
  #requests: Received[] = [];
  #raw = '';
  #refused = 0;
  #heads = 0;

  static async start(lane: string, edge: boolean, scheme: TargetEntry['scheme']): Promise<Rig> {
    let rig: Rig | null = null;
    const origin = http.createServer((req, res) => rig?.received(req, res));
    origin.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      // A request that the proxy breaks off, because its client did, is refused by nobody.
      if (error.code?.startsWith('HPE_') && error.code !== 'HPE_INVALID_EOF_STATE') rig?.refused();
      socket.destroy();
    });
    origin.on('connection', (socket) => {
      socket.on('data', (chunk: Buffer) => rig?.read(chunk));
    });
    const by = trust({ verify: false });
    const at = await listening(origin, scheme, by.id);
    const make = lanes[lane];
    if (make === undefined) throw new Error(`there is no lane ${lane}`);
    const targets = [{ id: 'origin', healthy: true, ...at }];
    const pools = { blue: { id: 'shop.blue.1', release: 'v1', targets }, green: null };
    const services = [entry({ pools, edge: edge ? busy : null })];
    const proxy = await startProxy(make, { services, edge: { accessLog: 'off' } });
    proxy.plane.certificates.replace(setOfTrust(by));
    rig = new Rig(lane, proxy.port, proxy.plane);
    return rig;
  }

  constructor(lane: string, port: number, plane: { readonly lanes: { readonly express: number } }) {
    this.#lane = lane;
    this.#port = port;
    this.#plane = plane;
  }

  get served(): number {
    return this.#plane.lanes.express;
  }

  read(chunk: Buffer): void {
    this.#raw += chunk.toString('latin1');
  }

  refused(): void {
    this.#refused++;
  }

  received(req: http.IncomingMessage, res: http.ServerResponse): void {
    let body = '';
    this.#heads++;
    req.on('data', (chunk: Buffer) => {
      body += chunk.toString('latin1');
    });
    req.on('end', () => {
      const fields: string[] = [];
      for (let at = 0; at < req.rawHeaders.length; at += 2) {
        fields.push(`${req.rawHeaders[at]}: ${req.rawHeaders[at + 1]}`);
      }
      const line = `${req.method} ${req.url} HTTP/${req.httpVersion}`;
      this.#requests.push({ line, headers: normal(fields).map(anonymous), body });
      res.setHeader('X-Bytes', body.length);
      res.end(`${req.method} ${req.url}`);
    });
  }

  async send(tried: Case): Promise<Outcome> {
    this.#requests = [];
    this.#raw = '';
    this.#refused = 0;
    this.#heads = 0;
    const got = await this.#talk(tried);
    const method = tried.text.trimStart().startsWith('HEAD ') ? 'HEAD' : 'GET';
    const answers = answersIn(got, method).map((answer) => ({
      ...answer,
      // Where the client shuts its side, the answer may have been on its way before or behind that.
      keeps: tried.whole ? answer.keeps : null,
      body: anonymous(answer.body),
      headers: answer.headers.map(anonymous),
    }));
    return {
      requests: this.#requests,
      raw: this.#raw,
      heads: this.#heads,
      refusedByOrigin: this.#refused,
      answers,
    };
  }

  #talk({ name, text, cuts, whole }: Case): Promise<string> {
    return new Promise((resolve, reject) => {
      let got = '';
      const socket = net.connect({ port: this.#port, host: '127.0.0.1', noDelay: true });
      const timer = setTimeout(() => {
        socket.destroy();
        reject(
          new Error(
            `no end to ${this.#lane}: ${name}: ${JSON.stringify(text)}, got ${JSON.stringify(got)}`,
          ),
        );
      }, patienceMs);
      const method = text.startsWith('HEAD ') ? 'HEAD' : 'GET';
      socket.on('data', (chunk) => {
        got += chunk.toString('latin1');
        // A whole request is answered on a connection that stays open; then the client leaves.
        if (whole && answersIn(got, method).some((answer) => answer.whole)) socket.end();
      });
      socket.on('error', () => {});
      socket.on('close', () => {
        clearTimeout(timer);
        resolve(got);
      });
      const parts = [...cuts, text.length].map((to, at) => text.slice(cuts[at - 1] ?? 0, to));
      const next = (): void => {
        const part = parts.shift();
        if (part === undefined || socket.destroyed) {
          if (!whole) socket.end();
          return;
        }
        // Behind a turn or two, so that each part is a read of its own.
        socket.write(part, 'latin1', () => setImmediate(() => setImmediate(next)));
      };
      socket.on('connect', next);
    });
  }
}

/** Where a lane reaches the origin that listens from now on. */
async function listening(
  origin: http.Server,
  scheme: TargetEntry['scheme'],
  tls: string,
): Promise<Pick<TargetEntry, 'host' | 'port' | 'scheme' | 'tls'>> {
  const host = '127.0.0.1';
  if (scheme === 'unix') return { host: await listenOnSocket(origin), port: 0, scheme };
  if (scheme === 'https')
    return { host, port: (await startFront(pair(), origin)).port, scheme, tls };
  await new Promise<void>((resolve) => origin.listen(0, host, resolve));
  onTestFinished(() => {
    origin.closeAllConnections();
    origin.close();
  });
  return { host, port: (origin.address() as net.AddressInfo).port };
}

let made: Pair | null = null;

/** Nobody verifies it: that is for others to test. */
function pair(): Pair {
  if (made !== null) return made;
  const folder = mkdtempSync(join(tmpdir(), 'pointsman-differential-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const { dir, file } = new Authority(folder);
  made = { cert: file, key: join(dir, 'ca.key'), serial: '' };
  return made;
}

/** Ids that are made anew for each request, and the origins' ports. */
function anonymous(text: string): string {
  return text
    .replace(/^host: 127\.0\.0\.1:\d{4,5}$/, 'host: ORIGIN')
    .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/g, 'ID');
}
