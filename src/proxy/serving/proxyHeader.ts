/**
 * The PROXY header, versions 1 and 2: whose connection a proxy in front of us passes on (the
 * specification of HAProxy, sections 2.1 and 2.2).
 *
 * The rule this file keeps: it is read to the letter and bounded, and whatever comes, no byte
 * behind it is taken. What is not exactly a header is none.
 */
import { isIPv4, isIPv6 } from 'node:net';

export interface ProxyHeader {
  /** Of the header itself. */
  readonly bytes: number;
  /** null: the proxy speaks for itself (LOCAL), or does not know (UNKNOWN). */
  readonly address: string | null;
}

const v1Start = Buffer.from('PROXY ');
/** With the line end. */
const v1BytesMax = 107;
const v2Start = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const v2FixedBytes = 16;
/** Addresses of IPv6 take 36 bytes; what proxies add to them, some hundred. */
const v2RestBytesMax = 4096;

/** @param come what has come so far. @returns `more`: it may become one; `none`: it cannot. */
export function readProxyHeader(come: Buffer): ProxyHeader | 'more' | 'none' {
  if (beginsLike(come, v1Start)) return come.length < v1Start.length ? 'more' : readV1(come);
  if (beginsLike(come, v2Start)) return come.length < v2FixedBytes ? 'more' : readV2(come);
  return 'none';
}

function beginsLike(come: Buffer, start: Buffer): boolean {
  const length = Math.min(come.length, start.length);
  return come.subarray(0, length).equals(start.subarray(0, length));
}

function readV1(come: Buffer): ProxyHeader | 'more' | 'none' {
  const text = come.toString('latin1', 0, v1BytesMax);
  const end = text.indexOf('\r\n');
  if (end === -1) return come.length < v1BytesMax ? 'more' : 'none';
  const bytes = end + 2;
  const line = text.slice(0, end);
  if (/^PROXY UNKNOWN(?: |$)/.test(line)) return { bytes, address: null };
  const [, family, from = '', to = '', ...ports] =
    /^PROXY TCP([46]) (\S+) (\S+) (\d{1,5}) (\d{1,5})$/.exec(line) ?? [];
  const right = family === '4' ? isIPv4 : isIPv6;
  if (family === undefined || !right(from) || !right(to) || from.includes('%')) return 'none';
  return ports.some((port) => Number(port) > 65_535) ? 'none' : { bytes, address: plain(from) };
}

function readV2(come: Buffer): ProxyHeader | 'more' | 'none' {
  const version = come[12] ?? 0;
  const family = (come[13] ?? 0) >> 4;
  const rest = come.readUInt16BE(14);
  // Version 2, and LOCAL or PROXY; a family that is known.
  if ((version !== 0x20 && version !== 0x21) || family > 3 || rest > v2RestBytesMax) return 'none';
  const bytes = v2FixedBytes + rest;
  if (come.length < bytes) return 'more';
  const local = version === 0x20 || (family !== 1 && family !== 2);
  if (local) return { bytes, address: null };
  if (rest < (family === 1 ? 12 : 36)) return 'none';
  const from = come.subarray(v2FixedBytes, v2FixedBytes + (family === 1 ? 4 : 16));
  return { bytes, address: plain(family === 1 ? [...from].join('.') : ipv6Of(from)) };
}

/** As Node writes it of a peer, the longest run of zeros aside: `0:0:0:0:0:0:0:1` is `::1`. */
function ipv6Of(from: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, at) => from.readUInt16BE(at * 2).toString(16));
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}

/** IPv4 in IPv6 clothing is the IPv4 address it stands for. */
function plain(address: string): string {
  const dotted = /^::ffff:([\d.]+)$/i.exec(address)?.[1];
  if (dotted !== undefined && isIPv4(dotted)) return dotted;
  const hex = /^::ffff:([\da-f]{1,4}):([\da-f]{1,4})$/i.exec(address);
  if (hex === null) return address.toLowerCase();
  const [high, low] = [Number.parseInt(hex[1] ?? '', 16), Number.parseInt(hex[2] ?? '', 16)];
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}
