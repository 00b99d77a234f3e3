/**
 * Header fields that the config of a service sets, adds and removes.
 *
 * The rule this file keeps: it comes last, over fields that are right already, and the config has
 * taken no name that says how a message is framed or whose connection it is on. So nothing it does
 * can make one message into two.
 */
import type { HeaderEdits as Wanted } from '../../wireEdge.ts';

export class HeaderEdits {
  readonly #gone: ReadonlySet<string>;
  /** Names and values in turn. */
  readonly #put: readonly string[];

  constructor({ remove, set, add }: Wanted) {
    this.#gone = new Set([...remove, ...set.map(([name]) => name.toLowerCase())]);
    this.#put = [...set, ...add].flat();
  }

  /** Whether Host is said here, whatever the client said. */
  get setsHost(): boolean {
    return this.#gone.has('host');
  }

  /** @returns the list without what is to go, and what is put behind it; `fields` may change. */
  apply(fields: string[]): string[] {
    const kept = this.#gone.size === 0 ? fields : without(fields, this.#gone);
    for (const part of this.#put) kept.push(part);
    return kept;
  }
}

/** @returns null where nothing is wanted. */
export function headerEdits(wanted: Wanted): HeaderEdits | null {
  const { remove, set, add } = wanted;
  return remove.length + set.length + add.length === 0 ? null : new HeaderEdits(wanted);
}

/** The fields, names and values in turn, but those of these names (lower case). */
export function without(list: readonly string[], names: ReadonlySet<string>): string[] {
  const kept: string[] = [];
  for (let at = 0; at < list.length; at += 2) {
    const name = list[at] ?? '';
    if (!names.has(name.toLowerCase())) kept.push(name, list[at + 1] ?? '');
  }
  return kept;
}

/** What tells search engines that this is nothing to keep. */
export const noindexField = ['X-Robots-Tag', 'noindex'] as const;
