/** The folder `src/` as a tree in Markdown: each file with the first words of its own header. */
import { type Source, sources } from './source.ts';

/** Wider than this, a line of the map is cut at a word. */
const columnsMax = 118;

/** @returns the tree as it stands in `src/README.md`, code fence included. */
export function sourceTree(): string {
  const files = sources('src', ['.ts', '.tsx', '.css', '.html']).map((source) => ({
    names: source.path.replace(/^src\//, '').split('/'),
    words: firstWords(source),
  }));
  // Files of a folder stand before its folders.
  files.sort((a, b) => compare(a.names, b.names));
  const lines: string[] = [];
  let above: readonly string[] = [];
  for (const { names, words } of files) {
    const folders = names.slice(0, -1);
    for (const [depth, folder] of folders.entries()) {
      if (above.slice(0, depth + 1).join('/') === folders.slice(0, depth + 1).join('/')) continue;
      lines.push(`${'  '.repeat(depth)}${folder}/`);
    }
    above = folders;
    const name = `${'  '.repeat(folders.length)}${names.at(-1)}`;
    lines.push(clip(`${name.padEnd(26)} ${words}`.trimEnd()));
  }
  return ['```', ...lines, '```'].join('\n');
}

function compare(a: readonly string[], b: readonly string[]): number {
  const [nameA = '', nameB = ''] = [a[0], b[0]];
  if (a.length > 1 !== b.length > 1) return a.length > 1 ? 1 : -1;
  if (nameA !== nameB) return nameA < nameB ? -1 : 1;
  return compare(a.slice(1), b.slice(1));
}

/** The first sentence of the file's header. */
function firstWords({ text }: Source): string {
  const header = /\/\*\*?([\s\S]*?)\*\//.exec(text)?.[1] ?? '';
  const words = header.replace(/\n\s*\*?\s?/g, ' ').replace(/\s+/g, ' ');
  return (/^(.+?)(?:\.\s|\.$|$)/.exec(words.trim())?.[1] ?? '').trim();
}

function clip(line: string): string {
  if (line.length <= columnsMax) return line;
  return `${line.slice(0, line.lastIndexOf(' ', columnsMax - 2))} …`;
}
