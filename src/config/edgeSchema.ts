/**
 * The keys of a service that say what it does at its edge: header fields, prefixes, redirects, and
 * who is let in.
 *
 * The rule this file keeps: as in `schema.ts`, which takes these keys in. A header field that says
 * how a message is framed, or whose connection it is on, is nobody's to change.
 */
import { isHostName } from './address.ts';
import type { ScalarKind } from './kind.ts';
import { cidr, flag, pathPrefix, scalar } from './kinds.ts';
import { listOf, mapOf, oneOrMany, optional, preset, record } from './records.ts';

/** Of the connection, of the framing, or said by us in every message. */
const ours = new Set([
  'connection',
  'content-length',
  'date',
  'expect',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'x-request-id',
]);

const tokenPattern = "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}$";

/** @param also names that this list may not have. */
function fieldName(also: readonly string[] = []): ScalarKind<string> {
  return scalar(
    {
      wanted: 'the name of a header field such as X-Frame-Options',
      bounds: 'names of header fields',
      json: { type: 'string', pattern: tokenPattern },
    },
    ({ text }, hint) => {
      const lower = text.toLowerCase();
      if (ours.has(lower)) hint('this one is ours, in every message');
      else if (also.includes(lower)) hint('a request has one, always: set it');
      else if (new RegExp(tokenPattern).test(text)) return text;
      return undefined;
    },
  );
}

const fieldValue: ScalarKind<string> = scalar(
  {
    wanted: 'the value of a header field, visible ASCII and blanks between',
    bounds: 'visible ASCII',
    json: { type: ['string', 'number', 'boolean'], maxLength: 4096 },
  },
  ({ value, text }) => {
    const visible = /^(?:[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?)?$/;
    return value !== null && text.length <= 4096 && visible.test(text) ? text : undefined;
  },
);

const host: ScalarKind<string> = scalar(
  {
    wanted: 'a host such as shop.example, with or without a port',
    bounds: 'a host, or host:port',
    json: { type: 'string' },
  },
  ({ text }) => {
    const name = text.replace(/:\d{1,5}$/, '');
    return isHostName(name) ? text.toLowerCase() : undefined;
  },
);

const exactHost: ScalarKind<string> = scalar(
  {
    wanted: 'a host such as www.shop.example',
    bounds: 'a host',
    json: { type: 'string', pattern: '^[A-Za-z0-9_.-]+$' },
  },
  ({ text }) => (isHostName(text) ? text.toLowerCase() : undefined),
);

function edits(whose: string, always: readonly string[]) {
  return record({
    remove: preset(listOf(fieldName(always), 0, 100), [], `Fields that are taken out of ${whose}.`),
    set: preset(
      mapOf(fieldName(), fieldValue, 100),
      {},
      'Fields that are put there; what was there under the name goes.',
    ),
    add: preset(
      mapOf(fieldName(always), oneOrMany(fieldValue, 1, 20), 100),
      {},
      'Fields that are put there beside those of the same name; a list adds several.',
    ),
  });
}

export const edgeKeys = {
  headers: preset(
    record({
      request: preset(
        edits('what targets get', ['host']),
        {},
        'Header fields of requests, as targets get them.',
      ),
      response: preset(
        edits("targets' answers", []),
        {},
        "Header fields of targets' answers, as clients get them; our own answers stay as they are.",
      ),
    }),
    {},
    'Header fields that are changed on the way: removed, then set, then added.',
  ),
  forwarded: preset(
    flag,
    false,
    'Whether targets get `Forwarded` (RFC 7239) beside X-Forwarded-For, -Proto and -Host.',
  ),
  prefix: preset(
    record({
      strip: optional(
        pathPrefix,
        'Taken from the front of paths, on segment borders; X-Forwarded-Prefix tells the target.',
      ),
      add: optional(pathPrefix, 'Put in front of paths, behind what was stripped.'),
    }),
    {},
    'What targets get of the paths that clients ask for.',
  ),
  redirects: preset(
    mapOf(exactHost, host, 1000),
    {},
    'From one of its hosts to another, such as www.shop.example: shop.example; 308, so method ' +
      'and body stay.',
  ),
  allow: preset(
    listOf(cidr, 0, 1000),
    [],
    'Whose requests are let in; others get 403. Behind `trustedProxies`, X-Forwarded-For says who ' +
      'it is; none: everybody.',
  ),
};
