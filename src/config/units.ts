/**
 * Durations and sizes as people write them: `30s`, `1.5m`, `100MiB`.
 *
 * The rule this file keeps: a number without a unit is not a duration or a size, so nobody has to
 * guess what 30 meant; and what comes out is whole milliseconds or whole bytes.
 */
const durationUnits: Units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

const sizeUnits: Units = {
  B: 1,
  kB: 1000,
  KiB: 1024,
  MB: 1000 ** 2,
  MiB: 1024 ** 2,
  GB: 1000 ** 3,
  GiB: 1024 ** 3,
  TB: 1000 ** 4,
  TiB: 1024 ** 4,
};

type Units = Readonly<Record<string, number>>;

/** What a duration looks like, for editors. */
export const durationPattern = patternOf(durationUnits);

/** What a size looks like, for editors. */
export const sizePattern = patternOf(sizeUnits);

/**
 * @param text a decimal number and one of ms, s, m, h, d, with nothing between: `500ms`, `1.5m`.
 * @returns whole milliseconds; undefined where the text is no duration, or is a fraction of a
 *   millisecond.
 */
export function parseDuration(text: string): number | undefined {
  return parse(text, durationUnits);
}

/**
 * @param durationMs a whole number of at least 0.
 * @returns the shortest exact form: 90_000 is `90s`, 60_000 is `1m`, 0 is `0s`.
 */
export function formatDuration(durationMs: number): string {
  return durationMs === 0 ? '0s' : format(durationMs, ['d', 'h', 'm', 's', 'ms'], durationUnits);
}

/**
 * @param text a decimal number and one of B, KiB, MiB, GiB, TiB (1024) or kB, MB, GB, TB (1000).
 * @returns whole bytes; undefined where the text is no size, or is a fraction of a byte.
 */
export function parseSize(text: string): number | undefined {
  return parse(text, sizeUnits);
}

/**
 * @param sizeBytes a whole number of at least 0.
 * @returns the largest binary unit that is exact: 104_857_600 is `100MiB`, 1000 is `1000B`.
 */
export function formatSize(sizeBytes: number): string {
  return sizeBytes === 0 ? '0B' : format(sizeBytes, ['TiB', 'GiB', 'MiB', 'KiB', 'B'], sizeUnits);
}

/**
 * What a person who wrote this duration probably meant, in words; empty where there is no telling.
 */
export function durationHint(text: string): string {
  if (/^\d+(\.\d+)?$/.test(text)) return `the unit is missing: ${text}s or ${text}ms?`;
  const words: Units = { sec: 1, secs: 1, second: 1, seconds: 1, min: 2, mins: 2, minute: 2 };
  const [, number, word] = /^(\d+(?:\.\d+)?)\s*([a-z]+)$/i.exec(text) ?? [];
  if (number === undefined || word === undefined) return '';
  const unit = ['', 's', 'm'][words[word.toLowerCase()] ?? 0] || word.toLowerCase();
  return Object.hasOwn(durationUnits, unit) ? `did you mean ${number}${unit}?` : '';
}

/** The same for a size. */
export function sizeHint(text: string): string {
  if (/^\d+(\.\d+)?$/.test(text)) return `the unit is missing: ${text}B or ${text}MiB?`;
  const [, number, letter] = /^(\d+(?:\.\d+)?)\s*([bkmgt])(?:i?b)?$/i.exec(text) ?? [];
  if (number === undefined || letter === undefined) return '';
  return `did you mean ${number}${letter.toUpperCase()}${/b/i.test(letter) ? '' : 'iB'}?`;
}

function parse(text: string, units: Units): number | undefined {
  const [, number, unit] = /^(\d+(?:\.\d+)?)([A-Za-z]+)$/.exec(text) ?? [];
  if (number === undefined || unit === undefined || !Object.hasOwn(units, unit)) return undefined;
  const exact = Number(number) * (units[unit] ?? 0);
  // 1.1 s is 1100.0000000000002 in binary fractions: whole all the same.
  const whole = Math.round(exact);
  return Number.isSafeInteger(whole) && Math.abs(exact - whole) < 1e-6 ? whole : undefined;
}

function format(amount: number, largestFirst: readonly string[], units: Units): string {
  const unit = largestFirst.find((name) => amount % (units[name] ?? 1) === 0) ?? '';
  return `${amount / (units[unit] ?? 1)}${unit}`;
}

function patternOf(units: Units): string {
  return `^\\d+(\\.\\d+)?(${Object.keys(units).join('|')})$`;
}
