/**
 * One exchange with a client, as it is counted and logged, whichever lane carries it.
 *
 * The rule this file keeps: an exchange is finished exactly once, when the client's side is over,
 * and `finish` is the only place that counts it, logs it and gives its lease back.
 */
import type { Clock } from '../../clock.ts';
import type { FaultCode } from '../../errors.ts';
import type { Color } from '../../wire.ts';
import type { Cut, Ending, Lease } from '../balancing/lease.ts';
import { type Believed, clientKey, isFailure } from '../balancing/outcomes.ts';
import type { Target } from '../balancing/target.ts';
import type { Counters, RetryReason } from './counters.ts';
import { requestId } from './requestIds.ts';

/** What carried it: one of the two lanes of HTTP/1, or the general one for a stream of HTTP/2. */
export type Lane = 'express' | 'general' | 'http2';

/** Where exchanges are recorded when they are over: the plane. */
export interface Recorder {
  readonly clock: Clock;
  /** Requests that were finished, by lane. */
  readonly lanes: Record<Lane, number>;
  /** It matched no service. */
  countUnrouted(code: FaultCode): void;
  /** Writes the line of the access log. */
  log(exchange: Exchange, ms: number, upstreamMs: number, ending: Ending | Cut): void;
}

/** On whose counters an exchange is counted: its service. */
export interface Account {
  readonly name: string;
  readonly counters: Readonly<Record<Color, Counters>>;
  readonly entry: { readonly live: Color };
}

export class Exchange {
  readonly #recorder: Recorder;
  readonly lane: Lane;
  readonly method: string;
  /** In origin form, as it came. */
  readonly path: string;
  readonly host: string;
  /** The peer of the socket; '' where it was gone before it could be asked. */
  readonly client: string;
  /** X-Request-Id: the client's where it is well-formed, else ours. */
  readonly id: string;
  readonly startedMs: number;
  service: Account | null = null;
  lease: Lease | null = null;
  /** What the client got; 0: nothing yet. */
  status = 0;
  bytesIn = 0;
  bytesOut = 0;
  retries = 0;
  retryReason: RetryReason | null = null;
  fault: FaultCode | null = null;
  /** What Set-Cookie says of the target that was taken; '': nothing. */
  cookie = '';
  #raw: readonly string[] = [];
  #proxies: Believed | null = null;
  /** The pool it was first sent to. */
  #first: Lease['pool'] | null = null;
  #upstreamSinceMs = 0;
  #upstreamMs = 0;
  #finished = false;

  constructor(
    recorder: Recorder,
    lane: Lane,
    request: { method: string; path: string; host: string; client: string; id: string | undefined },
  ) {
    this.#recorder = recorder;
    this.lane = lane;
    this.method = request.method;
    this.path = request.path;
    this.host = request.host;
    this.client = request.client;
    this.id = request.id !== undefined && validId.test(request.id) ? request.id : requestId();
    this.startedMs = recorder.clock.now();
  }

  /**
   * The request goes to a target now.
   *
   * @param raw its fields, names and values in turn. @param proxies who is believed in them.
   */
  sent(lease: Lease, raw: readonly string[], proxies: Believed): void {
    this.#raw = raw;
    this.#proxies = proxies;
    this.lease = lease;
    if (this.#first === null) {
      this.#first = lease.pool;
      lease.pool.outcomes.sent++;
    }
    this.#upstreamSinceMs = this.#recorder.clock.now();
  }

  /** The head of the target's answer has come. */
  answered(): void {
    this.#upstreamMs = this.#recorder.clock.now() - this.#upstreamSinceMs;
    this.lease?.succeeded(this.#upstreamMs);
  }

  /** The target failed this request: it is held against the target. */
  failed(): void {
    this.lease?.failed();
  }

  /** Gives the lease back for another try. @returns the target that was lost. */
  retry(reason: RetryReason): Target | undefined {
    this.retries++;
    this.retryReason = reason;
    const { lease, service } = this;
    if (lease === null) return undefined;
    service?.counters[lease.pool.color].retry(reason);
    lease.release('retried');
    this.lease = null;
    return lease.target;
  }

  /** Its client's address, or that of the one a trusted proxy speaks for. */
  clientKey(): string {
    return clientKey(this.client, this.#raw, this.#proxies);
  }

  /** The client's side is over. Only the first call counts. */
  finish(ending: Ending): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#recorder.lanes[this.lane]++;
    const ms = this.#recorder.clock.now() - this.startedMs;
    const cut = this.lease?.wasCut ?? null;
    this.lease?.release(ending);
    if (this.service === null) this.#recorder.countUnrouted(this.fault ?? 'ROUTE_UNKNOWN');
    else this.#count(this.service, ending, ms);
    if (ending === 'finished' && cut === null) this.#judge();
    this.#recorder.log(this, ms, this.#upstreamMs, cut ?? ending);
  }

  /** Holds a failure against the pool, unless part of it happened in another one. */
  #judge(): void {
    const first = this.#first;
    if (first === null || !isFailure(this.status, this.fault)) return;
    if (this.lease !== null && this.lease.pool !== first) return;
    first.outcomes.fail(this.clientKey());
  }

  #count(service: Account, ending: Ending, ms: number): void {
    const counters = service.counters[this.lease?.pool.color ?? service.entry.live];
    counters.request(this.method, this.status);
    counters.duration.observe(ms);
    if (this.#upstreamMs > 0) counters.upstream.observe(this.#upstreamMs);
    if (ending === 'clientAborted') counters.clientAborts++;
  }
}

/**
 * An id from outside goes into logs and upstream headers: visible ASCII without quotes, bounded.
 */
const validId = /^[A-Za-z0-9._~:/+=@-]{1,128}$/;
