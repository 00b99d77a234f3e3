/**
 * Addresses as people write them: in the config, on the command line and in calls of the admin API.
 *
 * The rule this file keeps: an address is a host and a port and nothing else, but for what a target
 * has in front of it; a host that looks like a number is a whole IP address, so that no resolver
 * gets to read `127.1` or `0x7f.1` its way.
 */
import { isIP, isIPv4 } from 'node:net';
import { Fault } from '../errors.ts';
import type { Address, TargetAddress } from './config.ts';

/** A longer path does not fit into an address of the system. */
const socketPathMax = 107;

/**
 * Where to connect to: a target.
 *
 * @param text `host:port`, `[::1]:port`, or `:port` for this machine (127.0.0.1), port 1 to 65535;
 *   `https://host`, `https://host:port`; `unix:/path`.
 * @throws Fault TARGET_INVALID saying what was wanted and what was got.
 */
export function parseTarget(text: string): TargetAddress {
  const socket = /^unix:(?:\/\/(?=\/))?(.*)$/is.exec(text)?.[1];
  if (socket !== undefined) return { host: socketPath(socket, text), port: 0, scheme: 'unix' };
  const secure = /^https:\/\/(.*?)\/?$/is.exec(text)?.[1];
  if (secure === undefined) return parseConnect(text, text);
  if (/[/?#]/.test(secure)) throw refused(text, 1, withPath);
  if (/^(:|$)/.test(secure)) throw refused(text, 1, 'the host is missing');
  const address = /:\d+$/.test(secure) ? secure : `${secure}:443`;
  return { ...parseConnect(address, text), scheme: 'https' };
}

function parseConnect(written: string, text: string): Address {
  const address = parse(written, '127.0.0.1', 1, text);
  if (address.host !== '0.0.0.0' && address.host !== '::') return address;
  throw refused(text, 1, `${address.host} is no address to connect to; 127.0.0.1 is this machine`);
}

/**
 * Where to listen.
 *
 * @param text `host:port`, `[::]:port`, or `:port` for every IPv4 address (0.0.0.0); port 0 to
 *   65535, where 0 asks the system for a free one.
 * @throws Fault TARGET_INVALID saying what was wanted and what was got.
 */
export function parseListen(text: string): Address {
  return parse(text, '0.0.0.0', 0);
}

/** The text that parses to this target. */
export function formatTarget({ scheme, ...address }: TargetAddress): string {
  if (scheme === 'unix') return `unix:${address.host}`;
  return `${scheme === undefined ? '' : 'https://'}${formatAddress(address)}`;
}

/** The text that parses to this address: IPv6 hosts in brackets. */
export function formatAddress(address: Address): string {
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return `${host}:${address.port}`;
}

/** Whether only this machine can reach a listener on this host. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/^::ffff:(?=[\d.]+$)/, '');
  return name === 'localhost' || name === '::1' || (isIPv4(name) && name.startsWith('127.'));
}

/** Whether both cannot be listened on, or the one reaches the other. */
export function meet(listen: Address, other: Address): boolean {
  if (listen.port !== other.port || listen.port === 0) return false;
  const everywhere = (host: string): boolean => host === '0.0.0.0' || host === '::';
  if (listen.host === other.host) return true;
  if (isLoopback(listen.host) && isLoopback(other.host)) return true;
  if (everywhere(listen.host)) return isLoopback(other.host) || everywhere(other.host);
  return everywhere(other.host) && isLoopback(listen.host);
}

/** Whether this is a name or an IPv4 address that can stand before a port; case does not matter. */
export function isHostName(text: string): boolean {
  if (text.length > 253) return false;
  const labels = text.split('.');
  // Containers have underscores in their names, though DNS host names do not.
  if (!labels.every((label) => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(label)))
    return false;
  const numeric = /^(0x[0-9a-f]*|\d+)$/i.test(labels.at(-1) ?? '');
  return !numeric || isIPv4(text);
}

/** @param text what is told of, where `written` is only a part of it. */
function parse(written: string, everywhere: string, portMin: number, text = written): Address {
  const listens = portMin === 0;
  const scheme = /^([a-z][a-z0-9+.-]*):(?=\/)/i.exec(written)?.[1]?.toLowerCase();
  if (scheme !== undefined) throw refused(text, portMin, ofScheme(scheme, written, listens));
  const found = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(written);
  if (found === null) throw refused(text, portMin, withoutPort(written, listens));

  const [, bracketed, plain = '', digits] = found;
  const port = Number(digits);
  if (port < portMin || port > 65_535) throw refused(text, portMin, `${port} is no port`);
  if (bracketed !== undefined) {
    if (isIP(bracketed) === 6) return { host: bracketed.toLowerCase(), port };
    throw refused(text, portMin, `${JSON.stringify(bracketed)} is no IPv6 address`);
  }
  if (plain === '') return { host: everywhere, port };
  if (isHostName(plain)) return { host: plain.toLowerCase(), port };
  if (plain === '*' && listens) throw refused(text, portMin, `every IPv4 address is :${port}`);
  throw refused(text, portMin, `${JSON.stringify(plain)} is no host name`);
}

function socketPath(path: string, text: string): string {
  const plain = /^\/[^\s\p{Cc}]*[^\s/\p{Cc}]$/u.test(path);
  if (plain && Buffer.byteLength(path) <= socketPathMax) return path;
  if (!path.startsWith('/')) throw refused(text, 1, 'the path of a socket begins with /');
  throw refused(
    text,
    1,
    plain
      ? `the path of a socket is ${socketPathMax} bytes at most`
      : 'that is no path of a socket',
  );
}

/** What to do about a scheme: to take it away is right for plain HTTP alone. */
function ofScheme(scheme: string, text: string, listens: boolean): string {
  if (scheme === 'unix') return 'clients connect by TCP alone';
  const plain = scheme === 'http' || scheme === 'ws';
  if (listens) {
    if (plain) return `take the ${scheme}:// away`;
    return scheme === 'https' ? 'HTTPS is what `tls` says' : `${scheme} is not spoken here`;
  }
  if (scheme === 'wss') return `write ${text.replace(/^wss/i, 'https')}`;
  if (scheme === 'h2c' || scheme === 'grpc') {
    return `take the ${scheme}:// away, and write \`protocol: h2\` in the service`;
  }
  if (!plain) return 'targets are spoken to in HTTP: name a port that takes it, as host:port';
  const [, address = '', path = ''] = /^[a-z]+:\/\/([^/?#]*)(.*)$/i.exec(text) ?? [];
  if (path.replace(/^\/$/, '') !== '') return withPath;
  if (/:\d{1,5}$/.test(address)) return `take the ${scheme}:// away`;
  return isHostName(address) ? `write ${address}:80` : '';
}

const withPath = 'an address has no path; `prefix.add` of the service puts one in front of paths';

function withoutPort(text: string, listens: boolean): string {
  if (isIP(text) === 6) return 'an IPv6 host stands in brackets: [::1]:8080';
  if (/^\d+$/.test(text)) return `did you mean :${text}?`;
  if (isHostName(text) || /^\[.*\]$/.test(text)) return `the port is missing: ${text}:8080?`;
  if (text.startsWith('/')) return listens ? ofScheme('unix', text, true) : `write unix:${text}`;
  if (listens && /\s(ssl|tls|http2|quic)\b/.test(text)) return 'HTTPS is what `tls` says';
  const several = text.split(/[,\s]+/);
  if (several.length > 1 && several.every((one) => /^\S*:\d+$/.test(one))) {
    return `several are a list: [${several.map((one) => JSON.stringify(one)).join(', ')}]`;
  }
  return /^[^/\s]+:\d+\/\S*$/.test(text) && !listens ? withPath : '';
}

/** What is wanted where something else was got. */
export const listenWanted = 'an address such as 127.0.0.1:3000, port 0 to 65535';
export const targetWanted =
  'a target such as 127.0.0.1:3000, https://app.internal or unix:/run/app.sock, port 1 to 65535';

function refused(text: string, portMin: number, hint: string): Fault {
  const wanted = portMin === 0 ? listenWanted : targetWanted;
  const got = JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
  return new Fault(
    'TARGET_INVALID',
    `wanted ${wanted}, got ${got}${hint === '' ? '' : `; ${hint}`}`,
    {
      wanted,
      got: text.slice(0, 300),
      hint,
    },
  );
}
