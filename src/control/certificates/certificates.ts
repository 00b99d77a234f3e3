/**
 * All certificates of this Pointsman: what the sources have, joined, and handed to every worker.
 *
 * The rule this file keeps: there is one owner, the controller. A set goes out whole, one after the
 * other, and never twice the same; it holds keys, so it goes to workers and nowhere else: no log,
 * no event, no state.
 */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import type { Config } from '../../config/config.ts';
import { namesOf } from '../../config/preview.ts';
import { Fault, reasonOf } from '../../errors.ts';
import type { Log } from '../../log.ts';
import type {
  CertificateSet,
  ChallengeAnswers,
  ClientAuthority,
  TargetTls,
} from '../../wireTls.ts';
import type { CertificateStatus } from '../model/certificates.ts';
import type { CertificateTaker } from '../workers/dataPlane.ts';
import { readAuthority } from './pair.ts';
import type { CertificateSource, Changed } from './source.ts';

/** Keys of session tickets are kept for so long: whoever takes one can read what it sealed. */
const ticketKeysMs = 12 * 3_600_000;

export interface CertificatesOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly taker: CertificateTaker;
  /** In order of preference. */
  readonly sources: (changed: Changed) => readonly CertificateSource[];
}

export class Certificates {
  readonly #options: CertificatesOptions;
  readonly #sources: readonly CertificateSource[];
  #authorities: readonly ClientAuthority[] = [];
  #targetTls: readonly TargetTls[] = [];
  #ticketKeys = randomBytes(48).toString('base64');
  #sent = '';
  #sending: Promise<void> = Promise.resolve();
  /** Resolves when all sources have been read: what one has by itself is not sent before. */
  readonly #begun: Promise<void>;
  #begin: () => void = () => {};
  #closed = false;

  constructor(options: CertificatesOptions) {
    this.#options = options;
    this.#begun = new Promise((resolve) => {
      this.#begin = resolve;
    });
    this.#sources = options.sources(() => this.#changed());
  }

  /** @returns when every worker has the first set; with no TLS in the config it is empty. */
  async start(config: Config): Promise<void> {
    await this.reload(config);
    this.#keepRenewingTickets();
  }

  /** What cannot be read stays as it was, and is said in `status` and in the log. Never rejects. */
  async reload(config: Config): Promise<void> {
    await Promise.all(this.#sources.map((source) => source.reload(config)));
    const before = this.#authorities;
    this.#authorities = await this.#readAuthorities(config);
    // Sessions of clients that were let in by another authority are not to be resumed.
    if (JSON.stringify(before) !== JSON.stringify(this.#authorities)) this.#newTickets();
    const ofTargets = config.services.map(({ targetTls }) => [targetTls.id, targetTls] as const);
    this.#targetTls = [...new Map(ofTargets).values()];
    this.#begin();
    await this.publish();
  }

  status(): readonly CertificateStatus[] {
    return this.#sources.flatMap((source) => source.status());
  }

  /** Has every worker serve with what the sources have now. @returns when they do. Never rejects. */
  publish(): Promise<void> {
    this.#sending = this.#sending.then(() => this.#send());
    return this.#sending;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#begin();
    await Promise.all(this.#sources.map((source) => source.close()));
  }

  async #changed(): Promise<void> {
    await this.#begun;
    await this.publish();
  }

  async #send(): Promise<void> {
    const set = this.#set();
    const text = JSON.stringify(set);
    if (this.#closed || text === this.#sent) return;
    try {
      await this.#options.taker.certify(set);
      this.#sent = text;
    } catch (thrown) {
      this.#options.log.error({}, `The workers did not take the certificates: ${reasonOf(thrown)}`);
    }
  }

  #set(): CertificateSet {
    const offers = this.#sources.map((source) => source.current());
    const challenges: ChallengeAnswers = {
      http01: Object.assign({}, ...offers.map((one) => one.challenges.http01)),
      tlsAlpn01: Object.assign({}, ...offers.map((one) => one.challenges.tlsAlpn01)),
    };
    return {
      // Field by field: a source may know more of a certificate than a worker is to be told.
      certificates: offers
        .flatMap((offer) => offer.certificates)
        .map(({ id, names, cert, key, serial, notAfter, kind }) => {
          return { id, names, cert, key, serial, notAfter, kind };
        }),
      challenges,
      clientAuthorities: this.#authorities,
      targetTls: this.#targetTls,
      ticketKeys: this.#ticketKeys,
    };
  }

  async #readAuthorities({ services }: Config): Promise<readonly ClientAuthority[]> {
    const asking = services.filter(({ clientCa }) => clientCa !== null);
    return Promise.all(
      asking.map(async ({ name, clientCa, ...one }) => {
        const service = { service: name, hosts: namesOf(one) };
        try {
          return { ...service, ca: await readAuthority(clientCa ?? '') };
        } catch (thrown) {
          if (!(thrown instanceof Fault)) throw thrown;
          const known = this.#authorities.find((one) => one.service === name);
          const kept = known === undefined ? 'nobody is let in' : 'the last good one holds';
          this.#options.log.error({}, `clientCa of ${name}, ${kept}: ${thrown.message}`);
          return { ...service, ca: known?.ca ?? '' };
        }
      }),
    );
  }

  #newTickets(): void {
    this.#ticketKeys = randomBytes(48).toString('base64');
  }

  #keepRenewingTickets(): void {
    this.#options.clock.after(ticketKeysMs, () => {
      if (this.#closed) return;
      this.#newTickets();
      void this.publish();
      this.#keepRenewingTickets();
    });
  }
}
