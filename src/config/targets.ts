/**
 * Which addresses a service may not have for targets: those of Pointsman itself, and those where
 * clouds keep what a machine may do in its own name.
 *
 * The rule this file keeps: the config and every deployment ask here, so that neither takes what
 * the other refuses. Names are looked up by who deploys; here stand addresses alone.
 */
import { BlockList, isIP, isIPv4 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { meet } from './address.ts';
import type { Address, TargetAddress } from './config.ts';

/** What is listened on, of a file as of a Config. */
export interface Listening {
  readonly listen: readonly Address[];
  readonly tls: { readonly listen: readonly Address[] } | null;
  readonly admin: { readonly listen: Address };
}

export interface TargetRules {
  /** Every address that Pointsman listens on. */
  readonly own: readonly Address[];
  /** `run.static.linkLocal` */
  readonly linkLocal: boolean;
}

/** Every address that is listened on, with the path of the key that says so. */
export function listens({ listen, tls, admin }: Listening): readonly [string, Address][] {
  const each = (path: string, all: readonly Address[]): [string, Address][] =>
    all.map((one, at) => [all.length === 1 ? path : `${path}[${at}]`, one]);
  return [
    ...each('listen', listen),
    ...(tls === null ? [] : each('tls.listen', tls.listen)),
    ['admin.listen', admin.listen],
  ];
}

/**
 * @param local addresses of this machine, beside those of loopback.
 * @returns what is wanted in place of it; null: it may be a target, as far as its text tells.
 */
export function refusalOf(
  target: TargetAddress,
  { own, linkLocal }: TargetRules,
  local: () => ReadonlySet<string> = localAddresses,
): string | null {
  if (target.scheme === 'unix') return null;
  if (own.some((listen) => reaches(listen, target, local))) {
    return "wanted another address than Pointsman's own";
  }
  if (linkLocal || !isLinkLocal(target.host)) return null;
  return 'wanted no link-local address, where clouds keep credentials, without `run.static.linkLocal: true`';
}

/** Whether who connects to the one arrives at the other. */
function reaches(listen: Address, target: Address, local: () => ReadonlySet<string>): boolean {
  if (listen.port !== target.port || listen.port === 0) return false;
  const host = plainHost(target.host);
  if (meet({ ...listen, host: plainHost(listen.host) }, { ...target, host })) return true;
  const families = listen.host === '::' || (listen.host === '0.0.0.0' && isIPv4(host));
  return families && local().has(host);
}

/** RFC 3927 and RFC 4291, and where EC2 and Google Compute Engine are asked over IPv6. */
const linkLocals = new BlockList();
linkLocals.addSubnet('169.254.0.0', 16, 'ipv4');
linkLocals.addSubnet('fe80::', 10, 'ipv6');
linkLocals.addAddress('fd00:ec2::254', 'ipv6');
linkLocals.addAddress('fd20:ce::254', 'ipv6');

function isLinkLocal(text: string): boolean {
  const host = plainHost(text);
  const family = isIP(host);
  return family !== 0 && linkLocals.check(host, family === 4 ? 'ipv4' : 'ipv6');
}

/** Lower case, an IPv4 address as such, without the zone of an IPv6 one. */
function plainHost(host: string): string {
  const plain = host.toLowerCase().replace(/%.*$/, '');
  if (isIP(plain) !== 6) return plain;
  const short = new URL(`http://[${plain}]`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(short);
  if (mapped === null) return short;
  const [high = 0, low = 0] = mapped.slice(1).map((part) => Number.parseInt(part, 16));
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

function localAddresses(): ReadonlySet<string> {
  const all = Object.values(networkInterfaces()).flatMap((one) => one ?? []);
  return new Set(all.map(({ address }) => plainHost(address)));
}
