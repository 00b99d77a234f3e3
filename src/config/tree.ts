/**
 * A YAML file as a tree of values that know where they stand.
 *
 * The rule this file keeps: a scalar carries its text as written beside its value, so that a
 * release called 1.10 stays `1.10` and does not become the number 1.1.
 */

/** Both count from 1; the column in UTF-16 units. */
export interface Place {
  readonly line: number;
  readonly column: number;
  /** Where it is not the file that is read, but one that it includes. */
  readonly file?: string;
}

export type Value = Scalar | List | Mapping;

export interface Scalar {
  readonly kind: 'scalar';
  readonly at: Place;
  readonly value: string | number | boolean | null;
  readonly text: string;
  /** With its variables, where some were filled in: the text may be a secret then. */
  readonly written?: string;
}

export interface List {
  readonly kind: 'list';
  readonly at: Place;
  readonly items: readonly Value[];
}

export interface Mapping {
  readonly kind: 'mapping';
  readonly at: Place;
  /** In the order of the file; a key that was written twice is here twice. */
  readonly entries: readonly Entry[];
}

export interface Entry {
  readonly key: string;
  readonly at: Place;
  readonly value: Value;
}

/** What a default is written as in the schema: YAML, as JSON. */
export type Plain =
  | string
  | number
  | boolean
  | null
  | readonly Plain[]
  | { readonly [key: string]: Plain };

const nowhere: Place = { line: 1, column: 1 };

/** A default as a value that a kind can read. */
export function defaultValue(plain: Plain): Value {
  if (plain === null || typeof plain !== 'object') {
    return { kind: 'scalar', at: nowhere, value: plain, text: String(plain) };
  }
  if (isList(plain)) return { kind: 'list', at: nowhere, items: plain.map(defaultValue) };
  const entries = Object.entries(plain).map(([key, of]) => ({
    key,
    at: nowhere,
    value: defaultValue(of),
  }));
  return { kind: 'mapping', at: nowhere, entries };
}

/** What was got, for a message: short, on one line, with text in quotes. */
export function describe(value: Value): string {
  if (value.kind === 'mapping') return value.entries.length === 0 ? 'an empty map' : 'a map';
  if (value.kind === 'list') return value.items.length === 0 ? 'an empty list' : 'a list';
  if (value.kind === 'scalar' && value.written !== undefined) {
    return `what ${quote(value.written)} is filled in with`;
  }
  if (value.value === null) return 'nothing';
  return typeof value.value === 'string' ? quote(value.value) : value.text;
}

/** Text in quotes, escaped and cut to what a line can hold. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}

function isList(plain: readonly Plain[] | object): plain is readonly Plain[] {
  return Array.isArray(plain);
}
