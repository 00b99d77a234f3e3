/**
 * Answers of targets, right and wrong, as bytes in latin1.
 *
 * `fate` is what becomes of it on the express lane: `passed`: whole to the client; `kept`: that,
 * and the connection may carry another; `refused`: 502; `broken`: the client's connection is broken
 * off.
 */
export type Fate = 'kept' | 'passed' | 'refused' | 'broken';

export interface AnswerCase {
  readonly name: string;
  readonly text: string;
  readonly fate: Fate;
  readonly method: 'GET' | 'HEAD';
  /** Why the general lane may do something else; null: it may not. */
  readonly differs: string | null;
}

const head = (line: string, ...fields: string[]): string =>
  `${line}\r\n${fields.map((field) => `${field}\r\n`).join('')}\r\n`;
const ok = (body: string, ...fields: string[]): string => head('HTTP/1.1 200 OK', ...fields) + body;
const chunked = (body: string, ...fields: string[]): string =>
  ok(body, 'Transfer-Encoding: chunked', ...fields);
const hello = 'Content-Length: 5';

const entry =
  (fate: Fate) =>
  (name: string, text: string, more: Partial<AnswerCase> = {}): AnswerCase => ({
    name,
    text,
    fate,
    method: 'GET',
    differs: null,
    ...more,
  });
const kept = entry('kept');
const passed = entry('passed');
const refused = entry('refused');
const broken = entry('broken');

export const answerCorpus: readonly AnswerCase[] = [
  kept('a length', ok('hello', hello)),
  kept('a length of nothing', ok('', 'Content-Length: 0')),
  kept('chunks', chunked('5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n')),
  kept('chunks with an extension', chunked('5;a=b;c="d"\r\nhello\r\n0;x\r\n\r\n')),
  kept('chunk sizes in capitals and with zeros', chunked('00A\r\nhellohello\r\n000\r\n\r\n')),
  kept('trailers', chunked('5\r\nhello\r\n0\r\nX-Sum: 1\r\nX-More:  2 \r\n\r\n', 'Trailer: X-Sum')),
  kept(
    'trailers that belong into the head are left out',
    chunked('0\r\nSet-Cookie: a=b\r\nX-A: b\r\n\r\n'),
  ),
  kept('no reason phrase', head('HTTP/1.1 200 ', 'Content-Length: 0')),
  kept('no blank behind the status', head('HTTP/1.1 200', 'Content-Length: 0')),
  kept('a reason above ASCII', head('HTTP/1.1 200 caf\xe9', 'Content-Length: 0')),
  kept('a value above ASCII', ok('hello', hello, 'X: caf\xe9')),
  kept('204', head('HTTP/1.1 204 No Content', 'X: y')),
  kept('204 with a length', head('HTTP/1.1 204 No Content', 'Content-Length: 0')),
  kept('304 with a length', head('HTTP/1.1 304 Not Modified', 'Content-Length: 500', 'ETag: "x"')),
  kept(
    '304 that would be chunked',
    head('HTTP/1.1 304 Not Modified', 'Transfer-Encoding: chunked'),
  ),
  kept('HEAD with a length', ok('', 'Content-Length: 500'), { method: 'HEAD' }),
  kept('HEAD that would be chunked', ok('', 'Transfer-Encoding: chunked'), { method: 'HEAD' }),
  kept('HEAD with nothing said', ok(''), { method: 'HEAD' }),
  kept('two cookies', ok('hello', hello, 'Set-Cookie: a=b', 'Set-Cookie: c=d')),
  kept(
    'hop-by-hop headers',
    ok('hello', hello, 'Connection: X-Gone', 'X-Gone: 1', 'Keep-Alive: timeout=9', 'Upgrade: h2c'),
  ),
  kept('100 before the answer', `HTTP/1.1 100 Continue\r\n\r\n${ok('hello', hello)}`),
  kept('102 before the answer', `HTTP/1.1 102 Processing\r\n\r\n${ok('hello', hello)}`),
  kept(
    '103 before the answer',
    `HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n${ok('hello', hello)}`,
  ),
  kept('404', `${head('HTTP/1.1 404 Not Found', 'Content-Length: 3')}no!`),
  kept('a large body', ok('x'.repeat(200_000), 'Content-Length: 200000')),
  kept('a large chunk', chunked(`30d40\r\n${'x'.repeat(200_000)}\r\n0\r\n\r\n`)),
  kept('many chunks', chunked(`${'1\r\nx\r\n'.repeat(3_000)}0\r\n\r\n`)),
  passed('Connection: close', ok('hello', hello, 'Connection: close')),
  passed('HTTP/1.0 with a length', `${head('HTTP/1.0 200 OK', hello)}hello`),
  kept('HTTP/1.0 that is kept', `${head('HTTP/1.0 200 OK', hello, 'Connection: keep-alive')}hello`),
  passed('HTTP/1.0 until the end', `${head('HTTP/1.0 200 OK')}hello`),
  passed('until the end', ok('hello')),
  passed('nothing until the end', ok('')),
  passed('bytes behind the answer', ok('hello, there', hello)),
  passed('a second answer behind the first', ok('hello', hello) + ok('evil!', hello)),
  passed('a body in answer to HEAD', ok('hello', hello), { method: 'HEAD' }),
  passed('a body behind 204', `${head('HTTP/1.1 204 No Content')}hello`),

  refused('nothing like HTTP', 'SSH-2.0-OpenSSH_9.2\r\n\r\n\r\n'),
  refused('an HTTP of another kind', head('HTTP/2.0 200 OK', hello)),
  refused('ICY', head('ICY 200 OK', hello)),
  refused('a status of two digits', head('HTTP/1.1 20 OK', hello)),
  refused('a status of four digits', head('HTTP/1.1 2000 OK', hello)),
  refused('a status of letters', head('HTTP/1.1 abc OK', hello)),
  refused('a status of 600 and more', head('HTTP/1.1 700 OK', hello)),
  refused('a status of 0', head('HTTP/1.1 000 OK', hello)),
  refused('a control character in the reason', head('HTTP/1.1 200 O\x01K', hello)),
  refused('two lengths that differ', ok('hello', hello, 'Content-Length: 6')),
  refused('two lengths that agree', ok('hello', hello, hello)),
  refused('a list of lengths', ok('hello', 'Content-Length: 5, 5')),
  refused('a signed length', ok('hello', 'Content-Length: +5')),
  refused('a length with a leading zero', ok('hello', 'Content-Length: 05')),
  refused('a tab behind a length', ok('hello', 'Content-Length: 5\t'), {
    differs: 'Node 20 refuses it; later ones take it, and do not tell the lane of the tab',
  }),
  refused('an empty length', ok('', 'Content-Length:')),
  refused('a length beyond 53 bits', ok('hello', 'Content-Length: 99999999999999999999')),
  refused('CL with TE', chunked('5\r\nhello\r\n0\r\n\r\n', hello)),
  refused('TE with CL', ok('5\r\nhello\r\n0\r\n\r\n', hello, 'Transfer-Encoding: chunked')),
  refused('TE: gzip, chunked', ok('0\r\n\r\n', 'Transfer-Encoding: gzip, chunked')),
  refused('TE: identity', ok('hello', 'Transfer-Encoding: identity')),
  refused('TE twice', chunked('0\r\n\r\n', 'Transfer-Encoding: chunked')),
  refused('TE with a vertical tab', ok('0\r\n\r\n', 'Transfer-Encoding: \x0bchunked')),
  refused('chunked HTTP/1.0', `${head('HTTP/1.0 200 OK', 'Transfer-Encoding: chunked')}0\r\n\r\n`),
  refused(
    '101 that nobody asked for',
    head('HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', 'Upgrade: x'),
  ),
  refused('a bare LF head', 'HTTP/1.1 200 OK\nContent-Length: 5\n\nhello'),
  refused('a bare LF in one line', 'HTTP/1.1 200 OK\r\nX: y\nContent-Length: 5\r\n\r\nhello'),
  refused('a bare CR in a value', ok('hello', 'X: a\rb', hello)),
  refused('a NUL in a value', ok('hello', 'X: a\0b', hello)),
  refused('obs-fold', ok('hello', 'X: a\r\n b', hello)),
  refused('a blank before a colon', ok('hello', 'Content-Length : 5')),
  refused('a header without a colon', ok('hello', 'X', hello)),
  refused('a header without a name', ok('hello', ': x', hello)),
  refused('a head that is too large', ok('hello', hello, `X: ${'y'.repeat(70_000)}`)),
  refused('an interim answer of HTTP/1.0', `HTTP/1.0 102 Processing\r\n\r\n${ok('hello', hello)}`),
  refused(
    'an interim answer that closes',
    `HTTP/1.1 103 Early Hints\r\nConnection: close\r\n\r\n${ok('hello', hello)}`,
  ),
  refused('interim answers without end', 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(10_000)),

  broken('a length that is not reached', ok('hell', hello)),
  broken('chunks without their end', chunked('5\r\nhello\r\n')),
  broken('a chunk without its end', chunked('5\r\nhel')),
  broken('a last chunk without its empty line', chunked('5\r\nhello\r\n0\r\n')),
  broken('a chunk size of letters', chunked('5\r\nhello\r\nxyz\r\n0\r\n\r\n')),
  broken('a chunk size with 0x', chunked('0x5\r\nhello\r\n0\r\n\r\n')),
  broken('a chunk size with a sign', chunked('+5\r\nhello\r\n0\r\n\r\n')),
  broken('a chunk size beyond 53 bits', chunked('fffffffffffffff\r\nhello')),
  broken('an empty chunk size', chunked('\r\nhello\r\n0\r\n\r\n')),
  broken('a chunk longer than it says', chunked('4\r\nhello\r\n0\r\n\r\n')),
  broken('a chunk with an LF in its extension', chunked('5;a\nb\r\nhello\r\n0\r\n\r\n')),
  broken('a chunk with a quote left open', chunked('5;a="b\r\nhello\r\n0\r\n\r\n')),
  broken('a blank behind a chunk size', chunked('5 \r\nhello\r\n0\r\n\r\n')),
  broken('chunks ended by bare LF', chunked('5\nhello\n0\n\n')),
  broken('a trailer that is folded', chunked('0\r\nX: a\r\n b\r\n\r\n')),
  broken('a trailer of framing', chunked('0\r\nContent-Length: 9\r\nX-A: b\r\n\r\n')),
  broken('a trailer without a colon', chunked('0\r\nX\r\n\r\n')),
];
