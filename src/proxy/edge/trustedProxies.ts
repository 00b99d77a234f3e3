/**
 * Who is at the other end of a client's connection, and whether what it says of others is believed.
 *
 * The rule this file keeps: an address comes from the socket, or from a PROXY header in front of
 * it, and from nowhere else; and IPv4 in IPv6 clothing (`::ffff:10.0.0.1`) is the IPv4 address it stands for, for the lists and for the
 * headers.
 */
import { BlockList, isIPv4, isIPv6 } from 'node:net';
import { saidAddress } from '../tls/saidAddress.ts';

/** The peers whose X-Forwarded-* headers are believed; made once for each edge. */
export class TrustedProxies {
  readonly #list: BlockList | null;

  /** @param blocks CIDR blocks or single addresses; the config has checked them. */
  constructor(blocks: readonly string[]) {
    const list = new BlockList();
    for (const block of blocks) {
      const [address = '', bits] = block.split('/');
      const family = isIPv6(address) ? 'ipv6' : 'ipv4';
      const bitsMax = family === 'ipv6' ? 128 : 32;
      list.addSubnet(address, bits === undefined ? bitsMax : Number(bits), family);
    }
    this.#list = blocks.length === 0 ? null : list;
  }

  /** @param address as `clientAddress` gives it; '' is never trusted. */
  trusts(address: string): boolean {
    if (this.#list === null || address === '') return false;
    return this.#list.check(address, isIPv4(address) ? 'ipv4' : 'ipv6');
  }
}

/** The peer's address; '' where the connection was gone before it could be asked. */
export function clientAddress(socket: { readonly remoteAddress?: string | undefined }): string {
  const said = saidAddress(socket);
  if (said !== undefined) return said;
  const address = socket.remoteAddress;
  if (address === undefined) return '';
  return address.startsWith('::ffff:') && isIPv4(address.slice(7)) ? address.slice(7) : address;
}
