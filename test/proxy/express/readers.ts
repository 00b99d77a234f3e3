/**
 * Readers of HTTP that are made by hand: a lenient one of requests, as the worst application might
 * read them, and one of answers, as a client reads them.
 *
 * The rule this file keeps: the lenient one forgives whatever anybody ever forgave; if even it sees
 * one request where one was sent, nothing was smuggled.
 */

/** How many requests a forgiving reader sees in a stream: the last may be cut off. */
export function requestsSeen(stream: string): number {
  let rest = stream;
  let count = 0;
  for (;;) {
    rest = rest.replace(/^[\r\n\s]+/, '');
    if (rest === '') return count;
    count++;
    const end = /\r?\n[ \t]*\r?\n/.exec(rest);
    if (end === null) return count;
    const head = rest.slice(0, end.index);
    rest = rest.slice(end.index + end[0].length);
    const value = (name: string): string | undefined =>
      new RegExp(`(?:^|[\\r\\n\\0])[^\\S\\r\\n]*${name}\\s*:([^\\r\\n]*)`, 'i').exec(head)?.[1];
    const coding = value('transfer[-_]encoding');
    if (coding !== undefined && /chunked/i.test(coding)) rest = behindChunks(rest);
    else rest = rest.slice(Number.parseInt(value('content[-_]length') ?? '0', 10) || 0);
  }
}

function behindChunks(stream: string): string {
  let rest = stream;
  for (;;) {
    const line = /^\s*(?:0x)?([0-9a-f]*)[^\n]*\n/i.exec(rest);
    if (line === null) return '';
    rest = rest.slice(line[0].length);
    const size = Number.parseInt(line[1] ?? '', 16) || 0;
    if (size === 0) return rest.replace(/^(?:[^\r\n]+\r?\n)*\r?\n?/, '');
    rest = rest.slice(size).replace(/^\r?\n/, '');
  }
}

export interface SeenAnswer {
  readonly status: number;
  readonly reason: string;
  /** `name: value` with names in lower case, sorted by name; those of framing are left out. */
  readonly headers: readonly string[];
  readonly body: string;
  readonly trailers: readonly string[];
  /** The end was seen where the framing says. */
  readonly whole: boolean;
  /** Nothing says that the connection ends. */
  readonly keeps: boolean;
}

const framing = new Set(['content-length', 'transfer-encoding', 'trailer']);

/**
 * The final answers in a stream.
 *
 * @param method of the request, for answers to HEAD.
 */
export function answersIn(stream: string, method: string): SeenAnswer[] {
  const seen: SeenAnswer[] = [];
  let rest = stream;
  while (rest !== '') {
    const end = rest.indexOf('\r\n\r\n');
    if (end === -1) {
      seen.push({ ...nothing, body: rest });
      return seen;
    }
    const [line = '', ...fields] = rest.slice(0, end).split('\r\n');
    rest = rest.slice(end + 4);
    const status = Number(line.slice(9, 12));
    if (status < 200 && status !== 101) continue;
    const value = (name: string): string | undefined =>
      fields.find((field) => field.toLowerCase().startsWith(`${name}:`))?.slice(name.length + 1);
    const bodyless = method === 'HEAD' || status === 204 || status === 304;
    const body = bodyless
      ? { text: '', rest, whole: true, trailers: [] }
      : bodyOf(rest, value('transfer-encoding'), value('content-length'));
    rest = body.rest;
    seen.push({
      status,
      reason: line.slice(13),
      headers: normal(fields),
      body: body.text,
      trailers: normal(body.trailers),
      whole: body.whole,
      keeps: value('connection')?.trim().toLowerCase() !== 'close',
    });
  }
  return seen;
}

const nothing: SeenAnswer = {
  status: 0,
  reason: '',
  headers: [],
  body: '',
  trailers: [],
  whole: false,
  keeps: false,
};

interface Body {
  readonly text: string;
  readonly rest: string;
  readonly whole: boolean;
  readonly trailers: readonly string[];
}

function bodyOf(stream: string, coding: string | undefined, length: string | undefined): Body {
  if (coding !== undefined) return chunksOf(stream);
  if (length === undefined) return { text: stream, rest: '', whole: true, trailers: [] };
  const bytes = Number(length);
  const text = stream.slice(0, bytes);
  return { text, rest: stream.slice(bytes), whole: text.length === bytes, trailers: [] };
}

function chunksOf(stream: string): Body {
  let rest = stream;
  let text = '';
  for (;;) {
    const line = /^([0-9a-f]+)(?:;[^\r\n]*)?\r\n/i.exec(rest);
    if (line === null) return { text, rest: '', whole: false, trailers: [] };
    rest = rest.slice(line[0].length);
    const size = Number.parseInt(line[1] ?? '', 16);
    if (size > 0) {
      text += rest.slice(0, size);
      if (rest.slice(size, size + 2) !== '\r\n')
        return { text, rest: '', whole: false, trailers: [] };
      rest = rest.slice(size + 2);
      continue;
    }
    const end = /^((?:[^\r\n]+\r\n)*)\r\n/.exec(rest);
    if (end === null) return { text, rest: '', whole: false, trailers: [] };
    const trailers = (end[1] ?? '').split('\r\n').filter((field) => field !== '');
    return { text, rest: rest.slice(end[0].length), whole: true, trailers };
  }
}

/** Header lines as they compare: by name in lower case, repeated ones in order. */
export function normal(fields: readonly string[]): string[] {
  return fields
    .map((field) => {
      const colon = field.indexOf(':');
      return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()] as const;
    })
    .filter(([name]) => !framing.has(name) && name !== 'connection' && name !== 'date')
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([name, value]) => `${name}: ${value}`);
}
