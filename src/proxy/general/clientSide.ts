/**
 * The client of one request, as the general lane sees it: whether it came by HTTP/1 or as a stream
 * of HTTP/2.
 *
 * The rule this file keeps: it has the shapes of Node's own objects where those will do, so that
 * HTTP/1 passes no layer on its way.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { FaultCode } from '../../errors.ts';
import type { Lane } from '../accounting/exchange.ts';
import type { ClientVersion } from '../headers.ts';
import type { ValidRequest } from '../validateRequest.ts';
import type { InterimHead } from './responseHead.ts';

/** A request as it comes. */
export interface RequestSide {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly headers: IncomingHttpHeaders;
  /** Names and values in turn. */
  readonly rawHeaders: string[];
  readonly rawTrailers: string[];
  /** All of it has come. */
  readonly complete: boolean;
  on(event: 'data', listener: (chunk: Buffer) => void): unknown;
  on(event: 'end', listener: () => void): unknown;
  off(event: 'data', listener: (chunk: Buffer) => void): unknown;
  off(event: 'end', listener: () => void): unknown;
  once(event: 'close', listener: () => void): unknown;
  pause(): unknown;
  resume(): unknown;
}

/** Its answer as it goes. */
export interface ResponseSide {
  readonly headersSent: boolean;
  readonly writableEnded: boolean;
  readonly writableFinished: boolean;
  readonly writableNeedDrain: boolean;
  readonly writableLength: number;
  sendDate: boolean;
  shouldKeepAlive: boolean;
  removeHeader(name: string): void;
  /** Throws where a field may not be written as it is. */
  writeHead(status: number, reason: string, headers: string[]): unknown;
  writeContinue(): void;
  addTrailers(pairs: readonly [string, string][]): void;
  write(chunk: Uint8Array): boolean;
  end(last?: Uint8Array): unknown;
  end(last: string, encoding: 'latin1'): unknown;
  /** The connection is a tunnel from here on. */
  detachSocket(socket: Socket): void;
  on(event: 'error', listener: () => void): unknown;
  once(event: 'close' | 'drain' | 'finish', listener: () => void): unknown;
}

/** What carries both. */
export interface ClientSide {
  readonly lane: Lane;
  /** The connection beneath, which may carry others as well. */
  readonly socket: Duplex;
  readonly client: string;
  readonly proto: 'http' | 'https';
  /** It shut its side, and nothing that it sent waits: the answer under way is the last. */
  readonly asksNoMore: boolean;
  /** What waits here for the client to take it. */
  readonly waitingBytes: number;
  versionOf(req: RequestSide): ClientVersion;
  vet(req: RequestSide): ValidRequest | FaultCode;
  /** Writes the head of an interim answer, before anything of the final one. */
  interim(head: InterimHead): void;
  /** Ends it at once: the client must not take what it got for the whole. */
  abort(): void;
  /** What was answered is not read any further: it ends so that the client can read the answer. */
  lingerAfterAnswer(): void;
  /** An answer is complete and its request is not: what still comes is dropped, for a while. */
  discard(req: RequestSide): void;
  /** The request is over. */
  over(): void;
}
