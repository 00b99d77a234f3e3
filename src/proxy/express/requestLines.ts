/**
 * The header lines of a request as its target gets them.
 *
 * The rule this file keeps: lines that a client repeats in request after request are made once for
 * a service, and differ only in the request's id.
 */
import type { Exchange } from '../accounting/exchange.ts';
import { type RequestRules, requestHeaders } from '../headers.ts';
import { flat, withLines } from './headText.ts';
import type { RequestHeadCache } from './request.ts';

/** The client, as far as the lines speak of it. */
export interface Sender {
  readonly trusted: boolean;
  readonly proto: 'http' | 'https';
}

/** Stands for the id in lines that are kept; no header holds a line feed. */
const idMark = '\n\n';

/**
 * @param raw names and values in turn, as they came.
 * @param known what was made of the same lines before.
 * @param rules of the service; null: none.
 * @param prefix what is taken from the front of the path; '': nothing.
 * @param mark of the service, for Via.
 * @returns the lines, up to the empty one.
 */
export function linesForTarget(
  raw: readonly string[],
  known: RequestHeadCache | null,
  exchange: Exchange,
  sender: Sender,
  rules: RequestRules | null,
  prefix: string,
  mark: string,
): string {
  const { id } = exchange;
  if (known === null) return linesWith(id, raw, exchange, sender, rules, prefix, mark);
  const { trusted } = sender;
  const { sent } = known;
  const same =
    sent?.trusted === trusted &&
    sent.rules === rules &&
    sent.prefix === prefix &&
    sent.mark === mark;
  if (sent === null || !same) {
    const text = flat(linesWith(idMark, raw, exchange, sender, rules, prefix, mark));
    const at = text.indexOf(idMark);
    const behind = text.slice(at + idMark.length);
    known.sent = { before: text.slice(0, at), behind, trusted, rules, prefix, mark };
    return text.slice(0, at) + id + behind;
  }
  return sent.before + id + sent.behind;
}

function linesWith(
  id: string,
  raw: readonly string[],
  { host, client }: Exchange,
  { trusted, proto }: Sender,
  rules: RequestRules | null,
  prefix: string,
  mark: string,
): string {
  const headers = requestHeaders(raw, {
    client,
    trusted,
    proto,
    host,
    id,
    version: '1.1',
    chunked: false,
    upgrade: false,
    rules,
    prefix,
    mark,
  });
  return withLines('', headers);
}

/** The Accept header; '' where there is none. */
export function acceptOf(raw: readonly string[]): string {
  for (let at = raw.length - 2; at >= 0; at -= 2) {
    if (raw[at]?.toLowerCase() === 'accept') return raw[at + 1] ?? '';
  }
  return '';
}
