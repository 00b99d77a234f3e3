/**
 * Requests that were used, or could be, to make two readers of one stream disagree, beside plain
 * ones.
 *
 * `served` says whether the express lane carries it; everything else is the general lane's to
 * judge. Texts are bytes as latin1. Beside each trick stands where it comes from, where it has a
 * name.
 */
export interface RequestCase {
  readonly name: string;
  readonly text: string;
  readonly served: boolean;
  /** How many requests an honest reader may see in it; 1 where nothing is said. */
  readonly most?: number;
}

const plain = (line: string, ...fields: string[]): string =>
  `${line}\r\n${fields.map((field) => `${field}\r\n`).join('')}\r\n`;
const get = (...fields: string[]): string => plain('GET / HTTP/1.1', 'Host: a.example', ...fields);
const post = (body: string, ...fields: string[]): string =>
  plain('POST /p HTTP/1.1', 'Host: a.example', ...fields) + body;
const smuggled = 'GET /admin HTTP/1.1\r\nHost: a.example\r\n\r\n';

const yes = (name: string, text: string): RequestCase => ({ name, text, served: true });
const no = (name: string, text: string, most = 1): RequestCase => ({
  name,
  text,
  served: false,
  most,
});

export const requestCorpus: readonly RequestCase[] = [
  yes('the smallest request', get()),
  yes('a path with a query', plain('GET /a/b.c;d=e/%41?x=1&y[]=2|3 HTTP/1.1', 'Host: a.example')),
  yes('a port in Host', plain('GET / HTTP/1.1', 'Host: a.example:8080')),
  yes('an IPv6 Host', plain('GET / HTTP/1.1', 'Host: [::1]:8080')),
  yes('HEAD', plain('HEAD /h HTTP/1.1', 'Host: a.example')),
  yes('DELETE without a body', plain('DELETE /d HTTP/1.1', 'Host: a.example')),
  yes('OPTIONS on a path', plain('OPTIONS /o HTTP/1.1', 'Host: a.example')),
  yes('POST with a length', post('hello', 'Content-Length: 5')),
  yes('POST of nothing', post('', 'Content-Length: 0')),
  yes(
    'PUT with a length',
    `${plain('PUT /u HTTP/1.1', 'Host: a.example', 'content-length: 3')}abc`,
  ),
  yes(
    'PATCH with a length',
    `${plain('PATCH /u HTTP/1.1', 'Content-Length: 1', 'Host: a.example')}z`,
  ),
  yes('a body that looks like a request', post(smuggled, `Content-Length: ${smuggled.length}`)),
  yes('a body that looks like chunks', post('0\r\n\r\n', 'Content-Length: 5')),
  yes('Connection: close', get('Connection: close')),
  yes('Connection: Keep-Alive', get('Connection: Keep-Alive', 'Keep-Alive: timeout=5')),
  yes('an empty value', get('X-Empty:')),
  yes('blanks around a value', get('X-Blank: \t two words  ')),
  no('a tab behind a value', get('X-Blank: two words\t')),
  no('a tab behind a length', post('hello', 'Content-Length: 5\t')),
  yes('a value of tabs', get('X-Tabs: a\tb')),
  yes('two cookies', get('Cookie: a=b', 'Cookie: c=d')),
  yes('names of every token character', get("!#$%&'*+-.^_`|~09azAZ: x")),
  yes('a long value', get(`X-Long: ${'v'.repeat(4000)}`)),
  yes('many headers', get(...Array.from({ length: 60 }, (_, at) => `X-${at}: ${at}`))),
  yes(
    'forwarded headers of a client',
    get('X-Forwarded-For: 1.2.3.4', 'X-Forwarded-Proto: https', 'Forwarded: for=1.2.3.4'),
  ),
  yes('a request id', get('X-Request-Id: abc-123')),
  yes('a request id that is refused', get('X-Request-Id: a b"c')),
  yes('Via of another proxy', get('Via: 1.1 other')),
  yes(
    'If-None-Match, Range and Accept-Encoding',
    get('If-None-Match: "x"', 'Range: bytes=0-1', 'Accept-Encoding: gzip'),
  ),
  yes('// at the front of a path', plain('GET //a//b HTTP/1.1', 'Host: a.example')),
  yes('dots in a path', plain('GET /a/../b/./c HTTP/1.1', 'Host: a.example')),

  no('CL.TE', post('0\r\n\r\nG', 'Content-Length: 6', 'Transfer-Encoding: chunked')),
  no(
    'TE.CL',
    post(`28\r\n${smuggled}\r\n0\r\n\r\n`, 'Content-Length: 4', 'Transfer-Encoding: chunked'),
  ),
  no(
    'TE.TE: a second coding',
    post('0\r\n\r\n', 'Transfer-Encoding: chunked', 'Transfer-Encoding: x'),
  ),
  no('TE with a vertical tab', post('0\r\n\r\n', 'Transfer-Encoding:\x0bchunked')),
  no('TE: xchunked', post('0\r\n\r\n', 'Transfer-Encoding: xchunked')),
  no('TE: chunked, identity', post('0\r\n\r\n', 'Transfer-Encoding: chunked, identity')),
  no('TE in quotes', post('0\r\n\r\n', 'Transfer-Encoding: "chunked"')),
  no('TE with a blank before the colon', post('0\r\n\r\n', 'Transfer-Encoding : chunked')),
  no('TE folded', post('0\r\n\r\n', 'Transfer-Encoding:\r\n chunked')),
  no('TE behind a bare CR', post('0\r\n\r\n', 'X: y\rTransfer-Encoding: chunked')),
  no('TE behind a bare LF', post('0\r\n\r\n', 'X: y\nTransfer-Encoding: chunked')),
  no('TE behind NUL', post('0\r\n\r\n', 'X: y\0Transfer-Encoding: chunked')),
  no('chunked, in order', post('5\r\nhello\r\n0\r\n\r\n', 'Transfer-Encoding: chunked')),
  no(
    'chunked DELETE (CVE-2026-29057)',
    plain('DELETE / HTTP/1.1', 'Host: a.example', 'Transfer-Encoding: chunked') +
      `28\r\n${smuggled}\r\n0\r\n\r\n`,
  ),
  no(
    'chunked OPTIONS (CVE-2026-29057)',
    `${plain('OPTIONS / HTTP/1.1', 'Host: a.example', 'Transfer-Encoding: chunked')}0\r\n\r\n`,
  ),
  no(
    'a chunk longer than it says',
    post(`24\r\n${smuggled}\r\n0\r\n\r\n`, 'Transfer-Encoding: chunked'),
  ),
  no(
    'a chunk shorter than it says',
    post(`2c\r\n${smuggled}\r\n0\r\n\r\n`, 'Transfer-Encoding: chunked'),
  ),
  no('a chunk size with 0x', post('0x5\r\nhello\r\n0\r\n\r\n', 'Transfer-Encoding: chunked')),
  no(
    'a chunk size beyond 64 bits',
    post('10000000000000005\r\nhello\r\n0\r\n\r\n', 'Transfer-Encoding: chunked'),
  ),
  no(
    'a chunk with an LF in its extension',
    post('5;a\nb\r\nhello\r\n0\r\n\r\n', 'Transfer-Encoding: chunked'),
  ),
  no('chunks ended by bare LF', post('5\nhello\n0\n\n', 'Transfer-Encoding: chunked')),
  no(
    'a trailer that names a length',
    post('0\r\nContent-Length: 50\r\n\r\n', 'Transfer-Encoding: chunked'),
  ),
  no('two lengths that differ', post('hello', 'Content-Length: 5', 'Content-Length: 6')),
  no('two lengths that agree', post('hello', 'Content-Length: 5', 'Content-Length: 5')),
  no('a list of lengths', post('hello', 'Content-Length: 5, 5')),
  no('a signed length', post('hello', 'Content-Length: +5')),
  no('a negative length', post('hello', 'Content-Length: -5')),
  no('a length in hexadecimal', post('hello', 'Content-Length: 0x5')),
  no('a length with a leading zero', post('hello', 'Content-Length: 05')),
  no('a length with a blank inside', post('hello', 'Content-Length: 5 5')),
  no('a length with a letter', post('hello', 'Content-Length: 5a')),
  no('an empty length', post('', 'Content-Length:')),
  no('a length beyond 53 bits', post('hello', 'Content-Length: 99999999999999999999')),
  no('a length with a blank before the colon', post('hello', 'Content-Length : 5')),
  no('a length with an underscore', post(smuggled, 'Content_Length: 5'), 2),
  no('GET with a body', get(`Content-Length: ${smuggled.length}`) + smuggled),
  no('GET with a length of 0 and a request behind (CL.0)', get('Content-Length: 0') + smuggled, 2),
  no('POST without a length, and bytes behind', post(smuggled), 2),
  no('POST without a length', post('')),
  no('two requests in one write', get() + get(), 2),
  no('a request behind a body', post(`hello${smuggled}`, 'Content-Length: 5'), 2),
  no('garbage behind a request', `${get()}garbage\r\n\r\n`),
  no('an empty line behind a request', `${get()}\r\n`),
  no('an empty line before a request', `\r\n${get()}`),
  no('a bare LF head', 'GET / HTTP/1.1\nHost: a.example\n\n'),
  no('a bare LF in one line', 'GET / HTTP/1.1\r\nX: y\nHost: a.example\r\n\r\n'),
  no('a bare LF for the empty line', 'GET / HTTP/1.1\r\nHost: a.example\r\n\n'),
  no('a bare CR in a value', get('X: a\rb')),
  no('a NUL in a value', get('X: a\0b')),
  no('a DEL in a value', get('X: a\x7fb')),
  no('an octet above ASCII in a value', get('X: caf\xe9')),
  no('an octet above ASCII in a name', get('caf\xe9: x')),
  no('obs-fold', get('X: a\r\n b')),
  no('obs-fold with a tab', get('X: a\r\n\tb')),
  no('a first header that begins with a blank', 'GET / HTTP/1.1\r\n Host: a.example\r\n\r\n'),
  no('a header without a colon', get('X')),
  no('a header without a name', get(': x')),
  no('a blank before a colon', get('X : y')),
  no('no Host', plain('GET / HTTP/1.1')),
  no('two Hosts', get('Host: b.example')),
  no('two equal Hosts', get('Host: a.example')),
  no('an empty Host', plain('GET / HTTP/1.1', 'Host:')),
  no('Host with userinfo', plain('GET / HTTP/1.1', 'Host: a@b.example')),
  no('Host with a list', plain('GET / HTTP/1.1', 'Host: a.example, b.example')),
  no('Host with a path', plain('GET / HTTP/1.1', 'Host: a.example/b')),
  no('Host with a blank', plain('GET / HTTP/1.1', 'Host: a.example b')),
  no('Host with a bad port', plain('GET / HTTP/1.1', 'Host: a.example:http')),
  no('absolute form', plain('GET http://b.example/ HTTP/1.1', 'Host: a.example')),
  no('absolute form with a path', plain('GET http://b.example:80/c?d HTTP/1.1', 'Host: a.example')),
  no('absolute form without a path', plain('GET http://b.example?d HTTP/1.1', 'Host: a.example')),
  no('absolute form of its own host', plain('GET http://a.example/ HTTP/1.1', 'Host: a.example')),
  no('absolute form with two Hosts', plain('GET http://b/ HTTP/1.1', 'Host: a', 'Host: a')),
  no('absolute form without Host', plain('GET http://b.example/ HTTP/1.1')),
  no('absolute form with userinfo', plain('GET http://a@b/ HTTP/1.1', 'Host: a.example')),
  no('absolute form with a backslash', plain('GET http://a\\@b/ HTTP/1.1', 'Host: a.example')),
  no('absolute form of https', plain('GET https://b.example/ HTTP/1.1', 'Host: a.example')),
  no(
    'absolute form with a body',
    `${plain('POST http://b/ HTTP/1.1', 'Host: a', 'Content-Length: 3')}abc`,
  ),
  no(
    'absolute form in HTTP/1.0',
    plain('GET http://b.example/ HTTP/1.0', 'Connection: keep-alive'),
  ),
  no('authority form', plain('CONNECT a.example:443 HTTP/1.1', 'Host: a.example:443')),
  no('asterisk form', plain('OPTIONS * HTTP/1.1', 'Host: a.example')),
  no('GET *', plain('GET * HTTP/1.1', 'Host: a.example')),
  no('a fragment', plain('GET /a#b HTTP/1.1', 'Host: a.example')),
  no('a backslash in the path', plain('GET /a\\b HTTP/1.1', 'Host: a.example')),
  no('a blank in the path', plain('GET /a b HTTP/1.1', 'Host: a.example')),
  no('a quote in the path', plain('GET /a"b HTTP/1.1', 'Host: a.example')),
  no('an octet above ASCII in the path', plain('GET /caf\xe9 HTTP/1.1', 'Host: a.example')),
  no('a control character in the path', plain('GET /a\x01b HTTP/1.1', 'Host: a.example')),
  no('a tab between method and path', plain('GET\t/ HTTP/1.1', 'Host: a.example')),
  no('two blanks between method and path', plain('GET  / HTTP/1.1', 'Host: a.example')),
  no('two blanks before the version', plain('GET /  HTTP/1.1', 'Host: a.example')),
  no('a blank behind the version', plain('GET / HTTP/1.1 ', 'Host: a.example')),
  no('HTTP/1.0', plain('GET / HTTP/1.0', 'Host: a.example')),
  no('HTTP/1.2', plain('GET / HTTP/1.2', 'Host: a.example')),
  no('HTTP/2.0', plain('GET / HTTP/2.0', 'Host: a.example')),
  no('HTTP/0.9', 'GET /\r\n\r\n'),
  no('the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  no('http in lower case', plain('GET / http/1.1', 'Host: a.example')),
  no('a method in lower case', plain('get / HTTP/1.1', 'Host: a.example')),
  no('TRACE', plain('TRACE / HTTP/1.1', 'Host: a.example')),
  no('an unknown method', plain('BREW / HTTP/1.1', 'Host: a.example')),
  no('PROPFIND', plain('PROPFIND / HTTP/1.1', 'Host: a.example', 'Depth: 0')),
  no('Expect: 100-continue', post('hello', 'Content-Length: 5', 'Expect: 100-continue')),
  no('Expect: something else', post('hello', 'Content-Length: 5', 'Expect: x')),
  no(
    'an upgrade to WebSocket',
    get(
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    ),
  ),
  no(
    'an upgrade to h2c',
    get('Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABk'),
  ),
  no('an upgrade by POST', post('', 'Connection: Upgrade', 'Upgrade: tcp')),
  no('Expect without a body', get('Expect: 100-continue')),
  no('Expect with a length of 0', post('', 'Content-Length: 0', 'Expect: 100-continue')),
  no('Upgrade without ClientConnection', get('Upgrade: x')),
  no('Connection that names a header', get('Connection: X-Secret', 'X-Secret: 1')),
  no('Connection that names X-Forwarded-For', get('Connection: close, X-Forwarded-For')),
  no('Connection: close and keep-alive', get('Connection: close', 'Connection: keep-alive')),
  no('Proxy-ClientConnection', get('Proxy-Connection: keep-alive')),
  no('TE: trailers', get('TE: trailers', 'Connection: TE')),
  no('Trailer', post('hello', 'Content-Length: 5', 'Trailer: X')),
  no('two request ids', get('X-Request-Id: a', 'X-Request-Id: b')),
  no(
    'more than a hundred headers',
    get(...Array.from({ length: 120 }, (_, at) => `X-${at}: ${at}`)),
  ),
  no('a TLS hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n'),
  no('PROXY protocol', `PROXY TCP4 1.2.3.4 5.6.7.8 9 80\r\n${get()}`),
];
