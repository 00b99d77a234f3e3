/**
 * `pointsman certificates`: every certificate that is served or wanted, when it ends, and what is
 * wrong with it.
 *
 * The rule this file keeps: as `status.ts` does: whatever is not as it should be has its reason on
 * a line of its own.
 */
import type { CertificateStatus } from '../control/model/certificates.ts';
import { type Context, give } from './context.ts';
import { exits } from './exits.ts';
import type { Paint } from './paint.ts';
import type { Look } from './status.ts';
import { type Cell, duration, moment, plural, table, wrap } from './text.ts';

const dayMs = 86_400_000;
/** Files are put there by somebody: a week is time to ask who. */
const fileSoonMs = 7 * dayMs;
/** Certificates of six days are renewed with two days left. */
const acmeSoonMs = 1.5 * dayMs;

/** @throws Failure */
export async function certificates(context: Context): Promise<number> {
  const all = await readCertificates(context);
  const look = { paint: context.paint, columns: context.columns, now: context.io.clock.date() };
  give(context, { certificates: all }, () => certificatesText(all, look));
  return exits.ok;
}

/** @throws Failure */
export async function readCertificates(context: Context): Promise<readonly CertificateStatus[]> {
  const path = '/v1/certificates';
  const { client } = context;
  return (await client.call<{ certificates: readonly CertificateStatus[] }>('GET', path)).body
    .certificates;
}

function certificatesText(all: readonly CertificateStatus[], look: Look): string {
  if (all.length === 0) return 'There are no certificates in the configuration.';
  const head = ['CERTIFICATE', 'FROM', 'ENDS (UTC)', 'LEFT', 'SERIAL', 'NAMES'];
  const rows: (readonly Cell[])[] = [head.map((text) => ({ text, paint: look.paint.faint }))];
  for (const one of all) {
    const ends = one.notAfter === null ? '-' : moment(one.notAfter).slice(0, 16);
    rows.push([
      { text: one.name, paint: look.paint.strong },
      one.source,
      ends,
      leftOf(one, look),
      one.serial ?? '-',
      one.names.join(', ') || '-',
    ]);
  }
  const notes = all.flatMap((one) => notesOf(one, look));
  const grid = table(rows, look.columns);
  return notes.length > 0 ? `${grid}\n\n${notes.join('\n')}` : grid;
}

/** What of certificates belongs under the status of the services; empty where all is well. */
export function certificateNotes(all: readonly CertificateStatus[], look: Look): readonly string[] {
  return all.flatMap((one) => {
    if (one.lastError !== null) return notesOf(one, look);
    if (one.source === 'temporary') {
      const text = 'a temporary certificate is served until the real one has come';
      return [look.paint.doubtful(wrap(`${one.name}: `, text, look.columns))];
    }
    if (one.notAfter === null || !isSoon(one, look.now)) return [];
    const left = Date.parse(one.notAfter) - look.now.getTime();
    const text = left < 0 ? 'has ended' : `ends in ${duration(left)}`;
    return [look.paint.bad(wrap(`${one.name}: `, `the certificate ${text}`, look.columns))];
  });
}

function isSoon({ source, notAfter }: CertificateStatus, now: Date): boolean {
  if (notAfter === null) return false;
  const soonMs = source === 'file' ? fileSoonMs : acmeSoonMs;
  return Date.parse(notAfter) - now.getTime() < soonMs;
}

function leftOf(one: CertificateStatus, { paint, now }: Look): Cell {
  if (one.notAfter === null) return { text: 'none', paint: paint.bad };
  const left = Date.parse(one.notAfter) - now.getTime();
  const whole = Math.floor(left / dayMs);
  const text = left < 0 ? 'ended' : whole < 1 ? duration(left) : plural(whole, 'day');
  return { text, paint: paintOf(one, paint, now) };
}

function paintOf(one: CertificateStatus, paint: Paint, now: Date): (text: string) => string {
  if (isSoon(one, now)) return paint.bad;
  return one.lastError === null ? paint.good : paint.doubtful;
}

function notesOf({ name, lastError, lastErrorAt, nextTryAt }: CertificateStatus, look: Look) {
  if (lastError === null) return [];
  const when = lastErrorAt === null ? '' : ` (${moment(lastErrorAt)} UTC)`;
  const next = nextTryAt === null ? '' : ` Next try: ${moment(nextTryAt)} UTC.`;
  return [look.paint.bad(wrap(`${name}: `, `${lastError}${when}.${next}`, look.columns))];
}
