/**
 * The answer grammar of the express lane, and its reader of bodies: where a message ends is known
 * to the byte, however it was cut, and what could end in two places is malformed.
 */
import { describe, expect, test } from 'vitest';
import { BodyScanner } from '../../../src/proxy/express/bodyScanner.ts';
import {
  emptyResponseHead,
  parseResponse,
  type ResponseHead,
} from '../../../src/proxy/express/response.ts';
import { fc } from '../../support/property.ts';
import { answerCorpus } from './answerCorpus.ts';

const runs = Number(process.env.FUZZ_RUNS ?? 2_000);

interface Read {
  readonly verdict: 'whole' | 'more' | 'malformed';
  readonly body: string;
  readonly trailers: readonly string[];
  /** Bytes of the final message, its head included; -1 where it is not whole. */
  readonly bytes: number;
}

/** Reads a stream as a passage does, cut into pieces. */
function read(text: string, method: string, cuts: readonly number[]): Read {
  const nothing = { body: '', trailers: [], bytes: -1 };
  const head = emptyResponseHead();
  let at = 0;
  for (;;) {
    const verdict = parseResponse(text.slice(at), method, head);
    if (verdict === 'partial') return { verdict: 'more', ...nothing };
    if (verdict === 'malformed') return { verdict, ...nothing };
    at += head.headBytes;
    if (head.status >= 200) break;
  }
  return readBody(text, at, head, cuts);
}

function readBody(text: string, start: number, head: ResponseHead, cuts: readonly number[]): Read {
  const follower = new BodyScanner();
  const begun = follower.begin(head.framing, head.bodyBytes);
  if (!begun) return { verdict: 'whole', body: '', trailers: [], bytes: start };
  let body = '';
  const borders = [...new Set([...cuts.filter((cut) => cut > start), text.length])];
  let at = start;
  for (const to of borders.sort((a, b) => a - b)) {
    // Each piece stands somewhere in a larger buffer, as a read does.
    const bytes = Buffer.from(`??${text.slice(at, to)}??`, 'latin1');
    const followed = follower.follow(bytes, 2, bytes.length - 2);
    if (followed === 'malformed') return { verdict: 'malformed', body, trailers: [], bytes: -1 };
    body += bytes.toString('latin1', 2, 2 + follower.passable);
    at += follower.taken;
    if (followed === 'ended') {
      return { verdict: 'whole', body, trailers: follower.trailers ?? [], bytes: at };
    }
  }
  return { verdict: 'more', body, trailers: [], bytes: -1 };
}

describe('the corpus', () => {
  for (const { name, text, method, fate } of answerCorpus) {
    test(`${fate}: ${name}`, () => {
      if (name === 'interim answers without end') return;
      const got = read(text, method, []);

      const untilEnd = got.verdict === 'more' && /until the end/.test(name);
      if (fate === 'kept') expect(got).toMatchObject({ verdict: 'whole', bytes: text.length });
      else if (fate === 'passed') expect(untilEnd || got.verdict === 'whole').toBe(true);
      else if (fate === 'broken') expect(got.verdict).not.toBe('whole');
      // A 101 and a head that is too large are the passage's to refuse.
      else if (!/101|too large/.test(name)) expect(got.verdict).toBe('malformed');
    });
  }
});

test('a head cut anywhere is partial, and never whole or refused', () => {
  for (const { text, method } of answerCorpus.filter((one) => one.fate === 'kept')) {
    const head = emptyResponseHead();
    parseResponse(text, method, head);
    const { headBytes } = head;
    for (let cut = 1; cut < headBytes; cut++) {
      expect([cut, parseResponse(text.slice(0, cut), method, head)]).toEqual([cut, 'partial']);
    }
  }
});

test('wherever a body is cut, the same of it is passed on and it ends at the same byte', () => {
  const good = answerCorpus.filter((one) => one.fate === 'kept' && one.text.length < 10_000);
  fc.assert(
    fc.property(fc.constantFrom(...good), fc.array(fc.nat(400), { maxLength: 12 }), (one, cuts) => {
      const whole = read(one.text, one.method, []);
      const inParts = read(
        one.text,
        one.method,
        cuts.map((cut) => cut % one.text.length),
      );
      // The last empty line is passed on, or left to the caller together with the trailers.
      const tail = (got: Read): string => got.body.replace(/(0[^\r]*\r\n)\r\n$/, '$1');
      expect({ ...inParts, body: tail(inParts) }).toEqual({ ...whole, body: tail(whole) });
    }),
    { numRuns: runs },
  );
});

test('what comes behind a message is never taken for part of it', () => {
  const good = answerCorpus.filter((one) => one.fate === 'kept' && one.text.length < 10_000);
  fc.assert(
    fc.property(
      fc.constantFrom(...good),
      fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 30 }),
      (one, more) => {
        expect(read(one.text + more, one.method, []).bytes).toBe(one.text.length);
      },
    ),
    { numRuns: runs },
  );
});

test('chunks that were made are followed to their end; one changed byte of framing is noticed or harmless', () => {
  const chunks = fc.array(fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 40 }), {
    maxLength: 6,
  });
  const changed = fc.tuple(chunks, fc.nat(), fc.integer({ min: 0, max: 255 }));
  fc.assert(
    fc.property(changed, ([parts, where, code]) => {
      const start = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';
      const body = `${parts.map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join('')}0\r\n\r\n`;
      expect(read(start + body, 'GET', []).bytes).toBe(start.length + body.length);

      const at = where % body.length;
      const spoiled = body.slice(0, at) + String.fromCharCode(code) + body.slice(at + 1);
      const got = read(start + spoiled, 'GET', []);

      if (got.verdict !== 'whole') return;
      // Whole all the same: then by a strict second reading, too.
      expect(spoiled.slice(0, got.bytes - start.length)).toMatch(
        /0+(?:;[^\r\n]*)?\r\n(?:[^\r\n]+\r\n)*\r\n$/,
      );
    }),
    { numRuns: runs },
  );
});

test('whatever bytes come, reading ends with a verdict and never past them', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      'HTTP/1.1 200 OK\r\n',
      'HTTP/1.0 304 \r\n',
      'Content-Length: 3\r\n',
      'Transfer-Encoding: chunked\r\n',
    ),
    fc.constantFrom(
      '\r\n',
      '\n',
      '0\r\n\r\n',
      '3\r\nabc\r\n',
      'X: y\r\n',
      ' fold\r\n',
      'Connection: close\r\n',
      ';',
    ),
    fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
  );
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 16 }),
      fc.array(fc.nat(200), { maxLength: 5 }),
      (parts, cuts) => {
        const text = parts.join('');
        const got = read(text, 'GET', cuts);
        expect(got.bytes).toBeLessThanOrEqual(text.length);
        expect(read(text, 'GET', []).verdict).toBe(got.verdict);
      },
    ),
    { numRuns: runs * 2 },
  );
});
