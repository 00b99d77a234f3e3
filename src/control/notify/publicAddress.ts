/**
 * Which addresses a notification may be sent to where nobody allowed more.
 *
 * The rule this file keeps: what is asked is the address that is connected to, not the name: a name
 * may lead to one address now and to another a moment later.
 */
import { type LookupAddress, type LookupOptions, lookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';

/** What is not reached over the internet (IANA's special-purpose registries, RFC 6890). */
const special = new BlockList();
for (const range of [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16'],
  ...['172.16.0.0/12', '192.0.0.0/24', '192.168.0.0/16', '198.18.0.0/15', '224.0.0.0/3'],
  ...['::/127', '64:ff9b:1::/48', 'fc00::/7', 'fe80::/10', 'ff00::/8'],
]) {
  const [net = '', bits] = range.split('/');
  special.addSubnet(net, Number(bits), familyOf(net));
}

/** Also of an IPv4 address in the clothes of IPv6, which the list knows for what it is. */
export function isPublic(address: string): boolean {
  return isIP(address) !== 0 && !special.check(address, familyOf(address));
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4';
}

/** Somebody would be told whom the config does not allow. */
export class PrivateAddressError extends Error {
  constructor(address: string) {
    super(
      `${address} is no public address: where that is meant, \`private: true\` of the receiver says so`,
    );
  }
}

/** @throws PrivateAddressError where the host is an address, and none that is public. */
export function refusePrivate(host: string): void {
  const bare = host.replace(/^\[|\]$/g, '');
  if (isIP(bare) !== 0 && !isPublic(bare)) throw new PrivateAddressError(bare);
}

/** Looks a name up as Node does, and fails where it leads to an address that is not public. */
export const publicLookup: LookupFunction = (host, options: LookupOptions, found) => {
  lookup(host, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
    const all = addresses ?? [];
    const bad = error ? undefined : all.find(({ address }) => !isPublic(address));
    const [first] = all;
    if (error || bad !== undefined || first === undefined) {
      found(error ?? new PrivateAddressError(bad?.address ?? host), '', 4);
    } else if (options.all) found(null, all);
    else found(null, first.address, first.family);
  });
};
