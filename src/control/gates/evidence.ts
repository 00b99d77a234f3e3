/**
 * Whether a release is worse than the one before it, by what its requests came to.
 *
 * The rule this file keeps: it is pure, and it decides on evidence, not on a look. The least share
 * of failures that the release can have is held against the greatest that the one before it can
 * have had, both by Wilson's interval at four standard errors. So far out, looking again and again
 * for as long as a watch lasts does not add up to a false alarm: `test/control/gates/evidence.test.ts`
 * shows it over ten thousand runs. What one client alone can have caused is not held against it.
 */
import type { Figures } from '../model/state.ts';

/** Standard errors on either side: 3 in 100,000 beyond each, by chance. */
const z = 4;
/** A release may fail so much more often than the one before it, as a share of all requests. */
export const toleratedShare = 0.01;

export interface ReleaseFigures extends Figures {
  /** Failures by client, those with the most of them. */
  readonly clients: Readonly<Record<string, number>>;
}

/** How much there has to be before anything is concluded. */
export interface Enough {
  readonly requestsMin: number;
  /** 1: failures of one client are evidence too. */
  readonly clientsMin: number;
}

export type Weighed =
  | { readonly verdict: 'worse'; readonly reason: string }
  | { readonly verdict: 'no worse' }
  /** `reason` says what is missing. */
  | { readonly verdict: 'inconclusive'; readonly reason: string };

/** @param names of the release and of the one before it, for the sentence. */
export function weigh(
  release: ReleaseFigures,
  baseline: Figures,
  enough: Enough,
  names: { readonly now: string; readonly before: string },
): Weighed {
  const told = `${share(release)} of ${names.now} failed`;
  const against = `${share(baseline)} of ${names.before} in the minutes before`;
  if (release.sent < enough.requestsMin) {
    const few = `${names.now} had ${release.sent} requests, and ${enough.requestsMin} are wanted`;
    return { verdict: 'inconclusive', reason: `${few} to judge it.` };
  }
  if (!worse(release.failed, release.sent, baseline)) {
    // It fails often, and nobody knows whether the one before it did too.
    if (!worse(release.failed, release.sent, nothing)) return { verdict: 'no worse' };
    if (baseline.sent >= enough.requestsMin) return { verdict: 'no worse' };
    const few = `${names.before} had ${baseline.sent} requests to compare with`;
    return { verdict: 'inconclusive', reason: `${told}, but ${few}.` };
  }
  const clients = Object.values(release.clients);
  const alone = enough.clientsMin > 1 ? Math.max(0, ...clients) : 0;
  if (
    clients.length < enough.clientsMin ||
    !worse(release.failed - alone, release.sent, baseline)
  ) {
    return { verdict: 'inconclusive', reason: `${told}, but nearly all for one client.` };
  }
  return { verdict: 'worse', reason: `${told}, against ${against}.` };
}

const nothing: Figures = { sent: Number.POSITIVE_INFINITY, failed: 0 };

function worse(failed: number, sent: number, baseline: Figures): boolean {
  return bounds(failed, sent).low > bounds(baseline.failed, baseline.sent).high + toleratedShare;
}

/** Wilson's score interval of a share. */
export function bounds(
  failed: number,
  sent: number,
): { readonly low: number; readonly high: number } {
  if (sent === 0) return { low: 0, high: 1 };
  if (sent === Number.POSITIVE_INFINITY) return { low: 0, high: 0 };
  // A worker that ended may have told of a failure whose sending it had not yet told.
  const p = Math.min(1, failed / sent);
  const weight = 1 + (z * z) / sent;
  const middle = (p + (z * z) / (2 * sent)) / weight;
  const reach = (z * Math.sqrt((p * (1 - p)) / sent + (z * z) / (4 * sent * sent))) / weight;
  return { low: Math.max(0, middle - reach), high: Math.min(1, middle + reach) };
}

function share({ sent, failed }: Figures): string {
  const percent = sent === 0 ? '' : ` (${((100 * failed) / sent).toFixed(1)} %)`;
  return `${failed} of ${sent} requests${percent}`;
}
