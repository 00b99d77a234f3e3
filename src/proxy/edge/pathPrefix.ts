/**
 * A prefix that is taken from paths before a target gets them, and one that is put in front.
 *
 * The rule this file keeps: prefixes end on segment borders, as in routing, and what is behind them
 * passes byte for byte. A path that does not have the prefix is left as it is.
 */
export class PathPrefix {
  readonly #strip: string;
  readonly #add: string;

  /** @param strip and `add`: '' or beginning with `/` and not ending with one. */
  constructor(strip: string, add: string) {
    this.#strip = strip;
    this.#add = add;
  }

  /** What is taken from this target; '': nothing. */
  stripped(target: string): string {
    const prefix = this.#strip;
    if (prefix === '' || !target.startsWith(prefix)) return '';
    const behind = target.charCodeAt(prefix.length);
    return Number.isNaN(behind) || behind === SLASH || behind === QUESTION ? prefix : '';
  }

  /** @param target in origin form. @returns what is asked for at the target of the pool. */
  apply(target: string): string {
    const rest = target.slice(this.stripped(target).length);
    const path = rest.charCodeAt(0) === SLASH ? rest : `/${rest}`;
    return this.#add + path;
  }
}

const SLASH = 0x2f;
const QUESTION = 0x3f;
