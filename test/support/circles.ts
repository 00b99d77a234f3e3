/** Circles in a graph of imports, for the tests that keep the house free of them. */
import { dirname, join, normalize } from 'node:path';
import { importsOf, type Source } from './source.ts';

/** Who imports whom, by name. */
export type Graph = ReadonlyMap<string, ReadonlySet<string>>;

/** Each file and the files of the project that it imports: those of types and `import()` too. */
export function fileGraph(files: readonly Source[]): Graph {
  const known = new Set(files.map(({ path }) => path));
  return new Map(
    files.map((source) => [
      source.path,
      new Set(
        importsOf(source)
          .filter((name) => name.startsWith('.'))
          .map((name) => normalize(join(dirname(source.path), name)))
          .filter((path) => known.has(path)),
      ),
    ]),
  );
}

/** The same between folders: an import within a folder is none, a parent is another folder. */
export function folderGraph(files: Graph, folderOf: (path: string) => string): Graph {
  const folders = new Map<string, Set<string>>();
  for (const [file, imported] of files) {
    const from = folderOf(file);
    const to = folders.get(from) ?? new Set();
    folders.set(from, to);
    for (const path of imported) if (folderOf(path) !== from) to.add(folderOf(path));
  }
  return folders;
}

/**
 * @returns those that reach themselves by way of another, in groups that reach each other
 *   (Tarjan's strongly connected components of more than one member), sorted.
 */
export function circlesOf(graph: Graph): readonly (readonly string[])[] {
  const order = new Map<string, number>();
  const lowest = new Map<string, number>();
  const open: string[] = [];
  const circles: string[][] = [];
  const visit = (name: string): number => {
    const mine = order.size;
    order.set(name, mine);
    let low = mine;
    open.push(name);
    for (const next of graph.get(name) ?? []) {
      if (!order.has(next)) low = Math.min(low, visit(next));
      else if (open.includes(next)) low = Math.min(low, lowest.get(next) ?? order.get(next) ?? low);
      lowest.set(name, low);
    }
    lowest.set(name, low);
    if (low === mine) {
      const group = open.splice(open.indexOf(name));
      if (group.length > 1) circles.push(group.sort());
    }
    return low;
  };
  for (const name of [...graph.keys()].sort()) if (!order.has(name)) visit(name);
  return circles.sort();
}
