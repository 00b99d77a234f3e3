/**
 * Whose connection it is, where a trusted proxy has said so in front of it (PROXY protocol).
 *
 * The rule this file keeps: what was said of a connection holds behind its handshake too, and for
 * that connection alone.
 */
const said = new WeakMap<object, string>();

/** @param address of the client, as the proxy says it. */
export function sayAddress(socket: object, address: string): void {
  said.set(socket, address);
}

/** undefined: nothing was said, and the address is that of the connection. */
export function saidAddress(socket: object): string | undefined {
  return said.get(socket);
}

/** What was said of the connection beneath holds for the one on top of it. */
export function carryAddress(from: object, to: object): void {
  const address = said.get(from);
  if (address !== undefined) said.set(to, address);
}
