/**
 * One request of a gate, on a connection of its own.
 *
 * The rule this file keeps: it always settles, by its limit or its signal, follows nothing, and
 * keeps of the answer no more than is needed to judge it.
 */
import http from 'node:http';
import https from 'node:https';
import type { LookupFunction, Socket } from 'node:net';
import type { Clock } from '../../clock.ts';
import { formatTarget } from '../../config/address.ts';
import type { TargetTls } from '../../wireTls.ts';
import {
  connectTarget,
  hostOf,
  type ProbedTarget,
  sentenceOf,
} from '../health/targetConnection.ts';

export interface GateRequest {
  /** Where it goes: a target, or a URL. */
  readonly to: TargetPath | URL;
  /** The address, in sentences. */
  readonly where: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string | number>>;
  readonly body?: string;
  readonly limitMs: number;
  /** Of the names in URLs. */
  readonly lookup?: LookupFunction;
}

export interface TargetPath {
  readonly target: ProbedTarget;
  readonly tls: TargetTls;
  readonly path: string;
}

export interface GateAnswer {
  /** null: there was none, and `error` says why. */
  readonly status: number | null;
  readonly body: string;
  readonly error: string | null;
}

/** A GET of a target. @param via by which a request of ours is known that comes back to us. */
export function targetRequest(
  target: ProbedTarget,
  of: Omit<TargetPath, 'target'> & {
    /** Of the Host header; null: the target's own address. */
    readonly host: string | null;
    readonly via: string;
    readonly limitMs: number;
  },
): GateRequest {
  const { path, tls, host, via, limitMs } = of;
  const headers = {
    host: host ?? hostOf(target),
    'user-agent': 'pointsman-hook',
    accept: '*/*',
    connection: 'close',
    via: `1.1 ${via}`,
  };
  return {
    to: { target, tls, path },
    where: formatTarget(target),
    method: 'GET',
    headers,
    limitMs,
  };
}

/** The error of a request whose signal was aborted. */
export const givenUp = 'it was given up';

/** More of a body is not looked at. */
const bodyBytesMax = 1024 * 1024;

/** Never rejects. */
export function ask(clock: Clock, order: GateRequest, signal: AbortSignal): Promise<GateAnswer> {
  const { to, where, method, headers, body, limitMs, lookup } = order;
  return new Promise((resolve) => {
    let req: http.ClientRequest | null = null;
    let socket: Socket | null = null;
    const end = (answer: GateAnswer): void => {
      cancel();
      signal.removeEventListener('abort', gone);
      resolve(answer);
      if (answer.error === null) return;
      req?.destroy();
      // One whose handshake has not ended belongs to no request yet.
      socket?.destroy();
    };
    const fail = (error: string): void => end({ status: null, body: '', error });
    const gone = (): void => fail(givenUp);
    const cancel = clock.after(limitMs, () => fail(`no answer from ${where} within its time`));
    if (signal.aborted) return gone();
    signal.addEventListener('abort', gone, { once: true });
    const options = { method, headers, setHost: false };
    try {
      if (to instanceof URL) {
        const secure = to.protocol === 'https:';
        const more = { ...options, setHost: true, agent: false, ...(lookup && { lookup }) };
        req = (secure ? https : http).request(to, more);
      } else {
        const createConnection = (_: unknown, done: Parameters<typeof connectTarget>[3]) => {
          socket = connectTarget(to.target, to.tls, where, done);
          return to.target.scheme === 'https' ? undefined : socket;
        };
        req = http.request({ ...options, path: to.path, createConnection });
      }
      req.on('error', (error) => fail(sentenceOf(error, where)));
      req.on('upgrade', (_res, socket) => {
        socket.destroy();
        fail(`${where} switched protocols, which it was not asked to`);
      });
      req.on('response', (res) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        res.on('data', (chunk: Buffer) => {
          if (bytes < bodyBytesMax) chunks.push(chunk.subarray(0, bodyBytesMax - bytes));
          bytes += chunk.length;
        });
        res.on('error', (error) => fail(sentenceOf(error, where)));
        res.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          end({ status: res.statusCode ?? 0, body: text, error: null });
        });
      });
      req.end(body);
    } catch (thrown) {
      fail(sentenceOf(thrown as NodeJS.ErrnoException, where));
    }
  });
}
