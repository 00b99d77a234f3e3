/**
 * One order: from names to a certificate.
 *
 * The rule this file keeps: an order is written down as soon as the authority has it, and the key
 * of the certificate before the authority signs it, so that whoever starts next goes on with it
 * and asks for no second one. A challenge is said to be answered only once every worker has the
 * answer.
 */
import { isIP } from 'node:net';
import { type Clock, pause } from '../../../clock.ts';
import { Fault, reasonOf } from '../../../errors.ts';
import type { AcmeClient, Authorization, Challenge, Order } from './protocol/client.ts';
import { type AccountKey, challengeDigest, keyAuthorization } from './protocol/jws.ts';
import { failure, Refusal } from './protocol/problem.ts';
import {
  certificateRequest,
  challengeCertificate,
  type KeyType,
  newKey,
  type Pair,
} from './x509.ts';

/** How long an authority may take to look at all names, and to sign. */
const validationMs = 3 * 60_000;
const signingMs = 5 * 60_000;
/** Between two looks, where the authority does not say: short at first, then calm. */
const firstLookMs = 250;
const looksMsMax = 5_000;

export type ChallengeType = 'http-01' | 'tls-alpn-01';

/** What is served, by every worker, while an authority looks. */
export type Answer =
  | { readonly type: 'http-01'; readonly token: string; readonly body: string }
  | { readonly type: 'tls-alpn-01'; readonly name: string; readonly pair: Pair };

/** An order that the authority has, as it is written down. Everything in it is plain. */
export interface SavedOrder {
  readonly url: string;
  readonly names: readonly string[];
  /** PEM; null: the authority was not asked to sign yet. */
  readonly key: string | null;
}

export interface Ask {
  readonly names: readonly string[];
  readonly keyType: KeyType;
  readonly profile: string | null;
  readonly replaces: string | null;
  /** Which challenge is answered where the authority offers it; then the other one. */
  readonly prefer: readonly ChallengeType[];
}

export interface OrderContext {
  readonly client: AcmeClient;
  readonly account: AccountKey;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Resolves when it is on disk. */
  save(order: SavedOrder | null): Promise<void>;
  /** Resolves when every worker serves it. @returns takes it back. */
  present(answers: readonly Answer[]): Promise<() => void>;
}

export interface Obtained {
  readonly chain: string;
  readonly key: string;
}

/**
 * @param saved goes on with it; null: begins anew.
 * @throws Fault CHALLENGE_FAILED, ABORTED, AUTHORITY_*; Refusal. Where the order may still come to
 *   something it stays written down; else it is dropped.
 */
export async function obtain(
  ask: Ask,
  saved: SavedOrder | null,
  context: OrderContext,
): Promise<Obtained> {
  const { order, key } = await begin(ask, saved, context);
  const authorized = await authorize(order, ask, context);
  const certKey = key ?? (await newKey(ask.keyType));
  let signed = authorized;
  if (signed.status === 'ready') {
    await context.save({ url: order.url, names: ask.names, key: certKey });
    signed = await context.client.finalize(order, await certificateRequest(ask.names, certKey));
  }
  signed = await until(signed, ['valid', 'invalid'], signingMs, context);
  if (signed.status !== 'valid' || signed.certificate === null) {
    return dropped(context, failure(signed.error));
  }
  return { chain: await context.client.certificate(signed.certificate), key: certKey };
}

async function begin(ask: Ask, saved: SavedOrder | null, context: OrderContext) {
  const found = saved === null ? null : await find(saved, ask, context);
  if (found !== null) return { order: found, key: saved?.key ?? null };
  const order = await anew(ask, context.client);
  await context.save({ url: order.url, names: ask.names, key: null });
  return { order, key: null };
}

/** @returns null: nothing can become of it. */
async function find(saved: SavedOrder, ask: Ask, context: OrderContext): Promise<Order | null> {
  const same = [...saved.names].sort().join() === [...ask.names].sort().join();
  try {
    const order = same ? await context.client.order(saved.url) : null;
    const lost = order?.status === 'valid' && saved.key === null;
    if (order !== null && order.status !== 'invalid' && !lost) return order;
  } catch (thrown) {
    // An authority that has forgotten an order says so in many ways; a limit is none of them.
    const gone = thrown instanceof Refusal && [400, 403, 404, 410].includes(thrown.status);
    if (!gone) throw thrown;
  }
  await context.save(null);
  return null;
}

async function anew({ names, profile, replaces }: Ask, client: AcmeClient): Promise<Order> {
  const types = names.map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value }) as const);
  try {
    return await client.newOrder({ names: types, profile, replaces });
  } catch (thrown) {
    // The certificate has a successor already, or the authority forgot it: an order like any other.
    const unlinked =
      thrown instanceof Refusal &&
      (thrown.type === 'alreadyReplaced' || (thrown.type === 'malformed' && thrown.status !== 429));
    if (replaces === null || !unlinked) throw thrown;
    return client.newOrder({ names: types, profile, replaces: null });
  }
}

/** @returns the order, no longer pending. */
async function authorize(order: Order, ask: Ask, context: OrderContext): Promise<Order> {
  if (order.status !== 'pending') return order;
  const { client } = context;
  const all: Authorization[] = [];
  for (const url of order.authorizations) all.push(await client.authorization(url));
  const pending = all.filter(({ status }) => status === 'pending');
  const chosen: { authorization: Authorization; challenge: Challenge }[] = [];
  for (const authorization of pending) {
    const challenge = ask.prefer
      .map((type) => authorization.challenges.find((one) => one.type === type))
      .find((one) => one !== undefined);
    if (challenge === undefined) {
      const offered = authorization.challenges.map(({ type }) => type).join(', ') || 'none';
      const wanted = ask.prefer.join(' or ');
      return dropped(
        context,
        `${authorization.name}: the authority offers ${offered}, and Pointsman answers ${wanted}.`,
      );
    }
    chosen.push({ authorization, challenge });
  }
  const answers = await Promise.all(
    chosen.map(({ authorization, challenge }) => answerOf(authorization.name, challenge, context)),
  );
  const takeBack = await context.present(answers);
  try {
    for (const { challenge } of chosen) await client.answered(challenge);
    for (const { authorization, challenge } of chosen) {
      await proven(authorization.url, challenge.type, all, context);
    }
    return await until(
      await client.order(order.url),
      ['ready', 'valid', 'invalid'],
      validationMs,
      context,
    );
  } finally {
    takeBack();
  }
}

async function answerOf(
  name: string,
  challenge: Challenge,
  context: OrderContext,
): Promise<Answer> {
  const body = keyAuthorization(challenge.token, context.account);
  if (challenge.type === 'http-01') return { type: 'http-01', token: challenge.token, body };
  const pair = await challengeCertificate(name, challengeDigest(body), context.clock.date());
  return { type: 'tls-alpn-01', name, pair };
}

/** Waits until the authority believes that a name is ours. */
async function proven(
  url: string,
  type: string,
  all: readonly Authorization[],
  context: OrderContext,
): Promise<void> {
  const look = () => context.client.authorization(url);
  const done = ({ status }: Authorization): boolean => status !== 'pending';
  const { status, name, challenges } = await repeated(look, done, null, validationMs, context);
  if (status === 'valid') return;
  const why = challenges.find((one) => one.error !== null)?.error ?? null;
  // The others would count as open for days.
  for (const other of all) {
    if (other.url !== url && other.status === 'pending') {
      await context.client.deactivate(other.url).catch(() => {});
    }
  }
  await dropped(context, `${name} by ${type}: ${failure(why)}`);
}

function until(
  order: Order,
  statuses: readonly Order['status'][],
  limitMs: number,
  context: OrderContext,
): Promise<Order> {
  const done = ({ status }: Order): boolean => statuses.includes(status);
  return repeated(() => context.client.order(order.url), done, order, limitMs, context);
}

/**
 * Looks until it is done, as often as the authority lets us.
 * @throws Fault AUTHORITY_UNREACHABLE when `limitMs` is over: what was asked for may still come.
 */
async function repeated<T extends { readonly retryAfterMs: number | null }>(
  look: () => Promise<T>,
  done: (seen: T) => boolean,
  first: T | null,
  limitMs: number,
  { clock, signal }: OrderContext,
): Promise<T> {
  const untilMs = clock.now() + limitMs;
  let seen = first ?? (await look());
  for (let waitMs = firstLookMs; !done(seen); waitMs = Math.min(waitMs * 2, looksMsMax)) {
    const nextMs = seen.retryAfterMs ?? waitMs;
    if (clock.now() + nextMs > untilMs) {
      const minutes = limitMs / 60_000;
      throw new Fault(
        'AUTHORITY_UNREACHABLE',
        `The authority did not decide in ${minutes} minutes.`,
        {
          retryAfterMs: seen.retryAfterMs ?? looksMsMax,
        },
      );
    }
    await pause(clock, nextMs, signal);
    if (signal.aborted) throw new Fault('ABORTED');
    seen = await look();
  }
  return seen;
}

/** The order has come to nothing. */
async function dropped(context: OrderContext, why: string): Promise<never> {
  await context.save(null);
  throw new Fault('CHALLENGE_FAILED', reasonOf(why));
}
