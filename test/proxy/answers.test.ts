/** Answers of our own. */
import { expect, test } from 'vitest';
import { type FaultCode, faults } from '../../src/errors.ts';
import { ownAnswer, wireForm } from '../../src/proxy/answers.ts';

const about = {
  id: 'id-1',
  accept: '',
  policy: {
    retryAfterSeconds: 7,
    bodyBytesMax: 100 * 1024 * 1024,
    headerBytesMax: 16 * 1024,
    responseHeaderBytesMax: 65_000,
    bytesPerSecondMin: 240,
  },
  close: false,
  date: new Date(0),
};

function header(list: readonly string[], name: string): string | undefined {
  const at = list.findIndex((one, index) => index % 2 === 0 && one === name);
  return at === -1 ? undefined : list[at + 1];
}

test.each(Object.keys(faults) as FaultCode[])(
  '%s is answered in three forms of the right length',
  (code) => {
    for (const accept of ['', 'application/json', 'text/html']) {
      const answer = ownAnswer(code, { ...about, accept });

      expect(answer.status).toBe(faults[code].status);
      expect(header(answer.headers, 'Content-Length')).toBe(String(Buffer.byteLength(answer.body)));
      expect(answer.body).toContain(code);
      expect(answer.body).toContain('id-1');
    }
  },
);

test('Retry-After stands where trying again is of use', () => {
  const of = (code: FaultCode) => header(ownAnswer(code, about).headers, 'Retry-After');

  expect([of('NO_HEALTHY_TARGET'), of('QUEUE_FULL'), of('REQUEST_INVALID')]).toEqual([
    '7',
    '7',
    undefined,
  ]);
});

test('what was too large is answered with the key of the limit and how much it is', () => {
  const words = (code: FaultCode, policy = about.policy): string | undefined =>
    /\(.*\)/.exec(ownAnswer(code, { ...about, policy }).body)?.[0];

  expect(words('BODY_TOO_LARGE')).toBe('(limits.body: 100MiB)');
  expect(words('HEADER_TOO_LARGE')).toBe('(limits.header: 16KiB)');
  expect(words('URI_TOO_LONG')).toBe('(limits.header: 16KiB)');
  expect(words('UPSTREAM_HEADER_TOO_LARGE')).toBe('(limits.responseHeader: 65000B)');
  expect(ownAnswer('HEADER_TOO_LARGE', { ...about, policy: null }).body).not.toContain('limits.');
});

test.each([
  ['text/html,application/xhtml+xml,*/*;q=0.8', 'text/html'],
  ['application/json, text/html', 'application/json'],
  ['application/problem+json', 'application/json'],
  ['image/png', 'text/plain'],
  ['*/*', 'text/plain'],
])('Accept: %s gets %s', (accept, type) => {
  const answer = ownAnswer('ROUTE_UNKNOWN', { ...about, accept });

  expect(header(answer.headers, 'Content-Type')).toBe(`${type}; charset=utf-8`);
});

test('a refused method says which ones are taken, and bytes are bytes', () => {
  const answer = ownAnswer('METHOD_REFUSED', { ...about, close: true });

  expect(header(answer.headers, 'Allow')).toContain('GET');
  expect(wireForm(answer)).toMatch(
    /^HTTP\/1\.1 405 Method Not Allowed\r\n[\s\S]*\r\nConnection: close\r\n\r\n405 /,
  );
});
