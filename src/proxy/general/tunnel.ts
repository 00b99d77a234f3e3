/**
 * A connection that was upgraded: bytes pass both ways until both sides are done.
 *
 * The rule this file keeps: both sides end together, or one after the other where one only stopped
 * sending; and no error of either ever goes unheard, for it would end the process.
 *
 * A tunnel has no limit of silence. When its pool is retired a WebSocket is told so by a Close
 * frame 1012 (Service Restart), between two frames, so that its client comes back to the new pool
 * and loses nothing.
 */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Exchange } from '../accounting/exchange.ts';
import { Deadline, type Deadlines, type Waiter } from '../deadlines.ts';
import type { HeaderEdits } from '../edge/headerEdits.ts';
import { responseHeaders } from '../headers.ts';
import type { ResponseSide } from './clientSide.ts';
import { closeFrame, FrameScanner } from './frameScanner.ts';

const serviceRestart = 1012;
/** From the first word of the end until both sides are closed, whatever they do. */
const farewellMs = 2_000;
/** Silent peers that are gone are found by the system. */
const tcpKeepAliveMs = 60_000;

/** The request that asked for the tunnel. */
export interface TunneledRequest {
  readonly around: { readonly deadlines: Deadlines };
  readonly connection: { readonly socket: Duplex };
  readonly res: ResponseSide;
  /** What the client sent behind its head. */
  readonly tunnelHead: Buffer | null;
  readonly exchange: Exchange;
  readonly service: { readonly rules: { readonly response: HeaderEdits | null } | null };
  /** Both sides are over. */
  closed(): void;
}

/** One direction. */
interface Way {
  readonly from: Duplex;
  readonly to: Duplex;
  /** null: not a WebSocket. */
  readonly frames: FrameScanner | null;
  readonly masked: boolean;
  /** We have ended it: what still comes is dropped. */
  ended: boolean;
}

export class Tunnel implements Waiter {
  readonly #call: TunneledRequest;
  readonly #answer: IncomingMessage;
  readonly #client: Duplex;
  readonly #upstream: Socket;
  readonly #deadline = new Deadline(this);
  readonly #down: Way;
  readonly #up: Way;
  #closing = false;

  constructor(call: TunneledRequest, answer: IncomingMessage, upstream: Socket) {
    this.#call = call;
    this.#answer = answer;
    this.#client = call.connection.socket;
    this.#upstream = upstream;
    const webSocket = answer.headers.upgrade?.toLowerCase() === 'websocket';
    this.#down = way(upstream, this.#client, webSocket, false);
    this.#up = way(this.#client, upstream, webSocket, true);
  }

  /** @param head what the target sent behind its answer. */
  open(head: Buffer): void {
    const { res, tunnelHead } = this.#call;
    const client = this.#client;
    const upstream = this.#upstream;
    client.on('error', () => this.destroy());
    upstream.on('error', () => this.destroy());
    client.on('close', () => this.destroy());
    upstream.on('close', () => this.destroy());
    if (client.destroyed || upstream.destroyed) {
      this.destroy();
      return;
    }
    res.detachSocket(client as Socket);
    upstream.setTimeout(0);
    upstream.setNoDelay(true);
    upstream.setKeepAlive(true, tcpKeepAliveMs);
    client.write(this.#head(), 'latin1');
    this.#pass(this.#down, head);
    this.#pass(this.#up, tunnelHead ?? Buffer.alloc(0));
    this.#pump(this.#down);
    this.#pump(this.#up);
  }

  /** Ends both sides in the way of their protocol, within a bounded time. */
  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#call.around.deadlines.arm(this.#deadline, farewellMs);
    for (const one of [this.#down, this.#up]) {
      if (one.frames === null || one.frames.between) this.#farewell(one);
      one.from.resume();
    }
  }

  /** Ends both sides at once. */
  destroy(): void {
    this.#call.around.deadlines.disarm(this.#deadline);
    this.#client.destroy();
    this.#upstream.destroy();
    this.#call.closed();
  }

  expired(): void {
    this.destroy();
  }

  #pump(one: Way): void {
    one.from.on('data', (chunk: Buffer) => {
      if (!this.#pass(one, chunk)) one.from.pause();
    });
    one.to.on('drain', () => one.from.resume());
    one.from.on('end', () => {
      if (!one.ended) one.to.end();
      one.ended = true;
    });
    one.from.resume();
  }

  /** @returns whether more may come. */
  #pass(one: Way, chunk: Buffer): boolean {
    if (one.ended || chunk.length === 0) return true;
    const { exchange } = this.#call;
    const passed = one.frames?.follow(chunk, this.#closing) ?? chunk.length;
    if (one === this.#down) exchange.bytesOut += passed;
    else exchange.bytesIn += passed;
    const more = one.to.write(passed === chunk.length ? chunk : chunk.subarray(0, passed));
    if (this.#closing && one.frames?.between) this.#farewell(one);
    return more;
  }

  #farewell(one: Way): void {
    if (one.ended) return;
    one.ended = true;
    if (one.frames !== null && !one.frames.closed) {
      one.to.write(closeFrame(serviceRestart, one.masked ? randomBytes(4) : null));
    }
    one.to.end();
  }

  #head(): string {
    const answer = this.#answer;
    const version = answer.httpVersionMinor === 0 ? '1.0' : '1.1';
    const departure = {
      status: 101,
      chunked: false,
      connection: 'Upgrade',
      hstsSeconds: 0,
      edits: this.#call.service.rules?.response ?? null,
    } as const;
    const headers = responseHeaders(answer.rawHeaders, version, departure);
    const { cookie } = this.#call.exchange;
    if (cookie !== '') headers.push('Set-Cookie', cookie);
    let head = 'HTTP/1.1 101 Switching Protocols\r\n';
    for (let at = 0; at < headers.length; at += 2) head += `${headers[at]}: ${headers[at + 1]}\r\n`;
    return `${head}\r\n`;
  }
}

function way(from: Duplex, to: Duplex, webSocket: boolean, masked: boolean): Way {
  return { from, to, frames: webSocket ? new FrameScanner() : null, masked, ended: false };
}
