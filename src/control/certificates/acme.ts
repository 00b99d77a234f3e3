/**
 * Certificates that an authority gives, as a source among others: from the config to an owner, and
 * from what the owner says to what workers are handed.
 *
 * The rule this file keeps: one owner at a time, on one folder of the state; another authority or
 * account takes over when the one before has let go. What cannot be read leaves the owner that is
 * there in charge.
 */
import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../../clock.ts';
import type { AcmeConfig, Config } from '../../config/config.ts';
import { namesOf } from '../../config/preview.ts';
import { Fault } from '../../errors.ts';
import type { Log } from '../../log.ts';
import type { CertificateEntry, ChallengeAnswers } from '../../wireTls.ts';
import type { CertificateStatus } from '../model/certificates.ts';
import { Acme, type AcmeSettings, type ServedCertificate, wantedOf } from './acme/acme.ts';
import type { ManagedStatus } from './acme/managed.ts';
import type { Answer } from './acme/order.ts';
import type { Binding } from './acme/protocol/client.ts';
import { factsOfChain } from './acme/x509.ts';
import { readText } from './pair.ts';
import type { CertificateSource, Changed, Offer } from './source.ts';

export interface AcmeCertificatesOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  readonly stateDir: string;
  readonly version: string;
  readonly changed: Changed;
  readonly onBug: (thrown: unknown) => void;
}

export class AcmeCertificates implements CertificateSource {
  readonly #options: AcmeCertificatesOptions;
  #settings: AcmeSettings | null = null;
  #acme: Acme | null = null;
  #answers: readonly Answer[] = [];
  /** By the certificate and its key: reading one takes a while, and a set is made often. */
  #entries = new Map<string, CertificateEntry>();

  constructor(options: AcmeCertificatesOptions) {
    this.#options = options;
  }

  current(): Offer {
    const before = this.#entries;
    this.#entries = new Map();
    const certificates = (this.#acme?.certificates() ?? []).map((served) => {
      const key = served.cert + served.key + served.temporary;
      const entry = before.get(key) ?? entryOf(served);
      this.#entries.set(key, entry);
      return entry;
    });
    return { certificates, challenges: challengesOf(this.#answers) };
  }

  status(): readonly CertificateStatus[] {
    return (this.#acme?.statuses() ?? []).map(statusOf);
  }

  async reload({ tls, services }: Config): Promise<void> {
    const asking = services.filter((service) => service.tls.mode === 'auto');
    const wanted = wantedOf(
      asking.map((one) => ({
        name: one.name,
        hosts: namesOf(one).filter((host) => isIP(host) === 0),
      })),
    );
    const acme = tls?.acme ?? null;
    if (acme === null || wanted.length === 0) {
      await this.close();
      return;
    }
    try {
      const settings = await settingsOf(acme);
      if (this.#acme === null || !isDeepStrictEqual(settings, this.#settings)) {
        await this.close();
        this.#settings = settings;
        this.#acme = this.#open(settings);
      }
    } catch (thrown) {
      if (!(thrown instanceof Fault)) throw thrown;
      this.#options.log.error({ code: thrown.code }, `Certificates by ACME: ${thrown.message}`);
    }
    await this.#acme?.want(wanted);
  }

  async close(): Promise<void> {
    const acme = this.#acme;
    await acme?.close();
    this.#acme = null;
    this.#answers = [];
  }

  #open(settings: AcmeSettings): Acme {
    const { stateDir, version, clock, random, log, changed, onBug } = this.#options;
    return new Acme({
      settings,
      stateDir,
      version,
      clock,
      random,
      log,
      changed: () => void changed(),
      present: async (answers) => {
        this.#answers = answers;
        await changed();
      },
      tell: (what, status) => this.#tell(what, status),
      onBug,
    });
  }

  #tell(what: 'issued' | 'failed', status: ManagedStatus): void {
    const { log } = this.#options;
    const { service, names, serial, authority, lastError, failures } = status;
    const nextTryAt = isoOf(status.nextTryAt);
    if (what === 'issued') {
      const notAfter = isoOf(status.notAfter);
      const until = `serial ${serial}, valid until ${notAfter}`;
      log.info({ service, names, serial, notAfter }, `Certificate of ${authority}: ${until}`);
    } else {
      const detail = { service, names, failures, nextTryAt };
      log.error(detail, `No certificate from ${authority}: ${lastError}`);
    }
  }
}

/** @throws Fault CERTIFICATE_INVALID where a file cannot be read. */
export async function settingsOf(config: AcmeConfig): Promise<AcmeSettings> {
  const { directory, email, profile, eab, caFile, challenges, key } = config;
  const binding: Binding | null =
    eab === null ? null : { kid: eab.kid, hmacKey: (await readText(eab.keyFile)).trim() };
  const roots = caFile === null ? null : await readText(caFile);
  return { directory, email, profile, keyType: key, challenges, binding, roots };
}

function entryOf({ names, cert, key, temporary }: ServedCertificate): CertificateEntry {
  const { serial, notAfter } = factsOfChain(cert);
  return {
    id: createHash('sha256').update(cert).update(key).digest('hex'),
    names: names.map((name) => name.toLowerCase()),
    cert,
    key,
    serial: serial.toUpperCase(),
    notAfter: new Date(notAfter).toISOString(),
    kind: temporary ? 'temporary' : 'acme',
  };
}

function challengesOf(answers: readonly Answer[]): ChallengeAnswers {
  const http01: Record<string, string> = {};
  const tlsAlpn01: Record<string, { cert: string; key: string }> = {};
  for (const answer of answers) {
    if (answer.type === 'http-01') http01[answer.token] = answer.body;
    else tlsAlpn01[answer.name.toLowerCase()] = answer.pair;
  }
  return { http01, tlsAlpn01 };
}

function statusOf(status: ManagedStatus): CertificateStatus {
  const { id, source, service, names, issuer, serial, lastError } = status;
  return {
    name: id,
    source,
    service,
    names,
    serial: serial?.toUpperCase() ?? null,
    issuer,
    notAfter: isoOf(status.notAfter),
    lastError,
    lastErrorAt: isoOf(status.lastErrorAt),
    nextTryAt: isoOf(status.nextTryAt),
  };
}

function isoOf(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
