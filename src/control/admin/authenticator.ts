/**
 * Who a caller is: the holder of the operator's token, of the reader's, or nobody.
 *
 * The rule this file keeps: tokens are compared in constant time, and before anything is counted:
 * no number of wrong ones keeps a right one out, since behind a NAT or a proxy a stranger has the
 * operator's address. What is throttled is the wrong ones: an address that has tried `guessesMax`
 * different ones is told to wait. What keeps a token from being guessed is its length.
 *
 * A cookie is another way to an `Identity`; see session.ts.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import type { Clock } from '../../clock.ts';
import { Fault } from '../../errors.ts';
import type { Headers } from './call.ts';

export interface Identity {
  readonly name: string;
  /** A reader may look; an operator may also act. */
  readonly role: 'operator' | 'reader';
}

/** Different wrong tokens that one address may try in one window. */
export const guessesMax = 20;
export const guessWindowMs = 60_000;
/** Addresses remembered at once; the oldest is forgotten. */
const addressesMax = 1000;

const tokenCharactersMin = 16;
const tokenBytesMax = 4096;

interface Guesses {
  readonly since: number;
  readonly digests: Set<string>;
}

export class Authenticator {
  #digest: Buffer | null;
  #readDigest: Buffer | null;
  readonly #clock: Clock;
  readonly #guesses = new Map<string, Guesses>();

  /**
   * @param token null: none is set, and everybody who reaches the port is its operator.
   * @param readToken lets its holder look; null: there is none.
   */
  constructor(token: string | null, clock: Clock, readToken: string | null = null) {
    this.#digest = token === null ? null : digestOf(token);
    this.#readDigest = readToken === null ? null : digestOf(readToken);
    this.#clock = clock;
  }

  /** Whether a token is needed at all. */
  get guards(): boolean {
    return this.#digest !== null;
  }

  /** @returns whether it differs from the former one. */
  replace(token: string | null, readToken: string | null = null): boolean {
    const before = [this.#digest, this.#readDigest].map((digest) => digest?.toString('hex'));
    this.#digest = token === null ? null : digestOf(token);
    this.#readDigest = readToken === null ? null : digestOf(readToken);
    const after = [this.#digest, this.#readDigest].map((digest) => digest?.toString('hex'));
    return before.join() !== after.join();
  }

  /**
   * @param address of the peer.
   * @throws Fault UNAUTHORIZED, RATE_LIMITED
   */
  identify(headers: Headers, address: string): Identity {
    if (!this.#digest) return { name: 'anybody', role: 'operator' };
    const token = /^Bearer +([!-~]+) *$/i.exec(String(headers.authorization ?? ''))?.[1];
    if (token === undefined) {
      throw new Fault(
        'UNAUTHORIZED',
        'Send "Authorization: Bearer <token>" with the token of admin.tokenFile ' +
          '(the CLI: --token-file, or POINTSMAN_TOKEN_FILE).',
      );
    }
    return this.check(token, address);
  }

  /**
   * Whose token this is.
   *
   * @param address of the peer.
   * @throws Fault UNAUTHORIZED, RATE_LIMITED
   */
  check(token: string, address: string): Identity {
    const digest = digestOf(token);
    if (!this.#digest) return { name: 'anybody', role: 'operator' };
    if (timingSafeEqual(digest, this.#digest)) return { name: 'operator', role: 'operator' };
    if (this.#readDigest && timingSafeEqual(digest, this.#readDigest)) {
      return { name: 'reader', role: 'reader' };
    }
    this.#refuseGuesser(address, digest);
    this.#remember(address, digest);
    throw new Fault('UNAUTHORIZED', 'This is not the token of admin.tokenFile.');
  }

  #refuseGuesser(address: string, digest: Buffer): void {
    const guesses = this.#guesses.get(address);
    if (!guesses) return;
    const waitMs = guesses.since + guessWindowMs - this.#clock.now();
    if (waitMs <= 0) {
      this.#guesses.delete(address);
      return;
    }
    if (guesses.digests.size < guessesMax || guesses.digests.has(digest.toString('hex'))) return;
    const seconds = Math.ceil(waitMs / 1000);
    throw new Fault('RATE_LIMITED', `Too many wrong tokens. Try again in ${seconds} s.`, {
      retryAfterSeconds: seconds,
    });
  }

  #remember(address: string, digest: Buffer): void {
    const guesses = this.#guesses.get(address) ?? { since: this.#clock.now(), digests: new Set() };
    guesses.digests.add(digest.toString('hex'));
    this.#guesses.set(address, guesses);
    if (this.#guesses.size <= addressesMax) return;
    const oldest = this.#guesses.keys().next().value;
    if (oldest !== undefined) this.#guesses.delete(oldest);
  }
}

/**
 * Reads a token: one line of visible ASCII.
 *
 * @param warn is told when others may read the file than its owner, or of the reader's its group.
 * @throws Fault CONFIG_UNREADABLE, CONFIG_INVALID
 */
export async function readToken(
  file: string,
  warn: (message: string) => void,
  key: 'tokenFile' | 'readTokenFile' = 'tokenFile',
): Promise<string> {
  let text: string;
  try {
    const { mode, size } = await stat(file);
    if (size > tokenBytesMax) {
      throw new Fault('CONFIG_INVALID', `admin.${key}: ${file} is over ${tokenBytesMax} bytes.`);
    }
    // A scraper that shares the reader's token is let in by its group.
    const strangers = key === 'tokenFile' ? 0o077 : 0o007;
    if (mode & strangers) warn(`admin.${key}: others may read ${file}; chmod 600 it.`);
    text = (await readFile(file, 'utf8')).trim();
  } catch (cause) {
    if (cause instanceof Fault) throw cause;
    throw new Fault('CONFIG_UNREADABLE', `admin.${key}: ${file} cannot be read.`, { cause });
  }
  if (text.length < tokenCharactersMin || !/^[!-~]+$/.test(text)) {
    throw new Fault(
      'CONFIG_INVALID',
      `admin.${key}: ${file} must hold one line of at least ${tokenCharactersMin} visible ASCII ` +
        `characters without blanks; it holds ${text.length}. Make one with: openssl rand -hex 32`,
    );
  }
  return text;
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
