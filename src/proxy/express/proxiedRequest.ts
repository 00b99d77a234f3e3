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
import type { Cut, Ending, Lease } from '../balancing/lease.ts';
import type { Target } from '../balancing/target.ts';
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
import type { Service } from '../service.ts';
import { withLines } from './headText.ts';
import type { LaneContext } from './laneContext.ts';
import type { RequestHead, RequestHeadCache } from './request.ts';
import { acceptOf, linesForTarget } from './requestLines.ts';
import {
  type AnsweredClient,
  type NoAnswer,
  type Recipient,
  ResponseRelay,
} from './responseRelay.ts';
import type { Receiver, Upstream } from './upstream.ts';

/**
 * waiting: for a place; connecting; asked: the request is on its way, and the relay has its answer;
 * over.
 */
type Phase = 'waiting' | 'connecting' | 'asked' | 'over';

/** The connection of the client whose request it is. */
export interface ProxiedClient extends AnsweredClient {
  readonly lane: LaneContext;
  /** Its X-Forwarded-* headers are believed. */
  readonly trusted: boolean;
  /** It shut its side: it sends nothing more, and may still read. */
  readonly ended: boolean;
  /** Of the body of the present request: bytes that have not come. */
  readonly bodyLeft: number;
  /** The exchange is over. @param keep the connection may carry another. */
  done(keep: boolean): void;
}

export class ProxiedRequest implements Receiver, Recipient {
  readonly #connection: ProxiedClient;
  readonly #exchange: Exchange;
  readonly #service: Service;
  readonly #raw: readonly string[];
  readonly #known: RequestHeadCache | null;
  readonly #hasBody: boolean;
  readonly #clientCloses: boolean;
  readonly #relay: ResponseRelay;
  #phase: Phase = 'waiting';
  #upstream: Upstream | null = null;
  #cancelWait: (() => void) | null = null;
  /** Body that came before it could be sent. */
  #held: Buffer | null = null;
  #paused = false;
  #probe: HalfCloseProbe | null = null;

  constructor(connection: ProxiedClient, exchange: Exchange, service: Service, head: RequestHead) {
    this.#connection = connection;
    this.#exchange = exchange;
    this.#service = service;
    this.#raw = head.raw;
    this.#known = head.known;
    this.#hasBody = head.bodyBytes > 0;
    this.#clientCloses = head.close;
    this.#relay = new ResponseRelay(
      connection,
      exchange,
      this,
      service.policy,
      service.rules?.response ?? null,
    );
  }

  /** @param body what came of it together with the head. */
  start(body: Buffer | null): void {
    this.#held = body;
    this.#claim(undefined);
  }

  /** More of the request's body. */
  body(bytes: Buffer): void {
    this.#exchange.bytesIn += bytes.length;
    if (this.#phase === 'waiting' || this.#phase === 'connecting') {
      this.#held = this.#held === null ? bytes : Buffer.concat([this.#held, bytes]);
      this.#pauseClient();
      return;
    }
    const upstream = this.#upstream;
    if (upstream === null) return;
    upstream.writeBody(bytes);
    if (upstream.full) this.#pauseClient();
    this.#armForAnswer();
  }

  /** The client's connection is gone. */
  clientGone(): void {
    this.#over('clientAborted', false);
  }

  /** The client has shut its side, behind a whole request; it may still want the answer. */
  clientEnded(): void {
    const kind = this.#exchange.lease?.kind ?? null;
    const next = afterHalfClose(kind, !this.#unanswered, '1.1');
    if (next === 'break') {
      this.#connection.destroy();
    } else if (next === 'probe') {
      const { deadlines } = this.#connection.lane;
      this.#probe = new HalfCloseProbe(deadlines, () => this.#ask());
    }
  }

  clientDrained(): void {
    this.#relay.clientDrained();
    this.#upstream?.resume();
  }

  /** A deadline passed: which one, the phase says. */
  expired(): void {
    if (this.#phase === 'connecting') {
      this.#lost('connect');
    } else if (this.#relay.state !== 'awaiting') {
      this.#relay.stalled();
    } else if (this.#phase === 'asked') {
      const full = this.#upstream?.full === true;
      const next = afterSilence(this.#connection.bodyLeft > 0, full);
      if (next === 'silent') this.#lost(next);
      else this.#fail(next);
    }
  }

  connected(): void {
    this.#send();
  }

  received(bytes: Buffer, length: number): boolean {
    const upstream = this.#upstream;
    if (this.#phase !== 'asked' || upstream === null) return false;
    return this.#relay.received(bytes, length, upstream.heads);
  }

  drained(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#connection.socket.resume();
  }

  ended(): void {
    if (this.#relay.endsWithConnection) this.#relay.endHere();
    else this.#upstream?.break();
  }

  closed(): void {
    const upstream = this.#upstream;
    this.#upstream = null;
    if (upstream === null) return;
    if (this.#phase === 'connecting') {
      this.#lost('connect');
    } else if (this.#relay.state === 'answering') {
      this.#exchange.failed();
      this.broken('UPSTREAM_RESET');
    } else if (this.#phase === 'asked') {
      const reason = upstream.reused ? 'stale' : 'reset';
      this.#lost(this.#relay.untouched ? reason : 'broken');
    }
  }

  malformed(loss: NoAnswer): void {
    this.#lost(loss);
  }

  date(): string {
    return this.#connection.lane.plane.httpDate.text;
  }

  interim(): void {
    this.#armForAnswer();
  }

  broken(code: FaultCode): void {
    this.#exchange.fault = code;
    this.#connection.destroy();
    this.#over('finished', false);
  }

  complete(reusable: boolean, keepsForMs: number): void {
    const upstream = this.#upstream;
    this.#upstream = null;
    if (upstream === null) return;
    // A request that was not taken whole would be read on; what answered a second try is not kept,
    // since it was made beside the kept ones.
    const clean = this.#connection.bodyLeft === 0 && upstream.backlogBytes === 0;
    if (reusable && clean && this.#exchange.retries === 0) upstream.giveBack(keepsForMs);
    else upstream.destroy();
  }

  taken(): void {
    this.#over('finished', !this.#relay.close);
  }

  keepBuffer(): void {
    this.#upstream?.keepBuffer();
  }

  mustClose(): boolean {
    return this.#clientCloses || this.#connection.ended || this.#connection.lane.plane.closing;
  }

  /** Nothing of an answer was passed on. */
  get #unanswered(): boolean {
    return this.#phase !== 'over' && this.#relay.state === 'awaiting';
  }

  #claim(avoid: Target | undefined): void {
    const lease = this.#service.claim(avoid);
    if (lease !== null) {
      this.#claimed(lease);
      return;
    }
    this.#phase = 'waiting';
    // The queue has a time limit of its own.
    this.#connection.disarm();
    let over = false;
    const cancel = this.#service.wait((got) => {
      over = true;
      this.#cancelWait = null;
      if (got instanceof Fault) this.#fail(got.code);
      else this.#claimed(got);
    });
    if (!over) this.#cancelWait = cancel;
  }

  #claimed(lease: Lease): void {
    const { lane } = this.#connection;
    this.#exchange.sent(lease);
    lease.onCut((why) => this.#cut(why));
    if (!this.#unanswered) return;
    const upstreams = lane.upstreamsOf(lease.pool);
    // A request that comes again gets a connection of its own: another kept one may be as stale.
    const kept = this.#exchange.retries === 0 ? upstreams.take(lease.target, this) : undefined;
    if (kept !== undefined) {
      this.#upstream = kept;
      this.#send();
      return;
    }
    this.#phase = 'connecting';
    this.#connection.arm(this.#service.policy.connectMs);
    this.#upstream = upstreams.connect(lease.target, this);
  }

  #send(): void {
    const upstream = this.#upstream;
    if (upstream === null) return;
    const { method, path } = this.#exchange;
    const { rules } = this.#service;
    const prefix = rules === null ? '' : rules.strippedFrom(path);
    const target = rules === null ? path : rules.targetOf(path);
    const lines = linesForTarget(
      this.#raw,
      this.#known,
      this.#exchange,
      this.#connection,
      rules,
      prefix,
      this.#service.entry.via.request,
    );
    const held = this.#held;
    this.#held = null;
    this.#phase = 'asked';
    upstream.write(`${method} ${target} HTTP/1.1\r\n${lines}`, held);
    if (!upstream.full && this.#paused) this.drained();
    this.#armForAnswer();
  }

  /** While the body comes, silence counts; from its end on, the wait for an answer. */
  #armForAnswer(): void {
    if (this.#relay.state !== 'awaiting') return;
    const { idleMs, responseMs } = this.#service.policy;
    this.#connection.arm(this.#connection.bodyLeft > 0 ? idleMs : responseMs);
  }

  /** The target is lost before an answer: the request goes elsewhere, or is answered. */
  #lost(loss: Loss): void {
    const exchange = this.#exchange;
    this.#dropUpstream();
    if (blamesTarget(loss)) exchange.failed();
    const body = !this.#hasBody ? 'none' : loss === 'connect' ? 'unread' : 'read';
    if (mayRetry(loss, exchange, body)) {
      const lost = exchange.retry(loss);
      this.#claim(avoidsTarget(loss) ? lost : undefined);
    } else {
      this.#fail(answerToLoss(loss, exchange.lease?.panic === true));
    }
  }

  /** Answers for the target. Only where nothing of an answer was passed on. */
  #fail(code: FaultCode): void {
    const exchange = this.#exchange;
    const relay = this.#relay;
    this.#dropUpstream();
    relay.close = this.mustClose() || this.#connection.bodyLeft > 0;
    const answer = ownAnswer(code, {
      id: exchange.id,
      accept: acceptOf(this.#raw),
      policy: this.#service.policy,
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

  #cut(why: Cut): void {
    if (this.#phase === 'over') return;
    const next = afterCut(why, this.#progress);
    if (next === 'end') {
      this.#relay.endHere();
    } else if (next === 'break') {
      this.#connection.destroy();
      this.#over('cut', false);
    } else {
      this.#fail(next);
    }
  }

  get #progress(): Progress {
    if (this.#unanswered) return 'unanswered';
    return this.#relay.mayEndHere ? 'endable' : 'answering';
  }

  #over(ending: Ending, keep: boolean): void {
    if (this.#phase === 'over') return;
    this.#phase = 'over';
    this.#cancelWait?.();
    this.#relay.abandon();
    this.#dropUpstream();
    this.#probe?.end();
    if (this.#paused) this.#connection.socket.resume();
    this.#exchange.finish(ending);
    this.#connection.done(keep);
  }

  #dropUpstream(): void {
    const upstream = this.#upstream;
    this.#upstream = null;
    upstream?.destroy();
  }

  #pauseClient(): void {
    this.#paused = true;
    this.#connection.socket.pause();
  }
}
