/** The project's own files as text, for the tests that keep them tidy. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

export interface Source {
  /** From the root of the project, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

/** All files below `folder` with one of these endings, sorted by path. */
export function sources(folder: string, endings: readonly string[] = ['.ts', '.tsx']): Source[] {
  return readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && endings.some((ending) => entry.name.endsWith(ending)))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((file) => ({
      path: relative(root, file).split(sep).join('/'),
      text: readFileSync(file, 'utf8'),
    }));
}

export function read(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

/** What a file imports: specifiers as written, those of types and of `import()` included. */
export function importsOf({ text }: Source): string[] {
  const forms = [
    /^(?:import|export)\b[^'";]*?\bfrom\s+'([^'\n]+)'/gm,
    /^import\s+'([^'\n]+)'/gm,
    /\bimport\(\s*'([^'\n]+)'\s*\)/g,
  ];
  return forms.flatMap((form) => [...text.matchAll(form)].map((match) => match[1] ?? ''));
}

/** What stands between `<!-- name -->` and `<!-- /name -->`. */
export function section(markdown: string, name: string): string {
  const begin = `<!-- ${name} -->`;
  const end = `<!-- /${name} -->`;
  const from = markdown.indexOf(begin);
  const to = markdown.indexOf(end);
  if (from === -1 || to === -1) throw new Error(`There is no section ${begin} … ${end}`);
  return markdown.slice(from + begin.length, to).trim();
}
