/**
 * One request's way to a target, until its client has the answer.
 *
 * The rule this file keeps: the client gets exactly one answer, whole, or sees its connection break
 * off; and the exchange is finished exactly once, when the client's side is over. Until the first
 * byte of an answer is passed on, everything that goes wrong is tried again by the shared rule, or
 * answered.
 */
import { Fault, type FaultCode } from '../../errors.ts';
import type { Exchange } from '../accounting/exchange.ts';
import { ownAnswer } from '../answers.ts';
import type { ClientsTurn, Cut, Ending, Holder, Lease } from '../balancing/lease.ts';
import type { Target } from '../balancing/target.ts';
import type { Destination } from '../destinations/destination.ts';
import {
  afterCut,
  afterHalfClose,
  afterSilence,
  answerToLoss,
  avoidsTarget,
  blamesTarget,
  type Loss,
  mayRetry,
  type Progress,
} from '../failurePolicy.ts';
import { HalfCloseProbe } from '../halfCloseProbe.ts';
import type { AnsweredClient, Recipient } from './answerParties.ts';
import { withLines } from './headText.ts';
import type { LaneContext } from './laneContext.ts';
import type { RequestHead, RequestHeadCache } from './request.ts';
import { acceptOf, linesForTarget } from './requestLines.ts';
import { ResponseRelay } from './responseRelay.ts';
import type { Upload } from './upload.ts';
import type { SentRequest, UpstreamRequest } from './upstreamRequest.ts';

/** The connection of the client whose request it is. */
export interface ProxiedClient extends AnsweredClient {
  readonly lane: LaneContext;
  /** Its X-Forwarded-* headers are believed. */
  readonly trusted: boolean;
  /** It shut its side: it sends nothing more, and may still read. */
  readonly ended: boolean;
  /** The body of the present request. */
  readonly upload: Upload;
  /** The try of the present request, if there is one. */
  readonly upstreamRequest: UpstreamRequest;
  /** The exchange is over. @param keep the connection may carry another. */
  done(keep: boolean): void;
}

export class ProxiedRequest implements SentRequest, Recipient, Holder {
  readonly #connection: ProxiedClient;
  readonly exchange: Exchange;
  readonly relay: ResponseRelay;
  readonly #service: Destination;
  readonly #raw: readonly string[];
  readonly #known: RequestHeadCache | null;
  readonly #hasBody: boolean;
  readonly #clientCloses: boolean;
  readonly #try: UpstreamRequest;
  #cancelWait: (() => void) | null = null;
  #probe: HalfCloseProbe | null = null;
  /** Its body is taken whole first. */
  #gathering = false;
  #finished = false;

  constructor(connection: ProxiedClient, exchange: Exchange, to: Destination, head: RequestHead) {
    this.#connection = connection;
    this.exchange = exchange;
    this.#service = to;
    this.#raw = head.raw;
    this.#known = head.known;
    this.#hasBody = head.bodyBytes > 0;
    this.#clientCloses = head.close;
    this.#try = connection.upstreamRequest;
    this.relay = new ResponseRelay(connection, exchange, this, this.#try, to);
  }

  start(): void {
    const { lane, upload } = this.#connection;
    this.#gathering = upload.gather(lane.plane.smallBodies);
    if (this.#gathering) this.#connection.arm(this.#service.policy.idleMs);
    else this.#claim(undefined);
  }

  /** More of the request's body. */
  body(bytes: Buffer): void {
    this.exchange.bytesIn += bytes.length;
    if (this.#connection.upload.left === 0) this.exchange.lease?.uploaded();
    if (this.#try.underway) {
      this.#try.writeBody(bytes);
      this.awaitAnswer();
    } else if (this.#unanswered) {
      this.#connection.upload.hold(bytes);
      if (this.#gathering) this.#gather();
    }
  }

  /** The client's connection is gone. */
  clientGone(): void {
    this.#over('clientAborted', false);
  }

  /** The client has shut its side, behind a whole request; it may still want the answer. */
  clientEnded(): void {
    const kind = this.exchange.lease?.kind ?? null;
    const next = afterHalfClose(kind, !this.#unanswered, '1.1');
    if (next === 'break') {
      this.#connection.destroy();
    } else if (next === 'probe') {
      const { deadlines } = this.#connection.lane;
      this.#probe = new HalfCloseProbe(deadlines, () => this.#ask());
    }
  }

  clientDrained(): void {
    this.relay.clientDrained();
    this.#try.resume();
  }

  /** A deadline passed: which one, how far it is says. */
  expired(): void {
    if (this.#gathering) {
      this.#fail('REQUEST_TIMEOUT');
    } else if (this.#try.connecting) {
      this.lost('connect');
    } else if (this.relay.state !== 'awaiting') {
      this.relay.stalled();
    } else if (this.#try.underway) {
      const next = afterSilence(this.#connection.upload.left > 0, this.#try.full);
      if (next === 'silent') this.lost(next);
      else this.#fail(next);
    }
  }

  cut(why: Cut): void {
    if (this.#finished) return;
    const next = afterCut(why, this.#progress);
    if (next === 'end') {
      this.relay.endHere();
    } else if (next === 'break') {
      this.#connection.destroy();
      this.#over('cut', false);
    } else {
      this.#fail(next);
    }
  }

  clientsTurn(): ClientsTurn | null {
    const { exchange, relay } = this;
    const { socket, upload } = this.#connection;
    const waiting = relay.state === 'awaiting' ? 0 : socket.writableLength;
    if (waiting > 0) return { to: 'take', bytes: exchange.bytesOut - waiting, exchange };
    const coming = upload.left > 0 && this.#try.underway && !this.#try.full;
    return coming ? { to: 'send', bytes: exchange.bytesIn, exchange } : null;
  }

  head(): string {
    const { exchange } = this;
    const { method, path } = exchange;
    const { rules } = this.#service;
    const prefix = rules === null ? '' : rules.strippedFrom(path);
    const target = rules === null ? path : rules.targetOf(path);
    const lines = linesForTarget(
      this.#raw,
      this.#known,
      exchange,
      this.#connection,
      rules,
      prefix,
      this.#service.entry.via.request,
    );
    return `${method} ${target} HTTP/1.1\r\n${lines}`;
  }

  /** While the body comes, silence counts; from its end on, the wait for an answer. */
  awaitAnswer(): void {
    if (this.relay.state !== 'awaiting') return;
    const { idleMs, responseMs } = this.#service.policy;
    this.#connection.arm(this.#connection.upload.left > 0 ? idleMs : responseMs);
  }

  /** The target is lost before an answer: the request goes elsewhere, or is answered. */
  lost(loss: Loss): void {
    const { exchange } = this;
    this.#try.drop();
    if (blamesTarget(loss)) exchange.failed();
    const unsent = loss === 'connect' || loss === 'unverified';
    const body = !this.#hasBody ? 'none' : unsent ? 'unread' : 'read';
    if (mayRetry(loss, exchange, body)) {
      const lost = exchange.retry(loss);
      this.#claim(avoidsTarget(loss) ? lost : undefined);
    } else {
      this.#fail(answerToLoss(loss, exchange.lease?.panic === true));
    }
  }

  date(): string {
    return this.#connection.lane.plane.httpDate.text;
  }

  broken(code: FaultCode): void {
    this.exchange.fault = code;
    this.#connection.destroy();
    this.#over('finished', false);
  }

  taken(): void {
    this.#over('finished', !this.relay.close);
  }

  mustClose(): boolean {
    return this.#clientCloses || this.#connection.ended || this.#connection.lane.plane.closing;
  }

  /** Nothing of an answer was passed on. */
  get #unanswered(): boolean {
    return !this.#finished && this.relay.state === 'awaiting';
  }

  /** More of a small body has come: it is sent when it is whole. */
  #gather(): void {
    if (this.#connection.upload.left > 0) {
      this.#connection.arm(this.#service.policy.idleMs);
      return;
    }
    this.#gathering = false;
    this.#claim(undefined);
  }

  #claim(avoid: Target | undefined): void {
    const stay = this.#service.rules?.sticky?.broughtBy(this.#raw) ?? '';
    const uploading = this.#connection.upload.left > 0;
    const lease = this.#service.claim(avoid, stay, uploading);
    if (lease !== null) {
      this.#claimed(lease);
      return;
    }
    // The queue has a time limit of its own.
    this.#connection.disarm();
    let over = false;
    const cancel = this.#service.wait(
      (got) => {
        over = true;
        this.#cancelWait = null;
        if (got instanceof Fault) this.#fail(got.code);
        else this.#claimed(got);
      },
      { raw: this.#raw, stay, uploading },
    );
    if (!over) this.#cancelWait = cancel;
  }

  #claimed(lease: Lease): void {
    const { lane } = this.#connection;
    this.exchange.sent(lease, this.#raw, lane.trusted);
    if (this.#connection.upload.left === 0) lease.uploaded();
    const sticky = this.#service.rules?.sticky ?? null;
    if (sticky !== null) {
      const brought = sticky.broughtBy(this.#raw);
      this.exchange.cookie = sticky.afterClaim(lease, brought, this.#connection.proto);
    }
    lease.heldBy(this);
    if (!this.#unanswered) return;
    const { target } = lease;
    const upstreams = lane.upstreamsOf(lease.pool);
    // A request that comes again gets a connection of its own: another kept one may be as stale.
    if (this.exchange.retries === 0 && this.#try.reuse(this, target, upstreams)) return;
    this.#connection.arm(this.#service.policy.connectMs);
    this.#try.connect(this, target, upstreams);
  }

  /** Answers for the target. Only where nothing of an answer was passed on. */
  #fail(code: FaultCode): void {
    const { exchange, relay } = this;
    this.#gathering = false;
    this.#try.drop();
    relay.close = this.mustClose() || this.#connection.upload.left > 0;
    const answer = ownAnswer(code, {
      id: exchange.id,
      accept: acceptOf(this.#raw),
      policy: this.#service.policy,
      ...this.#service.rules?.answers,
      close: relay.close,
      date: this.#connection.lane.plane.clock.date(),
    });
    exchange.status = answer.status;
    exchange.fault = code;
    const head = withLines(`HTTP/1.1 ${answer.status} ${answer.reason}\r\n`, answer.headers);
    const body = exchange.method === 'HEAD' ? '' : answer.body;
    exchange.bytesOut += body.length;
    relay.write(head + body);
  }

  /** Whether the client is there. @returns false: the answer says it. */
  #ask(): boolean {
    if (!this.#unanswered) return false;
    this.#connection.socket.write('HTTP/1.1 100 Continue\r\n\r\n', 'latin1');
    return true;
  }

  get #progress(): Progress {
    if (this.#unanswered) return 'unanswered';
    return this.relay.mayEndHere ? 'endable' : 'answering';
  }

  #over(ending: Ending, keep: boolean): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#cancelWait?.();
    this.relay.abandon();
    this.#try.drop();
    this.#probe?.end();
    this.#connection.upload.over();
    this.exchange.finish(ending);
    this.#connection.done(keep);
  }
}
