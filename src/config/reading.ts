/**
 * One reading of one file: what is wrong in it, and where everything stands.
 *
 * The rule this file keeps: a mistake never ends the reading, so a person sees all of them at once;
 * only when everything was read does the reading throw, with one line for each.
 */
import { Fault } from '../errors.ts';
import type { Place } from './tree.ts';

/** One thing that is wrong. The path is empty where the file as a whole, or its syntax, is. */
export interface Mistake {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly path: string;
  readonly message: string;
}

/** Enough to mend a file by; a file with more is not a config that somebody wrote. */
export const mistakesMax = 100;

export class Reading {
  readonly file: string;
  readonly #mistakes: Mistake[] = [];
  readonly #places = new Map<string, Place>();
  /** Mistakes beyond `mistakesMax`: counted, not kept. */
  #more = 0;

  /** @param file what the mistakes call it. */
  constructor(file: string) {
    this.file = file;
  }

  /** Remembers where a key stands: the key of a map or list, the value of anything else. */
  place(path: string, at: Place): void {
    this.#places.set(path, at);
  }

  /** Where this path stands, or the nearest thing around it that was written. */
  at(path: string): Place {
    for (let around = path; around !== ''; around = parentOf(around)) {
      const found = this.#places.get(around);
      if (found !== undefined) return found;
    }
    return this.#places.get('') ?? { line: 1, column: 1 };
  }

  /** Whether the file itself says something here, in place of leaving it to the default. */
  written(path: string): boolean {
    return this.#places.has(path);
  }

  /** Every path that was written: `services.shop.hosts[0]`. */
  get paths(): readonly string[] {
    return [...this.#places.keys()];
  }

  /** @param message what was wanted, what was got. */
  report(path: string, at: Place, message: string): void {
    if (this.#mistakes.length >= mistakesMax) this.#more += 1;
    else this.#mistakes.push({ file: this.file, ...at, path, message });
  }

  /** Whether something at or below the path is wrong already: more about it would only confuse. */
  spoilt(path: string): boolean {
    return this.#mistakes.some(({ path: wrong }) => wrong === path || isBelow(wrong, path));
  }

  /** By file, the one that is read first, and by line. */
  get mistakes(): readonly Mistake[] {
    return this.#mistakes.toSorted((a, b) => {
      const files = this.#rank(a.file) - this.#rank(b.file) || (a.file < b.file ? -1 : 1);
      return a.file === b.file ? a.line - b.line || a.column - b.column : files;
    });
  }

  #rank(file: string): number {
    return file === this.file ? 0 : 1;
  }

  /** @throws Fault CONFIG_INVALID with one mistake a line, where there is one. */
  finish(): void {
    const mistakes = this.mistakes;
    if (mistakes.length === 0) return;
    const lines = mistakes.map(formatMistake);
    if (this.#more > 0) lines.push(`${this.file}: and ${this.#more} more`);
    throw new Fault('CONFIG_INVALID', lines.join('\n'), { mistakes });
  }
}

/** `file:line:col: path: what was wanted, what was got`. */
export function formatMistake(mistake: Mistake): string {
  const { file, line, column, path, message } = mistake;
  return `${file}:${line}:${column}: ${path === '' ? '' : `${path}: `}${message}`;
}

/** The path of a key of the map at `path`. */
export function below(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}

function isBelow(path: string, above: string): boolean {
  return path.startsWith(above) && /^[.[]/.test(path.slice(above.length));
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('.'), path.lastIndexOf('[')));
}
