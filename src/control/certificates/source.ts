/**
 * Where certificates come from: files, and authorities.
 *
 * The rule this file keeps: a source says what it has now and what went wrong; it hands nothing to
 * workers itself. Whatever it has is right: a pair whose key is another's never leaves its source.
 */
import type { Config } from '../../config/config.ts';
import type { CertificateEntry, CertificateSet, ChallengeAnswers } from '../../wireTls.ts';

export interface CertificateSource {
  /** What is to be served now, in order of preference. */
  current(): Offer;
  /** Every certificate that is wanted, also one that is not to be had. */
  status(): readonly CertificateStatus[];
  /** Makes what `config` wants true, now and from now on; what fails is in `status`. Never rejects. */
  reload(config: Config): Promise<void>;
  close(): void;
}

export interface Offer {
  readonly certificates: readonly CertificateEntry[];
  readonly challenges: ChallengeAnswers;
}

/**
 * What a source calls when `current` says something else.
 *
 * @returns when every worker serves with it. Never rejects.
 */
export type Changed = () => Promise<void>;

export const noChallenges: ChallengeAnswers = { http01: {}, tlsAlpn01: {} };

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

/** The workers as far as TLS goes. What is handed over holds keys. */
export interface CertificateTaker {
  /**
   * Every worker speaks TLS with this from now on; connections that stand keep what they have. A
   * worker that starts later is given the last set before it listens.
   *
   * @returns when every worker has answered, or has ended.
   */
  certify(set: CertificateSet): Promise<void>;
}
