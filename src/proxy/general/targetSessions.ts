/**
 * Connections of HTTP/2 to the targets of one pool, for one stretch of being live.
 *
 * The rule this file keeps: no stream begins on a connection whose target has said that it ends
 * (GOAWAY), or that is as full as its target allows; and all of them are gone when the drain ends,
 * so none carries a request to a release that is gone.
 */
import http2, { type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { isUnverified } from '../../targetTls.ts';
import { connectTo, readyEvent, type Trust } from '../balancing/connect.ts';
import type { Target } from '../balancing/target.ts';
import type { Upstreams } from '../balancing/upstreams.ts';
import type { Loss } from '../failurePolicy.ts';
import type { Http2Fields } from '../streams/http2Fields.ts';

/** A target says with GOAWAY when it ends a connection: it may be kept for longer than others. */
const idleMs = 60_000;
/** Until a target has said how many it takes: RFC 9113 section 6.5.2 wants 100 at least. */
const streamsAtFirst = 100;
/** What a target may send ahead of a client that does not read; of all of them together. */
const streamWindowBytes = 256 * 1024;
const sessionWindowBytes = 1024 * 1024;
const memoryMaxMiB = 64;
const fieldsMax = 2_000;

export class TargetSessions implements Upstreams {
  readonly #trust: Trust;
  readonly #sessions = new Map<Target, Set<TargetSession>>();

  constructor(trust: Trust) {
    this.#trust = trust;
  }

  /** One that takes another stream; a new one where there is none. */
  to(target: Target): TargetSession {
    const kept = this.#sessions.get(target) ?? new Set();
    this.#sessions.set(target, kept);
    for (const session of kept) {
      if (session.takesMore) return session;
    }
    const session = new TargetSession(target, this.#trust, () => {
      kept.delete(session);
      if (kept.size === 0) this.#sessions.delete(target);
    });
    kept.add(session);
    return session;
  }

  forget(target: Target): void {
    for (const session of [...(this.#sessions.get(target) ?? [])]) session.retire();
  }

  close(): void {
    for (const kept of [...this.#sessions.values()]) {
      for (const session of [...kept]) session.destroy();
    }
  }
}

export class TargetSession {
  readonly #socket: Socket;
  readonly #gone: () => void;
  readonly #waiting = new Set<Waiting>();
  /** null: there is no connection yet. */
  #session: ClientHttp2Session | null = null;
  #streams = 0;
  #served = 0;
  #retired = false;
  #streamsMax = streamsAtFirst;

  /** @param gone no stream begins on it any more. Called once. */
  constructor(target: Target, trust: Trust, gone: () => void) {
    const socket = connectTo(target, trust, { noDelay: true, ALPNProtocols: ['h2'] });
    this.#socket = socket;
    this.#gone = gone;
    let failure: Error | null = null;
    socket.on('error', (error) => {
      failure ??= error;
    });
    socket.once('close', () => {
      this.retire();
      const loss = isUnverified(socket) ? 'unverified' : 'connect';
      for (const { failed } of this.#waiting) failed(failure ?? new Error('closed'), loss);
      this.#waiting.clear();
    });
    socket.once(readyEvent(target), () => {
      if (target.scheme === 'https' && (socket as TLSSocket).alpnProtocol !== 'h2') {
        socket.destroy(new Error(`${target.id} does not speak HTTP/2`));
      } else this.#begin();
    });
  }

  get takesMore(): boolean {
    const begun = this.#streams + this.#waiting.size;
    return !this.#retired && begun < this.#streamsMax;
  }

  /** It carried others before. */
  get reused(): boolean {
    return this.#served > 1;
  }

  /** Calls one of them, once: at once where it is connected. */
  whenReady(ready: () => void, failed: Waiting['failed']): void {
    if (this.#session !== null) ready();
    else this.#waiting.add({ ready, failed });
  }

  /**
   * Begins a stream; it has to be ready.
   *
   * @param ends nothing follows the head; else trailers are asked for.
   * @throws what Node throws of a field that may not be written.
   */
  begin(fields: Http2Fields, ends: boolean): ClientHttp2Stream {
    const session = this.#session;
    if (session === null) throw new Error('a stream on a connection that is not made');
    const stream = session.request(fields, { endStream: ends, waitForTrailers: !ends });
    this.#streams++;
    this.#served++;
    stream.once('close', () => {
      this.#streams--;
      if (this.#retired && this.#streams === 0) session.close();
    });
    return stream;
  }

  /** No stream begins on it any more; those that are open go on. */
  retire(): void {
    if (!this.#retired) this.#gone();
    this.#retired = true;
    if (this.#streams === 0 && this.#waiting.size === 0) this.#socket.destroy();
  }

  destroy(): void {
    this.retire();
    this.#session?.destroy();
    this.#socket.destroy();
  }

  #begin(): void {
    const session = http2.connect('http://target.invalid', {
      createConnection: () => this.#socket,
      maxSessionMemory: memoryMaxMiB,
      maxHeaderListPairs: fieldsMax,
      settings: { enablePush: false, initialWindowSize: streamWindowBytes },
    });
    this.#session = session;
    session.setLocalWindowSize(sessionWindowBytes);
    session.on('remoteSettings', ({ maxConcurrentStreams }) => {
      this.#streamsMax = maxConcurrentStreams ?? Number.POSITIVE_INFINITY;
    });
    session.setTimeout(idleMs, () => {
      if (this.#streams === 0) this.retire();
    });
    // Whoever has a stream on it hears of it there.
    session.on('error', () => {});
    session.once('goaway', () => this.retire());
    session.once('close', () => this.retire());
    session.unref();
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const { ready } of waiting) ready();
  }
}

/** Who waits for the connection. */
interface Waiting {
  readonly ready: () => void;
  readonly failed: (error: Error, loss: Loss) => void;
}
