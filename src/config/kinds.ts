/**
 * The kinds of single values a key can have: text, numbers, durations, sizes, addresses, hosts.
 *
 * The rule this file keeps: a kind is one description with three uses: it reads a value, it says
 * what was wanted when the value is something else, and it tells an editor (JSON Schema) the same.
 */
import { BlockList, isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import { Fault } from '../errors.ts';
import { isHostName, listenWanted, parseListen, parseTarget, targetWanted } from './address.ts';
import { nearest } from './hint.ts';
import type { Kind, ScalarKind } from './kind.ts';
import { describe } from './tree.ts';
import {
  durationHint,
  durationPattern,
  formatDuration,
  formatSize,
  parseDuration,
  parseSize,
  sizeHint,
  sizePattern,
} from './units.ts';
import { foreignVariable } from './variables.ts';

type Description = Pick<Kind<unknown>, 'wanted' | 'bounds' | 'json'>;

/** Any kind of scalar: what it is called, and how it is parsed. */
export function scalar<T>(about: Description, parse: ScalarKind<T>['parse']): ScalarKind<T> {
  return {
    ...about,
    parse,
    read(value, path, reading) {
      let hint = '';
      const note = (text: string): void => {
        hint = text === '' ? '' : `; ${text}`;
      };
      const parsed = value.kind === 'scalar' ? parse(value, note) : undefined;
      if (parsed !== undefined) return parsed;
      const foreign = value.kind === 'scalar' ? foreignVariable(value.text) : undefined;
      if (foreign !== undefined) note(foreign);
      // A hint may quote what was filled in, and that may be a secret.
      const filled = value.kind === 'scalar' && value.written !== undefined;
      reading.report(
        path,
        value.at,
        `wanted ${about.wanted}, got ${describe(value)}${filled ? '' : hint}`,
      );
      return undefined;
    },
  };
}

/**
 * Text, on one line unless `pattern` allows more. A plain number or boolean is taken as it was
 * written.
 *
 * @param most the longest, in UTF-16 units.
 */
export function text(wanted: string, pattern = /^[^\0\r\n]+$/, most = 4096): ScalarKind<string> {
  const json = { type: ['string', 'number', 'boolean'], pattern: pattern.source, maxLength: most };
  return scalar({ wanted, bounds: `${wanted}`, json }, (value, hint) => {
    if (value.value === null) hint('write "" where it is meant to be empty');
    if (value.value === null || !pattern.test(value.text)) return undefined;
    if (value.text.length <= most) return value.text;
    hint(`at most ${most} characters`);
    return undefined;
  });
}

/** One of a few words. */
export function choice<const W extends string>(...words: readonly W[]): ScalarKind<W> {
  const list = words.join(', ');
  const about = { wanted: `one of ${list}`, bounds: list, json: { enum: [...words] } };
  return scalar(about, (value, hint) => {
    const found = words.find((word) => word === value.text);
    const near = found ?? nearest(value.text, words);
    if (found === undefined && near !== undefined) hint(`did you mean ${near}?`);
    return found;
  });
}

/** A number within bounds, both included. */
export function number(min: number, max: number): ScalarKind<number> {
  return numeric('number', `a number from ${min} to ${max}`, min, max);
}

/** A whole number within bounds, both included. */
export function whole(min: number, max: number): ScalarKind<number> {
  return numeric('integer', `a whole number from ${min} to ${max}`, min, max);
}

/** true or false. */
export const flag: ScalarKind<boolean> = scalar(
  { wanted: 'true or false', bounds: 'true, false', json: { type: 'boolean' } },
  ({ value }) => (typeof value === 'boolean' ? value : undefined),
);

/** Milliseconds, from text with a unit; bounds in the same form, both included. */
export function duration(min: string, max: string): ScalarKind<number> {
  const [least = 0, most = 0] = [parseDuration(min), parseDuration(max)];
  const range = `${formatDuration(least)} to ${formatDuration(most)}`;
  const about = { wanted: `a duration such as 30s, ${range}`, bounds: range };
  const json = { type: 'string', pattern: durationPattern };
  return scalar({ ...about, json }, (value, hint) => {
    const ms = typeof value.value === 'string' ? parseDuration(value.text) : undefined;
    if (ms === undefined) hint(durationHint(value.text));
    return ms === undefined || ms < least || ms > most ? undefined : ms;
  });
}

/** Bytes, from text with a unit; bounds in the same form, both included. */
export function size(min: string, max: string): ScalarKind<number> {
  const [least = 0, most = 0] = [parseSize(min), parseSize(max)];
  const range = `${formatSize(least)} to ${formatSize(most)}`;
  const about = { wanted: `a size such as 100MiB, ${range}`, bounds: range };
  const json = { type: 'string', pattern: sizePattern };
  return scalar({ ...about, json }, (value, hint) => {
    const bytes = typeof value.value === 'string' ? parseSize(value.text) : undefined;
    if (bytes === undefined) hint(sizeHint(value.text));
    return bytes === undefined || bytes < least || bytes > most ? undefined : bytes;
  });
}

const addressPattern = '^([A-Za-z0-9_.-]*|\\[[0-9A-Fa-f:.%]+\\]):\\d{1,5}$';

/** Where to listen. */
export const listenAddress = address(
  {
    wanted: listenWanted.replace('3000', '8080'),
    bounds: '`host:port`',
    json: { type: 'string', pattern: addressPattern },
  },
  parseListen,
);

/** Where to connect to. */
export const targetAddress = address(
  {
    wanted: targetWanted,
    bounds: '`host:port`, `https://host`, `unix:/path`',
    json: { type: 'string', pattern: `${addressPattern}|^https://.+$|^unix:/.+$` },
  },
  parseTarget,
);

/** A name, an IPv4 address, or `*.` and a name; in lower case. */
export const hostPattern: ScalarKind<string> = scalar(
  {
    wanted: 'a host such as shop.example or *.shop.example',
    bounds: 'a host, or `*.` and a domain',
    json: { type: 'string', pattern: '^(\\*\\.)?[A-Za-z0-9_.-]+$' },
  },
  ({ text: written }, hint) => {
    const name = written.replace(/^\*\./, '');
    // What a server is called in nginx that takes every host.
    if (written !== '_' && isHostName(name) && !(name !== written && isIP(name)))
      return written.toLowerCase();
    hint(hostHint(written));
    return undefined;
  },
);

/** A path prefix; `/` alone, or without a slash at its end. */
export const pathPrefix: ScalarKind<string> = scalar(
  {
    wanted: 'a path prefix that begins with /',
    bounds: 'begins with `/`',
    json: { type: 'string', pattern: '^/' },
  },
  ({ text: written }, hint) => {
    if (/^[~^=]|[\^|\\[\]{}]|\(\?|\.\*/.test(written))
      hint('prefixes alone: there are no patterns');
    else if (/[?#]/.test(written)) hint('a prefix is matched against the path alone');
    else if (written.includes('*')) hint('a prefix needs no *');
    else if (/\/\.{0,2}\//.test(`${written.replace(/\/$/, '')}/`)) {
      if (written === '/') return '/';
      hint('no empty, . or .. segments');
    } else if (/^\/[A-Za-z0-9._~!$&'()+,;=:@%/-]*$/.test(written) && written.length <= 1024) {
      return written.replace(/\/$/, '') || '/';
    } else if (/^[A-Za-z0-9]/.test(written)) hint(`did you mean /${written}?`);
    return undefined;
  },
);

export const requestPath = text('a path that begins with /', /^\/[\x21-\x7e]*$/);

export const envName = text('a variable name of letters, digits and _', /^[A-Za-z_][A-Za-z0-9_]*$/);

/** Text of any form but NUL, which no process can be given. */
export const anyText = text('text', /^[^\0]*$/, 65_536);

/** A block of addresses in CIDR form; one address is a block of one. */
export const cidr: ScalarKind<string> = scalar(
  {
    wanted: 'an address block such as 10.0.0.0/8',
    bounds: 'CIDR blocks',
    json: { type: 'string', pattern: '^[0-9A-Fa-f:.]+(/\\d{1,3})?$' },
  },
  ({ text: written }, hint) => {
    const [net = '', prefix, ...more] = written.split('/');
    const family = isIP(net);
    const bits = family === 6 ? 128 : 32;
    if (/^(\*|any|all|everyone|everybody)$/.test(written)) hint('everybody is 0.0.0.0/0 and ::/0');
    else if (written === 'private_ranges')
      hint('10.0.0.0/8, 172.16.0.0/12 and 192.168.0.0/16, say');
    else if (family === 0 && isHostName(written))
      hint('a name is not looked up; write its addresses');
    if (family === 0 || net.includes('%') || more.length > 0) return undefined;
    if (prefix === undefined) return `${net}/${bits}`;
    if (!/^\d{1,3}$/.test(prefix) || Number(prefix) > bits) return undefined;
    new BlockList().addSubnet(net, Number(prefix), family === 6 ? 'ipv6' : 'ipv4');
    return written;
  },
);

/** HTTP statuses: `204`, or a range, both included. */
export const statusRange: ScalarKind<{ readonly from: number; readonly to: number }> = scalar(
  {
    wanted: 'a status or a range of them such as 200-299, 200 to 599',
    bounds: '200 to 599',
    json: { type: ['string', 'integer'], pattern: '^[2-5]\\d\\d(-[2-5]\\d\\d)?$' },
  },
  (value) => {
    const found = /^([2-5]\d\d)(?:-([2-5]\d\d))?$/.exec(value.text);
    if (found === null) return undefined;
    const [from, to] = [Number(found[1]), Number(found[2] ?? found[1])];
    return from <= to ? { from, to } : undefined;
  },
);

/** A word that stands for itself, or a scalar of another kind. */
export function orWord<const W extends string, T>(word: W, kind: ScalarKind<T>): ScalarKind<T | W> {
  const about = {
    wanted: `${word}, or ${kind.wanted}`,
    bounds: `${word}, or ${kind.bounds}`,
    json: { anyOf: [{ const: word }, kind.json] },
  };
  return scalar<T | W>(about, (value, hint) => {
    return value.text === word ? word : kind.parse(value, hint);
  });
}

function numeric(type: string, wanted: string, min: number, max: number): ScalarKind<number> {
  const json = { type, minimum: min, maximum: max };
  return scalar({ wanted, bounds: `${min} to ${max}`, json }, ({ value }, hint) => {
    if (typeof value === 'string' && /^[\d.]+$/.test(value)) hint('take the quotes away');
    if (typeof value !== 'number' || Number.isNaN(value)) return undefined;
    if (type === 'integer' && !Number.isInteger(value)) return undefined;
    return value >= min && value <= max ? value : undefined;
  });
}

function address<T>(about: Description, parse: (text: string) => T): ScalarKind<T> {
  return scalar(about, ({ text: written }, hint) => {
    try {
      return parse(written);
    } catch (thrown) {
      if (!(thrown instanceof Fault)) throw thrown;
      hint(String(thrown.detail.hint));
      return undefined;
    }
  });
}

function hostHint(written: string): string {
  if (['*', '_', 'default', '0.0.0.0'].includes(written)) return 'leave hosts away for any host';
  const rule = /^Host\w*\([`'"]([^`'"]*)[`'"]\)$/.exec(written)?.[1];
  if (rule !== undefined && isHostName(rule)) return `did you mean ${rule}?`;
  if (/^[a-z]+:\/\//i.test(written)) return 'a host is no URL';
  if (/:\d+$/.test(written)) return 'a host has no port here';
  if (/[~^$()|\\[\]{}]/.test(written)) return 'names alone: there are no patterns and no rules';
  if (written.startsWith('.')) return `did you mean *${written}?`;
  if (/^\*[^.]|.\*/.test(written)) return 'a * stands in front alone, as in *.shop.example';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII is what is meant.
  if (/[^\x00-\x7f]/.test(written)) return `write it as ${domainToASCII(written) || 'ASCII'}`;
  return '';
}
