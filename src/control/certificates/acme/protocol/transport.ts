/**
 * One request to an authority and its answer, over HTTPS.
 *
 * The rule this file keeps: every request ends, answered or not, within a time and a size. The
 * addresses after the first come from the authority, so each is looked at: HTTPS, or this machine.
 * Redirects are not followed: the RFC knows none, and a signature is for one address.
 */
import http from 'node:http';
import https from 'node:https';
import { rootCertificates } from 'node:tls';
import type { Clock } from '../../../../clock.ts';
import { isLoopback } from '../../../../config/address.ts';
import { Fault, reasonOf } from '../../../../errors.ts';

/** From the first byte of a request to the last of its answer; some authorities sign slowly. */
const exchangeMs = 30_000;
/** A chain has some 6 KiB, a directory 1 KiB. */
const bodyBytesMax = 256 * 1024;
/** A wait that an authority asks for is believed up to here: longer than any ban known (168 h). */
const retryAfterMsMax = 8 * 86_400_000;

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
  /** What Retry-After says; null: nothing that makes sense. */
  readonly retryAfterMs: number | null;
}

export interface Transport {
  /** @throws Fault AUTHORITY_UNREACHABLE, AUTHORITY_MALFORMED. */
  exchange(method: 'GET' | 'HEAD' | 'POST', url: string, body?: string): Promise<Answer>;
  /** Gives up what is under way. */
  close(): void;
}

/**
 * @param roots PEM of authorities that are trusted besides those Node brings, for an authority of
 *   one's own; null: none.
 */
export function openTransport(clock: Clock, version: string, roots: string | null): Transport {
  // One connection, kept for the time of an order.
  const agent = new https.Agent({
    keepAlive: true,
    maxSockets: 4,
    timeout: exchangeMs,
    ...(roots === null ? {} : { ca: [...rootCertificates, roots] }),
  });
  const ender = new AbortController();
  const carrier = { clock, version, agent, signal: ender.signal };
  return {
    exchange: (method, url, body) => exchange(carrier, method, url, body),
    close() {
      ender.abort();
      agent.destroy();
    },
  };
}

interface Carrier {
  readonly clock: Clock;
  readonly version: string;
  readonly agent: https.Agent;
  readonly signal: AbortSignal;
}

function exchange(
  { clock, version, agent, signal }: Carrier,
  method: string,
  address: string,
  body?: string,
): Promise<Answer> {
  const url = vetted(address);
  const isPlain = url.protocol === 'http:';
  const where = url.host;
  return new Promise((resolve, reject) => {
    const headers = {
      'user-agent': `pointsman/${version} node/${process.versions.node}`,
      'accept-language': 'en',
      ...(body === undefined
        ? {}
        : { 'content-type': 'application/jose+json', 'content-length': Buffer.byteLength(body) }),
    };
    const options = {
      method,
      headers,
      signal,
      ...(isPlain ? { agent: false as const } : { agent }),
    };
    const req = (isPlain ? http : https).request(url, options);
    const cancel = clock.after(exchangeMs, () => {
      reject(unreachable(where, `no answer within ${exchangeMs / 1000} s`));
      req.destroy();
    });
    const fail = (fault: Fault): void => {
      cancel();
      reject(fault);
      req.destroy();
    };
    req.on('error', (caught) => fail(unreachable(where, whyOf(caught), caught)));
    req.on('response', (res) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      res.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > bodyBytesMax) fail(malformed(where, `more than ${bodyBytesMax} bytes came`));
        else chunks.push(chunk);
      });
      res.on('error', (caught) => fail(unreachable(where, 'the answer broke off', caught)));
      res.on('end', () => {
        cancel();
        const { statusCode = 0 } = res;
        const retryAfterMs = retryAfter(res.headers['retry-after'], clock.date());
        resolve({
          status: statusCode,
          headers: res.headers,
          body: Buffer.concat(chunks),
          retryAfterMs,
        });
      });
    });
    req.end(body);
  });
}

/** Seconds, or a date (RFC 9110, 10.2.3). */
export function retryAfter(value: string | undefined, now: Date): number | null {
  if (value === undefined) return null;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now.getTime();
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), retryAfterMsMax) : null;
}

export function malformed(where: string, why: string): Fault {
  return new Fault(
    'AUTHORITY_MALFORMED',
    `${where} does not speak ACME as RFC 8555 has it: ${why}.`,
  );
}

/** @throws Fault AUTHORITY_MALFORMED where it leads to neither HTTPS nor this machine. */
function vetted(address: string): URL {
  const url = URL.canParse(address) ? new URL(address) : null;
  const shown = address.slice(0, 200);
  if (url === null) throw malformed('The authority', `"${shown}" is no address`);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(host))) return url;
  throw malformed('The authority', `"${shown}" is not HTTPS`);
}

function unreachable(where: string, why: string, cause?: unknown): Fault {
  return new Fault(
    'AUTHORITY_UNREACHABLE',
    `The certificate authority ${where} cannot be reached: ${why}.`,
    {
      where,
      ...(cause === undefined ? {} : { cause }),
    },
  );
}

function whyOf(caught: unknown): string {
  const { code } = caught as { code?: string };
  if (code === 'ECONNREFUSED') return 'nothing listens there';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'its name does not resolve';
  if (code?.includes('SELF_SIGNED') || code?.includes('UNABLE_TO_')) {
    return 'its own certificate is not trusted here; for an authority of your own set tls.acme.caFile';
  }
  return reasonOf(caught);
}
