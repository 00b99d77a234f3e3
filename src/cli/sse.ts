/**
 * Reads a stream of server-sent events (WHATWG HTML, 9.2.6).
 *
 * The rule this file keeps: an event is given out when it is whole, however the bytes were cut, and
 * one without an end is given up on instead of being kept for ever.
 */
const eventCharactersMax = 4 * 1024 * 1024;

export interface Message {
  readonly id: string;
  readonly data: string;
}

/** @throws RangeError where an event has no end. */
export async function* messagesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Message> {
  const decoder = new TextDecoder();
  let rest = '';
  let id = '';
  let data: string[] = [];
  for await (const chunk of chunks) {
    rest += decoder.decode(chunk, { stream: true });
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? '';
    if (rest.length > eventCharactersMax) throw new RangeError('an event without an end');
    for (const line of lines) {
      if (line === '') {
        if (data.length > 0) yield { id, data: data.join('\n') };
        data = [];
        continue;
      }
      const [, field = '', value = ''] = /^([^:]*)(?:: ?(.*))?$/.exec(line) ?? [];
      if (field === 'id') id = value;
      if (field === 'data') data.push(value);
    }
  }
}
