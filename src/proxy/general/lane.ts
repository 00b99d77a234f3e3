/**
 * The general lane: Node's HTTP server in front, http-proxy behind. It takes whatever the express
 * lane does not, and is the reference for what is right.
 *
 * The rule this file keeps: whatever a client sends is answered or its connection is closed, and
 * neither the server nor the process is any the worse for it.
 */
import http, { type IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { FaultCode } from '../../errors.ts';
import { answerToNoRequest } from '../answers.ts';
import { headMsMax, keepAliveMs } from '../connectionLimits.ts';
import { Deadlines } from '../deadlines.ts';
import { TrustedProxies } from '../edge/trustedProxies.ts';
import type { Plane } from '../plane.ts';
import { ClientConnection } from './clientConnection.ts';
import { createForwarder } from './forwarder.ts';
import type { LaneContext } from './laneContext.ts';
import { ProxiedRequest } from './proxiedRequest.ts';
import { UpgradeRequest } from './upgradeRequest.ts';

export interface GeneralLane {
  /** Takes connections by `emit('connection', socket)`; a test may have it listen. */
  readonly server: http.Server;
  readonly deadlines: Deadlines;
  /** For other fronts that have it carry their requests. */
  readonly around: LaneContext;
}

/**
 * The parser's bound; the largest that the config allows a service, and some for the request line.
 */
const headBytesMax = 272 * 1024;
const headCheckEveryMs = 1_000;

/** @param deadlines shared with the express lane. */
export function createGeneralLane(
  plane: Plane,
  deadlines: Deadlines = new Deadlines(plane.clock),
): GeneralLane {
  const around: LaneContext = {
    plane,
    forwarder: createForwarder(),
    deadlines,
    trusted: new TrustedProxies([]),
  };
  plane.onEdge((edge) => {
    around.trusted = new TrustedProxies(edge.trustedProxies);
  });
  const server = http.createServer({
    maxHeaderSize: headBytesMax,
    headersTimeout: headMsMax,
    connectionsCheckingInterval: headCheckEveryMs,
    // Bodies are limited by silence, not by total time.
    requestTimeout: 0,
    keepAliveTimeout: keepAliveMs,
    insecureHTTPParser: false,
    requireHostHeader: false,
    joinDuplicateHeaders: false,
    // Node 24.9 and later ask, and then a request that may not tunnel is one like any other. (Node
    // 26 gives the body of one that was let through apart from what follows it, so it could not be
    // taken back.)
    ...{ shouldUpgradeCallback: mayTunnel },
  });
  // 0: all headers are seen. Node would drop what is beyond 1000, silently.
  server.maxHeadersCount = 0;
  Object.assign(server, { httpAllowHalfOpen: true });
  const connections = new WeakMap<Duplex, ClientConnection>();
  const connectionOf = (socket: Duplex): ClientConnection => {
    const known = connections.get(socket);
    if (known !== undefined) return known;
    const connection = new ClientConnection(socket, deadlines);
    connections.set(socket, connection);
    socket.on('end', () => connection.active?.clientEnded());
    return connection;
  };
  const take = (req: IncomingMessage, res: ServerResponse): void => {
    const connection = connectionOf(req.socket);
    connection.take(new ProxiedRequest(around, connection, req, res, null));
  };
  server.on('request', take);
  server.on('checkContinue', take);
  server.on('checkExpectation', take);
  server.on('connect', (req, socket) => {
    detach(req, socket, around, connectionOf(socket), Buffer.alloc(0));
  });
  server.on('upgrade', (req, socket, head) => {
    if (mayTunnel(req)) detach(req, socket, around, connectionOf(socket), head);
    else takeBack(server, req, socket, head);
  });
  // Node ends an idle connection by a timer, and timers run before reads: what came while the
  // process stood still would be closed on, unread. So each is looked at once more.
  server.on('timeout', (socket) => {
    const { bytesRead } = socket;
    setImmediate(() => {
      if (socket.bytesRead === bytesRead) socket.destroy();
    });
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    const code = faultOf(error);
    const connection = connectionOf(socket);
    if (code === null || !socket.writable) {
      socket.destroy();
      return;
    }
    connection.spoil(code, error.code === 'HPE_INVALID_EOF_STATE', () => {
      plane.countUnrouted(code);
      connection.endWith(answerToNoRequest(code, plane.clock.date()));
    });
  });
  // Node begins to look after slow heads when it listens, and this server need never listen itself.
  server.emit('listening');
  return { server, deadlines, around };
}

/** What Node's parser says of what it could not read. */
interface ParseError extends NodeJS.ErrnoException {
  readonly reason?: string;
  /** The read in which it gave up, and where. */
  readonly rawPacket?: Buffer;
  readonly bytesParsed?: number;
}

/** What a failure of a connection is answered with; null: nobody is there to answer. */
function faultOf(error: ParseError): FaultCode | null {
  if (error.code === 'HPE_HEADER_OVERFLOW') return 'HEADER_TOO_LARGE';
  // Its other reasons are of versions that are none, and of what stands behind one.
  if (error.reason === 'Invalid HTTP version') return 'VERSION_UNKNOWN';
  // The preface of HTTP/2.
  if (error.code === 'HPE_PAUSED_H2_UPGRADE') return 'VERSION_UNKNOWN';
  if (isMethod(error)) return 'METHOD_UNKNOWN';
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'REQUEST_TIMEOUT';
  return error.code?.startsWith('HPE_') ? 'REQUEST_INVALID' : null;
}

/**
 * RFC 9110 section 15.6.2: 501 for a method that is not known. Of one, the parser has said no to a
 * letter of it, wherever the reads were split; or it knows it, but from RTSP.
 */
function isMethod({ code, reason, rawPacket, bytesParsed = 0 }: ParseError): boolean {
  if (reason === 'Invalid method for HTTP/x.x request') return true;
  return (
    code === 'HPE_INVALID_METHOD' &&
    methodLetter.test(rawPacket?.toString('latin1', bytesParsed, bytesParsed + 1) ?? '')
  );
}

/** Methods are in capitals; what else comes here is no HTTP, or what is left of a wrong body. */
const methodLetter = /[A-Z-]/;

/** Carries a request whose connection Node has let go of: a tunnel, or a refusal. */
function detach(
  req: IncomingMessage,
  socket: Duplex,
  around: LaneContext,
  connection: ClientConnection,
  head: Buffer,
): void {
  // First of all: Node has taken its own listeners away, and an error nobody hears ends the
  // process.
  socket.on('error', () => socket.destroy());
  (socket as Socket).setTimeout?.(0);
  const bodyBytes = Number(req.headers['content-length'] ?? 0);
  // Whether Node has taken the body from the socket, as 26 does: it is in the request, or comes.
  const isTaken = bodyBytes === 0 || req.readableLength > 0 || !req.complete;
  const asked = isTaken ? req : new UpgradeRequest(req, socket, head, bodyBytes);
  const behind = isTaken ? head : Buffer.alloc(0);
  connection.take({
    begin() {
      const res = new ServerResponse(req);
      res.shouldKeepAlive = false;
      const call = new ProxiedRequest(around, connection, asked, res, behind);
      connection.active = call;
      if (socket.destroyed) {
        call.closed();
        return;
      }
      res.assignSocket(socket as Socket);
      res.once('finish', () => {
        connection.linger();
        call.closed();
      });
      call.begin();
    },
    spoiled: () => false,
    clientEnded() {},
  });
}

/**
 * A body before a tunnel says how long it is. And h2c is an offer that may be declined (RFC 9110
 * section 7.8): Java clients make it with every request.
 */
function mayTunnel(req: IncomingMessage): boolean {
  const { headers } = req;
  if (headers['transfer-encoding'] !== undefined) return false;
  if (!/^\d{0,15}$/.test(headers['content-length'] ?? '')) return false;
  return !/(?:^|,)\s*h2c\s*(?:,|$)/i.test(headers.upgrade ?? '');
}

/**
 * Before Node 24.9: gives the connection back to the server with the same request, only that it
 * does not ask to upgrade.
 */
function takeBack(server: http.Server, req: IncomingMessage, socket: Duplex, head: Buffer): void {
  let text = `${req.method} ${req.url} HTTP/${req.httpVersion}\r\n`;
  for (let at = 0; at < req.rawHeaders.length; at += 2) {
    const name = req.rawHeaders[at] ?? '';
    let value = req.rawHeaders[at + 1] ?? '';
    if (/^(?:upgrade|http2-settings)$/i.test(name)) continue;
    if (/^connection$/i.test(name)) {
      value = value
        .split(',')
        .filter((option) => !/^\s*(?:upgrade|http2-settings)\s*$/i.test(option))
        .join(',');
    }
    text += `${name}: ${value}\r\n`;
  }
  socket.pause();
  socket.unshift(Buffer.concat([Buffer.from(`${text}\r\n`, 'latin1'), head]));
  server.emit('connection', socket);
  socket.resume();
}
