/**
 * The keys of a service that say what it does at its edge: header fields, prefixes, redirects, and
 * who is let in.
 *
 * The rule this file keeps: as in `schema.ts`, which takes these keys in. A header field that says
 * how a message is framed, or whose connection it is on, is nobody's to change.
 */
import { isHostName } from './address.ts';
import type { ScalarKind } from './kind.ts';
import { cidr, flag, pathPrefix, scalar, text } from './kinds.ts';
import { listOf, mapOf, oneOrMany, optional, preset, record, required } from './records.ts';

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

/**
 * @param kept names that no list of these edits may have.
 * @param also names that this list may not have.
 */
function fieldName(kept: readonly string[], also: readonly string[] = []): ScalarKind<string> {
  return scalar(
    {
      wanted: 'the name of a header field such as X-Frame-Options',
      bounds: 'names of header fields',
      json: { type: 'string', pattern: tokenPattern },
    },
    ({ text: written }, hint) => {
      const lower = written.toLowerCase();
      if (ours.has(lower)) hint('this one is ours, in every message');
      else if (kept.includes(lower)) hint('this one stays as it is: by it a loop is known');
      else if (also.includes(lower)) hint('a request has one, always: set it');
      else if (new RegExp(tokenPattern).test(written)) return written;
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
  ({ value, text: written }) => {
    const visible = /^(?:[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?)?$/;
    return value !== null && written.length <= 4096 && visible.test(written) ? written : undefined;
  },
);

const host: ScalarKind<string> = scalar(
  {
    wanted: 'a host such as shop.example, with or without a port',
    bounds: 'a host, or host:port',
    json: { type: 'string' },
  },
  ({ text: written }) => {
    const name = written.replace(/:\d{1,5}$/, '');
    return isHostName(name) ? written.toLowerCase() : undefined;
  },
);

const exactHost: ScalarKind<string> = scalar(
  {
    wanted: 'a host such as www.shop.example',
    bounds: 'a host',
    json: { type: 'string', pattern: '^[A-Za-z0-9_.-]+$' },
  },
  ({ text: written }) => (isHostName(written) ? written.toLowerCase() : undefined),
);

function edits(whose: string, always: readonly string[], kept: readonly string[]) {
  return record({
    remove: preset(
      listOf(fieldName(kept, always), 0, 100),
      [],
      `Fields that are taken out of ${whose}.`,
    ),
    set: preset(
      mapOf(fieldName(kept), fieldValue, 100),
      {},
      'Fields that are put there; what was there under the name goes.',
    ),
    add: preset(
      mapOf(fieldName(kept, always), oneOrMany(fieldValue, 1, 20), 100),
      {},
      'Fields that are put there beside those of the same name; a list adds several.',
    ),
  });
}

const users = record({
  file: required(
    text('a path'),
    '',
    'A file of name:hash lines, as `pointsman password` makes them; strangers may not read it.',
  ),
  realm: optional(
    text('a name without quotes', /^[\x20\x21\x23-\x5b\x5d-\x7e]{1,100}$/),
    'What browsers call the service when they ask.',
    'the name of the service',
  ),
});

export const edgeKeys = {
  headers: preset(
    record({
      request: preset(
        edits('what targets get', ['host'], ['via']),
        {},
        'Header fields of requests, as targets get them.',
      ),
      response: preset(
        edits("targets' answers", [], []),
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
  basicAuth: optional(users, 'Names and passwords that clients are asked for.'),
  preview: optional(
    record({
      host: optional(
        exactHost,
        'The host by which it is asked for, such as preview.shop.example; the id of a deployment and a dot in front of it ask for that one.',
      ),
      header: optional(
        fieldName(['via']),
        'The header field by which it is asked for at the hosts of the service: `1`, or the id of a deployment.',
      ),
      auth: optional(
        users,
        'Names and passwords that are asked for there.',
        'those of `basicAuth`, where it is there',
      ),
    }),
    'How the release that is being proved is seen before its flip: by a host or a header of its own, and never the live one.',
  ),
  sticky: optional(
    text('the name of a cookie', /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/),
    'The cookie by which a client comes back to the same target while its pool is live; a flip ' +
      'takes everybody along.',
  ),
  pages: optional(
    text('a path'),
    'A folder with pages of its own, such as 503.html, for browsers, in place of our error answers; ' +
      'read at a reload.',
  ),
};
