/**
 * What the lane remembers of heads that come again: it may make a difference to nobody. A request
 * on a connection that has a past is served as on one that has none, and so is an answer.
 *
 * `REPEATS` says how many requests, `SEED` which.
 */
import { expect, test } from 'vitest';
import { connectionHandler } from '../../../src/proxy/express/lane.ts';
import { createGeneralLane } from '../../../src/proxy/general/lane.ts';
import { rawClient } from '../../support/client.ts';
import {
  type MakeLane,
  oneService,
  startOrigin,
  startProxy,
  startRawOrigin,
} from '../../support/proxy.ts';
import { seed, seeded } from '../../support/random.ts';
import { cases } from './cases.ts';
import { answersIn } from './readers.ts';

const count = Number(process.env.REPEATS ?? 1_500);

const lanes: MakeLane = (plane) => {
  const { server, deadlines } = createGeneralLane(plane);
  return connectionHandler(plane, server, deadlines);
};

test(`${count} requests, each with the heads of others before it, arrive as they were sent (SEED=${seed})`, async () => {
  const random = seeded(seed);
  const origin = await startOrigin((req, res) => {
    req.resume();
    const told = req.rawHeaders.filter(
      (_, at) => !/^x-request-id$/i.test(req.rawHeaders[at & ~1] ?? ''),
    );
    // Few answers, so that they come again; a date would change with the time.
    res.sendDate = false;
    res.setHeader(
      'X-Said',
      `${req.method} ${req.url} ${told.join('|')}`.replaceAll(/[^ -~]/g, '?'),
    );
    res.end();
  });
  const proxy = await startProxy(lanes, { ...oneService(origin.port), edge: { accessLog: 'off' } });
  const all: string[] = [];
  for (const { text, whole } of cases(seed)) {
    if (whole && !/\r\nconnection: close/i.test(text) && text.length < 5_000) all.push(text);
    if (all.length === 120) break;
  }
  const pick = (): string => all[Math.floor(random() * all.length)] ?? '';
  const said = async (
    client: Awaited<ReturnType<typeof rawClient>>,
    text: string,
  ): Promise<string> => {
    const from = client.got.length;
    client.send(text);
    await client.until(new RegExp(`^[\\s\\S]{${from}}HTTP[\\s\\S]*\\r\\n\\r\\n$`));
    const [answer] = answersIn(client.got.slice(from), 'HEAD');
    expect(answer?.status, text).toBe(200);
    return answer?.headers.join('\n') ?? '';
  };
  const alone = new Map<string, string>();
  for (const text of all) alone.set(text, await said(await rawClient(proxy.port), text));

  const client = await rawClient(proxy.port);
  let before = pick();
  for (let at = 0; at < count; at++) {
    // The same again, the same lines behind another request line, or something else.
    const how = random();
    const text = how < 0.4 ? before : pick();
    expect(await said(client, text)).toBe(alone.get(text));
    before = text;
  }

  expect(proxy.plane.lanes).toEqual({ express: count + all.length, general: 0, http2: 0 });
  expect(proxy.plane.stats().handovers).toEqual({});
});

test('lines that speak of a length are read anew behind every method', async () => {
  const origin = await startOrigin((req, res) => {
    req.resume();
    res.end(req.method);
  });
  const proxy = await startProxy(lanes, oneService(origin.port));
  const client = await rawClient(proxy.port);
  const lines = 'HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n';

  client.send(`POST / ${lines}`);
  await client.until(/POST$/);
  client.send(`POST / ${lines}`);
  await client.until(/POST[\s\S]*POST$/);
  client.send(`GET / ${lines}`);
  await client.until(/GET$/);

  expect(proxy.plane.stats().handovers).toEqual({ framing: 1 });
});

test('lines without a length are no length for a POST', async () => {
  const origin = await startOrigin((req, res) => {
    req.resume();
    res.end(req.method);
  });
  const proxy = await startProxy(lanes, oneService(origin.port));
  const client = await rawClient(proxy.port);

  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await client.until(/GET$/);
  client.send('POST / HTTP/1.1\r\nHost: a\r\n\r\n');
  await client.until(/POST$/);

  expect(proxy.plane.stats().handovers).toEqual({ framing: 1 });
});

test('a peer that is trusted from now on is believed from now on, with the same lines', async () => {
  const origin = await startOrigin((req, res) => res.end(`<${req.headers['x-forwarded-for']}>`));
  const setup = oneService(origin.port);
  const proxy = await startProxy(lanes, setup);
  const client = await rawClient(proxy.port);
  const text = 'GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n';
  for (const times of [1, 2, 3]) {
    client.send(text);
    await client.until(new RegExp(`(?:<[^>]*>[\\s\\S]*){${times}}$`));
  }

  proxy.stage(setup.services, { trustedProxies: ['127.0.0.0/8'] });
  client.send(text);
  await client.until(/1\.2\.3\.4, 127\.0\.0\.1>$/);

  expect(client.got.match(/<[^>]*>/g)?.slice(0, 3)).toEqual(new Array(3).fill('<127.0.0.1>'));
});

test('each request has an id of its own, and a client may name it, with the same lines', async () => {
  const origin = await startOrigin((req, res) => res.end(`<${req.headers['x-request-id']}>`));
  const proxy = await startProxy(lanes, oneService(origin.port));
  const client = await rawClient(proxy.port);
  const named = 'GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: mine\r\n\r\n';
  const unnamed = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

  const order = [unnamed, unnamed, unnamed, named, named, named, unnamed];
  for (const [at, text] of order.entries()) {
    client.send(text);
    await client.until(new RegExp(`(?:<[^>]*>[\\s\\S]*){${at + 1}}$`));
  }

  const ids = client.got.match(/<[^>]*>/g) ?? [];
  expect(ids.slice(3, 6)).toEqual(['<mine>', '<mine>', '<mine>']);
  expect(new Set(ids).size).toBe(5);
});

test('the same head of an answer means the same only in answer to the same method', async () => {
  const head = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n';
  const origin = await startRawOrigin((socket, soFar) => {
    const method = /(\w+) \/ HTTP\/1\.1(?![\s\S]* HTTP\/1\.1)/.exec(soFar)?.[1];
    socket.write(method === 'HEAD' ? head : `${head}hello`);
  });
  const proxy = await startProxy(lanes, oneService(origin.port));
  const client = await rawClient(proxy.port);

  for (const method of ['GET', 'GET', 'HEAD', 'HEAD', 'GET', 'HEAD', 'GET']) {
    const from = client.got.length;
    client.send(`${method} / HTTP/1.1\r\nHost: a\r\n\r\n`);
    await client.until(
      new RegExp(`^[\\s\\S]{${from}}HTTP[\\s\\S]*\\r\\n\\r\\n${method === 'GET' ? 'hello' : ''}$`),
    );
  }

  expect(client.got.match(/hello/g)).toHaveLength(4);
  expect(origin.received).toHaveLength(1);
});
