/**
 * Which header fields are passed on, in both directions and for both lanes: pure functions on flat
 * lists of names and values in turn.
 *
 * The rule this file keeps: what concerns one connection ends here (RFC 9110 section 7.6.1), what
 * says where a request came from is ours to say, and everything else passes as it came: order, case
 * of the names, repeated lines.
 *
 * Decisions:
 * - From a peer that is not in `trustedProxies`, `Forwarded`, every `X-Forwarded-*` and `X-Real-IP`
 *   are dropped and the three that are common are set from the socket. From a trusted one they
 *   pass; X-Forwarded-For and Forwarded are appended to, -Proto and -Host are set where they are
 *   missing.
 * - X-Real-IP is never set: X-Forwarded-For says the same, and says it by one rule.
 * - A name with underscores that reads like one of these after the translation of CGI
 *   (`X_Forwarded_For`) is dropped from anybody: applications cannot tell them apart.
 * - `Connection: host` and the like nominate nothing: a client must not be able to take away what
 *   we and the application rely on.
 * - What the config of a service says of header fields comes last, over all of this.
 * - `Trailer` passes where the message goes on in chunks, since then its trailers do.
 */

import { type HeaderEdits, without } from './edge/headerEdits.ts';

/** In which version of HTTP a client speaks. */
export type ClientVersion = '1.0' | '1.1' | '2.0';

/** How a request reached us. */
export interface Arrival {
  /** Address of the peer; '' where it was gone. */
  readonly client: string;
  /** The peer is in `trustedProxies`. */
  readonly trusted: boolean;
  readonly proto: 'http' | 'https';
  /** As in the Host header; '' where an HTTP/1.0 client sent none. */
  readonly host: string;
  /** X-Request-Id of the exchange. */
  readonly id: string;
  readonly version: ClientVersion;
  /** The body goes on in chunks: `Transfer-Encoding: chunked` is added. */
  readonly chunked: boolean;
  /** The request asks for a tunnel: Upgrade passes. */
  readonly upgrade: boolean;
  /** What the service does at its edge; null: nothing. */
  readonly rules: RequestRules | null;
  /** What was taken from the front of its path; '': nothing. */
  readonly prefix: string;
  /** What Via says of us: the mark of the service. */
  readonly mark: string;
}

/** What the config of a service says of the header of a request. */
export interface RequestRules {
  readonly request: HeaderEdits | null;
  /** Forwarded is said in any case. */
  readonly forwarded: boolean;
}

/** How an answer goes to the client. */
export interface Departure {
  readonly status: number;
  /** The body goes on in chunks; the caller adds Transfer-Encoding. */
  readonly chunked: boolean;
  /** What Connection is to say; null: nothing. */
  readonly connection: 'close' | 'keep-alive' | 'Upgrade' | null;
  /** What Strict-Transport-Security is to say where the target does not say it; 0: nothing. */
  readonly hstsSeconds: number;
  /** What the config of the service says of the header; null: nothing. */
  readonly edits: HeaderEdits | null;
}

/** What Via says of us to clients. */
const pseudonym = 'pointsman';

/** What is done with a field. */
type Rule =
  | 'pass'
  | 'drop'
  | 'connection'
  | 'te'
  | 'trailer'
  | 'upgrade'
  | 'from'
  | 'for'
  | 'forwarded'
  | 'hsts'
  | 'via';

const requestRules = new Map<string, Rule>([
  ['connection', 'connection'],
  ['expect', 'drop'],
  ['forwarded', 'forwarded'],
  ['http2-settings', 'drop'],
  ['keep-alive', 'drop'],
  ['te', 'te'],
  ['trailer', 'trailer'],
  ['transfer-encoding', 'drop'],
  ['upgrade', 'upgrade'],
  ['via', 'via'],
  ['x-forwarded-for', 'for'],
  ['x-real-ip', 'from'],
  ['x-request-id', 'drop'],
]);

const responseRules = new Map<string, Rule>([
  ['connection', 'connection'],
  ['keep-alive', 'drop'],
  ['strict-transport-security', 'hsts'],
  ['te', 'drop'],
  ['trailer', 'trailer'],
  ['transfer-encoding', 'drop'],
  ['upgrade', 'upgrade'],
  ['via', 'via'],
]);

/**
 * Fields that a Connection header cannot take away; of the response only those of framing matter.
 */
const neverNominated = new Set([
  'authorization',
  'content-length',
  'content-type',
  'cookie',
  'forwarded',
  'host',
  'set-cookie',
  'traceparent',
  'tracestate',
  'via',
  'x-real-ip',
  'x-request-id',
]);

/** Options of Connection that name no field to strip, or one that is dealt with anyway. */
const plainOptions = new Set(['', 'close', 'keep-alive', 'te', 'upgrade', 'http2-settings']);

/** Fields that stand for themselves even in the underscores of CGI. */
export const guardedNames = new Set(['content-length', 'host', ...requestRules.keys()]);

/**
 * What a target is sent.
 *
 * @param raw names and values in turn, vetted.
 * @returns a new list.
 */
export function requestHeaders(raw: readonly string[], arrival: Arrival): string[] {
  const { trusted } = arrival;
  const out: string[] = [];
  let nominated: Set<string> | null = null;
  let forwardedFor = '';
  let forwarded = '';
  let via = '';
  let proto = false;
  let host = false;
  let prefix = arrival.prefix === '';
  let trailers = false;
  let protocol = '';
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at] ?? '';
    const value = raw[at + 1] ?? '';
    switch (requestRule(name)) {
      case 'pass':
        out.push(name, value);
        break;
      case 'connection':
        nominated = nominations(value, nominated);
        break;
      case 'te':
        trailers ||= takesTrailers.test(value);
        break;
      case 'trailer':
        if (arrival.chunked) out.push(name, value);
        break;
      case 'upgrade':
        protocol = joined(protocol, value);
        break;
      case 'via':
        via = joined(via, value);
        break;
      case 'for':
        if (trusted) forwardedFor = joined(forwardedFor, value);
        break;
      case 'forwarded':
        if (trusted) forwarded = joined(forwarded, value);
        break;
      case 'from': {
        if (!trusted) break;
        const lower = name.toLowerCase();
        proto ||= lower === 'x-forwarded-proto';
        host ||= lower === 'x-forwarded-host';
        prefix ||= lower === 'x-forwarded-prefix';
        out.push(name, value);
        break;
      }
    }
  }
  const kept = nominated === null ? out : without(out, nominated);
  if (trailers) kept.push('TE', 'trailers');
  if (arrival.chunked) kept.push('Transfer-Encoding', 'chunked');
  if (arrival.upgrade) kept.push('Connection', 'Upgrade', 'Upgrade', protocol);
  else if (trailers) kept.push('Connection', 'TE');
  if (forwarded !== '' || arrival.rules?.forwarded)
    kept.push('Forwarded', joined(forwarded, element(arrival)));
  const chain = joined(forwardedFor, arrival.client);
  if (chain !== '') kept.push('X-Forwarded-For', chain);
  if (!proto) kept.push('X-Forwarded-Proto', arrival.proto);
  if (!host && arrival.host !== '') kept.push('X-Forwarded-Host', arrival.host);
  if (!prefix) kept.push('X-Forwarded-Prefix', arrival.prefix);
  kept.push('X-Request-Id', arrival.id);
  kept.push('Via', joined(via, `${arrival.version} ${arrival.mark}`));
  return arrival.rules?.request?.apply(kept) ?? kept;
}

/**
 * What a client is sent of a target's answer.
 *
 * @param raw names and values in turn.
 * @param version of HTTP, in which the target answered.
 * @returns a new list.
 */
export function responseHeaders(
  raw: readonly string[],
  version: ClientVersion,
  departure: Departure,
): string[] {
  const out: string[] = [];
  let nominated: Set<string> | null = null;
  let via = '';
  let protocol = '';
  let hsts = departure.hstsSeconds === 0;
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at] ?? '';
    const value = raw[at + 1] ?? '';
    const rule = responseRule(name);
    if (rule === 'pass') {
      // RFC 9110 section 8.6: no Content-Length in a 204.
      if (departure.status === 204 && name.toLowerCase() === 'content-length') continue;
      out.push(name, value);
    } else if (rule === 'connection') {
      nominated = nominations(value, nominated);
    } else if (rule === 'via') {
      via = joined(via, value);
    } else if (rule === 'hsts') {
      out.push(name, value);
      hsts = true;
    } else if (rule === 'upgrade') {
      protocol = joined(protocol, value);
    } else if (rule === 'trailer' && departure.chunked) {
      out.push(name, value);
    }
  }
  const kept = nominated === null ? out : without(out, nominated);
  if (departure.connection !== null) kept.push('Connection', departure.connection);
  if (departure.connection === 'Upgrade' && protocol !== '') kept.push('Upgrade', protocol);
  if (!hsts) kept.push('Strict-Transport-Security', `max-age=${departure.hstsSeconds}`);
  kept.push('Via', joined(via, `${version} ${pseudonym}`));
  return departure.edits?.apply(kept) ?? kept;
}

const takesTrailers = /(?:^|,)[ \t]*trailers[ \t]*(?:$|[,;])/i;

/** Rules of names as they were written: most come again and again, in the same letters. */
const requestSeen = new Map<string, Rule>();
const responseSeen = new Map<string, Rule>();
const seenMax = 1_000;

function requestRule(name: string): Rule {
  return requestSeen.get(name) ?? remember(requestSeen, name, requestRuleOf(name.toLowerCase()));
}

function responseRule(name: string): Rule {
  return responseSeen.get(name) ?? remember(responseSeen, name, responseRuleOf(name.toLowerCase()));
}

function remember(seen: Map<string, Rule>, name: string, rule: Rule | undefined): Rule {
  if (seen.size >= seenMax) seen.clear();
  // A copy: what was cut out of a head would keep the whole head in memory.
  seen.set(Buffer.from(name, 'latin1').toString('latin1'), rule ?? 'pass');
  return rule ?? 'pass';
}

function responseRuleOf(lower: string): Rule | undefined {
  return lower.startsWith('proxy-') ? 'drop' : responseRules.get(lower);
}

function requestRuleOf(lower: string): Rule | undefined {
  const rule = requestRules.get(lower);
  if (rule !== undefined) return rule;
  const first = lower.charCodeAt(0);
  if (first === 0x78 && lower.startsWith('x-forwarded-')) return 'from';
  // `Proxy` too: CGI makes HTTP_PROXY of it (httpoxy, CVE-2016-5385).
  if (first === 0x70 && (lower === 'proxy' || lower.startsWith('proxy-'))) return 'drop';
  if (!lower.includes('_')) return undefined;
  const read = lower.replaceAll('_', '-');
  const guarded = guardedNames.has(read) || read.startsWith('x-forwarded-');
  return guarded || read.startsWith('proxy-') ? 'drop' : undefined;
}

function nominations(value: string, before: Set<string> | null): Set<string> | null {
  let nominated = before;
  for (const option of value.toLowerCase().split(',')) {
    const name = option.trim();
    if (plainOptions.has(name) || neverNominated.has(name)) continue;
    if (name.startsWith('x-forwarded-')) continue;
    nominated ??= new Set();
    nominated.add(name);
  }
  return nominated;
}

function joined(list: string, value: string): string {
  if (list === '') return value;
  return value === '' ? list : `${list}, ${value}`;
}

/** One hop in the words of RFC 7239. */
function element({ client, proto, host }: Arrival): string {
  const node = client.includes(':') ? `"[${client}]"` : client;
  return `for=${client === '' ? 'unknown' : node};proto=${proto}${host === '' ? '' : `;host="${host}"`}`;
}
