/**
 * Where a JSON text stops being one.
 *
 * The rule this file keeps: it is asked only after `JSON.parse` has refused, and only for the
 * position; the message of `JSON.parse` has none for some mistakes, and words that differ between
 * Node versions.
 */

// What may begin at a position: a whole token. A string may hold no raw control character.
const token =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: JSON forbids them in strings
  /[ \t\n\r]+|[[\]{},:]|true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;

type Want = 'value' | 'value or ]' | 'key' | 'key or }' | ':' | ', or ]' | ', or }' | 'end';

/**
 * @returns the index of the first character that cannot belong to a JSON text; its length where it
 *   ends early.
 */
export function jsonFaultAt(text: string): number {
  const inside: ('[' | '{')[] = [];
  let want: Want = 'value';
  let at = 0;
  while (at < text.length) {
    token.lastIndex = at;
    const found = token.exec(text)?.[0];
    if (found === undefined) return at;
    if (found.trim() !== '') {
      const next = step(want, found, inside);
      if (next === null) return at;
      want = next;
    }
    at = token.lastIndex;
  }
  return at;
}

/** What is wanted after `found`; null where it is not what was wanted. */
function step(want: Want, found: string, inside: ('[' | '{')[]): Want | null {
  if (want === ':') return found === ':' ? 'value' : null;
  if (found === '}' || found === ']') {
    const opener = found === '}' ? '{' : '[';
    if (!want.endsWith(found) || inside.at(-1) !== opener) return null;
    inside.pop();
    return after(inside);
  }
  if (found === ',') {
    if (want === ', or ]') return 'value';
    return want === ', or }' ? 'key' : null;
  }
  if (want.startsWith('key')) return found.startsWith('"') ? ':' : null;
  if (!want.startsWith('value') || found === ':') return null;
  if (found !== '{' && found !== '[') return after(inside);
  inside.push(found);
  return found === '{' ? 'key or }' : 'value or ]';
}

function after(inside: readonly ('[' | '{')[]): Want {
  const last = inside.at(-1);
  if (last === undefined) return 'end';
  return last === '[' ? ', or ]' : ', or }';
}
