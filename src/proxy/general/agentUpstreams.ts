/**
 * The general lane's connections to the targets of one pool: an agent of Node, for one stretch of
 * being live.
 *
 * The rule this file keeps: a kept connection that says anything unasked is closed, or the next
 * request would be answered with it; one is given up before its target gives it up; and a request
 * is given a connection only where it can be written to, or is about to be by TCP alone.
 */
import { Agent, type ClientRequestArgs } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ConnectOptions, connectTo, readyEvent, type Trust } from '../balancing/connect.ts';
import type { Target } from '../balancing/target.ts';
import type { Upstreams } from '../balancing/upstreams.ts';
import { upstreamIdleMax, upstreamIdleMs, upstreamIdleMsMax } from '../connectionLimits.ts';

/** What a request says of the connection that it wants, among its options. */
export interface Wanted {
  readonly target: Target;
  /** It is being made. */
  opening(socket: Socket): void;
}

type Options = ClientRequestArgs & ConnectOptions & { readonly wanted: Wanted };

export class AgentUpstreams implements Upstreams {
  /** Keeps connections. */
  readonly agent: Agent;
  /** Makes a new one for each request. */
  readonly fresh: Agent;

  constructor(trust: Trust) {
    this.agent = new KeepingAgent(trust);
    this.fresh = new TargetAgent(trust, {});
  }

  forget(target: Target): void {
    for (const socket of this.agent.freeSockets[target.key] ?? []) socket.destroy();
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

class TargetAgent extends Agent {
  readonly #trust: Trust;

  constructor(trust: Trust, options: ConstructorParameters<typeof Agent>[0]) {
    super(options);
    this.#trust = trust;
  }

  override getName(options?: ClientRequestArgs): string {
    return (options as Options).wanted.target.key;
  }

  override createConnection(
    options: ClientRequestArgs,
    done?: (error: Error | null, socket: Duplex) => void,
  ): Duplex | null | undefined {
    const { wanted, noDelay = true, keepAlive, keepAliveInitialDelay } = options as Options;
    const { allowHalfOpen } = options as Options;
    const { target } = wanted;
    const socket = connectTo(target, this.#trust, {
      noDelay,
      ...(keepAlive !== undefined && { keepAlive }),
      ...(keepAliveInitialDelay !== undefined && { keepAliveInitialDelay }),
      ...(allowHalfOpen !== undefined && { allowHalfOpen }),
    });
    wanted.opening(socket);
    if (target.scheme !== 'https') return socket;
    // Whatever Node writes to it before would be sent before the target is verified.
    const failed = (error: Error): void => done?.(error, socket);
    socket.once('error', failed);
    socket.once(readyEvent(target), () => {
      socket.off('error', failed);
      done?.(null, socket);
    });
    return undefined;
  }
}

class KeepingAgent extends TargetAgent {
  /** Which of these are to addresses that may be gone: by how often its target had moved. */
  readonly #made = new WeakMap<Duplex, { readonly target: Target; readonly moves: number }>();

  constructor(trust: Trust) {
    super(trust, { keepAlive: true, maxFreeSockets: upstreamIdleMax, scheduling: 'lifo' });
  }

  override createConnection(
    options: ClientRequestArgs,
    done?: (error: Error | null, socket: Duplex) => void,
  ): Duplex | null | undefined {
    const { wanted } = options as Options;
    const { target } = wanted;
    const made = { target, moves: target.moves };
    const opening = (socket: Socket): void => {
      this.#made.set(socket, made);
      wanted.opening(socket);
    };
    const known = { ...options, wanted: { target, opening } } as ClientRequestArgs;
    return super.createConnection(known, done);
  }

  /**
   * Called by Node when an answer is complete; not by the base, whose timeouts would be set anew
   * each time.
   */
  override keepSocketAlive(socket: Socket & { _httpMessage?: Spoken }): boolean {
    const idleMs = idleMsOf(socket._httpMessage?.res?.headers['keep-alive']);
    if (idleMs === 0) return false;
    const made = this.#made.get(socket);
    if (made !== undefined && made.moves !== made.target.moves) return false;
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
