/**
 * The calls of ACME (RFC 8555), each as one function: directory, account, order, authorization,
 * challenge, certificate, and renewal information (RFC 9773).
 *
 * The rule this file keeps: what comes from an authority is looked at before it is believed, once,
 * here. A nonce that is refused is taken for a new one, up to a limit; nothing else is asked twice,
 * since what counts against the authority's limits is for the caller to decide.
 */
import type { Clock } from '../../../../clock.ts';
import { type AccountKey, externalBinding, type Jws } from './jws.ts';
import { Refusal, refusal } from './problem.ts';
import { type Answer, malformed, type Transport } from './transport.ts';

/** At half of all nonces refused, one call in a million fails. */
const noncesTriedMax = 20;
const noncesKept = 8;

export interface Directory {
  readonly newNonce: string;
  readonly newAccount: string;
  readonly newOrder: string;
  /** null: it has no renewal information. */
  readonly renewalInfo: string | null;
  readonly terms: string | null;
  readonly accountRequired: boolean;
  /** Names and descriptions; null: it has no profiles. */
  readonly profiles: Readonly<Record<string, string>> | null;
}

export type OrderStatus = 'pending' | 'ready' | 'processing' | 'valid' | 'invalid';

export interface Order {
  readonly url: string;
  readonly status: OrderStatus;
  readonly authorizations: readonly string[];
  readonly finalize: string;
  readonly certificate: string | null;
  /** A problem document, where it is invalid. */
  readonly error: unknown;
  readonly retryAfterMs: number | null;
}

export interface Challenge {
  readonly type: string;
  readonly url: string;
  readonly token: string;
  readonly error: unknown;
}

export interface Authorization {
  readonly url: string;
  readonly status: string;
  readonly name: string;
  readonly challenges: readonly Challenge[];
  readonly retryAfterMs: number | null;
}

export interface RenewalInfo {
  /** ms since 1970. */
  readonly start: number;
  readonly end: number;
  readonly explanation: string | null;
  readonly retryAfterMs: number | null;
}

export interface NewOrder {
  readonly names: readonly { readonly type: 'dns' | 'ip'; readonly value: string }[];
  readonly profile: string | null;
  /** The renewal id of the certificate that this one takes the place of. */
  readonly replaces: string | null;
}

export interface Binding {
  readonly kid: string;
  readonly hmacKey: string;
}

export class AcmeClient {
  readonly #transport: Transport;
  readonly #clock: Clock;
  readonly #directoryUrl: string;
  readonly #key: AccountKey;
  readonly #where: string;
  /** The account's address, once it is known; it names the key from then on. */
  #account: string | null;
  #directory: Directory | null = null;
  #directoryMs = 0;
  readonly #nonces: string[] = [];

  constructor(
    transport: Transport,
    clock: Clock,
    directoryUrl: string,
    key: AccountKey,
    account: string | null,
  ) {
    this.#transport = transport;
    this.#clock = clock;
    this.#directoryUrl = directoryUrl;
    this.#key = key;
    this.#account = account;
    this.#where = new URL(directoryUrl).host;
  }

  /** Asked for once an hour at most: authorities change what they offer. */
  async directory(): Promise<Directory> {
    const known = this.#directory;
    if (known !== null && this.#clock.now() - this.#directoryMs < 3_600_000) return known;
    const answer = this.#vetted(await this.#transport.exchange('GET', this.#directoryUrl));
    this.#directory = this.#readDirectory(this.#json(answer, 'its directory'));
    this.#directoryMs = this.#clock.now();
    return this.#directory;
  }

  /**
   * Finds the account of this key, or makes it.
   * @returns its address.
   */
  async register(email: string | null, binding: Binding | null): Promise<string> {
    const { newAccount } = await this.directory();
    const payload = {
      termsOfServiceAgreed: true,
      ...(email === null ? {} : { contact: [`mailto:${email}`] }),
      ...(binding === null ? {} : { externalAccountBinding: this.#bound(binding, newAccount) }),
    };
    const answer = await this.#post(newAccount, payload, true);
    this.#account = this.#location(answer, 'an account');
    return this.#account;
  }

  async newOrder({ names, profile, replaces }: NewOrder): Promise<Order> {
    const { newOrder } = await this.directory();
    const answer = await this.#post(newOrder, {
      identifiers: names,
      ...(profile === null ? {} : { profile }),
      ...(replaces === null ? {} : { replaces }),
    });
    return this.#readOrder(this.#location(answer, 'an order'), answer);
  }

  async order(url: string): Promise<Order> {
    return this.#readOrder(url, await this.#post(url, null));
  }

  async authorization(url: string): Promise<Authorization> {
    const answer = await this.#post(url, null);
    const body = this.#json(answer, 'an authorization');
    const { challenges, identifier } = body;
    if (!Array.isArray(challenges)) throw this.#malformed('an authorization has no challenges');
    return {
      url,
      status: String(body.status),
      name: this.#text((identifier as Record<string, unknown> | undefined)?.value, 'a name'),
      challenges: challenges.slice(0, 20).flatMap((one) => this.#readChallenge(one)),
      retryAfterMs: answer.retryAfterMs,
    };
  }

  /** Says that a challenge can be looked at: from now on the authority may call. */
  async answered(challenge: Challenge): Promise<void> {
    await this.#post(challenge.url, {});
  }

  /** Gives an authorization back that is not needed any more. */
  async deactivate(authorization: string): Promise<void> {
    await this.#post(authorization, { status: 'deactivated' });
  }

  async finalize(order: Order, request: Buffer): Promise<Order> {
    const answer = await this.#post(order.finalize, { csr: request.toString('base64url') });
    return this.#readOrder(order.url, answer);
  }

  /** @returns the chain, PEM, leaf first. */
  async certificate(url: string): Promise<string> {
    return (await this.#post(url, null)).body.toString('latin1');
  }

  /**
   * When the authority wants a certificate renewed.
   * @param id as `renewalId` makes it.
   * @returns null: this authority does not say.
   */
  async renewalInfo(id: string): Promise<RenewalInfo | null> {
    const { renewalInfo } = await this.directory();
    if (renewalInfo === null) return null;
    const url = `${renewalInfo.replace(/\/$/, '')}/${id}`;
    const answer = this.#vetted(await this.#transport.exchange('GET', url));
    const { suggestedWindow, explanationURL } = this.#json(answer, 'renewal information');
    const { start, end } = (suggestedWindow ?? {}) as Record<string, unknown>;
    const window = { start: Date.parse(String(start)), end: Date.parse(String(end)) };
    // NaN is not smaller than anything.
    if (!(window.start < window.end)) throw this.#malformed('a window for renewal has no length');
    return {
      ...window,
      explanation: typeof explanationURL === 'string' ? explanationURL.slice(0, 500) : null,
      retryAfterMs: answer.retryAfterMs,
    };
  }

  /** @throws Refusal, Fault AUTHORITY_UNREACHABLE, AUTHORITY_MALFORMED. */
  async #post(url: string, payload: object | null, byKey = false): Promise<Answer> {
    for (let tries = 1; ; tries++) {
      const nonce = await this.#nonce();
      const who = byKey || this.#account === null ? { jwk: this.#key.jwk } : { kid: this.#account };
      const jws: Jws = this.#key.sign({ ...who, nonce, url }, payload);
      const answer = await this.#transport.exchange('POST', url, JSON.stringify(jws));
      this.#keepNonce(answer);
      try {
        return this.#vetted(answer);
      } catch (thrown) {
        const stale = thrown instanceof Refusal && thrown.type === 'badNonce';
        if (!stale || tries === noncesTriedMax) throw thrown;
      }
    }
  }

  async #nonce(): Promise<string> {
    const kept = this.#nonces.pop();
    if (kept !== undefined) return kept;
    const { newNonce } = await this.directory();
    this.#keepNonce(this.#vetted(await this.#transport.exchange('HEAD', newNonce)));
    const fresh = this.#nonces.pop();
    if (fresh === undefined) throw this.#malformed('it gives no nonce');
    return fresh;
  }

  #keepNonce({ headers }: Answer): void {
    const nonce = headers['replay-nonce'];
    if (typeof nonce !== 'string' || !/^[A-Za-z0-9_-]{1,500}$/.test(nonce)) return;
    if (this.#nonces.length === noncesKept) this.#nonces.shift();
    this.#nonces.push(nonce);
  }

  #vetted(answer: Answer): Answer {
    if (answer.status >= 200 && answer.status < 300) return answer;
    throw refusal(this.#where, answer.status, answer.body, answer.retryAfterMs);
  }

  #bound({ kid, hmacKey }: Binding, url: string): Jws {
    return externalBinding(kid, hmacKey, url, this.#key.jwk);
  }

  #readDirectory(body: Record<string, unknown>): Directory {
    const meta = (body.meta ?? {}) as Record<string, unknown>;
    const { profiles, termsOfService } = meta;
    return {
      newNonce: this.#text(body.newNonce, 'newNonce'),
      newAccount: this.#text(body.newAccount, 'newAccount'),
      newOrder: this.#text(body.newOrder, 'newOrder'),
      renewalInfo: typeof body.renewalInfo === 'string' ? body.renewalInfo : null,
      terms: typeof termsOfService === 'string' ? termsOfService.slice(0, 500) : null,
      accountRequired: meta.externalAccountRequired === true,
      profiles:
        typeof profiles === 'object' && profiles !== null
          ? Object.fromEntries(Object.entries(profiles).map(([name, about]) => [name, `${about}`]))
          : null,
    };
  }

  #readOrder(url: string, answer: Answer): Order {
    const body = this.#json(answer, 'an order');
    const { status, authorizations, certificate } = body;
    const statuses: readonly unknown[] = ['pending', 'ready', 'processing', 'valid', 'invalid'];
    if (!statuses.includes(status)) throw this.#malformed('an order has no status');
    const several = Array.isArray(authorizations) ? authorizations.slice(0, 1000) : [];
    return {
      url,
      status: status as OrderStatus,
      authorizations: several.map((one) => this.#text(one, 'an authorization')),
      finalize: this.#text(body.finalize, 'finalize'),
      certificate: typeof certificate === 'string' ? certificate : null,
      error: body.error ?? null,
      retryAfterMs: answer.retryAfterMs,
    };
  }

  #readChallenge(one: unknown): Challenge[] {
    const { type, url, token, error = null } = (one ?? {}) as Record<string, unknown>;
    // Kinds that have no token are none of those that are answered here.
    if (typeof type !== 'string' || typeof url !== 'string' || typeof token !== 'string') return [];
    // It becomes a path and a part of a certificate (RFC 8555, 8.3: base64url).
    if (!/^[A-Za-z0-9_-]{1,200}$/.test(token)) throw this.#malformed('a token is none');
    return [{ type, url, token, error }];
  }

  #location({ headers }: Answer, what: string): string {
    return this.#text(headers.location, `the address of ${what}`);
  }

  #json({ body }: Answer, what: string): Record<string, unknown> {
    try {
      const value: unknown = JSON.parse(body.toString('utf8'));
      if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
    } catch {
      // Said below.
    }
    throw this.#malformed(`${what} is no JSON object`);
  }

  #text(value: unknown, what: string): string {
    if (typeof value === 'string' && value !== '' && value.length <= 2000) return value;
    throw this.#malformed(`${what} is missing`);
  }

  #malformed(why: string) {
    return malformed(this.#where, why);
  }
}
