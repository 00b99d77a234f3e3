/**
 * One try of a request on one target: the connection, the body upwards, and the wait for an answer.
 *
 * The rule this file keeps: the body is not read before there is a connection to send it on, so
 * until then the request can go elsewhere; and a try reports its failure once, after which nothing
 * of it is heard.
 */
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { FaultCode } from '../../errors.ts';
import { isUnverified } from '../../targetTls.ts';
import type { ClientsTurn, Cut, Holder, Lease } from '../balancing/lease.ts';
import { Deadline, type Waiter } from '../deadlines.ts';
import { afterCut, afterSilence, type Loss, type Progress } from '../failurePolicy.ts';
import { AgentUpstreams } from './agentUpstreams.ts';
import { isBadHeader, type Sender } from './forwarder.ts';
import { InterimAnswers, lossIn, lossOf } from './responseHead.ts';
import { type AnsweredTry, ResponseRelay } from './responseRelay.ts';
import type { SentRequest } from './sentRequest.ts';
import { TargetSessions } from './targetSessions.ts';
import type { TargetAnswer, TargetInterim, TargetRequest } from './targetSide.ts';
import { openStream, type StreamSender } from './targetStream.ts';
import { Tunnel } from './tunnel.ts';
import { type UploadingTry, uploadBody } from './upload.ts';
import { setHeaders } from './upstreamHeaders.ts';

type Phase = 'connect' | 'upload' | 'answer' | 'download';

/** Under this key a pool keeps the general lane's connections. */
const generalKey = Symbol('general');
/** And under this one those of HTTP/2. */
const streamsKey = Symbol('streams');

export class UpstreamRequest
  implements Sender, StreamSender, Waiter, AnsweredTry, UploadingTry, Holder
{
  readonly #call: SentRequest;
  readonly #lease: Lease;
  readonly #deadline = new Deadline(this);
  #phase: Phase = 'connect';
  readonly #interims = new InterimAnswers();
  #request: TargetRequest | null = null;
  /** The connection that was made for it, which it may not have yet. */
  #opening: Socket | null = null;
  #relay: ResponseRelay | null = null;
  #tunnel: Tunnel | null = null;
  #over = false;

  constructor(call: SentRequest, lease: Lease) {
    this.#call = call;
    this.#lease = lease;
  }

  get method(): string {
    return this.#call.exchange.method;
  }

  get path(): string {
    return this.#call.targetPath;
  }

  get responseHeaderBytesMax(): number {
    return this.#call.service.policy.responseHeaderBytesMax;
  }

  start(): void {
    const { around, exchange, service, tunnelHead } = this.#call;
    const lease = this.#lease;
    this.#arm(service.policy.connectMs);
    lease.heldBy(this);
    if (this.#over) return;
    const { certificates } = around.plane;
    if (service.policy.protocol === 'h2') {
      const make = (): TargetSessions => new TargetSessions(certificates);
      if (tunnelHead !== null) this.#fail('UPGRADE_UNKNOWN');
      else openStream(lease.pool.upstreams(streamsKey, make), this.#call, lease.target, this);
      return;
    }
    try {
      const make = (): AgentUpstreams => new AgentUpstreams(certificates);
      const { agent, fresh } = lease.pool.upstreams(generalKey, make);
      // What failed on a kept connection is tried again on a new one: others may be as stale.
      const by = exchange.retries > 0 ? fresh : agent;
      if (tunnelHead === null) around.forwarder.send(this, lease.target, by);
      else around.forwarder.upgrade(this, lease.target, fresh);
    } catch (thrown) {
      if (!isBadHeader(thrown)) throw thrown;
      this.#fail('REQUEST_INVALID');
    }
  }

  opening(socket: Socket): void {
    this.#opening = socket;
  }

  begun(request: ClientRequest): void {
    const call = this.#call;
    this.#request = request;
    // 0: all of them. Node would drop what is beyond 1000, silently.
    request.maxHeadersCount = 0;
    request.on('information', (info) => this.interim(info));
    request.on('upgrade', (answer, socket, head) => this.#upgraded(answer, socket, head));
    if (call.tunnelHead !== null) {
      setHeaders(request, call, this.#lease.target);
      // Node would frame a body for most methods: its end would be the first bytes of the tunnel.
      request.useChunkedEncodingByDefault = false;
      if (call.body === 'none') request.end();
      return;
    }
    request.path = call.targetPath;
    if (call.exchange.retries === 0) request.removeHeader('connection');
    setHeaders(request, call, this.#lease.target);
    if (call.body === 'none') request.end();
  }

  opened(stream: TargetRequest): void {
    this.#request = stream;
    this.#connected();
  }

  unsendable(): void {
    this.#fail('REQUEST_INVALID');
  }

  placed(request: ClientRequest): void {
    const { socket } = request;
    if (this.#over || socket === null || socket.destroyed) return;
    if (socket.connecting) socket.once('connect', () => this.#connected());
    else this.#connected();
  }

  answered(answer: TargetAnswer): void {
    if (this.#over) {
      answer.destroy();
      return;
    }
    const loss = lossIn(answer, this.responseHeaderBytesMax);
    if (loss !== null) {
      this.#lost(loss);
      return;
    }
    this.#call.exchange.answered();
    this.#phase = 'download';
    this.#relay = new ResponseRelay(this.#call, this, answer);
    this.#relay.start();
  }

  failed(error: NodeJS.ErrnoException, known: Loss | null = null): void {
    // Behind an answer it is the answer's end that says whether it was whole.
    if (this.#over || this.#relay !== null) return;
    const broken = this.#request?.reusedSocket === true ? 'stale' : 'reset';
    const unmade = isUnverified(this.#opening) ? 'unverified' : 'connect';
    if (known !== null) this.#lost(known);
    else if (this.#phase === 'connect') this.#lost(unmade);
    else this.#lost(lossOf(error) ?? (this.#interims.none ? broken : 'broken'));
  }

  expired(): void {
    if (this.#over) return;
    if (this.#phase === 'connect') {
      this.#lost('connect');
    } else if (this.#phase === 'download') {
      this.#relay?.stalled();
    } else {
      const full = this.#request?.writableNeedDrain === true;
      const next = afterSilence(this.#phase === 'upload', full);
      if (next === 'silent') {
        this.#request?.doubt?.();
        this.#lost(next);
      } else this.#fail(next);
    }
  }

  cut(why: Cut): void {
    const next = afterCut(why, this.#progress);
    if (this.#tunnel !== null) {
      this.#tunnel.close();
      return;
    }
    if (this.#over) return;
    if (next === 'end') this.#relay?.end();
    else if (next === 'break') this.#call.abort();
    this.drop();
    if (next !== 'end' && next !== 'break') this.#call.answer(next);
  }

  clientsTurn(): ClientsTurn | null {
    const { exchange, res } = this.#call;
    const waiting = this.#relay === null ? 0 : res.writableLength;
    if (waiting > 0) return { to: 'take', bytes: exchange.bytesOut - waiting, exchange };
    const coming = this.#phase === 'upload' && this.#request?.writableNeedDrain === false;
    return coming ? { to: 'send', bytes: exchange.bytesIn, exchange } : null;
  }

  /**
   * Something moved: silence begins anew.
   *
   * @param onClient it is the client that has to move now. An event stream may be silent for as
   *   long as it likes, but its client may not leave it unread.
   */
  moved(onClient = false): void {
    if (this.#over) return;
    if (this.#lease.kind === 'sse' && !onClient) this.#disarm();
    else this.#arm(this.#call.service.policy.idleMs);
  }

  /**
   * The request is over for the client, or goes elsewhere: nothing of this try is heard any more.
   */
  drop(): void {
    if (this.#over) return;
    this.#over = true;
    this.#disarm();
    this.#tunnel?.destroy();
    const request = this.#request;
    // A connection whose exchange is complete on both sides goes back to the agent.
    if (request !== null && !(this.#relay?.complete && request.writableFinished)) request.destroy();
    if (this.#phase === 'connect') this.#opening?.destroy();
  }

  #connected(): void {
    const { body, res, service } = this.#call;
    if (this.#over || this.#phase !== 'connect') return;
    if (body === 'none') {
      this.#phase = 'answer';
      this.#arm(service.policy.responseMs);
      return;
    }
    this.#phase = 'upload';
    this.#arm(service.policy.idleMs);
    if (this.#call.owesContinue) {
      this.#call.owesContinue = false;
      res.writeContinue();
      this.#request?.flushHeaders();
    }
    // At most once in the life of a request: it is not tried again behind this.
    if (this.#request !== null) uploadBody(this.#call, this.#request, this);
  }

  /** For `uploadBody`: nothing of this try is heard any more. */
  get over(): boolean {
    return this.#over;
  }

  bodyTooLarge(): void {
    this.#fail('BODY_TOO_LARGE');
  }

  /** The target has the whole request, as far as we can tell: the wait for its answer begins. */
  uploaded(): void {
    this.#lease.uploaded();
    if (this.#phase !== 'upload') return;
    this.#phase = 'answer';
    this.#arm(this.#call.service.policy.responseMs);
  }

  /**
   * Every interim answer is passed on (RFC 9110 section 15.2), but a 100, which was our own affair,
   * and to a client of HTTP/1.0 none. The target is at work: the wait for its answer begins anew.
   */
  interim(info: TargetInterim): void {
    const { res, connection, version, service } = this.#call;
    if (this.#over || res.headersSent) return;
    const head = this.#interims.take(info, this.responseHeaderBytesMax);
    if (typeof head === 'string') {
      this.#lost(head);
      return;
    }
    if (this.#phase === 'answer') this.#arm(service.policy.responseMs);
    if (info.statusCode === 100 || version === '1.0') return;
    // It is this request's turn on the connection, and nothing of its answer was written.
    connection.interim(head);
  }

  #upgraded(answer: IncomingMessage, upstream: Socket, head: Buffer): void {
    const call = this.#call;
    // First of all: from here on nobody else listens.
    upstream.on('error', () => {});
    if (this.#over || call.tunnelHead === null || call.unread) {
      upstream.destroy();
      // Nobody asked for another protocol, or before what was asked had come.
      if (!this.#over) this.#lost('malformed');
      return;
    }
    this.#disarm();
    call.exchange.answered();
    call.exchange.status = 101;
    this.#lease.become('upgrade');
    this.#tunnel = new Tunnel(call, answer, upstream);
    this.#tunnel.open(head);
  }

  get #progress(): Progress {
    if (this.#tunnel !== null) return 'tunnel';
    if (this.#relay === null) return 'unanswered';
    return this.#relay.mayEndHere ? 'endable' : 'answering';
  }

  /** The target is lost: the request goes elsewhere, or is answered. */
  #lost(loss: Loss): void {
    this.drop();
    this.#call.lost(loss);
  }

  /** It is the request that cannot be sent on: no target is to blame. */
  #fail(code: FaultCode): void {
    this.drop();
    this.#call.answer(code);
  }

  #arm(delayMs: number): void {
    this.#call.around.deadlines.arm(this.#deadline, delayMs);
  }

  #disarm(): void {
    this.#call.around.deadlines.disarm(this.#deadline);
  }
}
