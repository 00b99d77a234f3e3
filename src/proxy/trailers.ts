/**
 * Which fields behind a body are passed on, in both directions and for both lanes.
 *
 * The rule this file keeps: nothing comes behind a body that a reader decides by before it.
 */
import { guardedNames } from './headers.ts';

/**
 * Fields that may not come in a trailer section, because they would have to come before (RFC 9110
 * section 6.5.1).
 */
const notInTrailers = new Set([
  ...guardedNames,
  'authorization',
  'cache-control',
  'content-encoding',
  'content-range',
  'content-type',
  'cookie',
  'set-cookie',
]);

/** The trailers that are passed on, as pairs. */
export function trailerPairs(raw: readonly string[]): [string, string][] {
  const pairs: [string, string][] = [];
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at] ?? '';
    const lower = name.toLowerCase().replaceAll('_', '-');
    if (notInTrailers.has(lower) || lower.startsWith('proxy-')) continue;
    if (lower.startsWith('x-forwarded-')) continue;
    pairs.push([name, raw[at + 1] ?? '']);
  }
  return pairs;
}
