/**
 * Which Pointsman this is, to an engine that may serve several.
 *
 * The rule this file keeps: the mark is drawn once and kept beside the state, so that it lives
 * exactly as long. What another instance started is not listed, not counted and never stopped.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault, reasonOf } from '../../../../errors.ts';

const fileName = 'docker-instance';

/**
 * @param stateDir null: nothing is kept, and all such share one mark.
 * @throws Fault STATE_NOT_WRITABLE
 */
export async function instanceOf(stateDir: string | null): Promise<string> {
  if (stateDir === null) return 'default';
  const file = join(stateDir, fileName);
  try {
    await mkdir(stateDir, { recursive: true });
    const drawn = randomBytes(8).toString('hex');
    // Of two that draw at once, the one that creates the file wins, and both read it.
    await writeFile(file, `${drawn}\n`, { flag: 'wx', mode: 0o644, flush: true }).catch(
      (thrown: { code?: unknown }) => {
        if (thrown.code !== 'EEXIST') throw thrown;
      },
    );
    const kept = (await readFile(file, 'utf8')).trim();
    if (/^[0-9a-f]{16}$/.test(kept)) return kept;
    throw new Error(`16 hex digits were wanted, got "${kept.slice(0, 40)}"`);
  } catch (thrown) {
    throw new Fault(
      'STATE_NOT_WRITABLE',
      `${file}, by which containers are known as this Pointsman's, cannot be used: ` +
        `${reasonOf(thrown)}.`,
      { file, cause: thrown },
    );
  }
}
