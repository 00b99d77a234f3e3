/**
 * The tries of one client's requests on targets: the connection, the request on it, and what
 * becomes of the connection.
 *
 * The rule this file keeps: a try reports its end once, after which nothing of it is heard; and a
 * connection is given back only behind an exchange that is complete on both sides.
 */
import type { FaultCode } from '../../errors.ts';
import type { Exchange } from '../accounting/exchange.ts';
import type { Target } from '../balancing/target.ts';
import type { Loss } from '../failurePolicy.ts';
import type { AnswerSource } from './answerParties.ts';
import type { ResponseRelay } from './responseRelay.ts';
import type { Upload } from './upload.ts';
import type { Receiver, Upstream, UpstreamPool } from './upstream.ts';

/** The request that is sent, as a try of it sees it. */
export interface SentRequest {
  readonly exchange: Exchange;
  readonly relay: ResponseRelay;
  /** Its head, as the target gets it. */
  head(): string;
  /** The target has its head, and what there is of its body: the wait for an answer begins. */
  awaitAnswer(): void;
  /** The try lost its target before the client got anything. */
  lost(loss: Loss): void;
  /** The client has part of an answer, and the rest will not come. */
  broken(code: FaultCode): void;
}

/** One a client's connection, used for each try of each of its requests: a request costs none. */
export class UpstreamRequest implements Receiver, AnswerSource {
  readonly #upload: Upload;
  #request: SentRequest | null = null;
  #upstream: Upstream | null = null;
  #connecting = false;

  constructor(upload: Upload) {
    this.#upload = upload;
  }

  get connecting(): boolean {
    return this.#upstream !== null && this.#connecting;
  }

  /** The request is on its way, and its answer has not come whole. */
  get underway(): boolean {
    return this.#upstream !== null && !this.#connecting;
  }

  /** What was sent waits for the target. */
  get full(): boolean {
    return this.#upstream?.full === true;
  }

  /** Begins a try on a kept connection. @returns false: there is none. */
  reuse(request: SentRequest, target: Target, upstreams: UpstreamPool): boolean {
    const kept = upstreams.take(target, this);
    if (kept === undefined) return false;
    this.#request = request;
    this.#upstream = kept;
    this.#send();
    return true;
  }

  /** Begins a try on a connection of its own. */
  connect(request: SentRequest, target: Target, upstreams: UpstreamPool): void {
    this.#request = request;
    this.#connecting = true;
    this.#upstream = upstreams.connect(target, this);
  }

  writeBody(bytes: Buffer): void {
    const upstream = this.#upstream;
    if (upstream === null) return;
    upstream.writeBody(bytes);
    if (upstream.full) this.#upload.pause();
  }

  /** The client has taken some of the answer. */
  resume(): void {
    this.#upstream?.resume();
  }

  /** Ends the try, if there is one: the request is over, answered by us, or goes elsewhere. */
  drop(): void {
    const upstream = this.#over();
    upstream?.destroy();
  }

  connected(): void {
    this.#connecting = false;
    this.#send();
  }

  received(bytes: Buffer, length: number): boolean {
    const upstream = this.#upstream;
    const request = this.#request;
    if (upstream === null || request === null || this.#connecting) return false;
    return request.relay.received(bytes, length, upstream.heads);
  }

  drained(): void {
    this.#upload.resume();
  }

  ended(): void {
    const relay = this.#request?.relay;
    if (relay?.endsWithConnection) relay.endHere();
    else this.#upstream?.break();
  }

  closed(): void {
    const { connecting } = this;
    const request = this.#request;
    const upstream = this.#over();
    if (upstream === null || request === null) return;
    if (connecting) {
      request.lost(upstream.unverified ? 'unverified' : 'connect');
    } else if (request.relay.state === 'answering') {
      request.exchange.failed();
      request.broken('UPSTREAM_RESET');
    } else {
      const reason = upstream.reused ? 'stale' : 'reset';
      request.lost(request.relay.untouched ? reason : 'broken');
    }
  }

  complete(reusable: boolean, keepsForMs: number): void {
    const retries = this.#request?.exchange.retries;
    const upstream = this.#over();
    if (upstream === null) return;
    // A request that was not taken whole would be read on; what answered a second try is not kept,
    // since it was made beside the kept ones.
    const clean = this.#upload.left === 0 && upstream.backlogBytes === 0;
    if (reusable && clean && retries === 0) upstream.giveBack(keepsForMs);
    else upstream.destroy();
  }

  keepBuffer(): void {
    this.#upstream?.keepBuffer();
  }

  #send(): void {
    const upstream = this.#upstream;
    const request = this.#request;
    if (upstream === null || request === null) return;
    upstream.write(request.head(), this.#upload.take());
    if (!upstream.full) this.#upload.resume();
    request.awaitAnswer();
  }

  /** @returns the connection that it had. */
  #over(): Upstream | null {
    const upstream = this.#upstream;
    this.#upstream = null;
    this.#request = null;
    this.#connecting = false;
    return upstream;
  }
}
