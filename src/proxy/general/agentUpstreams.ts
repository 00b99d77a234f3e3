/**
 * The general lane's connections to the targets of one pool: an agent of Node, for one stretch of
 * being live.
 *
 * The rule this file keeps: a kept connection that says anything unasked is closed, or the next
 * request would be answered with it; and one is given up before its target gives it up.
 */
import { Agent, type ClientRequestArgs } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Clock } from '../../clock.ts';
import type { Target } from '../balancing/target.ts';
import type { Upstreams } from '../balancing/upstreams.ts';
import {
  upstreamAgeMsMax,
  upstreamIdleMax,
  upstreamIdleMs,
  upstreamIdleMsMax,
} from '../connectionLimits.ts';

export class AgentUpstreams implements Upstreams {
  readonly agent: Agent;

  constructor(clock: Clock) {
    this.agent = new KeepingAgent(clock);
  }

  forget(target: Target): void {
    const name = this.agent.getName({ host: target.host, port: target.port });
    for (const socket of this.agent.freeSockets[name] ?? []) socket.destroy();
  }

  close(): void {
    this.agent.destroy();
  }
}

/** How long an answer lets its connection be kept; 0: not at all. */
function idleMsOf(hint: string | undefined): number {
  const seconds = hint === undefined ? null : /^timeout=(\d{1,6})/.exec(hint);
  return seconds === null ? upstreamIdleMsMax : upstreamIdleMs(Number(seconds[1]) * 1000);
}

/** Ends a kept connection that spoke unasked. */
function spoke(this: Socket): void {
  this.destroy();
}

class KeepingAgent extends Agent {
  readonly #clock: Clock;
  /** From when on a connection is not used again. */
  readonly #until = new WeakMap<Duplex, number>();

  constructor(clock: Clock) {
    super({ keepAlive: true, maxFreeSockets: upstreamIdleMax, scheduling: 'lifo' });
    this.#clock = clock;
  }

  override createConnection(
    options: ClientRequestArgs,
    done?: (error: Error | null, socket: Duplex) => void,
  ): Duplex | null | undefined {
    const socket = super.createConnection(options, done);
    const ageMsMax = upstreamAgeMsMax(options.host ?? '');
    if (socket && ageMsMax < Number.POSITIVE_INFINITY) {
      this.#until.set(socket, this.#clock.now() + ageMsMax);
    }
    return socket;
  }

  /**
   * Called by Node when an answer is complete; not by the base, whose timeouts would be set anew
   * each time.
   */
  override keepSocketAlive(socket: Socket & { _httpMessage?: Spoken }): boolean {
    const idleMs = idleMsOf(socket._httpMessage?.res?.headers['keep-alive']);
    if (idleMs === 0) return false;
    const untilMs = this.#until.get(socket);
    if (untilMs !== undefined && this.#clock.now() >= untilMs) return false;
    if (socket.timeout !== idleMs) socket.setTimeout(idleMs);
    socket.on('data', spoke);
    socket.unref();
    return true;
  }

  override reuseSocket(socket: Socket, request: import('node:http').ClientRequest): void {
    socket.removeListener('data', spoke);
    super.reuseSocket(socket, request);
  }
}

/** The exchange that a connection just carried, as Node keeps it. */
interface Spoken {
  readonly res?: { readonly headers: { readonly 'keep-alive'?: string } } | null;
}
