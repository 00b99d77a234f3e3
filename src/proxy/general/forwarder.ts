/**
 * The only importer of http-proxy: sends one request to one target.
 *
 * The rule this file keeps: http-proxy opens the request and nothing else. It never sees the
 * client: what it takes for the client's request and response is a guise, so that headers, bodies,
 * timers and failures are ours (it is unmaintained, and each of these it does wrong in some case:
 * the tests name them).
 *
 * It is handed the guise as `buffer` too, the stream it pipes into the request it has made: so
 * `pipe` is the one moment, on every path, where that request exists and nothing of it was written.
 */
import {
  type Agent,
  type ClientRequest,
  type IncomingMessage,
  request as openRequest,
  type ServerResponse,
} from 'node:http';
import type { Socket } from 'node:net';
import util from 'node:util';
import httpProxy from 'http-proxy';
import type { Target } from '../balancing/target.ts';
import type { Wanted } from './agentUpstreams.ts';

/** One try of a request on one target, as it hears of what happens. */
export interface Sender {
  readonly method: string;
  readonly path: string;
  /** The longest head of an answer that is taken. */
  readonly responseHeaderBytesMax: number;
  /** A connection for it is being made. */
  opening(socket: Socket): void;
  /** The request exists; nothing of it was written. */
  begun(request: ClientRequest): void;
  /** It has a connection, which may not be made yet. */
  placed(request: ClientRequest): void;
  answered(answer: IncomingMessage): void;
  /** Called for each error, after an answer too. */
  failed(error: NodeJS.ErrnoException): void;
}

/** Carries requests to targets. */
export interface Forwarder {
  /** @param agent makes the connection; see `AgentUpstreams`. */
  send(sender: Sender, target: Target, agent: Agent): void;
  /** A request that asks for a tunnel; the caller listens for 'upgrade' from `begun` on. */
  upgrade(sender: Sender, target: Target, agent: Agent): void;
}

/** Passes of http-proxy that change headers or timers; `deleteLength` is CVE-2026-29057. */
const unwantedPasses = new Set(['deleteLength', 'timeout', 'XHeaders']);

export function createForwarder(): Forwarder {
  silenceExtend();
  const proxy = httpProxy.createProxyServer({
    selfHandleResponse: true,
    prependPath: false,
    ignorePath: true,
    toProxy: true,
  });
  const passes = proxy as unknown as { webPasses: { readonly name: string }[] };
  passes.webPasses = passes.webPasses.filter((pass) => !unwantedPasses.has(pass.name));
  proxy.on('proxyReq', (request, guise) => guiseOf(guise).sender.placed(request));
  proxy.on('proxyRes', (answer, guise) => guiseOf(guise).sender.answered(answer));
  const failed = (error: Error, guise: unknown): void => guiseOf(guise).sender.failed(error);

  return {
    send(sender, target, agent) {
      const guise = new Guise(sender);
      const both = guise as unknown as IncomingMessage & ServerResponse;
      const options = {
        // By TLS too: it is the agent that makes the connection.
        target: { protocol: 'http:', host: target.host, hostname: target.host, port: target.port },
        agent,
        buffer: guise,
        // Whatever it holds becomes part of the options of `http.request`: the only way to reach
        // them.
        ssl: {
          setHost: false,
          insecureHTTPParser: false,
          maxHeaderSize: sender.responseHeaderBytesMax,
          wanted: wanted(sender, target),
        },
      };
      proxy.web(both, both, options as unknown as httpProxy.ServerOptions, failed);
    },

    upgrade(sender, target, agent) {
      const request = openRequest({
        agent,
        method: sender.method,
        path: sender.path,
        setHost: false,
        insecureHTTPParser: false,
        maxHeaderSize: sender.responseHeaderBytesMax,
        // The tunnel passes a half-close on; it is the agent that reads these.
        ...{ allowHalfOpen: true, wanted: wanted(sender, target) },
      });
      request.on('socket', () => sender.placed(request));
      request.on('response', (answer) => sender.answered(answer));
      request.on('error', (error) => sender.failed(error));
      sender.begun(request);
    },
  };
}

function wanted(sender: Sender, target: Target): Wanted {
  return { target, opening: (socket) => sender.opening(socket) };
}

/** A sending failed: Node refuses a character in a header that its parser let through. */
export function isBadHeader(thrown: unknown): boolean {
  const code = (thrown as NodeJS.ErrnoException).code;
  return code === 'ERR_INVALID_CHAR' || code === 'ERR_INVALID_HTTP_TOKEN';
}

/** What http-proxy takes for the request and for the response of a client. */
class Guise {
  readonly sender: Sender;
  readonly method: string;
  readonly url = '/';
  readonly headers = {};
  readonly socket = alive;
  readonly headersSent = true;
  readonly finished = true;

  constructor(sender: Sender) {
    this.sender = sender;
    this.method = sender.method;
  }

  on(): this {
    return this;
  }

  pipe(request: ClientRequest): ClientRequest {
    this.sender.begun(request);
    return request;
  }
}

const alive = { destroyed: false };

function guiseOf(of: unknown): Guise {
  return of as Guise;
}

/**
 * http-proxy calls `util._extend`, and Node 22 and later say so once (DEP0060). It is said here,
 * where nobody hears it; any other warning passes.
 */
function silenceExtend(): void {
  const emit = process.emitWarning;
  process.emitWarning = (warning: string | Error, ...rest: unknown[]): void => {
    if (rest.includes('DEP0060')) return;
    (emit as (warning: string | Error, ...rest: unknown[]) => void)(warning, ...rest);
  };
  (util as unknown as { _extend(to: object, from: object): void })._extend({}, {});
  process.emitWarning = emit;
}
