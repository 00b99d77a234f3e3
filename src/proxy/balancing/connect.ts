/**
 * How a connection to a target is made, in either lane: by TCP, by TLS, or to a socket in the file
 * system.
 *
 * The rule this file keeps: a target that is spoken to by TLS is verified by what its service says,
 * and where that is not known here no connection is made. Nothing of a request is written before
 * `readyEvent`, so an application that cannot be verified learns nothing of it.
 */
import net, { type OnReadOpts } from 'node:net';
import tls from 'node:tls';
import { targetTlsOptions } from '../../targetTls.ts';
import type { TargetTls } from '../../wireTls.ts';
import type { Target } from './target.ts';

/** What targets are verified by, as this worker has been told it. */
export interface Trust {
  /** @param id as a table names it. */
  targetTls(id: string): TargetTls | undefined;
}

export interface ConnectOptions {
  readonly noDelay?: boolean;
  readonly keepAlive?: boolean;
  readonly keepAliveInitialDelay?: number;
  readonly allowHalfOpen?: boolean;
  readonly onread?: OnReadOpts;
  /** By TLS; HTTP/1.1 where nothing is said. */
  readonly ALPNProtocols?: string[];
}

/** @returns a connection that is being made; `close` follows where it cannot be. */
export function connectTo(target: Target, trust: Trust, options: ConnectOptions): net.Socket {
  const { host, port, scheme, lookup } = target;
  if (scheme === 'unix') return net.connect({ ...options, path: host });
  const at = { ...options, host, port, ...(lookup !== undefined && { lookup }) };
  if (scheme === undefined) return net.connect(at);
  const by = trust.targetTls(target.tls);
  if (by === undefined) return refused(`nothing is known of how ${target.id} is verified`);
  try {
    return tls.connect({ ...targetTlsOptions(by, host), ...at });
  } catch (cause) {
    return refused(`no TLS can be spoken to ${target.id}`, cause);
  }
}

/** The event by which a connection to it can be written to. */
export function readyEvent({ scheme }: Target): 'connect' | 'secureConnect' {
  return scheme === 'https' ? 'secureConnect' : 'connect';
}

function refused(why: string, cause?: unknown): net.Socket {
  return new net.Socket().destroy(new Error(why, { cause }));
}
