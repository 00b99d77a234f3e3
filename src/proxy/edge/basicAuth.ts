/**
 * Names and passwords that a service asks for (RFC 7617).
 *
 * The rule this file keeps: what was once found right or wrong is known at once from then on, until
 * the config changes; what is not known is found out off the event loop, one at a time, whether the
 * name is one of ours or not. So guessing is slow, tells no names, and slows nobody down who has
 * been let in. Nothing is kept that a password could be read from.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { isPassword } from '../../passwordHash.ts';
import type { PasswordHash, BasicAuth as Wanted } from '../../wireEdge.ts';

/** In each worker and for each service; the oldest are forgotten. */
const knownMax = 10_000;
/** Longer ones are no name and password. */
const headerCharsMax = 1024;
/** That wait in this worker, and of one address. */
const waitingMax = 64;
const waitingOfOneMax = 4;

export type Verdict = 'right' | 'wrong' | 'busy';

/** In this process they are found out one after the other: each takes a core and 32 MiB. */
let last: Promise<unknown> = Promise.resolve();
let waiting = 0;
const waitingOf = new Map<string, number>();

export class BasicAuth {
  /** What is said to those who are not let in. */
  readonly challenge: string;
  readonly #users: ReadonlyMap<string, PasswordHash>;
  /** Stands in for those that are not there, so that they take as long. */
  readonly #decoy: PasswordHash | undefined;
  readonly #key = randomBytes(32);
  /** Credentials that were found right or wrong, by their digest. */
  readonly #known = new Map<string, boolean>();
  readonly #pending = new Map<string, Promise<boolean>>();

  constructor({ realm, users }: Wanted) {
    this.challenge = `Basic realm="${realm}", charset="UTF-8"`;
    this.#users = new Map(users.map(({ name, hash }) => [name, hash]));
    this.#decoy = users[0]?.hash;
  }

  /** @param raw header names and values in turn. @returns undefined: it has to be found out. */
  look(raw: readonly string[]): 'right' | 'wrong' | undefined {
    const header = authorizationOf(raw);
    if (header === undefined || credentialsIn(header) === undefined) return 'wrong';
    const known = this.#known.get(this.#digest(header));
    return known === undefined ? undefined : known ? 'right' : 'wrong';
  }

  /** @param address of the client: each has so many that wait. */
  async find(raw: readonly string[], address: string): Promise<Verdict> {
    const header = authorizationOf(raw) ?? '';
    const known = this.look(raw);
    if (known !== undefined) return known;
    const digest = this.#digest(header);
    let found = this.#pending.get(digest);
    if (found === undefined) {
      const ofOne = waitingOf.get(address) ?? 0;
      if (waiting >= waitingMax || ofOne >= waitingOfOneMax) return 'busy';
      found = queued(address, () => this.#check(header)).finally(() => {
        this.#pending.delete(digest);
      });
      this.#pending.set(digest, found);
    }
    // Without memory for it nothing is found out, and nobody is let in.
    const right = await found.catch(() => null);
    if (right === null) return 'busy';
    this.#remember(digest, right);
    return right ? 'right' : 'wrong';
  }

  async #check(header: string): Promise<boolean> {
    const { name = '', password = '' } = credentialsIn(header) ?? {};
    const hash = this.#users.get(name) ?? this.#decoy;
    if (hash === undefined) return false;
    return (await isPassword(password, hash)) && this.#users.has(name);
  }

  #remember(digest: string, right: boolean): void {
    this.#known.set(digest, right);
    if (this.#known.size <= knownMax) return;
    const oldest = this.#known.keys().next().value;
    if (oldest !== undefined) this.#known.delete(oldest);
  }

  #digest(header: string): string {
    return createHmac('sha256', this.#key).update(header, 'latin1').digest('base64');
  }
}

function queued<T>(address: string, work: () => Promise<T>): Promise<T> {
  waiting++;
  waitingOf.set(address, (waitingOf.get(address) ?? 0) + 1);
  const done = last.then(work);
  last = done.catch(() => {});
  return done.finally(() => {
    waiting--;
    const left = (waitingOf.get(address) ?? 1) - 1;
    if (left === 0) waitingOf.delete(address);
    else waitingOf.set(address, left);
  });
}

/** undefined: none, or more than one, and then nobody can say which is meant. */
function authorizationOf(raw: readonly string[]): string | undefined {
  let header: string | undefined;
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at] ?? '';
    if (name.length !== 13 || name.toLowerCase() !== 'authorization') continue;
    if (header !== undefined) return undefined;
    header = raw[at + 1];
  }
  return header !== undefined && header.length <= headerCharsMax ? header : undefined;
}

function credentialsIn(header: string): { name: string; password: string } | undefined {
  const encoded = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(header)?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon === -1 ? undefined : { name: text.slice(0, colon), password: text.slice(colon + 1) };
}
