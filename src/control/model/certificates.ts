/**
 * How certificates stand, as operators and monitoring are told.
 *
 * The rule this file keeps: nothing in it is secret.
 */

/** How a certificate stands. Nothing in it is secret. */
export interface CertificateStatus {
  /** The file it stands in, or what it is called where an authority gives it. */
  readonly name: string;
  /** `temporary`: self-signed, until the authority has given a real one. */
  readonly source: 'file' | 'acme' | 'temporary';
  /** The service it is for; null: for whoever has a name in it. */
  readonly service: string | null;
  readonly names: readonly string[];
  /** Of the one that is served; null: there is none. */
  readonly serial: string | null;
  readonly issuer: string | null;
  /** ISO */
  readonly notAfter: string | null;
  /** Why a newer one was not taken, or not given; null: nothing is wrong. */
  readonly lastError: string | null;
  /** ISO */
  readonly lastErrorAt: string | null;
  /** When it is asked for again, ISO; null for files, which are looked at all the time. */
  readonly nextTryAt: string | null;
}
