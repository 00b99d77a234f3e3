/**
 * Text to tree; the only importer of `yaml`.
 *
 * The rule this file keeps: whatever the text is, there is a tree or there are mistakes with
 * places, and the process lives. So the nesting is measured on the tokens, before anything walks
 * them recursively: ten thousand brackets otherwise end the process in a way that no `catch` sees
 * (yaml 2.9, Node 20).
 *
 * The text is read as YAML 1.2 core, whatever it says of itself: `off` and `no` are text, `0o17` is
 * a number.
 */
import {
  Composer,
  type CST,
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  Parser,
  type YAMLMap,
} from 'yaml';
import { reasonOf } from '../errors.ts';
import type { Reading } from './reading.ts';
import { type Entry, type Place, quote, type Value } from './tree.ts';

/** The config has six levels; aliases and flow maps need no more. */
const depthMax = 32;

/** An alias is cheap here (values are shared), but each is read again wherever it stands. */
const aliasesMax = 1000;

/**
 * @param file where it stands, if that is not the file that is read.
 * @returns the tree; undefined where the text is empty or has mistakes of syntax, which are then
 *   reported (and the schema is not asked: what it would say of half a file is noise).
 */
export function parseYaml(text: string, reading: Reading, file?: string): Value | undefined {
  const lines = new LineCounter();
  const tokens = [...new Parser(lines.addNewLine).parse(text)];
  const placeOf = (offset: number): Place => {
    const { line, col } = lines.linePos(Math.min(offset, text.length));
    return { line, column: Math.max(1, col), ...(file === undefined ? {} : { file }) };
  };
  const deep = tooDeep(tokens);
  if (deep !== undefined) {
    const wanted = `wanted at most ${depthMax} levels of nesting`;
    reading.report('', placeOf(deep), `${wanted}, got more`);
    return undefined;
  }
  const before = reading.mistakes.length;
  const documents = compose(tokens, text.length, reading);
  const [first, second] = documents;
  for (const document of documents) {
    for (const wrong of [...document.errors, ...document.warnings]) {
      reading.report('', placeOf(wrong.pos[0]), syntaxMessage(wrong.code, wrong.message));
    }
  }
  if (second !== undefined) {
    reading.report('', placeOf(second.range[0]), 'wanted one YAML document, got a second one');
  }
  if (first === undefined || first.contents === null) return undefined;
  const value = new Converter(placeOf, reading).convert(first.contents);
  return reading.mistakes.length > before ? undefined : value;
}

/** Turns the nodes of the library into ours, in the order of the file. */
class Converter {
  readonly #placeOf: (offset: number) => Place;
  readonly #reading: Reading;
  readonly #anchors = new Map<string, Value>();
  #aliases = 0;

  constructor(placeOf: (offset: number) => Place, reading: Reading) {
    this.#placeOf = placeOf;
    this.#reading = reading;
  }

  convert(node: Node): Value {
    const at = this.#placeOf(node.range?.[0] ?? 0);
    if (isAlias(node)) return this.#alias(node.source, at);
    const value = this.#plain(node, at);
    // After its value: an alias inside what it names is then no alias of anything.
    if ('anchor' in node && node.anchor !== undefined) this.#anchors.set(node.anchor, value);
    return value;
  }

  #plain(node: Node, at: Place): Value {
    if (isMap(node)) return { kind: 'mapping', at, entries: this.#entries(node) };
    if (isSeq(node)) {
      const items = node.items.filter(isNode).map((item) => this.convert(item));
      return { kind: 'list', at, items };
    }
    const value: unknown = isScalar(node) ? node.value : null;
    const text = isScalar(node) ? (node.source ?? String(value)) : '';
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
      return { kind: 'scalar', at, value, text };
    }
    return { kind: 'scalar', at, value: null, text };
  }

  #alias(name: string, at: Place): Value {
    this.#aliases += 1;
    const named = this.#anchors.get(name);
    if (this.#aliases === aliasesMax + 1) {
      this.#reading.report('', at, `wanted at most ${aliasesMax} aliases, got more`);
    }
    if (named !== undefined) return named;
    this.#reading.report('', at, `wanted an alias of an anchor before it, got *${name}`);
    return { kind: 'scalar', at, value: null, text: '' };
  }

  #entries(map: YAMLMap): Entry[] {
    return map.items.flatMap((pair) => {
      const key = isNode(pair.key) ? pair.key : undefined;
      const at = this.#placeOf(key?.range?.[0] ?? map.range?.[0] ?? 0);
      const nothing: Value = { kind: 'scalar', at, value: null, text: '' };
      const value = isNode(pair.value) ? this.convert(pair.value) : nothing;
      if (!isScalar(key)) {
        this.#reading.report('', at, 'wanted a key that is plain text, got a map, list or alias');
        return [];
      }
      return [{ key: key.source ?? String(key.value), at, value }];
    });
  }
}

function compose(
  tokens: readonly CST.Token[],
  end: number,
  reading: Reading,
): readonly Document.Parsed[] {
  const composer = new Composer({ schema: 'core', uniqueKeys: false });
  try {
    return [...composer.compose(tokens, false, end)];
  } catch (cause) {
    // Never seen; but a reload must not end the controller over what the library makes of a text.
    reading.report(
      '',
      { line: 1, column: 1 },
      `wanted YAML; reading it failed: ${reasonOf(cause)}`,
    );
    return [];
  }
}

/** @returns the offset of the first token that is nested too deeply. */
function tooDeep(tokens: readonly CST.Token[]): number | undefined {
  const todo: [token: CST.Token, depth: number][] = tokens.map((token) => [token, 0]);
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    const [token, depth] = next;
    if (depth > depthMax) return token.offset;
    if (token.type === 'document' && token.value) todo.push([token.value, depth + 1]);
    if (!('items' in token)) continue;
    for (const { key, value } of token.items) {
      if (key) todo.push([key, depth + 1]);
      if (value) todo.push([value, depth + 1]);
    }
  }
  return undefined;
}

/** The library's words, but for what people do most often. */
function syntaxMessage(code: string, message: string): string {
  if (code === 'TAB_AS_INDENT')
    return 'wanted spaces, got a tab: YAML is indented with spaces only';
  if (code === 'BAD_SCALAR_START') return `${message}: put the value in quotes`;
  if (code === 'TAG_RESOLVE_FAILED') return `wanted no tags, got ${quote(message.slice(16))}`;
  return message;
}
