/**
 * The only importer of dockerode: one call and one stream to the Docker Engine API.
 *
 * The rule this file keeps: every call ends. It is answered, refused by the engine (`Refusal`), or
 * the engine is out of reach (`Fault` DRIVER_UNAVAILABLE with the reason) within its limit; a
 * connection that goes silent in mid-answer counts as the last.
 *
 * Each call has a connection of its own: a kept one that the engine closed by restarting would fail
 * the next call, and a `create` must not be sent twice.
 */
import http from 'node:http';
import https from 'node:https';
import type { Readable } from 'node:stream';
import type { Clock } from '../../../../clock.ts';
import { Fault, reasonOf } from '../../../../errors.ts';
import { type EngineAddress, engineAddressOf } from './address.ts';
import { sshAgent } from './ssh.ts';

/** Longer than any answer of a healthy engine takes, stops and pulls apart. */
const callMs = 30_000;

export interface EngineCall {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Without query: `/containers/json`. */
  readonly path: string;
  /** Values that are no strings travel as JSON, as the engine wants its filters. */
  readonly query?: Readonly<Record<string, unknown>>;
  readonly body?: Readonly<Record<string, unknown>>;
  /** Credentials for a registry. */
  readonly auth?: Readonly<Record<string, string>>;
  /** 30 s unless said; for a stream: until its head arrives. */
  readonly limitMs?: number;
  readonly signal?: AbortSignal;
}

export interface Engine {
  readonly where: string;
  readonly remoteHost: string | null;
  /** @throws Refusal, Fault DRIVER_UNAVAILABLE, or Fault ABORTED when `signal` aborted it. */
  call(call: EngineCall): Promise<unknown>;
  /** The body of the answer as it comes. @throws as `call` does, until the head has arrived. */
  stream(call: EngineCall): Promise<Readable>;
}

/** The engine answered, and said no. */
export class Refusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = 'Refusal';
    this.status = status;
  }
}

/** Whether the engine refused with one of these statuses. */
export function refusedWith(thrown: unknown, ...statuses: readonly number[]): boolean {
  return thrown instanceof Refusal && statuses.includes(thrown.status);
}

export function isUnavailable(thrown: unknown): boolean {
  return thrown instanceof Fault && thrown.code === 'DRIVER_UNAVAILABLE';
}

/** What dockerode carries its calls with; its own types leave it open. */
interface Modem {
  dial(options: Record<string, unknown>, done: (error: unknown, data: unknown) => void): void;
}

/** @throws Fault DRIVER_UNAVAILABLE where the address of the engine makes no sense. */
export function openEngine(clock: Clock, dockerHost: string | null): Engine {
  const connection = engineAddressOf(dockerHost);
  let modem: Promise<Modem> | undefined;

  const dial = async (call: EngineCall, isStream: boolean): Promise<unknown> => {
    modem ??= openModem(connection);
    const carrier = await modem;
    const ender = new AbortController();
    const limitMs = call.limitMs ?? callMs;
    return new Promise((resolve, reject) => {
      const end = (reason: string): void => {
        reject(unavailable(connection.where, reason));
        ender.abort();
      };
      const cancelLimit = clock.after(limitMs, () => end(`no answer within ${limitMs} ms`));
      const aborted = (): void => {
        reject(new Fault('ABORTED'));
        ender.abort();
      };
      const settled = (): void => {
        cancelLimit();
        if (!isStream) call.signal?.removeEventListener('abort', aborted);
      };
      if (call.signal?.aborted) return aborted();
      call.signal?.addEventListener('abort', aborted, { once: true });
      carrier.dial(dialOptions(call, isStream, ender.signal), (error, data) => {
        settled();
        if (error === null || error === undefined) return resolve(data);
        reject(failure(connection.where, error));
      });
    });
  };

  return {
    where: connection.where,
    remoteHost: connection.remoteHost,
    call: (call) => dial(call, false),
    stream: (call) => dial(call, true) as Promise<Readable>,
  };
}

async function openModem(connection: EngineAddress): Promise<Modem> {
  const { default: Docker } = await import('dockerode');
  const agent = agentFor(connection);
  // What is undefined here must not be filled in from DOCKER_HOST: the choice was made.
  const blank = { host: undefined, port: undefined, socketPath: undefined, username: undefined };
  const options = { ...blank, ...connection.options, pathPrefix: '/', agent };
  return new Docker(options as object).modem as unknown as Modem;
}

function agentFor({ ssh, options }: EngineAddress): http.Agent {
  if (ssh !== null) return sshAgent(ssh);
  const { Agent } = options.protocol === 'https' ? https : http;
  return new Agent({ keepAlive: false });
}

function dialOptions(
  call: EngineCall,
  isStream: boolean,
  signal: AbortSignal,
): Record<string, unknown> {
  const query = Object.entries(call.query ?? {}).filter(([, value]) => value !== undefined);
  return {
    method: call.method,
    path: `${call.path}?`,
    // The client sends `options` as the body where `_body` is missing, so it never is.
    options: { _query: Object.fromEntries(query), _body: call.body ?? {} },
    isStream,
    abortSignal: signal,
    statusCodes: { 200: true, 201: true, 204: true, 304: true },
    ...(call.auth && { authconfig: call.auth }),
  };
}

function failure(where: string, error: unknown): Error {
  const { statusCode, json } = error as { statusCode?: unknown; json?: unknown };
  if (typeof statusCode !== 'number') return unavailable(where, whyOf(error), error);
  const message = (json as { message?: unknown } | null)?.message;
  const raw = error instanceof Error ? error.message.replace(/^\(HTTP code \d+\) .*? - /, '') : '';
  return new Refusal(statusCode, (typeof message === 'string' ? message : raw).trim());
}

/** A fault that says which engine, and why. */
export function unavailable(where: string, reason: string, cause?: unknown): Fault {
  return new Fault(
    'DRIVER_UNAVAILABLE',
    `The Docker Engine at ${where} is out of reach: ${reason}.`,
    {
      where,
      ...(cause === undefined ? {} : { cause }),
    },
  );
}

function whyOf(error: unknown): string {
  const code = (error as { code?: unknown }).code;
  if (code === 'ENOENT') return 'there is no such socket; is the engine running?';
  if (code === 'ECONNREFUSED') return 'nothing listens there; is the engine running?';
  if (code === 'EACCES' || code === 'EPERM') {
    return 'permission denied; this user must be able to read and write the socket';
  }
  return reasonOf(error);
}
