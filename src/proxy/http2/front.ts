/**
 * HTTP/2 towards clients: connections that have agreed on it in their handshake, each stream of
 * which is carried by the general lane as a request of its own.
 *
 * The rule this file keeps: a stream is claimed when it comes, so a flip moves streams and not
 * connections; and what one connection can have us hold has a bound.
 */
import http2 from 'node:http2';
import type { Socket } from 'node:net';
import type { LaneContext } from '../general/laneContext.ts';
import { ClientSession } from './clientSession.ts';

/**
 * RFC 9113 section 6.5.2 wants 100 at least. Streams that were reset count on for a moment in Node,
 * so it is twice that: a reload must not be refused for the page before it.
 */
export const streamsMax = 200;
/** Crumbs of cookies are fields of their own. */
const fieldsMax = 500;
/** What a stream may send ahead of a target that does not read; of all streams, some 25 MiB. */
const streamWindowBytes = 128 * 1024;
/** Sends on while its streams are read: Node opens it again with each byte that comes. */
const connectionWindowBytes = 1024 * 1024;
const memoryMaxMiB = 32;
/** Frames that are wrong, or empty: each costs us an answer, and no client sends them. */
const invalidFramesMax = 100;
/** So that what is too long for a service gets an answer that says so, and is not just reset. */
const headerRoom = 2;

/** @returns serves a connection behind its handshake, from which nothing was read. */
export function createHttp2Front(around: LaneContext): (socket: Socket) => void {
  const { plane } = around;
  const sessions = new Set<ClientSession>();
  const server = http2.createServer({
    maxSessionMemory: memoryMaxMiB,
    maxHeaderListPairs: fieldsMax,
    maxSessionInvalidFrames: invalidFramesMax,
    settings: {
      enablePush: false,
      maxConcurrentStreams: streamsMax,
      initialWindowSize: streamWindowBytes,
    },
  });
  plane.onEdge(() => {
    server.updateSettings({ maxHeaderListSize: plane.headerBytesMax * headerRoom });
  });
  let beneath: Socket | null = null;
  server.on('session', (session) => {
    // It is made in the turn in which its socket is given; that of the session is a guise.
    const socket = beneath as Socket;
    const served = new ClientSession(around, session, socket);
    sessions.add(served);
    socket.once('close', () => sessions.delete(served));
    session.setLocalWindowSize(connectionWindowBytes);
  });
  server.on('sessionError', () => {});
  plane.onClose(() => {
    for (const session of sessions) session.drain();
  });
  return (socket) => {
    // Nobody shuts one side alone in HTTP/2.
    socket.allowHalfOpen = false;
    beneath = socket;
    server.emit('connection', socket);
    beneath = null;
  };
}
