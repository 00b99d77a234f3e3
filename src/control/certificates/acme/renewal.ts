/**
 * When a certificate is asked for anew, and when again after it was refused.
 *
 * The rule this file keeps: plain values in, a moment out. Moments are wall time, because what they
 * are held against (the end of a certificate, a window of the authority) is. A clock that jumps
 * moves a renewal, never a request: those count on monotonic time.
 */

/** As it is written down: chosen once for a window, or every start would choose again. */
export interface Renewal {
  readonly start: number;
  readonly end: number;
  /** The moment chosen in it. */
  readonly at: number;
  readonly explanation: string | null;
  /** When the authority is asked again. */
  readonly nextLookAt: number;
}

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
/** RFC 9773, 4.3.1: what to do where Retry-After is missing or makes no sense. */
const looksMs = 6 * hourMs;
const looksMsMin = minuteMs;
const looksMsMax = 24 * hourMs;

/** @param known what was chosen before: the same window keeps its moment. */
export function chosen(
  window: {
    readonly start: number;
    readonly end: number;
    readonly explanation: string | null;
    readonly retryAfterMs: number | null;
  },
  known: Renewal | null,
  nowMs: number,
  random: number,
): Renewal {
  const { start, end, explanation } = window;
  const same = known !== null && known.start === start && known.end === end;
  const waitMs = Math.min(Math.max(window.retryAfterMs ?? looksMs, looksMsMin), looksMsMax);
  const at = same ? known.at : Math.round(start + random * (end - start));
  return { start, end, at, explanation, nextLookAt: nowMs + waitMs };
}

/**
 * When to renew: what the authority's window gave, else two thirds into the lifetime (Let's
 * Encrypt's lifetimes fall from 90 to 45 days, and there are ones of six). Never so late that a day
 * of failing would end it, where the lifetime has that day.
 */
export function renewAt(
  { notBefore, notAfter }: { readonly notBefore: number; readonly notAfter: number },
  renewal: Renewal | null,
): number {
  const twoThirds = notBefore + ((notAfter - notBefore) * 2) / 3;
  if (renewal === null) return twoThirds;
  return Math.min(renewal.at, notAfter - (notAfter - notBefore) / 10);
}

/** Failures so far, as they are written down before each try: a crash in it counts as one. */
export interface Tries {
  readonly failures: number;
  readonly lastError: string | null;
  readonly lastErrorAt: number | null;
  /** Not before. 0: now. */
  readonly nextAt: number;
}

export const noTries: Tries = { failures: 0, lastError: null, lastErrorAt: null, nextAt: 0 };

/**
 * Waits after failures in a row. Let's Encrypt takes five failed validations of a name an hour, and
 * names are not mended by asking: the first hour has four.
 */
const waitsMs = [1, 10, 30, 60, 180, 360, 720].map((minutes) => minutes * minuteMs);
/** Where nobody was reached nothing counts against anything, and it may be over any moment. */
const unreachedMsMax = 15 * minuteMs;

/**
 * @param failures in a row, this one included.
 * @param more.reached whether the authority did anything for us.
 * @param more.retryAfterMs what it asks for: never less.
 * @param random spreads the tries of many that failed at once.
 */
export function waitAfter(
  failures: number,
  more: { readonly reached: boolean; readonly retryAfterMs: number | null },
  random: number,
): number {
  const step = waitsMs[Math.min(failures, waitsMs.length) - 1] ?? minuteMs;
  const base = more.reached ? step : Math.min(step, unreachedMsMax);
  return Math.round(Math.max(base * (1 + random / 10), more.retryAfterMs ?? 0));
}
