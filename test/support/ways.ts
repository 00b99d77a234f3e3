/**
 * How clients get to a front: by HTTP, by HTTPS, or by HTTP/2 in the shapes of Node's client of
 * HTTP/1.1.
 *
 * The rule this file keeps: an agent of HTTP/2 is one connection, which is opened once and never again,
 * and a stream that was reset is an error, whatever came of it.
 */
import { EventEmitter } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import tls from 'node:tls';

/** Where clients connect: a port of loopback; by HTTPS, where there is an authority to trust. */
export interface Https {
  readonly port: number;
  /** PEM */
  readonly ca: string;
  /** Whom they ask for; the certificate has to have that name. */
  readonly servername: string;
  /** By HTTP/2, but for WebSockets. */
  readonly http2?: boolean;
}

/** A port: plain HTTP. */
export type Where = number | Https;

/** How a client gets there. */
export interface Way {
  request(options: https.RequestOptions): http.ClientRequest;
  agent(options: http.AgentOptions): http.Agent;
  readonly options: https.RequestOptions & { readonly host: string; readonly port: number };
}

export function wayTo(where: Where): Way {
  if (typeof where === 'number') {
    const make = (options: http.AgentOptions): http.Agent => new http.Agent(options);
    return { request: http.request, agent: make, options: { host: '127.0.0.1', port: where } };
  }
  if (where.http2) return http2Way(where);
  const { port, ca, servername } = where;
  const headers = { host: servername };
  return {
    request: https.request,
    agent: (options: http.AgentOptions): http.Agent => new https.Agent(options),
    options: { host: '127.0.0.1', port, ca, servername, headers },
  };
}

function http2Way({ port, ca, servername }: Https): Way {
  const open = (): Connection => new Connection({ port, ca, servername });
  return {
    request(options: https.RequestOptions): http.ClientRequest {
      // false: a connection for this request alone.
      const { agent, method = 'GET', path = '/' } = options;
      const connection = agent === false ? open() : (agent as unknown as Connection);
      const fields = { ':method': method, ':path': path ?? '/', ':authority': servername };
      const request = new Request(connection, fields, agent === false);
      return request as unknown as http.ClientRequest;
    },
    agent: () => open() as unknown as http.Agent,
    options: { host: '127.0.0.1', port, ca, servername, headers: { host: servername } },
  };
}

class Connection {
  readonly socket: tls.TLSSocket;
  readonly session: http2.ClientHttp2Session;

  constructor({ port, ca, servername }: Https) {
    const ALPNProtocols = ['h2'];
    this.socket = tls.connect({ host: '127.0.0.1', port, ca, servername, ALPNProtocols });
    this.session = http2.connect(`https://${servername}`, { createConnection: () => this.socket });
    this.session.on('error', () => {});
  }

  destroy(): void {
    this.session.destroy();
  }
}

class Request extends EventEmitter {
  readonly #stream: http2.ClientHttp2Stream;

  constructor(connection: Connection, fields: http2.OutgoingHttpHeaders, own: boolean) {
    super();
    const stream = connection.session.request(fields, { endStream: false });
    this.#stream = stream;
    process.nextTick(() => this.emit('socket', connection.socket));
    stream.once('response', (headers) => {
      this.emit('response', Object.assign(stream, answerOf(stream, headers)));
    });
    stream.once('error', (error) => this.emit('error', error));
    // What was reset without an error ends as if it were whole.
    stream.once('aborted', () => stream.destroy(new Error('aborted')));
    if (own) stream.once('close', () => connection.destroy());
  }

  end(body?: Buffer): this {
    this.#stream.end(body);
    return this;
  }

  destroy(): void {
    this.#stream.close(http2.constants.NGHTTP2_CANCEL);
  }
}

/** What an answer of HTTP/1.1 has beside its stream. */
function answerOf(stream: http2.ClientHttp2Stream, headers: http2.IncomingHttpHeaders) {
  const trailers: http2.IncomingHttpHeaders = {};
  stream.once('trailers', (fields) => Object.assign(trailers, fields));
  return { statusCode: Number(headers[':status']), headers, trailers };
}
