/**
 * What a client says first of all (RFC 8446 section 4.1.2): the name it wants, and the protocols.
 *
 * The rule this file keeps: bytes of a stranger lead to a name, a list, or nothing; never to an
 * exception, and never past the end of what came. It is asked only while somebody wants to know
 * before the handshake begins.
 */

export interface ClientHello {
  /** Lower case; '' where none was sent. */
  readonly name: string;
  readonly protocols: readonly string[];
}

/** A hello that is longer is none that is looked at. */
export const helloBytesMax = 16 * 1024;
/**
 * Clients send one or two; one that tears a post-quantum hello (some 1,700 bytes) into records of
 * 64 bytes sends 27. All that came is looked at again with every packet, so a hello in records of a
 * byte each would take a core for seconds, and nobody has even shaken hands.
 */
const recordsMax = 32;

const handshakeRecord = 22;
const clientHello = 1;
const serverNameExtension = 0;
const alpnExtension = 16;

/** @returns `more`: not all of it is here; null: it is no hello. */
export function readClientHello(bytes: Buffer): ClientHello | 'more' | null {
  const message = handshakeOf(bytes);
  if (message === null || message === 'more') return message;
  const reader = new Reader(message);
  // Version and random, session id, cipher suites, compression methods.
  reader.skip(34);
  reader.skip(reader.number(1));
  reader.skip(reader.number(2));
  reader.skip(reader.number(1));
  const extensions = reader.part(2);
  let name = '';
  let protocols: string[] = [];
  while (extensions.left > 0 && !extensions.broken) {
    const type = extensions.number(2);
    const body = extensions.part(2);
    if (type === serverNameExtension) name = nameIn(body);
    else if (type === alpnExtension) protocols = protocolsIn(body);
  }
  return reader.broken || extensions.broken ? null : { name, protocols };
}

/** The first handshake message, out of its records. */
function handshakeOf(bytes: Buffer): Buffer | 'more' | null {
  const parts: Buffer[] = [];
  let at = 0;
  let have = 0;
  for (;;) {
    if (at < bytes.length && bytes[at] !== handshakeRecord) return null;
    if (bytes.length < at + 5) return bytes.length > helloBytesMax ? null : 'more';
    const length = bytes.readUInt16BE(at + 3);
    if (length === 0 || at + 5 + length > helloBytesMax) return null;
    if (parts.length === recordsMax) return null;
    if (bytes.length < at + 5 + length) return 'more';
    parts.push(bytes.subarray(at + 5, at + 5 + length));
    have += length;
    at += 5 + length;
    const all = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
    if (have < 4) continue;
    if (all[0] !== clientHello) return null;
    const wanted = all.readUIntBE(1, 3);
    if (wanted > helloBytesMax) return null;
    if (have >= 4 + wanted) return all.subarray(4, 4 + wanted);
  }
}

function nameIn(list: Reader): string {
  const names = list.part(2);
  while (names.left > 0 && !names.broken) {
    const type = names.number(1);
    const name = names.part(2);
    if (type === 0) return name.text().toLowerCase();
  }
  return '';
}

function protocolsIn(list: Reader): string[] {
  const all = list.part(2);
  const protocols: string[] = [];
  while (all.left > 0 && !all.broken) protocols.push(all.part(1).text());
  return protocols;
}

/** Reads on for as long as there is something; then it is broken, and all it says is empty. */
class Reader {
  readonly #bytes: Buffer;
  #at = 0;
  broken = false;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  skip(length: number): void {
    if (length > this.left) this.broken = true;
    else this.#at += length;
  }

  number(length: 1 | 2): number {
    if (length > this.left) {
      this.broken = true;
      return 0;
    }
    this.#at += length;
    return this.#bytes.readUIntBE(this.#at - length, length);
  }

  /** What stands behind a length of so many bytes. */
  part(lengthBytes: 1 | 2): Reader {
    const length = this.number(lengthBytes);
    const from = this.#at;
    this.skip(length);
    return new Reader(this.broken ? Buffer.alloc(0) : this.#bytes.subarray(from, from + length));
  }

  text(): string {
    return this.#bytes.toString('latin1');
  }
}
