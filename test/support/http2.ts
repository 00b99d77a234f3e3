/**
 * The front of HTTP/2 in front of real origins, without the handshake that it is behind in use, and
 * a client that never tries again.
 *
 * The rule this file keeps: what a client saw of a stream is told as it was: an answer that was cut
 * is never one that ended.
 */
import http2, { type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2';
import { onTestFinished } from 'vitest';
import { createGeneralLane } from '../../src/proxy/general/lane.ts';
import { createHttp2Front } from '../../src/proxy/http2/front.ts';
import { type ProxySetup, startProxy, type TestProxy } from './proxy.ts';

export function startHttp2(setup: ProxySetup): Promise<TestProxy> {
  return startProxy((plane) => createHttp2Front(createGeneralLane(plane).around), setup);
}

export function http2Client(
  port: number,
  options: http2.ClientSessionOptions | http2.SecureClientSessionOptions = {},
): http2.ClientHttp2Session {
  const secure = 'ca' in options || 'servername' in options;
  // What it has to send waits in its memory, and is none of our concern.
  const session = http2.connect(`${secure ? 'https' : 'http'}://127.0.0.1:${port}`, {
    maxSessionMemory: 1_000,
    ...options,
  });
  session.on('error', () => {});
  onTestFinished(() => session.destroy());
  return session;
}

export interface Answered {
  /** 0: there was no answer. */
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly trailers: IncomingHttpHeaders;
  /** Statuses of the interim answers. */
  readonly interims: readonly number[];
  /** It came to its end. */
  readonly whole: boolean;
  /** The error it was reset with; 0: none. */
  readonly reset: number;
}

export interface Asked {
  readonly body?: string | Buffer;
  readonly trailers?: OutgoingHttpHeaders;
}

/** Never rejects. */
export function ask(
  session: http2.ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  { body, trailers }: Asked = {},
): Promise<Answered> {
  return new Promise((resolve) => {
    const all = { ':scheme': 'https', ':authority': 'shop.example', ...headers };
    const stream = session.request(all, {
      endStream: body === undefined,
      waitForTrailers: trailers !== undefined,
    });
    let head: IncomingHttpHeaders = {};
    let ends: IncomingHttpHeaders = {};
    let got = '';
    let ended = false;
    const interims: number[] = [];
    stream.on('headers', (interim) => interims.push(Number(interim[':status'])));
    stream.on('response', (response) => {
      head = response;
    });
    stream.on('trailers', (fields) => {
      ends = fields;
    });
    stream.on('wantTrailers', () => stream.sendTrailers(trailers ?? {}));
    stream.on('data', (chunk: Buffer) => {
      got += chunk.toString('latin1');
    });
    stream.on('end', () => {
      ended = true;
    });
    stream.on('error', () => {});
    stream.on('close', () => {
      const reset = stream.rstCode ?? 0;
      resolve({
        status: Number(head[':status'] ?? 0),
        headers: head,
        body: got,
        trailers: ends,
        interims,
        whole: ended && reset === 0 && !stream.aborted,
        reset,
      });
    });
    if (body !== undefined) stream.end(body);
  });
}
