/**
 * Heads of requests that HTTP/2 has and HTTP/1.1 must never see (RFC 9113 section 8), and what
 * becomes of their streams.
 *
 * The rule this file keeps: one table for every client that says them, be it ours or another's.
 */
import { type Fields, fieldsWith, get } from '../../support/frames.ts';

const protocolError = { reset: 1 };
/** Fields, a body of the stream, and its outcome. */
export const refused: Record<string, [Fields, string | undefined, object]> = {
  'a pseudo-header that is none': [
    fieldsWith({}, [[':authority2', 'x']]),
    undefined,
    protocolError,
  ],
  'a pseudo-header of answers': [fieldsWith({}, [[':status', '200']]), undefined, protocolError],
  'the one of extended CONNECT': [
    fieldsWith({ ':method': 'CONNECT' }, [[':protocol', 'websocket']]),
    undefined,
    protocolError,
  ],
  'a pseudo-header twice': [fieldsWith({}, [[':path', '/two']]), undefined, protocolError],
  'a pseudo-header behind a field': [[['accept', '*/*'], ...get], undefined, protocolError],
  'no :path': [fieldsWith({ ':path': null }), undefined, protocolError],
  'an empty :path': [fieldsWith({ ':path': '' }), undefined, protocolError],
  'no :method': [fieldsWith({ ':method': null }), undefined, protocolError],
  'no :scheme': [fieldsWith({ ':scheme': null }), undefined, protocolError],
  'a name in capitals': [fieldsWith({}, [['X-Upper', '1']]), undefined, protocolError],
  connection: [fieldsWith({}, [['connection', 'close']]), undefined, protocolError],
  'keep-alive': [fieldsWith({}, [['keep-alive', '1']]), undefined, protocolError],
  'proxy-connection': [fieldsWith({}, [['proxy-connection', 'close']]), undefined, protocolError],
  'transfer-encoding': [fieldsWith({}, [['transfer-encoding', 'chunked']]), '', protocolError],
  upgrade: [fieldsWith({}, [['upgrade', 'websocket']]), undefined, protocolError],
  'te but trailers': [fieldsWith({}, [['te', 'gzip']]), undefined, protocolError],
  'two hosts': [
    fieldsWith({}, [
      ['host', 'shop.example'],
      ['host', 'shop.example'],
    ]),
    undefined,
    protocolError,
  ],
  'a host beside another authority': [
    fieldsWith({}, [['host', 'other.example']]),
    undefined,
    { status: 400 },
  ],
  'neither authority nor host': [fieldsWith({ ':authority': null }), undefined, protocolError],
  'a content-length that is none': [
    fieldsWith({}, [['content-length', '+2']]),
    'ab',
    protocolError,
  ],
  'two content-lengths': [
    fieldsWith({}, [
      ['content-length', '2'],
      ['content-length', '2'],
    ]),
    'ab',
    protocolError,
  ],
  'a content-length and nothing': [
    fieldsWith({}, [['content-length', '2']]),
    undefined,
    protocolError,
  ],
  'a path of the absolute form': [
    fieldsWith({ ':path': 'http://other.example/' }),
    undefined,
    protocolError,
  ],
  'a path with a space': [fieldsWith({ ':path': '/a b' }), undefined, protocolError],
  'a path with a line end': [
    fieldsWith({ ':path': '/ HTTP/1.1\r\nHost: other' }),
    undefined,
    protocolError,
  ],
  'a path with a fragment': [fieldsWith({ ':path': '/a#b' }), undefined, { status: 400 }],
  'a path beyond ASCII': [fieldsWith({ ':path': '/\xe4' }), undefined, { status: 400 }],
  'a method with a line end': [
    fieldsWith({ ':method': 'GET / HTTP/1.1\r\nHost: other\r\n\r\nGET' }),
    undefined,
    protocolError,
  ],
  'a method that is none': [fieldsWith({ ':method': 'FETCH' }), undefined, { status: 501 }],
  TRACE: [fieldsWith({ ':method': 'TRACE' }), undefined, { status: 405 }],
  'another scheme': [fieldsWith({ ':scheme': 'http' }), undefined, { status: 421 }],
};
