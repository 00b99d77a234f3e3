/**
 * What a kind of value is, and a key that takes one: the shapes of which the tables of keys are
 * made.
 */
import type { Reading } from './reading.ts';
import type { Plain, Scalar, Value } from './tree.ts';

export interface Kind<T> {
  /** Completes "wanted …". */
  readonly wanted: string;
  /** The same, short, for a column of a table. */
  readonly bounds: string;
  /** JSON Schema (draft 07). */
  readonly json: { readonly [keyword: string]: Plain };
  /** What stands below, for documents: the keys of a map; `*` where any name will do. */
  readonly keys?: Keys;
  /** @returns undefined after reporting what was wrong. */
  read(value: Value, path: string, reading: Reading): T | undefined;
}

/** A kind of scalar, so that others can be made of it. */
export interface ScalarKind<T> extends Kind<T> {
  /** @param hint called with what else to tell where undefined is returned. */
  parse(value: Scalar, hint: Hint): T | undefined;
}

/** Takes what else to tell where a value is not of the kind. */
export type Hint = (text: string) => void;

/** One key of a record. */
export interface Key<T> {
  readonly kind: Kind<unknown>;
  /** One sentence: what it is, and who needs it. */
  readonly about: string;
  /** For documents: `30s`, `required`, `none`, or where it comes from. */
  readonly fallback: string;
  /** The default as it would be written; undefined where there is none to write. */
  readonly preset: Plain | undefined;
  readonly needed: boolean;
  /** What it is where the file does not say, or says something wrong. */
  absent(): T;
  read(value: Value, path: string, reading: Reading): T | undefined;
}

export type Keys = Readonly<Record<string, Key<unknown>>>;
