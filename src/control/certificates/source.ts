/**
 * Where certificates come from: files, and authorities.
 *
 * The rule this file keeps: a source says what it has now and what went wrong; it hands nothing to
 * workers itself. Whatever it has is right: a pair whose key is another's never leaves its source.
 */
import type { Config } from '../../config/config.ts';
import type { CertificateEntry, ChallengeAnswers } from '../../wireTls.ts';
import type { CertificateStatus } from '../model/certificates.ts';

export interface CertificateSource {
  /** What is to be served now, in order of preference. */
  current(): Offer;
  /** Every certificate that is wanted, also one that is not to be had. */
  status(): readonly CertificateStatus[];
  /** Makes what `config` wants true, now and from now on; what fails is in `status`. Never rejects. */
  reload(config: Config): Promise<void>;
  /** @returns when nothing of it goes on. */
  close(): Promise<void>;
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
