/**
 * Certificates that stand in files, put there by somebody else and replaced there.
 *
 * The rule this file keeps: a pair that is bad, or is another's, never takes the place of a good
 * one; what is wrong is said once, and for as long as it is. Files are looked at by their stamps
 * twice a second and not watched: a watch is lost with the link, the mount or the folder it was on.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../clock.ts';
import type { CertificateFiles, Config } from '../../config/config.ts';
import { Fault, reasonOf } from '../../errors.ts';
import type { Log } from '../../log.ts';
import type { CertificateStatus } from '../model/certificates.ts';
import { invalid, isOpenToAll, type Pair, type PairFiles, readPair, stampOf } from './pair.ts';
import { type CertificateSource, type Changed, noChallenges, type Offer } from './source.ts';

const lookEveryMs = 500;
/** In one folder; more are left out, and said so. */
const pairsMax = 1_000;

/** Folders that cannot be looked into, why, and since when. */
type FolderErrors = Map<string, { readonly what: string; readonly at: string }>;

/** One pair of files, and what became of it. */
interface Watched {
  readonly files: PairFiles;
  /** As it was at the last reading; '' before any. */
  stamp: string;
  good: Pair | null;
  error: string | null;
  errorAt: string | null;
  /** What was wrong at the last look: said only if the next finds the same, as two files never change at once. */
  suspected: string | null;
  warned: boolean;
}

export interface FileCertificatesOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly changed: Changed;
}

export class FileCertificates implements CertificateSource {
  readonly #options: FileCertificatesOptions;
  #wanted: readonly CertificateFiles[] = [];
  #watched = new Map<string, Watched>();
  #folderErrors: FolderErrors = new Map();
  #looking: Promise<void> | null = null;
  #closed = false;
  #ticking = false;

  constructor(options: FileCertificatesOptions) {
    this.#options = options;
  }

  current(): Offer {
    const certificates = [...this.#watched.values()].flatMap(({ good }) => good ?? []);
    return { certificates, challenges: noChallenges };
  }

  status(): readonly CertificateStatus[] {
    const pairs = [...this.#watched.values()].map(({ files, good, error, errorAt }) => ({
      name: files.cert,
      source: 'file' as const,
      service: null,
      names: good?.names ?? [],
      serial: good?.serial ?? null,
      issuer: good?.issuer ?? null,
      notAfter: good?.notAfter ?? null,
      lastError: error,
      lastErrorAt: errorAt,
      nextTryAt: null,
    }));
    const folders = [...this.#folderErrors].map(([folder, { what, at }]) => ({
      name: folder,
      source: 'file' as const,
      service: null,
      names: [],
      serial: null,
      issuer: null,
      notAfter: null,
      lastError: what,
      lastErrorAt: at,
      nextTryAt: null,
    }));
    return [...pairs, ...folders];
  }

  async reload(config: Config): Promise<void> {
    this.#wanted = config.tls?.certificates ?? [];
    await this.#looking;
    // Two files may be caught in between as well as right: at a reload the second look is at once.
    await this.#look(true);
    if (!this.#ticking) this.#tick();
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#looking;
  }

  #tick(): void {
    this.#ticking = true;
    this.#options.clock.after(lookEveryMs, () => {
      if (this.#closed) return;
      this.#looking = this.#look(false).finally(() => {
        this.#looking = null;
        this.#tick();
      });
    });
  }

  async #look(sure: boolean): Promise<void> {
    const before = this.#ids();
    const files = await this.#listed();
    const watched = new Map<string, Watched>();
    for (const one of files) {
      const key = `${one.cert}\n${one.key}`;
      watched.set(key, this.#watched.get(key) ?? fresh(one));
    }
    this.#watched = watched;
    await Promise.all([...watched.values()].map((one) => this.#lookAt(one, sure)));
    if (this.#closed || this.#ids() === before) return;
    // The workers are not waited for: while all sources are read they wait for this one.
    void this.#options.changed();
  }

  async #lookAt(one: Watched, sure: boolean): Promise<void> {
    try {
      const stamp = await stampOf(one.files).catch((thrown) => {
        // Files that were away come back with the stamp that they had, and are to be read again.
        one.stamp = '';
        throw thrown;
      });
      if (stamp === one.stamp && one.suspected === null && !(sure && one.error !== null)) return;
      one.stamp = stamp;
      const pair = await readPair(one.files);
      this.#checkTime(pair, one);
      one.suspected = null;
      this.#took(one, pair);
      await this.#warnOpen(one);
    } catch (thrown) {
      if (!(thrown instanceof Fault)) throw thrown;
      this.#refused(one, thrown.message, sure);
    }
  }

  /** One that is not valid now is better than none, and worse than one that is. @throws Fault */
  #checkTime({ notBefore, notAfter, id }: Pair, { good, files }: Watched): void {
    if (good === null || good.id === id) return;
    const now = this.#options.clock.date().toISOString();
    if (notAfter < now)
      throw invalid(files.cert, `wanted one that is valid, found one that ended ${notAfter}`);
    if (notBefore > now) {
      throw invalid(files.cert, `wanted one that is valid, found one that begins ${notBefore}`);
    }
  }

  #took(one: Watched, pair: Pair): void {
    const again = one.good?.id === pair.id && one.error === null;
    one.good = pair;
    one.error = null;
    one.errorAt = null;
    if (again) return;
    const { names, serial, notAfter } = pair;
    const what = `serial ${serial}, valid until ${notAfter}`;
    this.#options.log.info({ names, serial, notAfter }, `Certificate ${one.files.cert}: ${what}`);
  }

  #refused(one: Watched, what: string, sure: boolean): void {
    if (!sure && one.suspected !== what) {
      one.suspected = what;
      return;
    }
    one.suspected = null;
    if (one.error === what) return;
    one.error = what;
    one.errorAt = this.#options.clock.date().toISOString();
    const kept =
      one.good === null ? 'there is none to serve instead' : 'the last good one is served';
    this.#options.log.error({}, `Certificate not taken, ${kept}: ${what}`);
  }

  async #warnOpen(one: Watched): Promise<void> {
    if (one.warned || !(await isOpenToAll(one.files).catch(() => false))) return;
    one.warned = true;
    const what = `${one.files.key} can be read by everybody on this machine: chmod 600 it.`;
    this.#options.log.warn({}, what);
  }

  async #listed(): Promise<readonly PairFiles[]> {
    const errors: FolderErrors = new Map();
    const all: PairFiles[] = [];
    for (const one of this.#wanted) {
      if (!('folder' in one)) all.push(one);
      else all.push(...(await this.#inFolder(one.folder, errors)));
    }
    this.#folderErrors = errors;
    return all;
  }

  async #inFolder(folder: string, errors: FolderErrors): Promise<PairFiles[]> {
    try {
      const entries = new Set(await readdir(folder));
      const certs = [...entries].filter((name) => /^[^.].*\.(?:pem|crt)$/.test(name)).sort();
      if (certs.length > pairsMax) throw new Error(`wanted at most ${pairsMax} certificates`);
      return certs.map((name) => {
        const key = name.replace(/\.(?:pem|crt)$/, '.key');
        // One file may hold both.
        return { cert: join(folder, name), key: join(folder, entries.has(key) ? key : name) };
      });
    } catch (thrown) {
      const what = `${folder}: wanted a folder of certificates: ${reasonOf(thrown)}`;
      const before = this.#folderErrors.get(folder);
      if (before?.what !== what) this.#options.log.error({}, `Certificates not taken: ${what}`);
      const at = before?.what === what ? before.at : this.#options.clock.date().toISOString();
      errors.set(folder, { what, at });
      // What was there is served on: a mount may be away for a moment.
      const inside = (file: string): boolean => file.startsWith(join(folder, '/'));
      return [...this.#watched.values()]
        .map(({ files }) => files)
        .filter(({ cert }) => inside(cert));
    }
  }

  #ids(): string {
    return [...this.#watched.values()].map(({ good }) => good?.id ?? '').join(' ');
  }
}

function fresh(files: PairFiles): Watched {
  return {
    files,
    stamp: '',
    good: null,
    error: null,
    errorAt: null,
    suspected: null,
    warned: false,
  };
}
