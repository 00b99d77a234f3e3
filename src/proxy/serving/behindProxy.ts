/**
 * Connections of proxies that say in front of each whose it is (`proxyProtocol` in the config).
 *
 * The rule this file keeps: who is listed has to say it, and nobody else is heard, as the
 * specification wants it; were it guessed, a client could say it of itself. Where nobody is listed,
 * a connection is given on in the same turn.
 */
import type { Socket } from 'node:net';
import type { FaultCode } from '../../errors.ts';
import { answerToNoRequest } from '../answers.ts';
import { clientAddress, TrustedProxies } from '../edge/trustedProxies.ts';
import type { Plane } from '../plane.ts';
import { sayAddress } from '../tls/saidAddress.ts';
import { readProxyHeader } from './proxyHeader.ts';

/** A proxy sends it at once, together with the first bytes or before them. */
export const proxyHeaderMsMax = 5_000;

const missing: FaultCode = 'PROXY_HEADER_MISSING';

/**
 * @param serve takes a connection that nothing was read from, or what was is back in it.
 * @param secure a handshake follows, so an answer in plain text would not be understood.
 */
export function behindProxy(
  plane: Plane,
  secure: boolean,
  serve: (socket: Socket) => void,
): (socket: Socket) => void {
  let listed: TrustedProxies | null = null;
  plane.onEdge(({ proxyProtocol = [] }) => {
    listed = proxyProtocol.length === 0 ? null : new TrustedProxies(proxyProtocol);
  });
  return (socket) => {
    if (listed?.trusts(clientAddress(socket))) listen(plane, secure, socket, serve);
    else serve(socket);
  };
}

function listen(
  plane: Plane,
  secure: boolean,
  socket: Socket,
  serve: (socket: Socket) => void,
): void {
  let come: Buffer = Buffer.alloc(0);
  const stop = (): void => {
    cancel();
    socket.off('data', read);
    socket.off('end', refuse);
    socket.off('close', stop);
  };
  const refuse = (): void => {
    stop();
    plane.countUnrouted(missing);
    // Whoever set it up wrongly shall see it; the rest is not read, so the end is not clean.
    if (!secure) socket.write(answerToNoRequest(missing, plane.clock.date()), 'latin1');
    socket.destroySoon();
  };
  const read = (bytes: Buffer): void => {
    come = come.length === 0 ? bytes : Buffer.concat([come, bytes]);
    const header = readProxyHeader(come);
    if (header === 'more') return;
    if (header === 'none') {
      refuse();
      return;
    }
    stop();
    socket.pause();
    if (header.address !== null) sayAddress(socket, header.address);
    if (come.length > header.bytes) socket.unshift(come.subarray(header.bytes));
    socket.off('error', ignore);
    serve(socket);
    // A handshake reads for itself.
    if (!secure) socket.resume();
  };
  const cancel = plane.clock.after(proxyHeaderMsMax, refuse);
  socket.on('error', ignore);
  socket.on('data', read);
  socket.on('end', refuse);
  socket.on('close', stop);
  socket.resume();
}

/** 'close' follows, and says all there is to say. */
function ignore(): void {}
