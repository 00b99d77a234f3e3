/**
 * One client's connection while it is on the express lane: reads heads, and makes a
 * `ProxiedRequest` of each.
 *
 * The rule this file keeps: one request at a time, and no byte is lost. What is not served is
 * handed over with everything that was read behind the last request that was.
 */
import type { Duplex } from 'node:stream';
import type { Policy } from '../../wire.ts';
import { Exchange } from '../accounting/exchange.ts';
import { answerToNoRequest } from '../answers.ts';
import { discardMs, headMsMax, keepAliveMs, lingerMs } from '../connectionLimits.ts';
import { Deadline, type Waiter } from '../deadlines.ts';
import type { Destination } from '../destinations/destination.ts';
import type { EdgeRules } from '../edge/edgeRules.ts';
import { clientAddress, type TrustedProxies } from '../edge/trustedProxies.ts';
import { comesBack } from '../loops.ts';
import { detourOf } from '../tls/detour.ts';
import type { LaneContext } from './laneContext.ts';
import { type ProxiedClient, ProxiedRequest } from './proxiedRequest.ts';
import { emptyRequestHead, type HeadReason } from './request.ts';
import { RequestHeadReader } from './requestHeadReader.ts';
import { type ClientSocket, disown, forget, own, type SocketOwner } from './socketOwner.ts';
import { Upload } from './upload.ts';
import { UpstreamRequest } from './upstreamRequest.ts';

/** Why a connection leaves the lane: what the head showed, or what stands behind it. */
/** Why a connection is handed over. */
export type Reason =
  | HeadReason
  | ('off' | 'pipelined' | 'slow' | 'route' | 'protocol' | 'tls' | 'edge' | 'loop');

/** A head that takes more reads, or longer, is a slow client, and the general lane knows those. */
const headReadsMax = 4;
const headMs = 1_000;

/** One for all connections: a head is read and used up in one turn. */
const head = emptyRequestHead();

export class ClientConnection implements Waiter, ProxiedClient, SocketOwner {
  readonly lane: LaneContext;
  readonly socket: ClientSocket;
  readonly upload: Upload;
  readonly upstreamRequest: UpstreamRequest;
  readonly #deadline = new Deadline(this);
  readonly #heads = new RequestHeadReader();
  #request: ProxiedRequest | null = null;
  /** A head that is not whole. */
  #pending: Buffer | null = null;
  /** Bytes behind the present request wait in the socket, which is paused. */
  #early = false;
  #reads = 0;
  #fresh = true;
  /** Its time is up: where the process stood still, what came meanwhile is yet to be read. */
  #lastCall = false;
  #ended = false;
  #closing = false;
  #client = '';
  #trusted = false;
  #trustedBy: TrustedProxies | null = null;

  constructor(lane: LaneContext, socket: Duplex) {
    this.lane = lane;
    this.socket = socket;
    this.upload = new Upload(socket);
    this.upstreamRequest = new UpstreamRequest(this.upload);
    own(this.socket, this);
    this.arm(headMsMax);
  }

  /** The address of the peer; asked once. */
  get client(): string {
    if (this.#client === '') this.#client = clientAddress(this.socket);
    return this.#client;
  }

  get trusted(): boolean {
    if (this.#trustedBy !== this.lane.trusted) {
      this.#trustedBy = this.lane.trusted;
      this.#trusted = this.#trustedBy.trusts(this.client);
    }
    return this.#trusted;
  }

  get proto(): 'http' | 'https' {
    return this.socket.encrypted === true ? 'https' : 'http';
  }

  /** The client shut its side: it sends nothing more, and may still read. */
  get ended(): boolean {
    return this.#ended;
  }

  arm(delayMs: number): void {
    this.lane.deadlines.arm(this.#deadline, delayMs);
  }

  disarm(): void {
    this.lane.deadlines.disarm(this.#deadline);
  }

  received(bytes: Buffer): void {
    if (this.#closing) return;
    this.#lastCall = false;
    if (this.upload.left > 0) {
      this.#receivedBody(bytes);
    } else if (this.#request !== null) {
      this.#keepEarly(bytes);
    } else {
      this.#receivedHead(bytes);
    }
  }

  /** The client has shut its side. */
  clientEnded(): void {
    this.#ended = true;
    if (this.#closing) return;
    if (this.upload.left > 0) {
      // The rest of a body will never come: nothing can be made of this request.
      this.destroy();
    } else if (this.#request !== null) {
      this.#request.clientEnded();
    } else {
      if (this.#pending !== null) this.#refuse('REQUEST_INVALID');
      else this.#end();
    }
  }

  drained(): void {
    this.#request?.clientDrained();
  }

  closed(): void {
    this.disarm();
    forget(this.socket);
    this.#closing = true;
    const request = this.#request;
    this.#request = null;
    request?.clientGone();
  }

  expired(): void {
    if (this.#request !== null) this.#request.expired();
    else if (this.#closing || this.upload.left > 0) this.destroy();
    else if (this.#pending !== null) this.#handOver('slow', this.#pending);
    else if (!this.#lastCall) {
      this.#lastCall = true;
      this.arm(1);
    } else if (this.#fresh) this.#refuse('REQUEST_TIMEOUT');
    else this.#end();
  }

  /** The exchange is over. @param keep the connection may carry another. */
  done(keep: boolean): void {
    this.#request = null;
    if (this.#closing) return;
    if (!keep || this.#ended) {
      this.#end();
      return;
    }
    if (this.#early) {
      this.#handOver('pipelined', null);
    } else {
      // Where it was answered before all was read, the rest is read and dropped.
      this.arm(this.upload.left > 0 ? discardMs : keepAliveMs);
    }
  }

  /** Breaks the connection off: the client must see that the answer is not whole. */
  destroy(): void {
    this.socket.destroy();
  }

  #receivedHead(bytes: Buffer): void {
    const all = this.#pending === null ? bytes : Buffer.concat([this.#pending, bytes]);
    const verdict = this.#heads.read(all, head);
    if (verdict === 'whole') {
      this.#begin(all);
    } else if (verdict !== 'partial') {
      this.#handOver(verdict, all);
    } else if (++this.#reads >= headReadsMax || all.length > this.lane.plane.headerBytesMax) {
      this.#handOver('slow', all);
    } else {
      if (this.#pending === null) this.arm(headMs);
      this.#pending = all;
    }
  }

  #begin(bytes: Buffer): void {
    const { on, plane } = this.lane;
    const extra = bytes.length - head.headBytes;
    const service = on ? plane.match(head.host, head.target) : undefined;
    if (service === undefined || !fits(extra, service.policy)) {
      this.#handOver(!on ? 'off' : service === undefined ? 'route' : whyNot(extra), bytes);
      return;
    }
    if (service.policy.protocol !== undefined) {
      this.#handOver('protocol', bytes);
      return;
    }
    if (plane.edge.tls !== null && this.#takesDetour(service)) {
      this.#handOver('tls', bytes);
      return;
    }
    if (service.rules !== null && this.#stops(service, service.rules)) {
      this.#handOver('edge', bytes);
      return;
    }
    if (head.via !== '' && comesBack(head.via, service.entry.via)) {
      this.#handOver('loop', bytes);
      return;
    }
    this.#fresh = false;
    this.#pending = null;
    this.#reads = 0;
    const first = extra === 0 ? null : bytes.subarray(head.headBytes);
    this.upload.begin(first, head.bodyBytes - extra);
    const exchange = new Exchange(plane, 'express', {
      method: head.method,
      path: head.target,
      host: head.host,
      client: this.client,
      id: head.id,
    });
    exchange.service = service;
    exchange.bytesIn = extra;
    const request = new ProxiedRequest(this, exchange, service, head);
    this.#request = request;
    request.start();
  }

  /** Whether the general lane has something else to say to this request. */
  #takesDetour(service: Destination): boolean {
    const { socket, proto } = this;
    const { host, target } = head;
    const coming = { socket, proto, clientProto: proto, host, target };
    return detourOf(this.lane.plane, service.entry, coming) !== null;
  }

  /** Whether the request goes no further: the general lane says so to the client. */
  #stops({ shown }: Destination, rules: EdgeRules): boolean {
    const { proto, client: peer, lane } = this;
    const { host, target, raw } = head;
    if (shown?.asked(host, raw)) return true;
    return rules.stop({ host, target, proto, peer, trusted: lane.trusted, raw }) !== null;
  }

  #receivedBody(bytes: Buffer): void {
    const here = Math.min(this.upload.left, bytes.length);
    this.upload.left -= here;
    this.#request?.body(here === bytes.length ? bytes : bytes.subarray(0, here));
    if (here === bytes.length) {
      if (this.upload.left === 0 && this.#request === null) this.arm(keepAliveMs);
      return;
    }
    const rest = bytes.subarray(here);
    if (this.#request === null) this.#handOver('pipelined', rest);
    else this.#keepEarly(rest);
  }

  /**
   * Bytes of a request whose turn has not come go back into the socket: nothing more is read until
   * it has, and no end of the stream is seen before them.
   */
  #keepEarly(bytes: Buffer): void {
    this.#early = true;
    this.socket.pause();
    this.socket.unshift(bytes);
  }

  /** @param bytes what was read and not served; null: it is in the socket. */
  #handOver(reason: Reason, bytes: Buffer | null): void {
    const { lane, socket } = this;
    lane.plane.countHandover(reason);
    this.disarm();
    disown(socket);
    socket.pause();
    if (bytes !== null) socket.unshift(bytes);
    lane.general.emit('connection', socket);
    socket.resume();
  }

  /** An answer where there is no request to speak of; the connection ends with it. */
  #refuse(code: 'REQUEST_INVALID' | 'REQUEST_TIMEOUT'): void {
    const { plane } = this.lane;
    plane.countUnrouted(code);
    this.socket.write(answerToNoRequest(code, plane.clock.date()), 'latin1');
    this.#end();
  }

  #end(): void {
    this.#closing = true;
    const { socket } = this;
    if (this.upload.left > 0 || this.#early) {
      // Closing on a client that still sends would throw away the answer it has not read yet.
      socket.end();
      socket.resume();
    } else if (socket.writableLength === 0 && socket.encrypted !== true) {
      // The system has all of the answer and ends the stream behind it: no need to shut it first.
      socket.destroy();
      return;
    } else {
      socket.end();
    }
    this.arm(lingerMs);
  }
}

/** Whether the head just read, and what came with it, is within what the service takes. */
function fits(extra: number, policy: Policy): boolean {
  return (
    extra <= head.bodyBytes &&
    head.bodyBytes <= policy.bodyBytesMax &&
    head.countedBytes <= policy.headerBytesMax
  );
}

function whyNot(extra: number): Reason {
  return extra > head.bodyBytes ? 'pipelined' : 'size';
}
