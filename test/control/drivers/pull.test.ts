/** Pulling an image from an engine that answers 200 before it knows how it goes. */
import http, { type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { openEngine, Refusal } from '../../../src/control/drivers/docker/engine/engine.ts';
import { pull } from '../../../src/control/drivers/docker/images/pull.ts';

/** @param answer goes on behind a 200. */
async function pullFrom(answer: (res: ServerResponse) => void): Promise<unknown> {
  const server = http.createServer((req, res) => {
    req.resume();
    res.writeHead(200, { 'content-type': 'application/json' });
    answer(res);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const engine = openEngine(systemClock, `tcp://127.0.0.1:${port}`);
  return pull(engine, {
    name: 'registry.test/shop',
    tagOrDigest: 'v1',
    auth: null,
    clock: systemClock,
    progress: () => {},
    signal: new AbortController().signal,
  }).catch((thrown: unknown) => thrown);
}

const begun = '{"status":"Pulling from shop","id":"v1"}\r\n';
const digest = `sha256:${'a'.repeat(64)}`;

test.each([
  ['error', { error: 'toomanyrequests: slow down' }],
  ['errorDetail', { errorDetail: { message: 'toomanyrequests: slow down' } }],
  [
    'both',
    {
      errorDetail: { code: 429, message: 'toomanyrequests: slow down' },
      error: 'toomanyrequests: slow down',
    },
  ],
])(
  'an error within the stream of a pull that began with 200 is the engine’s no: %s',
  async (_, line) => {
    const end = `{"status":"Digest: ${digest}"}\r\n`;

    const thrown = await pullFrom((res) => res.end(`${begun}${JSON.stringify(line)}\r\n${end}`));

    expect(thrown).toBeInstanceOf(Refusal);
    expect(thrown).toMatchObject({ message: 'toomanyrequests: slow down' });
  },
);

test.each([
  ['breaks off', (res: ServerResponse) => res.write(begun, () => res.destroy())],
  ['breaks off within a line', (res: ServerResponse) => res.write('{"sta', () => res.destroy())],
  ['turns into a page of something between', (res: ServerResponse) => res.end('<html>502</html>')],
  ['says null', (res: ServerResponse) => res.end(`${begun}null\r\n`)],
])('a stream that %s is no pull', async (_, answer) => {
  expect(await pullFrom(answer)).toMatchObject({ code: 'DRIVER_UNAVAILABLE' });
});

test('a stream whose lines come in pieces is a pull', async () => {
  const text = `${begun}{"status":"Digest: ${digest}"}\r\n{"status":"Status: Downloaded"}`;

  const got = await pullFrom((res) => {
    for (const letter of text) res.write(letter);
    res.end();
  });

  expect(got).toBe(digest);
});
