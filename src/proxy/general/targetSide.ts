/**
 * The target of one try, as the general lane sees it: whether it is spoken to by HTTP/1.1 or on a
 * stream of HTTP/2.
 *
 * The rule this file keeps: it has the shapes of Node's own objects of HTTP/1, so that those pass
 * no layer on their way.
 */
import type { IncomingHttpHeaders } from 'node:http';

/** A request as it is sent. */
export interface TargetRequest {
  /** Its connection carried others before it. */
  readonly reusedSocket: boolean;
  readonly writableFinished: boolean;
  readonly writableNeedDrain: boolean;
  flushHeaders(): void;
  write(chunk: Buffer): boolean;
  addTrailers(pairs: [string, string][]): void;
  end(last?: Buffer): unknown;
  on(event: 'drain', listener: () => void): unknown;
  /** Nothing came in time: what it shares with others may be dead. */
  doubt?(): void;
  /** Ends it at once, where it is not over. */
  destroy(): unknown;
}

/** Its answer as it comes. */
export interface TargetAnswer {
  readonly statusCode?: number | undefined;
  readonly statusMessage?: string | undefined;
  /** It came on a stream of HTTP/2: what a line of HTTP/1 says of its version is not asked. */
  readonly onStream?: boolean;
  readonly httpVersionMajor: number;
  readonly httpVersionMinor: number;
  readonly headers: IncomingHttpHeaders;
  /** Names and values in turn. */
  readonly rawHeaders: string[];
  readonly rawTrailers: string[];
  /** All of it has come. */
  readonly complete: boolean;
  on(event: 'data', listener: (chunk: Buffer) => void): unknown;
  on(event: 'end' | 'close', listener: () => void): unknown;
  pause(): unknown;
  resume(): unknown;
  destroy(): unknown;
}

/** The head of an interim answer. */
export interface TargetInterim {
  /** It came on a stream of HTTP/2: what a line of HTTP/1 says of its version is not asked. */
  readonly onStream?: boolean;
  readonly httpVersionMajor: number;
  readonly httpVersionMinor: number;
  readonly statusCode: number;
  readonly statusMessage: string;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: string[];
}
