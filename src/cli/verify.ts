/**
 * `pointsman verify`: flips a service to and fro under a load of its own, and says what its clients
 * noticed of that.
 *
 * The rule this file keeps: it ends where it began, with the release live that was live; and it
 * begins only where the service answers well without any flip.
 */
import { pause } from '../clock.ts';
import type { Deployment, Receipt } from '../control/model/state.ts';
import { type Context, give, wholeNumber } from './context.ts';
import { pathOf } from './deploy.ts';
import { exits, Failure } from './exits.ts';
import { wayBack } from './mutations.ts';
import { plural } from './text.ts';
import { type LoadResult, type LoadWish, VerifyLoad } from './verifyLoad.ts';

export interface VerifyOptions {
  readonly url: string;
  readonly host?: string;
  readonly flips: string;
  readonly clients: string;
  readonly rate: string;
}

/** Load without any flip, before the first. */
const quietMs = 2_000;
/** Between two flips; and behind the last, for what it did to show. */
const betweenMs = 500;
const failuresShown = 10;

/** @returns 0 where nobody noticed anything, else 5. @throws Failure */
export async function verify(
  context: Context,
  service: string,
  options: VerifyOptions,
): Promise<number> {
  const wish = wishOf(options);
  const flips = within('--flips', options.flips, 2, 1_000);
  if (flips % 2 !== 0) {
    throw new Failure(
      exits.usage,
      `--flips: wanted an even number, to end where it began, got ${flips}.`,
    );
  }
  const { to } = await wayBack(context, service);
  context.note(`Asking ${wish.url} ${wish.rate} times a second, without a flip at first.`);
  const load = new VerifyLoad(wish, context.io.clock);
  load.start();
  const receipts: Receipt[] = [];
  try {
    await rest(context, quietMs);
    refuseUnwell(load.result());
    context.note(`Flipping ${service} to ${to.release} and back, ${plural(flips, 'flip')} in all.`);
    for (let nth = 1; nth <= flips; nth++) {
      const receipt = await flipBack(context, service);
      receipts.push(receipt);
      context.note(lineOf(nth, receipt));
      await rest(context, betweenMs);
    }
  } finally {
    await load.end();
  }
  const result = load.result();
  const well = result.failures.length === 0 && result.reconnects === 0;
  give(context, { service, ...result, receipts }, () => textOf(service, result, receipts, well));
  return well ? exits.ok : exits.refused;
}

async function flipBack(context: Context, service: string): Promise<Receipt> {
  const { status, to } = await wayBack(context, service);
  const sent = {
    body: { to: to.release, why: 'pointsman verify', ...context.said },
    generation: status.generation,
  };
  const path = `${pathOf(service)}/rollback`;
  const { receipt } = (await context.client.call<Deployment>('POST', path, sent)).body;
  if (receipt !== null) return receipt;
  throw new Failure(exits.failed, `A rollback of ${service} was answered without a receipt.`);
}

async function rest(context: Context, ms: number): Promise<void> {
  await pause(context.io.clock, ms, context.stop);
  context.stop.throwIfAborted();
}

/** @throws Failure where it is not the flips that clients would notice. */
function refuseUnwell({ requests, failures }: LoadResult): void {
  const [first] = failures;
  if (first === undefined && requests > 0) return;
  const what =
    first === undefined ? 'nothing was answered' : `${failures.length} of ${requests} failed`;
  const detail = `Nothing was flipped: without a flip ${what}${first === undefined ? '' : `, first: ${first}`}.`;
  throw new Failure(exits.refused, detail, { code: 'VERIFY_UNWELL', detail });
}

function lineOf(nth: number, { to, holdMs, flipMs, waited, waitedMsMax }: Receipt): string {
  const ms = (value: number): string => `${value.toFixed(1)} ms`;
  const waits = waited === 0 ? 'nobody waited' : `${waited} waited, at most ${ms(waitedMsMax)}`;
  return `  ${nth}. ${to.release} (${to.color}) in ${ms(flipMs)}, held ${ms(holdMs)}; ${waits}`;
}

function textOf(
  service: string,
  { requests, failures, reconnects, p50Ms, p99Ms, maxMs }: LoadResult,
  receipts: readonly Receipt[],
  well: boolean,
): string {
  const ms = [p50Ms, p99Ms, maxMs].map((value) => value.toFixed(1));
  const counts = `${plural(requests, 'request')}, ${failures.length} failed, ${plural(reconnects, 'connection')} closed`;
  const more = failures.length - failuresShown;
  return [
    `${counts}; half took ${ms[0]} ms, 99 of 100 at most ${ms[1]} ms, the longest ${ms[2]} ms.`,
    ...failures.slice(0, failuresShown).map((failure) => `  ${failure}`),
    ...(more > 0 ? [`  and ${more} more`] : []),
    well
      ? `Over ${plural(receipts.length, 'flip')} of ${service} its clients noticed nothing.`
      : `Clients of ${service} noticed something.`,
  ].join('\n');
}

/** @throws Failure with exit 2. */
function wishOf({ url: text, host, clients, rate }: VerifyOptions): LoadWish {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) {
    const wanted = 'wanted where clients reach the service, such as http://127.0.0.1:8080/';
    throw new Failure(exits.usage, `--url: ${wanted}, got ${JSON.stringify(text)}.`);
  }
  return {
    url,
    host: host ?? null,
    clients: within('--clients', clients, 1, 100),
    rate: within('--rate', rate, 1, 1_000),
  };
}

/** @throws Failure with exit 2. */
function within(option: string, text: string, min: number, max: number): number {
  const value = wholeNumber(option, text);
  if (value >= min && value <= max) return value;
  throw new Failure(exits.usage, `${option}: wanted ${min} to ${max}, got ${value}.`);
}
