/**
 * What a request says about itself: who, why, and which generation it believes in.
 *
 * The rule this file keeps: a header that is there and wrong is refused, never ignored. A caller
 * that sent an If-Match meant it, and must not have the call done without.
 */
import { Fault } from '../../errors.ts';
import type { Call } from '../model/api.ts';
import { byMax, speakable } from './requestSchemas.ts';

export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Who calls, where nobody said. */
const nobody = 'admin API';

/** @throws Fault CALL_INVALID */
export function callOf(headers: Headers, body: { by?: string; why?: string }): Call {
  return {
    by: byHeader(headers) ?? body.by ?? nobody,
    why: body.why ?? '',
    generation: generationOf(headers),
  };
}

/**
 * If-Match (RFC 9110, 13.1.1) as a generation.
 *
 * @returns null where there is none, or where it is `*`: any generation will do.
 * @throws Fault CALL_INVALID
 */
function generationOf(headers: Headers): number | null {
  const given = headers['if-match'];
  if (given === undefined || given === '*') return null;
  const digits = typeof given === 'string' ? /^"(0|[1-9]\d{0,14})"$/.exec(given)?.[1] : undefined;
  if (digits === undefined) {
    throw new Fault(
      'CALL_INVALID',
      `If-Match is one generation in quotes, such as "7", or *; got ${JSON.stringify(given)}. ` +
        'Read the service: its ETag is what to send.',
    );
  }
  return Number(digits);
}

/** The ETag of a service at this generation. */
export function etagOf(generation: number): string {
  return `"${generation}"`;
}

/** @returns null where there is no Idempotency-Key. @throws Fault CALL_INVALID */
export function idempotencyKeyOf(headers: Headers): string | null {
  const given = headers['idempotency-key'];
  if (given === undefined) return null;
  if (typeof given === 'string' && /^[!-~]{1,200}$/.test(given)) return given;
  throw new Fault(
    'CALL_INVALID',
    'Idempotency-Key is 1 to 200 visible ASCII characters without blanks, such as a UUID.',
  );
}

function byHeader(headers: Headers): string | null {
  const given = headers['x-pointsman-by'];
  if (given === undefined || given === '') return null;
  // Node reads header bytes as latin1; people write UTF-8.
  const by = Buffer.from(String(given), 'latin1').toString('utf8');
  if (speakable(by, byMax)) return by;
  throw new Fault(
    'CALL_INVALID',
    `X-Pointsman-By is at most ${byMax} characters without control characters.`,
  );
}
