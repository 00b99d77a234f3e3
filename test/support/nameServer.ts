/**
 * A name server (RFC 1035) on UDP at a port of loopback, with records that a test changes.
 *
 * The rule this file keeps: it answers A and AAAA for the names it has, and nothing else; what it
 * does otherwise (says nothing, says that it is broken) is said to it.
 */
import { createSocket, type RemoteInfo } from 'node:dgram';
import type { AddressInfo } from 'node:net';
import { isIPv4 } from 'node:net';
import { onTestFinished } from 'vitest';

export interface Records {
  readonly addresses: readonly string[];
  /** In seconds. */
  readonly ttl: number;
}

export interface NameServer {
  /** As `dns.Resolver.setServers` takes it. */
  readonly address: string;
  readonly records: Map<string, Records>;
  /** `silent`: no answer comes; `broken`: SERVFAIL. */
  mode: 'answers' | 'silent' | 'broken';
  /** Names that were asked for, one for each question. */
  readonly asked: string[];
}

const typeA = 1;
const typeAaaa = 28;
const noSuchName = 3;
const serverFailure = 2;

export async function startNameServer(): Promise<NameServer> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  onTestFinished(() => void socket.close());
  const { port } = socket.address() as AddressInfo;
  const server: NameServer = {
    address: `127.0.0.1:${port}`,
    records: new Map(),
    mode: 'answers',
    asked: [],
  };
  socket.on('message', (query: Buffer, from: RemoteInfo) => {
    const { name, type, end } = questionOf(query);
    server.asked.push(name);
    if (server.mode === 'silent') return;
    socket.send(answerTo(query, end, type, server, name), from.port, from.address);
  });
  return server;
}

function answerTo(
  query: Buffer,
  end: number,
  type: number,
  { records, mode }: NameServer,
  name: string,
): Buffer {
  const known = records.get(name);
  const family = (known?.addresses ?? []).filter((one) => isIPv4(one) === (type === typeA));
  const wanted = mode === 'answers' && (type === typeA || type === typeAaaa) ? family : [];
  const failed = known === undefined ? noSuchName : 0;
  const head = Buffer.from(query.subarray(0, 12));
  head.writeUInt16BE(0x8180 | (mode === 'broken' ? serverFailure : failed), 2);
  head.writeUInt16BE(wanted.length, 6);
  head.writeUInt32BE(0, 8);
  const answers = wanted.map((address) => {
    const data = bytesOf(address);
    const record = Buffer.alloc(12);
    // A pointer to the name in the question.
    record.writeUInt16BE(0xc00c, 0);
    record.writeUInt16BE(type, 2);
    record.writeUInt16BE(1, 4);
    record.writeUInt32BE(known?.ttl ?? 0, 6);
    record.writeUInt16BE(data.length, 10);
    return Buffer.concat([record, data]);
  });
  return Buffer.concat([head, query.subarray(12, end), ...answers]);
}

function questionOf(query: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.').toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 };
}

function bytesOf(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  const [front = '', back = ''] = address.split('::');
  const groups = (text: string): number[] =>
    text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
  const [before, after] = [groups(front), groups(back)];
  const all = [...before, ...Array(8 - before.length - after.length).fill(0), ...after];
  return Buffer.from(all.flatMap((group: number) => [group >> 8, group & 255]));
}
