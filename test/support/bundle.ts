/**
 * Makes a TypeScript file and all it imports of ours into one that plain Node runs: for tests that
 * kill a process of ours.
 *
 * The rule this file keeps: one bundle per entry and test file, in a folder that goes with the
 * test.
 */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, extname, join } from 'node:path';
import { build } from 'vite';

/**
 * @param entry absolute path.
 * @param whole with the packages it imports, for a place that has none.
 * @returns the path of an ES module.
 */
export async function bundle(entry: string, whole = false): Promise<string> {
  const outDir = await mkdtemp(join(tmpdir(), 'pointsman-bundle-'));
  await build({
    configFile: false,
    logLevel: 'silent',
    ...(whole ? { ssr: { noExternal: true } } : {}),
    build: {
      ssr: entry,
      outDir,
      target: 'node20',
      minify: false,
      emptyOutDir: false,
      rolldownOptions: { output: { entryFileNames: '[name].mjs' } },
    },
  });
  return join(outDir, `${basename(entry, extname(entry))}.mjs`);
}
