/**
 * Signing in with a browser: a token is shown once, and a cookie stands for it from then on.
 *
 * The rules this file keeps: the cookie holds a random name of the session and nothing else, no
 * script can read it, and no other site can make a browser send it. What changes something must
 * carry the session's CSRF token besides. Sessions live in this process alone, for `sessionMs`, at
 * most `sessionsMax` of each role, so that readers never sign an operator out; a changed token or a
 * restart ends all. A reader may look and never act, however it came in.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import { Fault } from '../../errors.ts';
import type { Authenticator, Identity } from './authenticator.ts';
import type { Headers } from './call.ts';
import { closed, nullable, oneOf, Type } from './shape.ts';

/** A working day and a half; then one signs in again. */
export const sessionMs = 12 * 3_600_000;
/** Of one role; the oldest of it is forgotten. */
export const sessionsMax = 1000;

export const SignInBody = closed({
  token: Type.String({ minLength: 1, maxLength: 4096, description: 'Of admin.tokenFile.' }),
});

/** What the page is told of itself. */
export const SessionState = closed({
  needed: Type.Boolean({ description: 'Whether a token must be shown.' }),
  role: nullable(oneOf(['operator', 'reader'])),
  csrf: nullable(
    Type.String({ description: 'To be sent as X-CSRF-Token with what changes something.' }),
  ),
});

/** Who sends a request, as far as it can be seen. */
export interface Caller {
  readonly method: string;
  readonly headers: Headers;
  /** Of the peer. */
  readonly address: string;
  /** Of ours: two Pointsmen on one host would overwrite each other's cookies. */
  readonly port: number;
  /** Over TLS. */
  readonly secure: boolean;
}

interface Session {
  readonly identity: Identity;
  readonly csrf: string;
  readonly endsMs: number;
}

interface SessionAnswer {
  readonly state: {
    readonly needed: boolean;
    readonly role: Identity['role'] | null;
    readonly csrf: string | null;
  };
  /** For Set-Cookie; null: leave it as it is. */
  readonly cookie: string | null;
}

export class Sessions {
  readonly #clock: Clock;
  readonly #authenticator: Authenticator;
  /** By the digest of the cookie, oldest first: looking one up tells nothing about the others. */
  readonly #sessions = new Map<string, Session>();

  constructor(clock: Clock, authenticator: Authenticator) {
    this.#clock = clock;
    this.#authenticator = authenticator;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /**
   * By the Authorization header where there is one, else by the cookie.
   *
   * @throws Fault UNAUTHORIZED, RATE_LIMITED, CSRF_REQUIRED, FORBIDDEN
   */
  identify(caller: Caller): Identity {
    const { headers, method, address } = caller;
    const reads = method === 'GET' || method === 'HEAD';
    const session = headers.authorization === undefined ? this.#of(caller) : undefined;
    if (session && !reads) checkCsrf(session, headers);
    const identity = session?.identity ?? this.#authenticator.identify(headers, address);
    if (identity.role === 'operator' || reads) return identity;
    throw new Fault(
      'FORBIDDEN',
      'This token may look, not act. Sign in with the one of an operator.',
    );
  }

  /** What GET answers: never an error, so that the page can ask before it is signed in. */
  state(caller: Caller): SessionAnswer {
    if (!this.#authenticator.guards) return open;
    const session = this.#of(caller);
    const { role = null, csrf = null } = session ? { ...session.identity, csrf: session.csrf } : {};
    return { state: { needed: true, role, csrf }, cookie: null };
  }

  /** @throws Fault UNAUTHORIZED, RATE_LIMITED */
  signIn(token: string, caller: Caller): SessionAnswer {
    if (!this.#authenticator.guards) return open;
    const identity = this.#authenticator.check(token.trim(), caller.address);
    this.#forget(caller);
    const name = randomBytes(32).toString('base64url');
    const csrf = randomBytes(32).toString('base64url');
    this.#sessions.set(digestOf(name), { identity, csrf, endsMs: this.#clock.now() + sessionMs });
    this.#forgetOldest(identity.role);
    return {
      state: { needed: true, role: identity.role, csrf },
      cookie: cookieOf(caller, name, sessionMs / 1000),
    };
  }

  /** Signing out needs no permission but the CSRF token. @throws Fault CSRF_REQUIRED */
  signOut(caller: Caller): SessionAnswer {
    if (!this.#authenticator.guards) return open;
    const session = this.#of(caller);
    if (session) checkCsrf(session, caller.headers);
    this.#forget(caller);
    return {
      state: { needed: true, role: null, csrf: null },
      cookie: cookieOf(caller, '', 0),
    };
  }

  /** Ends all: the tokens they came from are no more. */
  clear(): void {
    this.#sessions.clear();
  }

  #of(caller: Caller): Session | undefined {
    const name = cookieIn(caller);
    if (name === null) return undefined;
    const session = this.#sessions.get(digestOf(name));
    if (!session || this.#clock.now() < session.endsMs) return session;
    this.#forget(caller);
    return undefined;
  }

  #forgetOldest(role: Identity['role']): void {
    const same = [...this.#sessions].filter(([, { identity }]) => identity.role === role);
    const [oldest] = same[0] ?? [];
    if (same.length > sessionsMax && oldest !== undefined) this.#sessions.delete(oldest);
  }

  #forget(caller: Caller): void {
    const name = cookieIn(caller);
    if (name !== null) this.#sessions.delete(digestOf(name));
  }
}

const open: SessionAnswer = {
  state: { needed: false, role: 'operator', csrf: null },
  cookie: null,
};

function checkCsrf(session: Session, headers: Headers): void {
  const given = headers['x-csrf-token'];
  if (typeof given === 'string') {
    const [a, b] = [given, session.csrf].map((text) => createHash('sha256').update(text).digest());
    if (a && b && timingSafeEqual(a, b)) return;
  }
  throw new Fault(
    'CSRF_REQUIRED',
    'With a session cookie, send the csrf value of GET /v1/session as X-CSRF-Token.',
  );
}

function nameOf(port: number): string {
  return `pointsman_${port}`;
}

/** `Secure` only where the admin port itself speaks TLS: plain, it is on loopback or behind one. */
function cookieOf({ port, secure }: Caller, value: string, seconds: number): string {
  const attributes = `Path=/; HttpOnly; SameSite=Strict; Max-Age=${seconds}`;
  return `${nameOf(port)}=${value}; ${attributes}${secure ? '; Secure' : ''}`;
}

function cookieIn({ headers, port }: Caller): string | null {
  const wanted = `${nameOf(port)}=`;
  for (const part of String(headers.cookie ?? '').split(';')) {
    const pair = part.trim();
    if (pair.startsWith(wanted)) return pair.slice(wanted.length) || null;
  }
  return null;
}

function digestOf(name: string): string {
  return createHash('sha256').update(name).digest('hex');
}
