/**
 * What the control plane tells the data plane of TLS: how it is spoken, and with which keys.
 *
 * The rule this file keeps: as that of `wire.ts`, and one more. What stands in a table may be seen
 * by anybody who looks after Pointsman; what holds a key travels alone, and is never part of one.
 */

/** How a service stands to HTTPS. */
export interface ServiceTls {
  /** `off`: it is reached by plain HTTP alone; `auto`: its hosts get certificates by ACME. */
  readonly mode: 'default' | 'auto' | 'off';
  /** What probes ask for, and load balancers too: never redirected. */
  readonly healthPath: string;
}

/** How TLS is spoken; nothing secret is in it. */
export interface EdgeTls {
  readonly minimum: '1.2' | '1.3';
  /** A name without a certificate gets the first one, or an alert. */
  readonly unknown: 'default' | 'refuse';
  /** Plain HTTP is sent to HTTPS, where the host has a certificate. */
  readonly redirect: boolean;
  /** The port clients reach HTTPS at; null: the one that is listened on. */
  readonly redirectPort: number | null;
  /** HTTP/2 is offered. */
  readonly http2: boolean;
}

/**
 * A certificate with its key. Never part of a table: tables are dumped and compared, and a key is
 * nothing to look at.
 */
export interface CertificateEntry {
  /** SHA-256 of the certificate and its key: the same id is the same pair. */
  readonly id: string;
  /** DNS names and addresses of the certificate, lower case; `*.suffix` too. */
  readonly names: readonly string[];
  /** PEM: the certificate, then those between it and the authority. */
  readonly cert: string;
  /** PEM */
  readonly key: string;
  /** Hexadecimal, as `openssl x509 -serial` has it. */
  readonly serial: string;
  /** ISO */
  readonly notAfter: string;
  /** `temporary`: self-signed, until the authority has given a real one. */
  readonly kind: 'file' | 'acme' | 'temporary';
}

/** What an authority asks of us, to see that a name is ours (RFC 8555 section 8, RFC 8737). */
export interface ChallengeAnswers {
  /** Key authorization, by token. */
  readonly http01: Readonly<Record<string, string>>;
  /** Certificate and key in PEM, by name. */
  readonly tlsAlpn01: Readonly<Record<string, { readonly cert: string; readonly key: string }>>;
}

/** Who may come to a service: those whose certificate one of these authorities has signed. */
export interface ClientAuthority {
  readonly service: string;
  readonly hosts: readonly string[];
  /** PEM */
  readonly ca: string;
}

/** How targets with `https://` are verified, and who we are to them. */
export interface TargetTls {
  /** SHA-256 of the rest: the same id is the same. */
  readonly id: string;
  /** What their certificates have to be for; null: for the host that each is reached by. */
  readonly serverName: string | null;
  /** false: whatever they show is taken. */
  readonly verify: boolean;
  /** PEM; null: the system's authorities. */
  readonly ca: string | null;
  /** What we show, and its key, PEM; null: nothing. */
  readonly cert: string | null;
  readonly key: string | null;
}

/** All that a worker speaks TLS with; replaced whole. It holds keys: it is never logged. */
export interface CertificateSet {
  /** The first is the default. */
  readonly certificates: readonly CertificateEntry[];
  readonly challenges: ChallengeAnswers;
  readonly clientAuthorities: readonly ClientAuthority[];
  /** Of the services, each once. A controller of before tells none. */
  readonly targetTls?: readonly TargetTls[];
  /** 48 bytes in base64: the same in every worker, so that a session resumes in any of them. */
  readonly ticketKeys: string;
}
