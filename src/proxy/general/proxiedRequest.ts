/**
 * One request in the general lane, from its head until the client's side is over.
 *
 * The rule this file keeps: the walk is vet, match, claim, send, in this order, and once the
 * client's side closes nothing of the request goes on: no ticket, no connection to a target, no
 * deadline.
 */
import { Fault, type FaultCode } from '../../errors.ts';
import { Exchange } from '../accounting/exchange.ts';
import { type About, type Answer, challengeAnswer, ownAnswer, redirectAnswer } from '../answers.ts';
import type { Lease } from '../balancing/lease.ts';
import type { Target } from '../balancing/target.ts';
import { type Destination, destinationOf } from '../destinations/destination.ts';
import {
  afterHalfClose,
  answerToLoss,
  avoidsTarget,
  type BodyState,
  blamesTarget,
  type Loss,
  mayRetry,
} from '../failurePolicy.ts';
import { HalfCloseProbe } from '../halfCloseProbe.ts';
import type { ClientVersion } from '../headers.ts';
import { comesBack } from '../loops.ts';
import { grpcAnswer, isGrpc } from '../streams/grpcAnswers.ts';
import type { Detour } from '../tls/detour.ts';
import type { ValidRequest } from '../validateRequest.ts';
import type { Underway } from './clientConnection.ts';
import type { ClientSide, RequestSide, ResponseSide } from './clientSide.ts';
import { edgeStop } from './edgeStop.ts';
import { type GatheredRequest, Gathering } from './gathering.ts';
import type { LaneContext } from './laneContext.ts';
import type { SentRequest } from './sentRequest.ts';
import { UpstreamRequest } from './upstreamRequest.ts';

export class ProxiedRequest implements Underway, SentRequest, GatheredRequest {
  readonly around: LaneContext;
  readonly connection: ClientSide;
  readonly req: RequestSide;
  readonly res: ResponseSide;
  readonly version: ClientVersion;
  /** Bytes behind the head of a request for a tunnel; null: it is a plain request. */
  readonly tunnelHead: Buffer | null;
  readonly exchange: Exchange;
  readonly #vetted: ValidRequest | FaultCode;
  body: BodyState;
  /** A 100 Continue is owed before the body comes. */
  owesContinue = false;
  /** All of the body, where it was taken before a place was claimed. */
  beforehand: Buffer | null = null;
  #service: Destination | null = null;
  #gathering: Gathering | null = null;
  #attempt: UpstreamRequest | null = null;
  #cancelWait: (() => void) | null = null;
  #probe: HalfCloseProbe | null = null;
  #over = false;

  constructor(
    around: LaneContext,
    connection: ClientSide,
    req: RequestSide,
    res: ResponseSide,
    tunnelHead: Buffer | null,
  ) {
    this.around = around;
    this.connection = connection;
    this.req = req;
    this.res = res;
    this.tunnelHead = tunnelHead;
    this.version = connection.versionOf(req);
    const { method = '', url = '' } = req;
    const vetted = connection.vet(req);
    const refused = typeof vetted === 'string';
    this.#vetted = vetted;
    this.exchange = new Exchange(around.plane, connection.lane, {
      method,
      path: refused ? url : vetted.target,
      host: refused ? (req.headers.host ?? '') : vetted.host,
      client: connection.client,
      id: refused ? undefined : vetted.id,
    });
    this.body = !refused && vetted.bodyBytes === 0 ? 'none' : 'unread';
    // Node 24.9 and later lose what came in one read behind a declined upgrade: so nothing may.
    if (tunnelHead === null && req.headers.upgrade !== undefined) res.shouldKeepAlive = false;
    // Node ends a connection on which 100 was expected and not said, behind a head that does not
    // say so (RFC 9112 section 9.6). Without a body there is nothing to wait for.
    if (this.body === 'none') Object.assign(res, { _expect_continue: false });
    this.owesContinue = !refused && vetted.expectsContinue && this.body === 'unread';
    res.on('error', ignore);
    res.once('close', () => this.closed());
  }

  /** Header lines to pass on. */
  get raw(): readonly string[] {
    return typeof this.#vetted === 'string' ? this.req.rawHeaders : this.#vetted.raw;
  }

  get service(): Destination {
    if (this.#service === null) throw new Error('a request was sent that matched no service');
    return this.#service;
  }

  get targetPath(): string {
    const { path } = this.exchange;
    return this.service.rules?.targetOf(path) ?? path;
  }

  /** The body comes in chunks. */
  get chunked(): boolean {
    return typeof this.#vetted !== 'string' && this.#vetted.bodyBytes === null;
  }

  /** Bytes of the request may still come. */
  get unread(): boolean {
    return this.body !== 'none' && !this.req.complete;
  }

  begin(): void {
    if (this.#over) return;
    const refusal = this.#route();
    const refused = typeof this.#vetted === 'string';
    const detour = refused ? null : edgeStop(this, this.#service);
    if (detour === null) this.#goOn(refusal);
    else if (detour instanceof Promise) {
      void detour.then((found) => {
        if (this.#over) return;
        if (found === null) this.#goOn(refusal);
        else this.#takeDetour(found);
      });
    } else this.#takeDetour(detour);
  }

  #goOn(refusal: FaultCode | null): void {
    if (refusal !== null) this.answer(refusal);
    else if (!this.#gather()) this.#claim(this.service);
  }

  gathered(bytes: Buffer): void {
    this.beforehand = bytes;
    this.#claim(this.service);
  }

  /** A try lost its target before the client got anything: it is tried again, or answered. */
  lost(loss: Loss): void {
    const { exchange } = this;
    this.#attempt = null;
    if (blamesTarget(loss)) exchange.failed();
    if (this.#over) return;
    if (mayRetry(loss, exchange, this.body)) {
      const lost = exchange.retry(loss);
      this.#claim(this.service, avoidsTarget(loss) ? lost : undefined);
    } else {
      this.answer(answerToLoss(loss, exchange.lease?.panic === true));
    }
  }

  /**
   * Answers ourselves, or breaks off where an answer has begun.
   * @param challenge what WWW-Authenticate says.
   */
  answer(code: FaultCode, challenge?: string): void {
    if (this.#over) return;
    this.exchange.fault ??= code;
    const answerOf = this.version === '2.0' && isGrpc(this.req.headers) ? grpcAnswer : ownAnswer;
    this.#respond((about) => answerOf(code, { ...about, challenge }));
  }

  #respond(answerOf: (about: About) => Answer): void {
    const { exchange, res, req } = this;
    if (res.headersSent) {
      this.abort();
      return;
    }
    // Behind a request that was refused nothing is believed, be it refused at once or in its turn.
    const drop = this.unread || typeof this.#vetted === 'string';
    const close =
      drop ||
      this.tunnelHead !== null ||
      !res.shouldKeepAlive ||
      this.connection.asksNoMore ||
      this.around.plane.closing;
    const accept = typeof this.#vetted === 'string' ? req.headers.accept : this.#vetted.accept;
    const answer = answerOf({
      id: exchange.id,
      accept: accept ?? '',
      policy: this.#service?.policy ?? null,
      ...this.#service?.rules?.answers,
      close,
      date: this.around.plane.clock.date(),
    });
    exchange.status = answer.counted ?? answer.status;
    if (!close) this.keepAlive(answer.headers);
    res.writeHead(answer.status, answer.reason, answer.headers);
    if (drop) {
      this.connection.lingerAfterAnswer();
      req.resume();
    }
    if (req.method !== 'HEAD') exchange.bytesOut += answer.body.length;
    res.end(answer.body, 'latin1');
  }

  /** Says nothing where HTTP/1.1 needs nothing said. Call it before `writeHead`. */
  keepAlive(headers: string[]): void {
    if (this.version === '1.0') headers.push('Connection', 'keep-alive');
    else this.res.removeHeader('connection');
  }

  /** Ends the client's connection at once: it must not take what it got for the whole. */
  abort(): void {
    this.connection.abort();
  }

  spoiled(code: FaultCode, gone: boolean): boolean {
    if (!this.unread) return false;
    if (gone) this.abort();
    else {
      this.#attempt?.drop();
      this.answer(code);
    }
    return true;
  }

  clientEnded(): void {
    if (this.#over || this.tunnelHead !== null) return;
    const kind = this.exchange.lease?.kind ?? null;
    const next = afterHalfClose(kind, this.res.headersSent, this.version);
    if (next === 'break') this.abort();
    else if (next === 'probe') {
      this.#probe = new HalfCloseProbe(this.around.deadlines, () => this.#ask());
    }
  }

  /** The client's side is over; for tunnels, both are. Only the first call counts. */
  closed(): void {
    if (this.#over) return;
    this.#over = true;
    const { exchange, res } = this;
    this.#gathering?.drop();
    this.#cancelWait?.();
    this.#attempt?.drop();
    this.#probe?.end();
    const well = res.writableFinished || exchange.fault !== null || exchange.status === 101;
    exchange.finish(well ? 'finished' : 'clientAborted');
    if (this.unread) this.connection.discard(this.req);
    this.connection.over();
  }

  /** @returns why the request goes no further. */
  #route(): FaultCode | null {
    const vetted = this.#vetted;
    const { exchange } = this;
    if (typeof vetted === 'string') return vetted;
    const service = destinationOf(this.around.plane, exchange, this.raw);
    if (service === undefined) return 'ROUTE_UNKNOWN';
    exchange.service = service;
    this.#service = service;
    if (comesBack(vetted.via, service.entry.via)) return 'LOOP_DETECTED';
    const { headerBytesMax, bodyBytesMax } = service.policy;
    if (exchange.path.length > headerBytesMax) return 'URI_TOO_LONG';
    if (vetted.headBytes > headerBytesMax) return 'HEADER_TOO_LARGE';
    return vetted.bodyBytes !== null && vetted.bodyBytes > bodyBytesMax ? 'BODY_TOO_LARGE' : null;
  }

  #takeDetour(detour: Detour): void {
    if (detour.kind === 'refused') this.answer(detour.code, detour.challenge);
    else if (detour.kind === 'redirect') {
      this.#respond((about) => redirectAnswer(detour.location, about));
    } else this.#respond((about) => challengeAnswer(detour.keyAuthorization, about));
  }

  /** Takes a small body whole before a place is claimed. @returns false: it passes as it comes. */
  #gather(): boolean {
    const { around, req, service } = this;
    // A client that waits for a 100 is told by a target's connection that its body is wanted.
    if (!this.unread || this.owesContinue || typeof this.#vetted === 'string') return false;
    const small = around.plane.smallBodies.begin(this.#vetted.bodyBytes);
    if (small === null) return false;
    this.#gathering = new Gathering(req, small, around.deadlines, service.policy.idleMs, this);
    return true;
  }

  #claim(service: Destination, avoid?: Target): void {
    const stay = service.rules?.sticky?.broughtBy(this.raw) ?? '';
    const uploading = this.unread;
    const lease = service.claim(avoid, stay, uploading);
    if (lease !== null) {
      this.#send(lease);
      return;
    }
    const taken = (got: Lease | Fault): void => {
      this.#cancelWait = null;
      if (got instanceof Fault) this.answer(got.code);
      else this.#send(got);
    };
    this.#cancelWait = service.wait(taken, { raw: this.raw, stay, uploading });
  }

  #send(lease: Lease): void {
    this.exchange.sent(lease, this.req.rawHeaders, this.around.trusted);
    const sticky = this.service.rules?.sticky ?? null;
    if (sticky !== null) {
      const brought = sticky.broughtBy(this.raw);
      this.exchange.cookie = sticky.afterClaim(lease, brought, this.connection.proto);
    }
    this.#attempt = new UpstreamRequest(this, lease);
    this.#attempt.start();
  }

  /** Whether the client is there. @returns false: the answer says it. */
  #ask(): boolean {
    if (this.#over || this.res.headersSent) return false;
    this.res.writeContinue();
    return true;
  }
}

/** What goes wrong with an answer shows when it closes. */
function ignore(): void {}
