/** What callers send: too much, not JSON, the wrong shape, or something meant to do harm. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { dial, type Served, serveAdmin } from '../../support/admin.ts';

let served: Served;

beforeEach(async () => {
  served = await serveAdmin();
});

afterEach(() => served.close());

const path = '/v1/services/shop/deployments';
const json = { 'content-type': 'application/json' };
const post = (body: unknown, headers: Record<string, string> = json) =>
  served.call('POST', path, { body, headers });

test('an admin body of 10 MB gets a clear error, and changes nothing', async () => {
  const answer = await post(`{"release":"${'x'.repeat(10_000_000)}"}`);

  expect(answer.status).toBe(413);
  expect(answer.json).toMatchObject({ code: 'ADMIN_BODY_TOO_LARGE', limitBytes: 65_536 });
  expect(answer.json.detail).toContain('65536 bytes');
  expect(served.control.calls).toEqual([]);
});

test('10 MB without a length are refused as soon as the limit is passed', async () => {
  const wire = dial(served.port);
  wire.socket.write(
    `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n` +
      'Transfer-Encoding: chunked\r\n\r\n',
  );
  const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`;
  for (let i = 0; i < 160; i++) wire.socket.write(chunk);

  expect(await wire.until('ADMIN_BODY_TOO_LARGE')).toMatch(/^HTTP\/1\.1 413 /);
  wire.socket.end();
  await wire.closed;
});

test('a sender that asked to close is not reset while it still writes: it gets the answer', async () => {
  const wire = dial(served.port);
  const failures: Error[] = [];
  wire.socket.on('error', (failure) => failures.push(failure));
  wire.socket.write(
    `POST ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n` +
      `Content-Type: application/json\r\nContent-Length: 5000000\r\n\r\n${'x'.repeat(5_000_000)}`,
  );

  expect(await wire.until('ADMIN_BODY_TOO_LARGE')).toMatch(/^HTTP\/1\.1 413 /);
  await wire.closed;
  expect(failures).toEqual([]);
});

test('whoever sends its body behind a refusal, and all of it, keeps the connection', async () => {
  const wire = dial(served.port);
  wire.socket.write(
    `POST ${path} HTTP/1.1\r\nHost: nobody.example\r\nContent-Type: application/json\r\n` +
      'Content-Length: 2\r\n\r\n{',
  );
  await wire.until('HTTP/1.1 4');
  wire.socket.write('}GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');

  await wire.until('HTTP/1.1 200');
  wire.socket.end();
  await wire.closed;
});

test('a sender that never ends a refused body is cut, not waited for', async () => {
  const wire = dial(served.port);
  wire.socket.write(
    `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n` +
      'Content-Length: 10000000\r\n\r\n{',
  );

  await wire.until('ADMIN_BODY_TOO_LARGE');

  await wire.closed;
});

test.each(['{', '[1,2', 'release=v2', '{"release":"v2",}', '\u0000'])(
  'a body that is no JSON is refused: %j',
  async (body) => {
    const answer = await post(body);

    expect([answer.status, answer.json.code]).toEqual([400, 'BODY_INVALID']);
  },
);

test.each([
  'text/plain',
  'application/x-www-form-urlencoded',
  'application/xml',
  'multipart/form-data',
])('the content type %s is refused', async (type) => {
  const answer = await post('{"release":"v2"}', { 'content-type': type });

  expect([answer.status, answer.json.code]).toEqual([400, 'BODY_INVALID']);
  expect(answer.json.detail).toContain('application/json');
});

test.each([
  ['an unknown key', { release: 'v2', relase: 'v3' }, 'unknown key "relase"'],
  ['no release', {}, 'release is missing'],
  ['a number for a name', { release: 5 }, 'release'],
  ['a name with a slash', { release: '../v2' }, 'release: has characters that are not allowed'],
  ['an array for the body', [], 'object'],
  ['a wrong choice', { release: 'v2', flip: 'later' }, 'wanted one of auto, manual'],
  ['257 targets', { release: 'v2', targets: new Array(257).fill('a:1') }, 'targets'],
])('a body of the wrong shape says what is wrong: %s', async (_what, body, said) => {
  const answer = await post(JSON.stringify(body));

  expect([answer.status, answer.json.code]).toEqual([400, 'BODY_INVALID']);
  expect(answer.json.detail).toContain(said);
  expect(served.control.calls).toEqual([]);
});

test.each([
  '{"release":"v2","__proto__":{"dryRun":true}}',
  '{"release":"v2","constructor":{"prototype":{"dryRun":true}}}',
  '{"__proto__":{"release":"v2"}}',
])('keys that would poison a prototype are refused: %s', async (body) => {
  const answer = await post(body);

  expect([answer.status, answer.json.code]).toEqual([400, 'BODY_INVALID']);
  expect(({} as Record<string, unknown>).dryRun).toBeUndefined();
  expect(served.control.calls).toEqual([]);
});

test.each(['a\r\nSet-Cookie: x=1', '\u001b[2J', 'a\u0000b', '\u202Egnp.exe', 'a\u2028b'])(
  'header injection and terminal tricks in by and why are refused: %j',
  async (text) => {
    const by = await post(JSON.stringify({ release: 'v2', by: text }));
    const why = await post(JSON.stringify({ release: 'v2', why: text }));

    expect([by.json.code, why.json.code]).toEqual(['BODY_INVALID', 'BODY_INVALID']);
    expect(by.headers['set-cookie']).toBeUndefined();
  },
);

test('X-Pointsman-By comes before by, is read as UTF-8, and is bounded', async () => {
  const wire = dial(served.port);
  const body = '{"by":"somebody"}';
  wire.socket.write(
    'POST /v1/services/shop/pause HTTP/1.1\r\nHost: localhost\r\nX-Pointsman-By: Zoë\r\n' +
      `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  await wire.until('HTTP/1.1 200');
  wire.socket.destroy();
  const long = await served.call('POST', '/v1/services/shop/pause', {
    headers: { 'x-pointsman-by': 'x'.repeat(101) },
  });
  await served.call('POST', '/v1/services/shop/resume');

  expect(long.json.code).toBe('CALL_INVALID');
  expect(served.control.calls.map(({ call }) => call.by)).toEqual(['Zoë', 'admin API']);
});

test.each(['3', 'W/"3"', '"x"', '"3", "4"', '""', '"03"', '"-1"'])(
  'an If-Match that is no generation is refused, never ignored: %s',
  async (value) => {
    const answer = await served.call('POST', '/v1/services/shop/pause', {
      headers: { 'if-match': value },
    });

    expect([answer.status, answer.json.code]).toEqual([400, 'CALL_INVALID']);
    expect(served.control.calls).toEqual([]);
  },
);

test('If-Match reaches Control as a generation; * is any', async () => {
  await served.call('POST', '/v1/services/shop/pause', { headers: { 'if-match': '"3"' } });
  await served.call('POST', '/v1/services/shop/pause', { headers: { 'if-match': '*' } });

  expect(served.control.calls.map(({ call }) => call.generation)).toEqual([3, null]);
});

test('what is no HTTP gets a 400 and the connection ends; the server goes on', async () => {
  const wire = dial(served.port);
  wire.socket.write('\u0016\u0003\u0001 hello\r\n\r\n');

  await wire.closed;

  expect(wire.received).toMatch(/^HTTP\/1\.1 400 /);
  expect((await served.call('GET', '/healthz')).status).toBe(200);
});
