/**
 * Which requests a browser may have been tricked into.
 *
 * The rule this file keeps: the admin API answers only under names that the operator gave it, and
 * obeys pages only that it served itself. A page elsewhere that makes its own name point to this
 * address (DNS rebinding) is known by its Host; one that posts here across sites, by Origin and
 * Sec-Fetch-Site. None of it depends on a token. Nothing here reads X-Forwarded-*.
 */
import { Fault } from '../../errors.ts';
import type { Headers } from './call.ts';

const loopbackNames = ['localhost', '127.0.0.1', '::1'];

/** Addresses that stand for all of a machine's, and so are no name to answer under. */
const wildcards = new Set(['0.0.0.0', '::']);

/** @param listenHost as in the config. @param hosts names besides, without ports. */
export function namesOf(listenHost: string, hosts: readonly string[]): ReadonlySet<string> {
  const names = [...loopbackNames, ...hosts.map(bare)];
  if (!wildcards.has(listenHost)) names.push(bare(listenHost));
  return new Set(names);
}

/**
 * @param target of the request line: what stands in one of absolute form comes before the Host (RFC
 *   9112, 3.2.2), so it must be a name of ours as well.
 * @param rawHeaders as Node gives them, since it hides a second Host.
 * @param localAddress of the connection: what the client dialled is a name we have. A page cannot
 *   forge it, since a Host that is an address was not looked up in any DNS.
 * @throws Fault HOST_FORBIDDEN
 */
export function checkHost(
  target: string,
  rawHeaders: readonly string[],
  names: ReadonlySet<string>,
  localAddress: string | undefined,
): void {
  const given = rawHeaders.filter((_, i) => rawHeaders[i - 1]?.toLowerCase() === 'host' && i % 2);
  const absolute = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(target)?.[1];
  if (absolute !== undefined) given.push(absolute);
  const dialled = bare(String(localAddress).replace(/^::ffff:/, ''));
  const ours = given.every((one) => {
    const host = hostnameOf(one);
    return host !== null && (names.has(host) || host === dialled);
  });
  if (ours && given.length === (absolute === undefined ? 1 : 2)) return;
  throw new Fault(
    'HOST_FORBIDDEN',
    `The admin API does not answer for the Host ${JSON.stringify(given.join(', ').slice(0, 200))}. ` +
      'If this is a name of this machine, add it to admin.hosts in the configuration.',
  );
}

/**
 * @param method upper case.
 * @throws Fault ORIGIN_FORBIDDEN for what a page of another origin sent, unless it is a plain link.
 */
export function checkOrigin(method: string, headers: Headers): void {
  const reads = method === 'GET' || method === 'HEAD';
  const site = headers['sec-fetch-site'];
  const link = reads && headers['sec-fetch-mode'] === 'navigate';
  if (site !== undefined && site !== 'same-origin' && site !== 'none' && !link) refuse(site);
  const origin = headers.origin;
  if (origin === undefined || reads) return;
  if (typeof origin !== 'string' || originHost(origin) !== withoutDefaultPort(headers.host)) {
    refuse(origin);
  }
}

function refuse(origin: unknown): never {
  throw new Fault(
    'ORIGIN_FORBIDDEN',
    `A page of another origin (${JSON.stringify(origin).slice(0, 200)}) may not call the admin API.`,
  );
}

function originHost(origin: string): string | null {
  if (!/^https?:\/\//.test(origin) || !URL.canParse(origin)) return null;
  return withoutDefaultPort(new URL(origin).host);
}

function withoutDefaultPort(host: unknown): string {
  return String(host)
    .toLowerCase()
    .replace(/:(80|443)$/, '');
}

/** @returns null for what is no host with an optional port. */
function hostnameOf(host: string): string | null {
  const parts = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?$/i.exec(host);
  return parts?.[1] === undefined ? null : bare(parts[1]);
}

function bare(host: string): string {
  return host
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '');
}
