/**
 * What is known of a word of other programs: where it is written, and what is said of it.
 *
 * The rule this file keeps: shapes only.
 */

/** Paths of records in a file, as docs/configuration.md writes them; empty: the file itself. */
export type Place =
  | ''
  | 'admin'
  | 'tls'
  | 'services.*'
  | 'services.*.deploy'
  | 'services.*.first'
  | 'services.*.health'
  | 'services.*.limits'
  | 'services.*.run'
  | 'services.*.run.docker'
  | 'services.*.run.process'
  | 'services.*.run.static'
  | 'services.*.timeouts';

export interface WellKnown {
  readonly at: readonly Place[];
  /** Divided by blanks; case, `-` and `_` do not count. */
  readonly words: string;
  /** Completes `unknown key "word"; `. */
  readonly answer: string;
}
