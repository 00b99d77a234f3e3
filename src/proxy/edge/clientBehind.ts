/**
 * Whose request it is, where proxies that are trusted stand between: the address that decides who
 * is let in.
 *
 * The rule this file keeps: X-Forwarded-For is read from its end, and believed as long as those who
 * said it are trusted. The first that is not trusted is the client; what stands before it, anybody
 * may have written.
 */
import { isIP } from 'node:net';

interface Trust {
  trusts(address: string): boolean;
}

/**
 * @param peer the address at the other end of the connection.
 * @param raw header names and values in turn.
 * @returns an address; '' where the chain does not say one.
 */
export function clientBehind(peer: string, trusted: Trust, raw: readonly string[]): string {
  if (!trusted.trusts(peer)) return peer;
  const chain: string[] = [];
  for (let at = 0; at < raw.length; at += 2) {
    if (raw[at]?.toLowerCase() === 'x-forwarded-for') chain.push(...(raw[at + 1] ?? '').split(','));
  }
  let client = peer;
  for (const said of chain.reverse()) {
    client = addressOf(said.trim());
    if (!trusted.trusts(client)) return client;
  }
  return client;
}

/** `1.2.3.4`, `1.2.3.4:567`, `::1`, `[::1]`, `[::1]:567`; '' for anything else. */
function addressOf(said: string): string {
  const bare = /^\[([0-9A-Fa-f:.]+)\](?::\d{1,5})?$/.exec(said)?.[1];
  const address = bare ?? said.replace(/^([\d.]+):\d{1,5}$/, '$1');
  if (isIP(address) === 0) return '';
  const mapped = /^::ffff:([\d.]+)$/i.exec(address)?.[1];
  return mapped !== undefined && isIP(mapped) === 4 ? mapped : address;
}
