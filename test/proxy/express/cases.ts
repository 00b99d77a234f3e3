/**
 * Requests for the differential test: the corpus, and as many as are wanted made from a seed.
 *
 * The rule this file keeps: a case is its bytes and where they are cut, nothing else, so that one
 * that fails can be printed and sent again.
 */
import { emptyRequestHead, parseRequest } from '../../../src/proxy/express/request.ts';
import { seeded } from '../../support/random.ts';
import { requestCorpus } from './corpus.ts';

export interface Case {
  readonly name: string;
  readonly text: string;
  /** Where the bytes are cut into writes, ascending. */
  readonly cuts: readonly number[];
  /** The bytes are one plain request, whole: the client waits for its answer before it leaves. */
  readonly whole: boolean;
}

type Random = () => number;

/** The corpus at every class of cut, then made ones without end. */
export function* cases(seed: number): Generator<Case> {
  const random = seeded(seed);
  for (const { name, text } of requestCorpus) {
    for (const [kind, cuts] of cutClasses(text)) yield make(`${name}, cut ${kind}`, text, cuts);
  }
  for (let at = 0; ; at++) {
    const kind = random();
    const text =
      kind < 0.4
        ? goodRequest(random)
        : kind < 0.8
          ? mutated(random, kind < 0.6 ? goodRequest(random) : pick(random, requestCorpus).text)
          : Array.from({ length: 2 + below(random, 14) }, () => pick(random, pieces)).join('');
    yield make(`made ${at} of seed ${seed}`, text, someCuts(random, text));
  }
}

function make(name: string, text: string, cuts: readonly number[]): Case {
  const head = emptyRequestHead();
  const whole =
    parseRequest(text, head) === 'whole' && text.length === head.headBytes + head.bodyBytes;
  return { name, text, cuts: cuts.filter((at) => at > 0 && at < text.length), whole };
}

/** One of every kind of border: inside and around line ends, colons, the empty line, the body. */
function cutClasses(text: string): [string, number[]][] {
  const end = text.indexOf('\r\n\r\n');
  const colon = text.indexOf(':');
  const line = text.indexOf('\r\n');
  const classes: [string, number[]][] = [
    ['nowhere', []],
    ['in the method', [1]],
    ['in the target', [5]],
    ['inside the first line end', [line + 1]],
    ['behind the first line', [line + 2]],
    ['before a colon', [colon]],
    ['behind a colon', [colon + 1]],
    ['before the empty line', [end + 2]],
    ['inside the empty line', [end + 3]],
    ['between head and body', [end + 4]],
    ['inside the body', [end + 6]],
    ['before the last byte', [text.length - 1]],
    ['in three', [Math.floor(text.length / 3), Math.floor((text.length * 2) / 3)]],
  ];
  if (text.length < 60) classes.push(['everywhere', Array.from(text, (_, at) => at)]);
  return classes;
}

function someCuts(random: Random, text: string): number[] {
  const count = random() < 0.5 ? 0 : 1 + below(random, 4);
  const cuts = Array.from({ length: count }, () => {
    if (random() < 0.5) return below(random, text.length);
    // Near a line end, where readers hold their breath.
    const near = text.indexOf('\r', below(random, text.length));
    return near === -1 ? below(random, text.length) : near + below(random, 3);
  });
  return [...new Set(cuts)].sort((a, b) => a - b);
}

function goodRequest(random: Random): string {
  const method = pick(random, [
    'GET',
    'GET',
    'HEAD',
    'POST',
    'POST',
    'PUT',
    'PATCH',
    'DELETE',
    'OPTIONS',
  ]);
  const lines = [`${method} ${goodTarget(random)} HTTP/1.1`];
  lines.push(
    `${cased(random, 'Host')}: ${pick(random, ['a.example', 'A.example:80', '[::1]', '127.0.0.1:1'])}`,
  );
  for (let count = below(random, 8); count > 0; count--) lines.push(pick(random, goodHeaders));
  for (let count = below(random, 3); count > 0; count--) {
    lines.push(
      `X-${letters(random, 6)}:${pick(random, ['', ' ', '\t'])}${letters(random, 30)}${pick(random, ['', ' '])}`,
    );
  }
  if (!['POST', 'PUT', 'PATCH'].includes(method)) return `${lines.join('\r\n')}\r\n\r\n`;
  const body = letters(random, random() < 0.05 ? 70_000 : 40);
  lines.splice(
    1 + below(random, lines.length),
    0,
    `${cased(random, 'Content-Length')}: ${body.length}`,
  );
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}

function goodTarget(random: Random): string {
  let target = '';
  for (let count = 1 + below(random, 4); count > 0; count--) {
    target += `/${pick(random, ['', 'a', '.', '..', '%2e', '%00', 'x;y=1', '~u', 'a:b@c', letters(random, 20)])}`;
  }
  return random() < 0.3
    ? `${target}?${pick(random, ['', 'a=b&c[]=d', '??', 'x=/../', "'(!*"])}`
    : target;
}

const goodHeaders = [
  'Accept: application/json',
  'Accept-Encoding: gzip, br',
  'User-Agent: differential/1 (of "two")',
  'Cookie: a=b; c=d',
  'cookie: e=f',
  'Connection: keep-alive',
  'connection: close',
  'Keep-Alive: timeout=10',
  'X-Forwarded-For: 1.2.3.4',
  'x-forwarded-proto: https',
  'X-Forwarded-Host: evil.example',
  'X-Forwarded-Port: 1',
  'X_Forwarded_For: 5.6.7.8',
  'X-Real-IP: 9.9.9.9',
  'Forwarded: for=1.2.3.4',
  'Proxy: http://evil',
  'Proxy-Authorization: Basic eA==',
  'Authorization: Bearer x',
  'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  'Via: 1.0 fred, 1.1 p.example',
  'Range: bytes=0-0,5-',
  'If-Match: "a", W/"b"',
  'Origin: null',
  'X-Empty:',
  'X-Request-Id: 0123-abc',
  'Content-Type: text/plain; charset="utf-8"',
  "!#$%&'*+-.^_`|~: token",
];

function mutated(random: Random, text: string): string {
  let now = text;
  for (let count = 1 + below(random, 2); count > 0; count--) {
    const at = below(random, now.length + 1);
    const piece = random() < 0.5 ? pick(random, pieces) : String.fromCharCode(below(random, 256));
    const how = below(random, 4);
    if (how === 0) now = now.slice(0, at) + piece + now.slice(at);
    else if (how === 1) now = now.slice(0, at) + piece + now.slice(at + piece.length);
    else if (how === 2) now = now.slice(0, at) + now.slice(at + 1);
    else now = now.slice(0, at) + now.slice(Math.max(0, at - 8));
  }
  return now;
}

/** What requests are made of, right and wrong. */
export const pieces = [
  'GET ',
  'POST ',
  '/',
  '/a?b',
  ' HTTP/1.1\r\n',
  ' HTTP/1.0\r\n',
  'GET / HTTP/1.1\r\n',
  'http://b.example/c',
  'GET http://b.example HTTP/1.1\r\n',
  'POST /x HTTP/1.1\r\n',
  'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
  'Host: a\r\n',
  'Host:b\r\n',
  'hOST: [::1]:80\r\n',
  'Content-Length: 5\r\n',
  'Content-Length: 0\r\n',
  'Content-Length: +5\r\n',
  'Content-Length : 5\r\n',
  'Transfer-Encoding: chunked\r\n',
  'transfer-encoding:\x0bchunked\r\n',
  'Transfer-Encoding: identity\r\n',
  'Connection: close\r\n',
  'Connection: keep-alive, X\r\n',
  'Expect: 100-continue\r\n',
  'Upgrade: x\r\n',
  'X: y\r\n',
  ' folded\r\n',
  '\r\n',
  '\n',
  '\r',
  '\0',
  ':',
  ' ',
  '\t',
  ',',
  'hello',
  '5\r\nhello\r\n',
  '0\r\n\r\n',
  '\xff',
  '\x7f',
];

function cased(random: Random, name: string): string {
  const how = below(random, 3);
  return how === 0 ? name : how === 1 ? name.toLowerCase() : name.toUpperCase();
}

function letters(random: Random, most: number): string {
  const length = below(random, most + 1);
  if (length > 200) return 'abcdefgh'.repeat(Math.ceil(length / 8)).slice(0, length);
  let text = '';
  for (let at = 0; at < length; at++) text += 'abcxyzABCXYZ019_-'[below(random, 17)];
  return text;
}

function pick<T>(random: Random, from: readonly T[]): T {
  const picked = from[below(random, from.length)];
  if (picked === undefined) throw new Error('nothing to pick from');
  return picked;
}

function below(random: Random, limit: number): number {
  return Math.floor(random() * limit);
}
