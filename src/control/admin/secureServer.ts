/**
 * The admin port over TLS: a server as fastify wants it, with a certificate that can be replaced.
 *
 * The rule this file keeps: its limits are those of the plain one, and a pair that cannot be used
 * never takes the place of one that can.
 */
import type http from 'node:http';
import https from 'node:https';
import { type PairFiles, readPair } from '../certificates/pair.ts';

const timeouts = { requestTimeout: 30_000, keepAliveTimeout: 10_000 };
/** How often Node looks for what is late; its own 30 s would let half a head live for 40. */
const lookEveryMs = 1_000;
const headLimits = {
  headersTimeout: 10_000,
  maxHeaderSize: 16_384,
  connectionsCheckingInterval: lookEveryMs,
};
const handshakeTimeout = 10_000;

/** What fastify is told of the server beneath it. @param secure null: plain HTTP. */
export function serverOptions(secure: SecureServer | null) {
  const factory = secure === null ? {} : { serverFactory: secure.factory };
  return { ...timeouts, http: headLimits, ...factory };
}

export class SecureServer {
  #server: https.Server | null = null;
  #pair: { readonly cert: string; readonly key: string };

  private constructor(pair: { readonly cert: string; readonly key: string }) {
    this.#pair = pair;
  }

  /** @throws Fault CERTIFICATE_INVALID */
  static async open(files: PairFiles): Promise<SecureServer> {
    const { cert, key } = await readPair(files);
    return new SecureServer({ cert, key });
  }

  /** What fastify calls for its server; of its kind it knows the plain one. */
  readonly factory = (handler: http.RequestListener): http.Server => {
    const options = { ...this.#pair, ...headLimits, ...timeouts, handshakeTimeout };
    this.#server = https.createServer({ ...options, minVersion: 'TLSv1.2' }, handler);
    return this.#server as unknown as http.Server;
  };

  /** @returns puts the pair in force. @throws Fault CERTIFICATE_INVALID; the one before stays. */
  async read(files: PairFiles): Promise<() => void> {
    const { cert, key } = await readPair(files);
    return () => {
      this.#pair = { cert, key };
      this.#server?.setSecureContext({ ...this.#pair, minVersion: 'TLSv1.2' });
    };
  }
}
