/**
 * How long the Node that runs us gets fixes of its own.
 *
 * The rule this file keeps: it warns and refuses nothing; who runs an old Node may have no other
 * one. Dates are those that the Node project has published; of a Node that is newer than this file
 * nothing is said.
 */

/** The day after which a major version gets no fix any more; odd ones have half a year. */
const ends: Readonly<Record<number, string>> = {
  20: '2026-04-30',
  21: '2024-06-01',
  22: '2027-04-30',
  23: '2025-06-01',
  24: '2028-04-30',
  25: '2026-06-01',
  26: '2029-04-30',
};

/** @param version as in `process.versions.node`. @returns null: it is looked after. */
export function endOfLifeText(version: string, now: Date): string | null {
  const end = ends[Number(version.split('.', 1)[0])];
  // The whole last day counts, wherever on earth it is.
  if (end === undefined || now.getTime() < Date.parse(end) + 36 * 3_600_000) return null;
  const why = `Node ${version} has got no security fixes since ${end}`;
  return `note: ${why}; HTTP and TLS are its code. Pointsman runs on newer ones as it is.`;
}
