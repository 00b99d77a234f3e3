/**
 * How requests ended for their clients that were first sent to one pool: what a release is held
 * against when it has just become live.
 *
 * The rule this file keeps: a request counts once, as sent where it went first, and as failed by
 * what its client got in the end. A failure is the release's (5xx, a broken, late or refused
 * connection); what the client did wrong or did not wait for, and what is ours, is none. And it is
 * bounded, however many clients there are.
 */
import { isIPv6 } from 'node:net';
import { type FaultCode, faults } from '../../errors.ts';
import type { OutcomeCounts } from '../../wire.ts';

/** Failures are told apart by so many clients; those of all others count as one client's. */
const clientsMax = 64;
/** And so many of these, with the most failures, are told to the controller. */
const clientsTold = 8;
const others = 'others';

/** Whose word of who the client is is taken. */
export interface Believed {
  trusts(address: string): boolean;
}

export class Outcomes {
  /** Requests that were sent here first. */
  sent = 0;
  #failed = 0;
  readonly #clients = new Map<string, number>();

  /** @param client as `clientKey` gives it. */
  fail(client: string): void {
    this.#failed++;
    const known = this.#clients.get(client);
    const key = known === undefined && this.#clients.size >= clientsMax ? others : client;
    this.#clients.set(key, (this.#clients.get(key) ?? 0) + 1);
  }

  stats(): OutcomeCounts {
    const most = [...this.#clients].sort((a, b) => b[1] - a[1]).slice(0, clientsTold);
    return { sent: this.sent, failed: this.#failed, clients: Object.fromEntries(most) };
  }
}

/**
 * Whether what a client got is the release's failure.
 *
 * @param status of the answer. @param fault what went wrong, where it was not the target's answer.
 */
export function isFailure(status: number, fault: FaultCode | null): boolean {
  return fault === null ? status >= 500 : faults[fault].side === 'upstream';
}

/**
 * Whom a failure is counted with: the client's address, or that of the one a trusted proxy speaks
 * for. Of IPv6 the first 64 bits: the rest one client chooses as it likes.
 *
 * @param raw names and values of the request in turn.
 */
export function clientKey(peer: string, raw: readonly string[], proxies: Believed | null): string {
  let client = peer;
  if (proxies?.trusts(peer)) {
    const chain = forwardedFor(raw);
    // From the nearest on: what the first one nobody trusts says of others is not believed.
    for (let at = chain.length - 1; at >= 0 && proxies.trusts(client); at--) {
      client = chain[at] ?? client;
    }
  }
  return isIPv6(client) ? networkOf(client) : client.slice(0, 64);
}

function forwardedFor(raw: readonly string[]): readonly string[] {
  const chain: string[] = [];
  for (let at = 0; at < raw.length; at += 2) {
    if (raw[at]?.toLowerCase() !== 'x-forwarded-for') continue;
    for (const one of (raw[at + 1] ?? '').split(',')) if (one.trim() !== '') chain.push(one.trim());
  }
  return chain;
}

/** The first four groups of an IPv6 address, each without leading zeros. */
function networkOf(address: string): string {
  const [before = '', after] = (address.split('%')[0] ?? '').split('::');
  const head = before === '' ? [] : before.split(':');
  const tail = after === undefined || after === '' ? [] : after.split(':');
  const gap = after === undefined ? 0 : Math.max(0, 8 - head.length - tail.length);
  const groups = [...head, ...new Array<string>(gap).fill('0'), ...tail];
  const short = groups.slice(0, 4).map((group) => group.replace(/^0+(?=.)/, '').toLowerCase());
  return `${short.join(':')}::/64`;
}
