/**
 * What is used to smuggle requests in HTTP/1.1, said in HTTP/2: the corpus of the other lanes, each
 * of its texts as fields, and whole in the place of every one (H2.CL, H2.TE, and what is injected
 * by a line end in a value; James Kettle, 2021).
 *
 * The rule this file keeps: whoever reads what reached the target, however leniently, sees one
 * request at the most.
 */
import { expect, test } from 'vitest';
import {
  block,
  endHeaders,
  endStream,
  type Fields,
  fieldsWith,
  frame,
  frameClient,
  frameType,
} from '../../support/frames.ts';
import { startHttp2 } from '../../support/http2.ts';
import { oneService, startRawOrigin } from '../../support/proxy.ts';
import { requestCorpus } from '../express/corpus.ts';
import { requestsSeen } from '../express/readers.ts';

interface Told {
  readonly name: string;
  readonly fields: Fields;
  readonly body: string;
}

/** A text of HTTP/1.1 in the frames of HTTP/2, as far as it can be said there. */
function translated(text: string): { fields: Fields; body: string } {
  const end = /\r?\n\r?\n/.exec(text);
  const head = end === null ? text : text.slice(0, end.index);
  const body = end === null ? '' : text.slice(end.index + end[0].length);
  const [line = '', ...lines] = head.split(/\r\n|\n/);
  const [method = '', ...target] = line.replace(/ HTTP\/\d\.\d\s*$/i, '').split(' ');
  let host = 'a.example';
  const fields = lines.map((one): [string, string] => {
    const colon = one.indexOf(':', 1);
    const [name, value] = colon === -1 ? [one, ''] : [one.slice(0, colon), one.slice(colon + 1)];
    if (name.toLowerCase() === 'host') host = value.trim();
    return [name.toLowerCase(), value.replace(/^ /, '')];
  });
  const pseudo = { ':method': method, ':path': target.join(' '), ':authority': host };
  return { fields: fieldsWith(pseudo, fields), body };
}

/** Those that HTTP/2 has none of left out, so that the rest is looked at. */
const ofConnections = /^(?:connection|transfer-encoding|upgrade|keep-alive|proxy-connection)$/;

function forms(name: string, text: string): Told[] {
  const { fields, body } = translated(text);
  const [line = ''] = text.split('\r\n', 1);
  const rest = text.slice(line.length);
  return [
    { name, fields, body },
    {
      name: `${name}, without the connection's`,
      fields: fields.filter(([field]) => !ofConnections.test(field)),
      body,
    },
    { name: `${name}, in a value`, fields: fieldsWith({}, [['x-a', `1\r\n\r\n${text}`]]), body },
    { name: `${name}, in a name`, fields: fieldsWith({}, [[`x: 1\r\n\r\n${text}`, '1']]), body },
    { name: `${name}, in :path`, fields: fieldsWith({ ':path': `/ HTTP/1.1${rest}` }), body },
    { name: `${name}, in :method`, fields: fieldsWith({ ':method': text }), body },
    { name: `${name}, in :authority`, fields: fieldsWith({ ':authority': `a${rest}` }), body },
    {
      name: `${name}, in a cookie`,
      fields: fieldsWith({}, [['cookie', `a=1${rest}`]]),
      body,
    },
  ];
}

const told = requestCorpus.flatMap(({ name, text }) => forms(name, text));

test(`${told.length} ways to smuggle a request in HTTP/1.1, said in HTTP/2: none reaches a target`, async () => {
  const origin = await startRawOrigin((socket, soFar) => {
    // Each connection is for one request: whatever else came on it would be seen.
    if (/\r\n\r\n/.test(soFar)) {
      socket.end('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok');
    }
  });
  const proxy = await startHttp2(oneService(origin.port));
  const failures: string[] = [];
  let passed = 0;

  for (const { name, fields, body } of told) {
    origin.received.length = 0;
    const client = await frameClient(proxy.port);
    const ends = body === '' ? endStream : 0;
    client.send(frame(frameType.headers, endHeaders | ends, 1, block(fields)));
    if (body !== '') client.send(frame(frameType.data, endStream, 1, body));
    const outcome = await client.outcome(1);
    client.socket.destroy();

    const got = origin.received.join('');
    if ('status' in outcome && outcome.status === 200) passed++;
    const head = got.slice(0, got.indexOf('\r\n\r\n'));
    const dirty = origin.received.length > 1 || requestsSeen(got) > 1 || !clean.test(head);
    const two =
      /\ncontent-length:[\s\S]*\ntransfer-encoding:|\ntransfer-encoding:[\s\S]*\ncontent-length:/i;
    if (got !== '' && (dirty || two.test(head))) failures.push(`${name}: ${JSON.stringify(got)}`);
  }

  expect(failures).toEqual([]);
  // Were all refused, nothing would have been shown.
  expect(passed).toBeGreaterThan(100);
});

/** A head as we write it: a method, a path, and lines that are each one field. */
const clean =
  /^[A-Z-]+ [!-~]+ HTTP\/1\.1(?:\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]+: [\t\x20-\x7e\x80-\xff]*)+$/;
