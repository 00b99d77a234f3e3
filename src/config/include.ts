/**
 * `include:`, a folder in which each service keeps a file of its own.
 *
 * The rule this file keeps: what is included is one file with the rest, in the order of the names.
 * A mistake in any of them is a mistake in all, told with the file it stands in, so a reload takes
 * the whole or nothing.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { reasonOf } from '../errors.ts';
import type { Reading } from './reading.ts';
import { readTextFile } from './textFile.ts';
import { describe, type Entry, type Mapping, quote, type Value } from './tree.ts';
import { parseYaml } from './yaml.ts';

/** As many as a file may have services. */
const filesMax = 5000;
/** All of them together, and the file that includes them; a thousand services are half of one. */
export const includedBytesMax = 8 * 1024 * 1024;

export interface Included {
  readonly file: string;
  readonly text: string;
}

/**
 * The files of a folder that are YAML and are not hidden, by name.
 *
 * @throws Fault CONFIG_UNREADABLE for a file that cannot be read.
 * @throws Error with a sentence, where it is the folder.
 */
export async function readIncluded(folder: string, bytesMax: number): Promise<Included[]> {
  const all = await readdir(folder).catch((cause: NodeJS.ErrnoException) => {
    throw new Error(cause.code === 'ENOENT' ? `there is no folder ${folder}` : reasonOf(cause));
  });
  const names = all.filter((name) => /^[^.].*\.ya?ml$/.test(name)).sort();
  if (names.length > filesMax)
    throw new Error(`${folder} has ${names.length} files, ${filesMax} at most`);
  const included: Included[] = [];
  let bytes = 0;
  for (const name of names) {
    const file = join(folder, name);
    const { text } = await readTextFile(file, 'The included file', bytesMax);
    bytes += Buffer.byteLength(text);
    if (bytes > includedBytesMax) throw new Error(`${folder} holds more than 8 MiB`);
    included.push({ file, text });
  }
  return included;
}

/** Where the tree of a file names its folder; undefined: nowhere. */
export function includeOf(tree: Value | undefined): Entry | undefined {
  return tree?.kind === 'mapping' ? tree.entries.find(({ key }) => key === 'include') : undefined;
}

/** @returns the tree with the services of the other files behind its own. */
export function withIncluded(tree: Value, included: readonly Included[], reading: Reading): Value {
  if (included.length === 0 || tree.kind !== 'mapping') return tree;
  const more = included.flatMap((one) => servicesIn(one, reading));
  const own = tree.entries.find(({ key }) => key === 'services');
  if (own !== undefined && own.value.kind !== 'mapping') return tree;
  const entries = own?.value.kind === 'mapping' ? own.value.entries : [];
  const at = own?.at ?? tree.at;
  const value: Mapping = {
    kind: 'mapping',
    at: own?.value.at ?? tree.at,
    entries: [...entries, ...more],
  };
  const others = tree.entries.filter((entry) => entry !== own);
  return { ...tree, entries: [...others, { key: 'services', at, value }] };
}

function servicesIn({ file, text }: Included, reading: Reading): readonly Entry[] {
  const tree = parseYaml(text, reading, file);
  if (tree === undefined) return [];
  const report = (message: string, at = tree.at): void => reading.report('', at, message);
  if (tree.kind !== 'mapping') {
    report(`wanted a map with services, got ${describe(tree)}`);
    return [];
  }
  return tree.entries.flatMap(({ key, at, value }) => {
    if (key !== 'services')
      report(`wanted services and nothing else in an included file, got ${quote(key)}`, at);
    else if (value.kind !== 'mapping')
      report(`wanted a map of services, got ${describe(value)}`, value.at);
    else return value.entries;
    return [];
  });
}
