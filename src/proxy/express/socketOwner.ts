/**
 * Who hears of what happens on a client's socket.
 *
 * The rule this file keeps: the listeners are the same functions for all sockets, and find the
 * owner on the socket itself: a connection costs no closures, and one that is given to the general
 * lane takes none of them along.
 */
import type { Duplex } from 'node:stream';

export interface SocketOwner {
  received(bytes: Buffer): void;
  /** The client has shut its side. */
  clientEnded(): void;
  drained(): void;
  closed(): void;
}

const owner = Symbol('express connection');

/** A socket, as far as the lane looks into it; a TLS one says `encrypted`. */
export interface ClientSocket extends Duplex {
  [owner]?: SocketOwner | undefined;
  readonly remoteAddress?: string;
  readonly encrypted?: boolean;
}

export function own(socket: ClientSocket, by: SocketOwner): void {
  socket[owner] = by;
  socket.on('data', onData);
  socket.on('end', onEnd);
  socket.on('drain', onDrain);
  socket.on('error', onError);
  socket.on('close', onClose);
}

/** The socket lives on, and goes to somebody else. */
export function disown(socket: ClientSocket): void {
  forget(socket);
  socket.off('data', onData);
  socket.off('end', onEnd);
  socket.off('drain', onDrain);
  socket.off('error', onError);
  socket.off('close', onClose);
}

/** The socket is over: its owner hears no more. */
export function forget(socket: ClientSocket): void {
  socket[owner] = undefined;
}

function onData(this: ClientSocket, bytes: Buffer): void {
  this[owner]?.received(bytes);
}

function onEnd(this: ClientSocket): void {
  this[owner]?.clientEnded();
}

function onDrain(this: ClientSocket): void {
  this[owner]?.drained();
}

function onError(): void {
  // 'close' follows, and says all there is to say.
}

function onClose(this: ClientSocket): void {
  this[owner]?.closed();
}
