/**
 * Connections to the targets of one pool, kept for reuse.
 *
 * The rule this file keeps: a connection is kept only where the last answer ended exactly where its
 * framing said and nothing followed; one that says anything unasked, or ends, is closed. The one
 * used last is used next, so that those nobody needs grow old and go.
 */
import type { Socket } from 'node:net';
import type { Clock } from '../../clock.ts';
import { isUnverified } from '../../targetTls.ts';
import { connectTo, readyEvent, type Trust } from '../balancing/connect.ts';
import type { Target } from '../balancing/target.ts';
import type { Upstreams } from '../balancing/upstreams.ts';
import { upstreamIdleMax, upstreamIdleMs, upstreamIdleMsMax } from '../connectionLimits.ts';
import { ResponseHeadCache } from './responseHeadCache.ts';

/** Whoever has a connection at the moment hears what becomes of it. */
export interface Receiver {
  connected(): void;
  /** @param bytes valid during the call only. @returns false to be told no more until `resume`. */
  received(bytes: Buffer, length: number): boolean;
  /** What was written has gone; more may be. */
  drained(): void;
  /** The target shut its side. */
  ended(): void;
  /** The connection is over, or was never made. Called once, and last. */
  closed(error: Error | null): void;
}

const sweepEveryMs = 1_000;
/** One read takes at most so much: a large answer moves in few calls. */
const readBytes = 64 * 1024;

export class Upstream {
  readonly target: Target;
  readonly #pool: UpstreamPool;
  readonly #socket: Socket;
  #receiver: Receiver | null = null;
  #error: Error | null = null;
  /** Of its target, when it was made. */
  readonly #moves: number;
  #buffer: Buffer;
  #bufferTaken = false;
  /** The head of its last answer: the next is often the same. */
  readonly heads = new ResponseHeadCache();
  /** It carried a request before. */
  reused = false;
  /** When it became idle, and how long it may stay so. */
  idleSinceMs = 0;
  idleForMs = upstreamIdleMsMax;

  constructor(pool: UpstreamPool, target: Target, receiver: Receiver) {
    this.#moves = target.moves;
    this.#pool = pool;
    this.target = target;
    this.#receiver = receiver;
    this.#buffer = Buffer.allocUnsafeSlow(readBytes);
    const socket = connectTo(target, pool.trust, {
      noDelay: true,
      onread: {
        buffer: () => this.#nextBuffer(),
        callback: (length, buffer) => this.#read(length, buffer as Buffer),
      },
    });
    this.#socket = socket;
    socket.on(readyEvent(target), () => this.#receiver?.connected());
    socket.on('drain', () => this.#receiver?.drained());
    socket.on('end', () => this.#ended());
    socket.on('error', (error) => {
      this.#error = error;
    });
    socket.on('close', () => this.#closed());
  }

  /** It was given up because of the certificate that the target showed. */
  get unverified(): boolean {
    return isUnverified(this.#socket);
  }

  /** Bytes written that the kernel has not taken. */
  get backlogBytes(): number {
    return this.#socket.writableLength;
  }

  /** Whether `drained` will be called before more should be written. */
  get full(): boolean {
    return this.#socket.writableLength > 0 && this.#socket.writableNeedDrain;
  }

  /** A head, and what there is of the body, in one write. */
  write(head: string, body: Buffer | null): void {
    const socket = this.#socket;
    if (body === null) {
      socket.write(head, 'latin1');
      return;
    }
    socket.cork();
    socket.write(head, 'latin1');
    socket.write(body);
    socket.uncork();
  }

  writeBody(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  /** The bytes last received are still being written somewhere: the next go into another buffer. */
  keepBuffer(): void {
    this.#bufferTaken = true;
  }

  resume(): void {
    this.#socket.resume();
  }

  usable(now: number): boolean {
    return now - this.idleSinceMs < this.idleForMs && !this.#socket.destroyed;
  }

  /** The address that it goes to may be none of its target any more. */
  get outdated(): boolean {
    return this.#moves !== this.target.moves;
  }

  /** Another request takes it. */
  take(receiver: Receiver): void {
    this.#receiver = receiver;
    this.reused = true;
  }

  /**
   * The message ended exactly: it may be used again.
   * @param keepsForMs what the target said; 0: nothing.
   */
  giveBack(keepsForMs: number): void {
    this.#receiver = null;
    this.idleForMs = keepsForMs === 0 ? upstreamIdleMsMax : upstreamIdleMs(keepsForMs);
    this.#pool.keep(this);
  }

  /** Ends it; the receiver hears no more. */
  destroy(): void {
    this.#receiver = null;
    this.#socket.destroy();
  }

  /** Ends it; the receiver hears `closed`. */
  break(): void {
    this.#socket.destroy();
  }

  #nextBuffer(): Buffer {
    if (this.#bufferTaken) {
      this.#bufferTaken = false;
      this.#buffer = Buffer.allocUnsafeSlow(readBytes);
    }
    return this.#buffer;
  }

  #read(length: number, buffer: Buffer): boolean {
    // Bytes that nobody asked for: the connection is no use to the next request, and a danger to
    // it.
    if (this.#receiver === null) {
      this.#drop();
      return false;
    }
    return this.#receiver.received(buffer, length);
  }

  #ended(): void {
    if (this.#receiver === null) this.#drop();
    else this.#receiver.ended();
  }

  #drop(): void {
    this.#pool.gone(this);
    this.#socket.destroy();
  }

  #closed(): void {
    this.#pool.gone(this);
    const receiver = this.#receiver;
    this.#receiver = null;
    receiver?.closed(this.#error);
  }
}

export class UpstreamPool implements Upstreams {
  readonly #clock: Clock;
  readonly trust: Trust;
  readonly #idle = new Map<Target, Upstream[]>();
  readonly #all = new Set<Upstream>();
  #sweeping = false;
  #over = false;

  constructor(clock: Clock, trust: Trust) {
    this.#clock = clock;
    this.trust = trust;
  }

  /** An idle connection to `target`; undefined: there is none. */
  take(target: Target, receiver: Receiver): Upstream | undefined {
    const stack = this.#idle.get(target);
    if (stack === undefined) return undefined;
    const now = this.#clock.now();
    for (let upstream = stack.pop(); upstream !== undefined; upstream = stack.pop()) {
      if (upstream.usable(now)) {
        upstream.take(receiver);
        return upstream;
      }
      upstream.destroy();
    }
    return undefined;
  }

  connect(target: Target, receiver: Receiver): Upstream {
    const upstream = new Upstream(this, target, receiver);
    this.#all.add(upstream);
    return upstream;
  }

  /** For `Upstream` alone. */
  keep(upstream: Upstream): void {
    let stack = this.#idle.get(upstream.target);
    if (stack === undefined) {
      stack = [];
      this.#idle.set(upstream.target, stack);
    }
    if (
      this.#over ||
      upstream.outdated ||
      upstream.idleForMs <= 0 ||
      stack.length >= upstreamIdleMax
    ) {
      upstream.destroy();
      return;
    }
    upstream.idleSinceMs = this.#clock.now();
    stack.push(upstream);
    this.#sweepLater();
  }

  /** For `Upstream` alone. */
  gone(upstream: Upstream): void {
    this.#all.delete(upstream);
    const stack = this.#idle.get(upstream.target);
    const at = stack?.lastIndexOf(upstream) ?? -1;
    if (at !== -1) stack?.splice(at, 1);
  }

  forget(target: Target): void {
    const stack = this.#idle.get(target) ?? [];
    this.#idle.delete(target);
    for (const upstream of stack) upstream.destroy();
  }

  close(): void {
    this.#over = true;
    this.#idle.clear();
    for (const upstream of this.#all) upstream.break();
  }

  #sweepLater(): void {
    if (this.#sweeping) return;
    this.#sweeping = true;
    this.#clock.after(sweepEveryMs, () => this.#sweep());
  }

  #sweep(): void {
    this.#sweeping = false;
    const now = this.#clock.now();
    let left = 0;
    for (const stack of this.#idle.values()) {
      const old = stack.filter((upstream) => now - upstream.idleSinceMs >= upstream.idleForMs);
      left += stack.length - old.length;
      for (const upstream of old) {
        stack.splice(stack.indexOf(upstream), 1);
        upstream.destroy();
      }
    }
    if (left > 0) this.#sweepLater();
  }
}
