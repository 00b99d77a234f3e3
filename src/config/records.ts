/**
 * The kinds of values that hold others: lists, maps of any names, and records of known keys.
 *
 * The rule this file keeps: a record is a table of keys, each with its kind, its default and one
 * sentence; reading, the JSON Schema and the documents all come from that table. A key that is not
 * in it is a mistake.
 */
import { nearest } from './hint.ts';
import type { Key, Keys, Kind, ScalarKind } from './kind.ts';
import { below, Reading } from './reading.ts';
import { defaultValue, describe, type Entry, type Mapping, type Plain, quote } from './tree.ts';
import { wellKnown } from './wellKnown/wellKnown.ts';
import type { Place } from './wellKnown/word.ts';

/** What a record of these keys is read into. */
export type Fields<K extends Keys> = {
  readonly [N in keyof K]: K[N] extends Key<infer T> ? T : never;
};

/** A key with a default, written as in YAML. */
export function preset<T>(kind: Kind<T>, plain: Plain, about: string): Key<T> {
  const absent = (): T => {
    const reading = new Reading('the default');
    const value = kind.read(defaultValue(plain), 'default', reading);
    reading.finish();
    if (value === undefined)
      throw new TypeError(`the default of a key is not of its kind: ${about}`);
    return value;
  };
  // A record's default is that of its keys, which say it themselves.
  const fallback = kind.keys !== undefined && typeof plain === 'object' ? '' : shown(plain);
  return { ...key(kind, about), fallback, preset: plain, needed: false, absent };
}

/** A key that can be left away, which means something of its own. */
export function optional<T>(kind: Kind<T>, about: string, fallback = 'none'): Key<T | null> {
  return { ...key(kind, about), fallback, preset: undefined, needed: false, absent: () => null };
}

/**
 * A key that has to be there.
 *
 * @param standIn takes the value's place where it is missing, so that the reading can go on; nobody
 *   sees it.
 */
export function required<T>(kind: Kind<T>, standIn: T, about: string): Key<T> {
  const fallback = 'required';
  return { ...key(kind, about), fallback, preset: undefined, needed: true, absent: () => standIn };
}

/** A map with known keys. */
export function record<const K extends Keys>(keys: K): Kind<Fields<K>> {
  return recordOf(keys, null, false);
}

/**
 * A map with known keys, at a place where other programs have words of their own.
 *
 * @param how `exactlyOne`: one of the keys, and only one, is there.
 */
export function recordAt<const K extends Keys>(
  place: Place,
  keys: K,
  { exactlyOne }: { readonly exactlyOne: boolean } = { exactlyOne: false },
): Kind<Fields<K>> {
  return recordOf(keys, place, exactlyOne);
}

/** A map with one of the known keys, and only one. */
export function exactlyOneOf<const K extends Keys>(keys: K): Kind<Fields<K>> {
  return recordOf(keys, null, true);
}

/** What a record is where none of its keys is written, for what can be written in short too. */
export function defaultsOf<const K extends Keys>(keys: K): Fields<K> {
  const fields = Object.entries(keys).map(([name, key]) => [name, key.absent()]);
  return Object.fromEntries(fields) as Fields<K>;
}

function recordOf<K extends Keys>(
  keys: K,
  place: Place | null,
  exactlyOne: boolean,
): Kind<Fields<K>> {
  const names = Object.keys(keys);
  const needy = exactlyOne || Object.values(keys).some(({ needed }) => needed);
  const wanted = `a map with ${exactlyOne ? 'exactly one of ' : ''}${names.join(', ')}`;
  return {
    wanted: names.length === 0 ? 'an empty map' : wanted,
    bounds: exactlyOne ? `exactly one of ${names.join(', ')}` : '',
    json: recordJson(keys, exactlyOne),
    keys,
    read(value, path, reading) {
      if (value.kind !== 'mapping') {
        const empty = value.kind === 'scalar' && value.value === null;
        const hint = empty && !needy ? '; {} takes every default' : '';
        reading.report(path, value.at, `wanted ${this.wanted}, got ${describe(value)}${hint}`);
        return undefined;
      }
      return readRecord(keys, value, path, reading, place, exactlyOne);
    },
  };
}

/** A map whose names the operator chooses. */
export function mapOf<T>(
  name: ScalarKind<string>,
  each: Kind<T>,
  most: number,
): Kind<Readonly<Record<string, T>>> {
  const wanted = `a map of at most ${most}`;
  return {
    wanted,
    bounds: each.keys === undefined ? `at most ${most}` : '',
    json: {
      type: 'object',
      propertyNames: { pattern: name.json.pattern ?? '' },
      maxProperties: most,
      additionalProperties: each.json,
    },
    ...(each.keys === undefined ? {} : { keys: { '*': required(each, undefined, '') } }),
    read(value, path, reading) {
      if (value.kind !== 'mapping') {
        reading.report(path, value.at, `wanted a map, got ${describe(value)}`);
        return undefined;
      }
      if (value.entries.length > most) {
        reading.report(path, value.at, `wanted ${wanted}, got ${value.entries.length}`);
        return undefined;
      }
      const read: [string, T][] = [];
      for (const entry of entriesOf(value, path, reading)) {
        const asValue = {
          kind: 'scalar',
          at: entry.at,
          value: entry.key,
          text: entry.key,
        } as const;
        const named = name.read(asValue, below(path, entry.key), reading);
        const of = each.read(entry.value, below(path, entry.key), reading);
        if (named !== undefined && of !== undefined) read.push([named, of]);
      }
      return Object.fromEntries(read);
    },
  };
}

/** A list; what is wrong in it is left out. */
export function listOf<T>(each: Kind<T>, min: number, max: number): Kind<readonly T[]> {
  const wanted = `a list of ${min === 0 ? 'at most' : `${min} to`} ${max}`;
  return {
    wanted,
    bounds: `${each.bounds === '' ? '' : `${each.bounds}; `}${min === 0 ? 'at most' : `${min} to`} ${max}`,
    json: { type: 'array', items: each.json, minItems: min, maxItems: max },
    read(value, path, reading) {
      if (value.kind !== 'list') {
        const scalar = value.kind === 'scalar' && value.value !== null;
        const hint = scalar ? `; write [${value.text.slice(0, 60).split(/,?\s+/).join(', ')}]` : '';
        reading.report(path, value.at, `wanted a list, got ${describe(value)}${hint}`);
        return undefined;
      }
      if (value.items.length < min || value.items.length > max) {
        reading.report(path, value.at, `wanted ${wanted}, got ${value.items.length}`);
        return undefined;
      }
      return value.items.flatMap((item, index) => {
        reading.place(`${path}[${index}]`, item.at);
        const read = each.read(item, `${path}[${index}]`, reading);
        return read === undefined ? [] : [read];
      });
    },
  };
}

/** One scalar as it is, or a list of them. */
export function oneOrMany<T>(each: ScalarKind<T>, min: number, max: number): Kind<readonly T[]> {
  const list = listOf(each, min, max);
  return {
    wanted: `${each.wanted}, or ${list.wanted}`,
    bounds: `${each.bounds}, or a list of them`,
    json: { anyOf: [each.json, list.json] },
    read(value, path, reading) {
      if (value.kind === 'list') return list.read(value, path, reading);
      const read = each.read(value, path, reading);
      return read === undefined ? undefined : [read];
    },
  };
}

/** A scalar or a list in short, or a map in full. */
export function shortOrFull<A, B>(short: Kind<A>, full: Kind<B>): Kind<A | B> {
  return {
    wanted: `${short.wanted}, or ${full.wanted}`,
    bounds: `${short.bounds}, or a map`,
    json: { anyOf: [short.json, full.json] },
    ...(full.keys === undefined ? {} : { keys: full.keys }),
    read: (value, path, reading) =>
      (value.kind === 'mapping' ? full : short).read(value, path, reading),
  };
}

function key<T>(kind: Kind<T>, about: string): Pick<Key<T>, 'kind' | 'about' | 'read'> {
  return { kind, about, read: (value, path, reading) => kind.read(value, path, reading) };
}

function readRecord<K extends Keys>(
  keys: K,
  value: Mapping,
  path: string,
  reading: Reading,
  place: Place | null,
  exactlyOne: boolean,
): Fields<K> {
  const written = new Map<string, Entry>();
  for (const entry of entriesOf(value, path, reading, keys)) {
    if (Object.hasOwn(keys, entry.key)) written.set(entry.key, entry);
    else reading.report(below(path, entry.key), entry.at, unknownKey(entry.key, keys, place));
  }
  if (exactlyOne && written.size !== 1) {
    const got = written.size === 0 ? 'none' : [...written.keys()].join(' and ');
    const wanted = `exactly one of ${Object.keys(keys).join(', ')}`;
    reading.report(path, reading.at(path), `wanted ${wanted}, got ${got}`);
  }
  const fields = Object.entries(keys).map(([name, of]) => {
    const entry = written.get(name);
    if (entry !== undefined) {
      return [name, of.read(entry.value, below(path, name), reading) ?? of.absent()];
    }
    if (of.needed) {
      const message = `wanted ${of.kind.wanted}, got nothing: ${name} is required`;
      reading.report(below(path, name), reading.at(path), message);
    }
    return [name, of.absent()];
  });
  // Every key was read by its own kind: that is what Fields says.
  return Object.fromEntries(fields) as Fields<K>;
}

/** The entries of a map, each key once; remembers where they stand. */
function entriesOf(map: Mapping, path: string, reading: Reading, keys: Keys = {}): Entry[] {
  const first = new Map<string, Entry>();
  for (const entry of map.entries) {
    const before = first.get(entry.key);
    const at = below(path, entry.key);
    if (before === undefined) {
      first.set(entry.key, entry);
      reading.place(at, entry.value.kind === 'scalar' ? entry.value.at : entry.at);
    } else {
      const { line, file } = before.at;
      const where = file === entry.at.file ? '' : ` of ${file ?? reading.file}`;
      const message = `wanted each key once, got it again; it stands on line ${line}${where} too`;
      const several = Object.hasOwn(keys, entry.key) && takesList(keys[entry.key]);
      reading.report(at, entry.at, `${message}${several ? ': several are a list, [a, b]' : ''}`);
    }
  }
  return [...first.values()];
}

function takesList(key: Key<unknown> | undefined): boolean {
  const { type, anyOf } = key?.kind.json ?? {};
  const isList = (json: Plain): boolean =>
    json !== null && typeof json === 'object' && 'type' in json && json.type === 'array';
  return type === 'array' || (Array.isArray(anyOf) && anyOf.some(isList));
}

/** One answer: what is known of the word here, else the key it is nearly, else where it stands. */
function unknownKey(written: string, keys: Keys, place: Place | null): string {
  if (written === '<<') return 'merge keys are not read; alias a whole value: `health: *web`';
  const unknown = `unknown key ${quote(written)}`;
  const known = place === null ? undefined : wellKnown(place, written);
  if (known !== undefined) return `${unknown}; ${known}`;
  const names = Object.keys(keys);
  const near = nearest(written, names);
  if (near !== undefined) return `${unknown}; did you mean ${near}?`;
  const inside = holders(written, keys);
  if (inside.length > 0) return `${unknown} here; it stands under ${inside.join(' or ')}`;
  const wanted = names.length === 0 ? 'no keys' : `one of ${names.join(', ')}`;
  return `${unknown}; wanted ${wanted}`;
}

/** The records below these keys that have this one, those of the first level where there are any. */
function holders(written: string, keys: Keys): string[] {
  let level = Object.entries(keys);
  while (level.length > 0) {
    const found = level.filter(([, { kind }]) => Object.hasOwn(kind.keys ?? {}, written));
    if (found.length > 0) return found.map(([path]) => path);
    level = level.flatMap(([path, { kind }]) =>
      Object.entries(kind.keys ?? {}).map(([name, key]): [string, Key<unknown>] => [
        `${path}.${name === '*' ? 'NAME' : name}`,
        key,
      ]),
    );
  }
  return [];
}

function recordJson(keys: Keys, exactlyOne: boolean): { readonly [keyword: string]: Plain } {
  const properties = Object.entries(keys).map(([name, { kind, about, preset: plain }]) => [
    name,
    { ...kind.json, description: about, ...(plain === undefined ? {} : { default: plain }) },
  ]);
  const needed = Object.keys(keys).filter((name) => keys[name]?.needed);
  return {
    type: 'object',
    properties: Object.fromEntries(properties),
    additionalProperties: false,
    ...(needed.length === 0 ? {} : { required: needed }),
    ...(exactlyOne ? { minProperties: 1, maxProperties: 1 } : {}),
  };
}

function shown(plain: Plain): string {
  return typeof plain === 'string' ? plain : JSON.stringify(plain);
}
