/**
 * The general lane's connections to the targets of one pool: an agent of Node, for one stretch of
 * being live.
 *
 * The rule this file keeps: a kept connection that says anything unasked is closed, or the next
 * request would be answered with it; and one is given up before its target gives it up.
 */
import { Agent } from 'node:http';
import type { Socket } from 'node:net';
import type { Target } from '../balancing/target.ts';
import type { Upstreams } from '../balancing/upstreams.ts';
import { upstreamIdleMax, upstreamIdleMs, upstreamIdleMsMax } from '../connectionLimits.ts';

export class AgentUpstreams implements Upstreams {
  readonly agent: Agent = new KeepingAgent();

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
  constructor() {
    super({ keepAlive: true, maxFreeSockets: upstreamIdleMax, scheduling: 'lifo' });
  }

  /**
   * Called by Node when an answer is complete; not by the base, whose timeouts would be set anew
   * each time.
   */
  override keepSocketAlive(socket: Socket & { _httpMessage?: Spoken }): boolean {
    const idleMs = idleMsOf(socket._httpMessage?.res?.headers['keep-alive']);
    if (idleMs === 0) return false;
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
