/**
 * The TLS side of a worker: takes connections that nothing was read from, and gives the lanes the
 * decrypted ones.
 *
 * The rule this file keeps: whatever a client sends, there is a handshake, an alert or an end, and
 * no exception: one in `SNICallback` would end the process (CVE-2026-21637). What is served follows
 * the last set of certificates; connections that stand keep theirs.
 *
 * Decisions:
 * - HTTP/2 is taken before HTTP/1.1, where the config has it. A client that offers protocols, and
 *   neither is one of them, gets the alert that RFC 7301 has for it.
 * - An authority that asks by tls-alpn-01 is answered by a server of its own: a certificate that is
 *   changed in `ALPNCallback` is one too late, since OpenSSL has chosen the key by then.
 * - So are hosts whose clients need a certificate: whether a server asks for one is decided before
 *   it has read the name. Both take a look at the first bytes, and only while there is a reason.
 * - What `SNICallback` gives is put beside the certificate that the server has itself, and of two
 *   kinds of keys OpenSSL takes the one it likes better: a name with a certificate of RSA was shown
 *   the default one of EC. So where there are several kinds, names are answered by a server that
 *   has none itself; clients that say no name, by the one that has the default.
 */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import tls, { type TLSSocket, type TlsOptions } from 'node:tls';
import type { Clock } from '../../clock.ts';
import type { CertificateEntry, ClientAuthority, EdgeTls } from '../../wireTls.ts';
import { type Certificates, sessionIdContextOf } from './certificates.ts';
import { readClientHello } from './clientHello.ts';
import { type HandshakeCounts, Handshakes } from './handshakes.ts';

/** Protocol of RFC 8737. */
const acmeProtocol = 'acme-tls/1';
const http1Protocol = 'http/1.1';
const http2Protocol = 'h2';

/** Which authority has signed the certificate of the client at the other end. */
const knownTo = new WeakMap<Duplex, string>();

/** Whether the client of this connection has shown a certificate of that authority. */
export function isKnownTo(socket: Duplex, authority: ClientAuthority): boolean {
  return knownTo.get(socket) === authority.ca;
}

/** What the entrance has to know of the worker it belongs to. */
export interface TlsSurroundings {
  readonly clock: Clock;
  readonly certificates: Certificates;
  readonly handshakes: HandshakeCounts;
  readonly edge: { readonly tls: EdgeTls | null };
  /** Calls `listener` now and whenever the edge may have changed. */
  onEdge(listener: (edge: { readonly tls: EdgeTls | null }) => void): void;
}

/**
 * @param serve takes those that speak HTTP/1.
 * @param serveHttp2 takes those that have agreed on HTTP/2.
 * @returns serves a connection that begins with a handshake.
 */
export function createTlsEntrance(
  around: TlsSurroundings,
  serve: (socket: Socket) => void,
  serveHttp2: (socket: Socket) => void,
): (socket: Socket) => void {
  const entrance = new TlsEntrance(around, serve, serveHttp2);
  return (socket) => entrance.take(socket);
}

class TlsEntrance {
  readonly #around: TlsSurroundings;
  readonly #certificates: Certificates;
  readonly #serve: (socket: Socket) => void;
  readonly #serveHttp2: (socket: Socket) => void;
  readonly #handshakes: Handshakes;
  /** Has the default certificate. */
  readonly #main: tls.Server;
  /** Has none but by name. */
  readonly #named: tls.Server;
  readonly #challenges: tls.Server;
  /** Servers that ask for a client's certificate, by the authority it must come from. */
  readonly #asking = new Map<string, tls.Server>();
  /** The part of the edge that was last put to use. */
  #spoken = '';

  constructor(
    around: TlsSurroundings,
    serve: (socket: Socket) => void,
    serveHttp2: (socket: Socket) => void,
  ) {
    this.#around = around;
    this.#certificates = around.certificates;
    this.#serve = serve;
    this.#serveHttp2 = serveHttp2;
    this.#handshakes = new Handshakes(around.clock, around.handshakes);
    this.#main = this.#server({
      ALPNCallback: ({ protocols }) => this.#agreeOn(protocols),
      SNICallback: (name, done) => done(null, this.#contextOf(name) ?? undefined),
    });
    this.#named = this.#server({
      ALPNCallback: ({ protocols }) => this.#agreeOn(protocols),
      SNICallback: (name, done) => done(null, this.#shownTo(name) ?? undefined),
    });
    this.#challenges = this.#server({
      ALPNProtocols: [acmeProtocol],
      SNICallback: (name, done) => done(null, this.#challengeOf(name) ?? undefined),
    });
    this.#certificates.onChange(() => this.#renew());
    around.onEdge((edge) => {
      const now = `${edge.tls?.minimum} ${edge.tls?.unknown}`;
      if (now === this.#spoken) return;
      this.#spoken = now;
      this.#renew();
    });
  }

  take(socket: Socket): void {
    // The TLS socket hears of it too, and is the one that says so.
    socket.on('error', () => {});
    this.#handshakes.begin(socket);
    if (!this.#certificates.peeks) this.#main.emit('connection', socket);
    else this.#peek(socket);
  }

  /** Reads what the client says first, puts it back, and chooses who answers. */
  #peek(socket: Socket): void {
    let come: Buffer = Buffer.alloc(0);
    const read = (bytes: Buffer): void => {
      come = come.length === 0 ? bytes : Buffer.concat([come, bytes]);
      const hello = readClientHello(come);
      if (hello === 'more') return;
      socket.off('data', read);
      socket.off('end', ended);
      socket.pause();
      socket.unshift(come);
      const server = hello === null ? this.#main : this.#serverFor(hello.name, hello.protocols);
      server.emit('connection', socket);
    };
    const ended = (): void => void socket.destroy();
    socket.on('data', read);
    socket.on('end', ended);
    socket.resume();
  }

  #serverFor(name: string, protocols: readonly string[]): tls.Server {
    const { set } = this.#certificates;
    if (protocols.includes(acmeProtocol) && Object.hasOwn(set?.challenges.tlsAlpn01 ?? {}, name)) {
      return this.#challenges;
    }
    const authority = this.#certificates.authority(name);
    if (authority !== undefined) return this.#askingFor(authority);
    return name !== '' && this.#certificates.mixed ? this.#named : this.#main;
  }

  #askingFor(authority: ClientAuthority): tls.Server {
    const known = this.#asking.get(authority.ca);
    if (known !== undefined) return known;
    const options: TlsOptions = {
      requestCert: true,
      // Whoever has none gets an answer that says so, as people can read it.
      rejectUnauthorized: false,
      ALPNCallback: ({ protocols }) => this.#agreeOn(protocols),
      SNICallback: (name, done) => done(null, this.#shownTo(name, authority) ?? undefined),
    };
    const server = this.#server(options, authority);
    this.#asking.set(authority.ca, server);
    this.#renewOne(server, authority);
    return server;
  }

  #server(options: TlsOptions, authority?: ClientAuthority): tls.Server {
    const server = tls.createServer({ allowHalfOpen: true, ...options });
    server.on('secureConnection', (socket) => this.#secured(socket, authority));
    server.on('tlsClientError', (_, socket) => {
      this.#handshakes.failed();
      socket.destroy();
    });
    return server;
  }

  #secured(socket: TLSSocket, authority?: ClientAuthority): void {
    this.#handshakes.done(socket);
    if (socket.alpnProtocol === acmeProtocol) {
      socket.on('error', () => {});
      socket.end();
      return;
    }
    // A resumed session without a certificate may count as authorized: so it is looked at as well.
    const shown = socket.authorized && socket.getPeerX509Certificate() !== undefined;
    // Without an authority of ours Node asks those of the system: whom they know is a stranger.
    const asked = authority !== undefined && authority.ca !== '';
    if (asked && shown) knownTo.set(socket, authority.ca);
    if (socket.alpnProtocol === http2Protocol) this.#serveHttp2(socket);
    else this.#serve(socket);
  }

  #agreeOn(protocols: readonly string[]): string | undefined {
    const http2 = this.#around.edge.tls?.http2 === true;
    if (http2 && protocols.includes(http2Protocol)) return http2Protocol;
    return protocols.includes(http1Protocol) ? http1Protocol : undefined;
  }

  /** Never throws. null: the context of the server itself. */
  #contextOf(name: string, authority?: ClientAuthority): tls.SecureContext | null {
    const entry = this.#certificates.certificate(name);
    return entry === undefined ? null : this.#certificates.context(entry, authority);
  }

  /** As `#contextOf`, and what unknown names get. null: an alert. */
  #shownTo(name: string, authority?: ClientAuthority): tls.SecureContext | null {
    const named = this.#contextOf(name, authority);
    if (named !== null) return named;
    const { first } = this.#certificates;
    if (first === undefined || this.#around.edge.tls?.unknown === 'refuse') return null;
    return this.#certificates.context(first, authority);
  }

  #challengeOf(name: string): tls.SecureContext | null {
    try {
      const answer = this.#certificates.set?.challenges.tlsAlpn01[name.toLowerCase()];
      return answer === undefined ? null : tls.createSecureContext(answer);
    } catch {
      return null;
    }
  }

  /** Has every server speak with what holds now. */
  #renew(): void {
    const { set } = this.#certificates;
    if (set === null) return;
    this.#renewOne(this.#main, null, true);
    this.#renewOne(this.#named, null);
    const wanted = new Map(set.clientAuthorities.map((one) => [one.ca, one]));
    for (const [ca, server] of this.#asking) {
      const authority = wanted.get(ca);
      if (authority === undefined) this.#asking.delete(ca);
      else this.#renewOne(server, authority);
    }
  }

  /** @param shows whether it has the default certificate itself. */
  #renewOne(server: tls.Server, authority: ClientAuthority | null, shows = false): void {
    const { set, first } = this.#certificates;
    if (set === null) return;
    const { minimum = '1.2', unknown = 'default' } = this.#around.edge.tls ?? {};
    const common: TlsOptions = {
      minVersion: `TLSv${minimum}`,
      ticketKeys: Buffer.from(set.ticketKeys, 'base64'),
      sessionIdContext: sessionIdContextOf(authority ?? undefined),
      ...(authority === null ? {} : { ca: authority.ca }),
    };
    const shown = shows && unknown !== 'refuse' ? first : undefined;
    try {
      server.setSecureContext({ ...common, ...pairOf(shown) });
    } catch {
      // One that OpenSSL does not take: names that have another go on.
      server.setSecureContext(common);
    }
  }
}

function pairOf(entry: CertificateEntry | undefined): { cert: string; key: string } | object {
  return entry === undefined ? {} : { cert: entry.cert, key: entry.key };
}
