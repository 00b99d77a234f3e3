/**
 * What an authority says when it refuses (RFC 8555, 6.7; RFC 7807), in our words.
 *
 * The rule this file keeps: an operator reads what to do, and the authority's own sentence behind
 * it, shortened and on one line: it comes from outside and ends in logs, on the page and in alerts.
 */
import { Fault } from '../../../../errors.ts';

/** The authority answered, and said no. */
export class Refusal extends Error {
  readonly status: number;
  /** The last part of the problem's type: `badNonce`, `rateLimited`; empty where it has none. */
  readonly type: string;
  /** What it asks to wait; null: nothing. */
  readonly retryAfterMs: number | null;

  constructor(status: number, type: string, message: string, retryAfterMs: number | null) {
    super(message);
    this.name = 'Refusal';
    this.status = status;
    this.type = type;
    this.retryAfterMs = retryAfterMs;
  }
}

const detailLengthMax = 400;
const subproblemsMax = 5;
const prefix = 'urn:ietf:params:acme:error:';

/** What to do about it, where that is known. Types of RFC 8555, 6.7, RFC 9773 and drafts. */
const advice: Readonly<Record<string, string>> = {
  accountDoesNotExist: 'The authority does not know this account any more.',
  badCSR: 'The authority does not take this certificate request.',
  caa: 'A CAA record of the domain forbids this authority: add one for it, or remove it.',
  connection: 'The authority could not connect to the name: check DNS, firewall and port.',
  dns: 'The authority found no address of the name: check its A and AAAA records.',
  externalAccountRequired: 'The authority wants an account that it knows: set tls.acme.eab.',
  incorrectResponse:
    'Somebody else answered: check that DNS leads here, and what stands in front of Pointsman.',
  invalidContact: 'The authority does not take this address: check tls.acme.email.',
  invalidProfile: 'The authority has no such profile: check tls.acme.profile.',
  rateLimited: 'The authority has given as much as it gives for now.',
  rejectedIdentifier: 'The authority does not give certificates for this name.',
  tls: 'The authority could not speak TLS with the name: check what stands in front of port 443.',
  unauthorized: 'The authority does not believe that the name is served from here: check its DNS.',
  unsupportedIdentifier: 'The authority gives no certificates for names of this kind.',
  userActionRequired: 'The authority has new terms: read them, and agree where it says.',
};

/** @param body JSON, or anything: not every box in front of an authority speaks ACME. */
export function refusal(
  where: string,
  status: number,
  body: Buffer,
  retryAfterMs: number | null,
): Refusal {
  const problem = parsed(body);
  const type = typeOf(problem);
  const said = sentence(problem) ?? `it says ${status}`;
  const hint = advice[type];
  const message = hint === undefined ? `${where} refuses: ${said}` : `${hint} (${where}: ${said})`;
  return new Refusal(status, type, message, retryAfterMs);
}

/** What an authorization or an order failed with. @param problem what stands in its `error`. */
export function failure(problem: unknown): string {
  const said = sentence(problem) ?? 'the authority does not say why';
  const hint = advice[typeOf(problem)];
  return hint === undefined ? said : `${hint} (${said})`;
}

/** The same as a Fault, for whoever asked. */
export function faultOf(refused: Refusal): Fault {
  const { status, type, retryAfterMs } = refused;
  const limited = type === 'rateLimited' || status === 429;
  return new Fault(limited ? 'AUTHORITY_LIMITED' : 'AUTHORITY_REFUSED', refused.message, {
    type,
    ...(retryAfterMs === null ? {} : { retryAfterMs }),
    cause: undefined,
  });
}

/** One line without control characters, of bounded length. */
export function oneLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out.
  const clean = text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ').trim();
  return clean.length > detailLengthMax ? `${clean.slice(0, detailLengthMax)}…` : clean;
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return null;
  }
}

function typeOf(problem: unknown): string {
  const { type } = (problem ?? {}) as { type?: unknown };
  return typeof type === 'string' && type.startsWith(prefix) ? type.slice(prefix.length) : '';
}

function sentence(problem: unknown): string | null {
  const { detail, subproblems } = (problem ?? {}) as { detail?: unknown; subproblems?: unknown };
  const below = Array.isArray(subproblems) ? subproblems.slice(0, subproblemsMax) : [];
  const parts = [detail, ...below.map(ofName)].filter((part) => typeof part === 'string');
  return parts.length === 0 ? null : oneLine(parts.join('; '));
}

function ofName(problem: unknown): unknown {
  const { identifier, detail } = (problem ?? {}) as {
    identifier?: { value?: unknown };
    detail?: unknown;
  };
  return typeof identifier?.value === 'string' ? `${identifier.value}: ${detail}` : detail;
}
