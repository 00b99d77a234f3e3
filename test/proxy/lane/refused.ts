/**
 * Every kind of request that is refused, in one table: for the tests of both lanes, and for
 * `npm run bench -- refusals`, which asks other proxies the same.
 */

const ok = 'Host: a\r\n';

/** Name, bytes in latin1, and the status of the answer. */
export const refused: readonly (readonly [string, string, number])[] = [
  ['two Hosts', 'GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n', 400],
  ['no Host', 'GET / HTTP/1.1\r\nX: y\r\n\r\n', 400],
  ['an empty Host', 'GET / HTTP/1.1\r\nHost:\r\n\r\n', 400],
  ['a Host with userinfo', 'GET / HTTP/1.1\r\nHost: u@a\r\n\r\n', 400],
  ['a Host that is a list', 'GET / HTTP/1.1\r\nHost: a, b\r\n\r\n', 400],
  ['a Host with a space', 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n', 400],
  ['a Host with a slash', 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n', 400],
  ['a Host with a bad port', 'GET / HTTP/1.1\r\nHost: a:b\r\n\r\n', 400],
  ['GET *', `GET * HTTP/1.1\r\n${ok}\r\n`, 400],
  ['OPTIONS *', `OPTIONS * HTTP/1.1\r\n${ok}\r\n`, 400],
  ['an absolute form with userinfo', `GET http://u@a/ HTTP/1.1\r\n${ok}\r\n`, 400],
  ['an absolute form without a host', `GET http:///a HTTP/1.1\r\n${ok}\r\n`, 400],
  ['an absolute form with a bad port', `GET http://a:b/ HTTP/1.1\r\n${ok}\r\n`, 400],
  ['an absolute form of another scheme', `GET ftp://a/ HTTP/1.1\r\n${ok}\r\n`, 400],
  ['an absolute form with a fragment', `GET http://a/#b HTTP/1.1\r\n${ok}\r\n`, 400],
  ['an absolute form without a Host', 'GET http://a/ HTTP/1.1\r\n\r\n', 400],
  ['an https address without TLS', `GET https://a/ HTTP/1.1\r\n${ok}\r\n`, 421],
  ['CONNECT', `CONNECT a:443 HTTP/1.1\r\n${ok}\r\n`, 405],
  ['TRACE', `TRACE / HTTP/1.1\r\n${ok}\r\n`, 405],
  ['a method of an extension', `BASELINE-CONTROL / HTTP/1.1\r\n${ok}\r\n`, 501],
  ['a method that nobody knows', `FOO-BAR / HTTP/1.1\r\n${ok}\r\n`, 501],
  ['a method that begins like another', `GET-X / HTTP/1.1\r\n${ok}\r\n`, 501],
  ['a method of RTSP', `DESCRIBE / HTTP/1.1\r\n${ok}\r\n`, 501],
  ['a method in small letters', `get / HTTP/1.1\r\n${ok}\r\n`, 400],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505],
  ['a fragment in the target', `GET /a#b HTTP/1.1\r\n${ok}\r\n`, 400],
  ['a control character in the target', `GET /a\x01b HTTP/1.1\r\n${ok}\r\n`, 400],
  ['an octet above ASCII in the target', `GET /\xe4 HTTP/1.1\r\n${ok}\r\n`, 400],
  ['an unknown version', `GET / HTTP/1.7\r\n${ok}\r\n`, 505],
  ['HTTP/2.0 in words', `GET / HTTP/2.0\r\n${ok}\r\n`, 505],
  [
    'two lengths',
    `POST / HTTP/1.1\r\n${ok}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd`,
    400,
  ],
  [
    'the same length twice',
    `POST / HTTP/1.1\r\n${ok}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc`,
    400,
  ],
  ['a list of lengths', `POST / HTTP/1.1\r\n${ok}Content-Length: 3, 3\r\n\r\nabc`, 400],
  ['a length with a plus', `POST / HTTP/1.1\r\n${ok}Content-Length: +3\r\n\r\nabc`, 400],
  ['a negative length', `POST / HTTP/1.1\r\n${ok}Content-Length: -3\r\n\r\nabc`, 400],
  ['a hexadecimal length', `POST / HTTP/1.1\r\n${ok}Content-Length: 0x3\r\n\r\nabc`, 400],
  [
    'an endless length',
    `POST / HTTP/1.1\r\n${ok}Content-Length: 99999999999999999999\r\n\r\nabc`,
    400,
  ],
  [
    'CL with TE',
    `POST / HTTP/1.1\r\n${ok}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    400,
  ],
  [
    'TE with CL',
    `POST / HTTP/1.1\r\n${ok}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n`,
    400,
  ],
  [
    'TE that is not chunked',
    `POST / HTTP/1.1\r\n${ok}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
    501,
  ],
  ['TE: identity', `POST / HTTP/1.1\r\n${ok}Transfer-Encoding: identity\r\n\r\n`, 400],
  [
    'chunked twice',
    `POST / HTTP/1.1\r\n${ok}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    400,
  ],
  ['xchunked', `POST / HTTP/1.1\r\n${ok}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`, 400],
  [
    'a blank before the colon',
    `POST / HTTP/1.1\r\n${ok}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`,
    400,
  ],
  [
    'a vertical tab before chunked',
    `POST / HTTP/1.1\r\n${ok}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n`,
    400,
  ],
  ['TE in HTTP/1.0', `POST / HTTP/1.0\r\n${ok}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
  ['a bare CR in a value', `GET / HTTP/1.1\r\n${ok}X: a\rb\r\n\r\n`, 400],
  ['a NUL in a value', `GET / HTTP/1.1\r\n${ok}X: a\x00b\r\n\r\n`, 400],
  ['a line folded', `GET / HTTP/1.1\r\n${ok}X: a\r\n b\r\n\r\n`, 400],
  ['a name with a space', `GET / HTTP/1.1\r\n${ok}X y: a\r\n\r\n`, 400],
  ['a bad chunk size', `POST / HTTP/1.1\r\n${ok}Transfer-Encoding: chunked\r\n\r\nxyz\r\n`, 400],
  [
    'a chunk longer than it says',
    `POST / HTTP/1.1\r\n${ok}Transfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n0\r\n\r\n`,
    400,
  ],
  [
    'an expectation that is none',
    `POST / HTTP/1.1\r\n${ok}Expect: 200-ok\r\nContent-Length: 3\r\n\r\nabc`,
    417,
  ],
  ['no HTTP at all', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
];
