/**
 * A client that speaks frames of HTTP/2 (RFC 9113) and means each of them, right or wrong.
 *
 * The rule this file keeps: it helps nobody. It acknowledges nothing and opens no window that a test
 * does not, and it sends header fields just as they are given.
 */
import net from 'node:net';
import { onTestFinished } from 'vitest';

export const frameType = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  window: 8,
  continuation: 9,
} as const;

export const endStream = 1;
export const endHeaders = 4;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Buffer;
}

export type Fields = readonly (readonly [string, string])[];

export const get: Fields = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':authority', 'shop.example'],
  [':path', '/'],
];

/** The fields of a request, with some put in the place of those of the same name. */
export function fieldsWith(change: Record<string, string | null>, more: Fields = []): Fields {
  const kept = get.flatMap(([name, value]): [string, string][] => {
    const said = Object.hasOwn(change, name) ? change[name] : value;
    return said === null || said === undefined ? [] : [[name, said]];
  });
  return [...kept, ...more];
}

/** Literals that are never indexed, without Huffman (RFC 7541 section 6.2.3). */
export function block(fields: Fields): Buffer {
  return Buffer.concat(
    fields.flatMap(([name, value]) => [Buffer.from([0x10]), text(name), text(value)]),
  );
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1');
  return Buffer.concat([integer(bytes.length), bytes]);
}

/** With a prefix of seven bits (RFC 7541 section 5.1). */
function integer(value: number): Buffer {
  if (value < 127) return Buffer.from([value]);
  const bytes = [127];
  let rest = value - 127;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return Buffer.from([...bytes, rest]);
}

export function frame(type: number, flags: number, id: number, payload: Buffer | string): Buffer {
  const body = typeof payload === 'string' ? Buffer.from(payload, 'latin1') : payload;
  const head = Buffer.alloc(9);
  head.writeUIntBE(body.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(id, 5);
  return Buffer.concat([head, body]);
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** How a stream went: the status of its answer, or the error it was reset with. */
export type Outcome = { status: number; body: string } | { reset: number } | { goaway: number };

export class FrameClient {
  readonly socket: net.Socket;
  readonly frames: Frame[] = [];
  closed = false;
  #rest = Buffer.alloc(0);
  readonly #waiting = new Set<() => void>();

  constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on('error', () => {});
    socket.on('data', (chunk) => this.#read(chunk));
    socket.on('close', () => {
      this.closed = true;
      this.#look();
    });
  }

  send(...frames: readonly Buffer[]): void {
    if (!this.socket.destroyed) this.socket.write(Buffer.concat(frames));
  }

  /** Opens a stream. */
  request(id: number, fields: Fields, flags = endHeaders | endStream): void {
    this.send(frame(frameType.headers, flags, id, block(fields)));
  }

  reset(id: number, code: number): void {
    this.send(frame(frameType.reset, 0, id, uint32(code)));
  }

  find(type: number, id: number): Frame | undefined {
    return this.frames.find((one) => one.type === type && one.id === id);
  }

  /** How the stream went, once that is known. */
  async outcome(id: number): Promise<Outcome> {
    return this.until(() => {
      const reset = this.find(frameType.reset, id);
      if (reset !== undefined) return { reset: reset.payload.readUInt32BE(0) };
      const on = this.frames.filter((one) => one.id === id);
      const head = on.find((one) => one.type === frameType.headers && statusOf(one) >= 200);
      if (head !== undefined && on.some((one) => (one.flags & endStream) !== 0 && one.type < 2)) {
        return { status: statusOf(head), body: bodyOf(on) };
      }
      const goaway = this.find(frameType.goaway, 0);
      if (goaway !== undefined && goaway.payload.readUInt32BE(4) !== 0) {
        return { goaway: goaway.payload.readUInt32BE(4) };
      }
      return this.closed ? { goaway: -1 } : undefined;
    });
  }

  /** Waits until `look` finds something in what came. */
  until<T>(look: () => T | undefined): Promise<T> {
    return new Promise((resolve) => {
      const one = (): void => {
        const found = look();
        if (found === undefined) return;
        this.#waiting.delete(one);
        resolve(found);
      };
      this.#waiting.add(one);
      one();
    });
  }

  #look(): void {
    for (const one of [...this.#waiting]) one();
  }

  #read(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= 9) {
      const length = this.#rest.readUIntBE(0, 3);
      if (this.#rest.length < 9 + length) break;
      this.frames.push({
        type: this.#rest.readUInt8(3),
        flags: this.#rest.readUInt8(4),
        id: this.#rest.readUInt32BE(5) & 0x7fffffff,
        payload: this.#rest.subarray(9, 9 + length),
      });
      this.#rest = this.#rest.subarray(9 + length);
    }
    this.#look();
  }
}

function bodyOf(frames: readonly Frame[]): string {
  const data = frames.filter((one) => one.type === frameType.data).map((one) => one.payload);
  return Buffer.concat(data).toString('latin1');
}

const statuses = [200, 204, 206, 304, 400, 404, 500];

/**
 * Of a HEADERS frame; 0: none stands first in it. Our peer was told to keep no table, so it is the
 * static one or a literal.
 */
export function statusOf({ payload }: Frame): number {
  let at = 0;
  // Changes of the size of the table.
  while (((payload[at] ?? 0) & 0xe0) === 0x20) at++;
  const first = payload[at] ?? 0;
  if (first >= 0x88 && first <= 0x8e) return statuses[first - 0x88] ?? 0;
  if (first !== 0x48 && first !== 0x08 && first !== 0x18) return 0;
  const length = payload[at + 1] ?? 0;
  const value = payload.subarray(at + 2, at + 2 + (length & 0x7f));
  return Number((length & 0x80) === 0 ? value.toString('latin1') : huffmanDigits(value));
}

/** RFC 7541, Appendix B, as far as digits go. */
function huffmanDigits(bytes: Buffer): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  let digits = '';
  for (let at = 0; digits.length < 3; ) {
    const five = Number.parseInt(bits.slice(at, at + 5), 2);
    if (five <= 2) {
      digits += five;
      at += 5;
    } else {
      digits += Number.parseInt(bits.slice(at, at + 6), 2) - 0b011001 + 3;
      at += 6;
    }
  }
  return digits;
}

/** A connection on which both sides have said how they speak. */
export async function frameClient(port: number, window = 2 ** 31 - 1): Promise<FrameClient> {
  const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
  onTestFinished(() => void socket.destroy());
  await new Promise<void>((resolve) => socket.once('connect', resolve));
  const client = new FrameClient(socket);
  // No table; and each stream may send so much.
  const settings = Buffer.alloc(12);
  settings.writeUInt16BE(1, 0);
  settings.writeUInt16BE(4, 6);
  settings.writeUInt32BE(window, 8);
  client.send(
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1'),
    frame(frameType.settings, 0, 0, settings),
    frame(frameType.settings, 1, 0, ''),
    frame(frameType.window, 0, 0, uint32(2 ** 31 - 1 - 65_535)),
  );
  await client.until(() => client.frames.find(({ type, flags }) => type === 4 && flags === 1));
  return client;
}
