/**
 * The request grammar of the express lane: what passes has one reading, everything else is left.
 */
import { describe, expect, test } from 'vitest';
import {
  emptyRequestHead,
  parseRequest,
  type RequestHead,
} from '../../../src/proxy/express/request.ts';
import { fc } from '../../support/property.ts';
import { requestCorpus } from './corpus.ts';

const runs = Number(process.env.FUZZ_RUNS ?? 3_000);

/** Reads `text` into a head of its own. */
function read(text: string): { verdict: string; head: RequestHead } {
  const head = emptyRequestHead();
  return { verdict: parseRequest(text, head), head };
}

describe('what is served', () => {
  test('a plain GET is read whole, with its headers as they came', () => {
    const text = 'GET /a/b?c=d HTTP/1.1\r\nHost: Shop.example:80\r\nX-One:  two  \r\n\r\n';

    const { verdict, head } = read(text);

    expect(verdict).toBe('whole');
    expect(head).toMatchObject({
      method: 'GET',
      target: '/a/b?c=d',
      host: 'Shop.example:80',
      raw: ['Host', 'Shop.example:80', 'X-One', 'two'],
      bodyBytes: 0,
      close: false,
      headBytes: text.length,
    });
  });

  test('a POST says how long its body is, and where it begins', () => {
    const head = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\nConnection: close\r\n\r\n';

    const got = read(`${head}hello world!`);

    expect(got.verdict).toBe('whole');
    expect(got.head).toMatchObject({ bodyBytes: 12, close: true, headBytes: head.length });
  });

  test('what a head said is not remembered in the next', () => {
    const head = emptyRequestHead();
    parseRequest(
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\nX-Request-Id: q\r\n\r\n',
      head,
    );

    parseRequest('GET / HTTP/1.1\r\nHost: b\r\n\r\n', head);

    expect(head).toMatchObject({ host: 'b', bodyBytes: 0, close: false, id: undefined });
    expect(head.raw).toEqual(['Host', 'b']);
  });
});

describe('what is left to the general lane', () => {
  for (const { name, text, served } of requestCorpus) {
    test(`${served ? 'served' : 'left'}: ${name}`, () => {
      const { verdict, head } = read(text);

      const whole = verdict === 'whole' && text.length - head.headBytes <= head.bodyBytes;
      expect(whole, verdict).toBe(served);
    });
  }
});

test('a head cut anywhere is partial, and never whole or refused', () => {
  for (const { text, served } of requestCorpus.filter((entry) => entry.served)) {
    const { head } = read(text);
    for (let cut = 1; cut < head.headBytes; cut++) {
      expect([served, cut, read(text.slice(0, cut)).verdict]).toEqual([true, cut, 'partial']);
    }
  }
});

test('a head that is refused stays refused, whatever follows', () => {
  fc.assert(
    fc.property(fc.constantFrom(...requestCorpus), fc.string({ maxLength: 40 }), (entry, more) => {
      const before = read(entry.text).verdict;
      if (before === 'partial' || before === 'whole') return;
      expect(read(entry.text + more).verdict).toBe(before);
    }),
    { numRuns: runs },
  );
});

test('whatever bytes come, what passes is exactly the grammar of RFC 9112', () => {
  const piece = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...pieces) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary-ascii', maxLength: 6 }) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 255 }).map((c) => String.fromCharCode(c)) },
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 24 }), (parts) => {
      const text = parts.join('');
      const { verdict, head } = read(text);
      if (verdict !== 'whole') return;
      expect(text.slice(0, head.headBytes)).toMatch(strictHead);
      expect(text.slice(0, head.headBytes - 4)).not.toContain('\r\n\r\n');
      expect(text.match(/^host:/gim)?.length).toBeGreaterThanOrEqual(1);
      const lengths = head.raw.filter(
        (_, at) => at % 2 === 0 && /^content-length$/i.test(head.raw[at] ?? ''),
      );
      expect(lengths.length).toBeLessThanOrEqual(1);
      expect(head.raw.some((name, at) => at % 2 === 0 && /^transfer-encoding$/i.test(name))).toBe(
        false,
      );
    }),
    { numRuns: runs * 3, examples: [] },
  );
});

test('mutations of good heads are read as one request, or left', () => {
  const good = requestCorpus.filter((entry) => entry.served).map((entry) => entry.text);
  const mutation = fc.tuple(
    fc.constantFrom(...good),
    fc.nat(),
    fc.constantFrom('insert', 'replace', 'remove', 'double'),
    fc.oneof(
      fc.constantFrom(...pieces),
      fc.integer({ min: 0, max: 255 }).map((c) => String.fromCharCode(c)),
    ),
  );
  fc.assert(
    fc.property(mutation, ([text, where, how, piece]) => {
      const at = where % (text.length + 1);
      const mutated = mutate(text, at, how, piece);
      const { verdict, head } = read(mutated);
      if (verdict === 'whole') expect(mutated.slice(0, head.headBytes)).toMatch(strictHead);
    }),
    { numRuns: runs * 3 },
  );
});

function mutate(text: string, at: number, how: string, piece: string): string {
  if (how === 'insert') return text.slice(0, at) + piece + text.slice(at);
  if (how === 'replace') return text.slice(0, at) + piece + text.slice(at + piece.length);
  if (how === 'remove') return text.slice(0, at) + text.slice(at + 1);
  return text.slice(0, at) + text.slice(Math.max(0, at - 8));
}

/**
 * RFC 9112 section 2.1, with the narrower choices of this lane, written once more as one
 * expression.
 */
const strictHead =
  /^(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) \/[\x21-\x7e]* HTTP\/1\.1\r\n(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e]*\r\n)+\r\n$/;

const pieces = [
  'GET ',
  'POST ',
  '/',
  '/a?b',
  ' HTTP/1.1\r\n',
  'GET / HTTP/1.1\r\n',
  'POST /x HTTP/1.1\r\n',
  'Host: a\r\n',
  'Host:b\r\n',
  'hOST: [::1]:80\r\n',
  'Content-Length: 5\r\n',
  'Content-Length: +5\r\n',
  'Content-Length : 5\r\n',
  'Transfer-Encoding: chunked\r\n',
  'transfer-encoding:\x0bchunked\r\n',
  'Connection: close\r\n',
  'Connection: keep-alive, X\r\n',
  'X: y\r\n',
  ' folded\r\n',
  '\r\n',
  '\n',
  '\r',
  '\0',
  ':',
  ' ',
  '\t',
  'hello',
  '0\r\n\r\n',
];
