/**
 * A second name for a file, by which it is found when the first one leads elsewhere.
 *
 * The rule this file keeps: it is a hard link, which costs no copy and is whole at every moment;
 * where a file system has none, it is a copy that is synced.
 */
import { copyFile, link, open, rm } from 'node:fs/promises';

/**
 * `file` gets the name `also` too, in place of what a life that was killed left there.
 * @returns false: no file.
 */
export async function alsoKnownAs(file: string, also: string): Promise<boolean> {
  try {
    await linked(file, also);
    return true;
  } catch (caught) {
    const { code } = caught as NodeJS.ErrnoException;
    if (code === 'ENOENT') return false;
    if (!unableToLink.has(code ?? '')) throw caught;
    return copied(file, also);
  }
}

async function linked(file: string, also: string): Promise<void> {
  try {
    await link(file, also);
  } catch (caught) {
    if ((caught as NodeJS.ErrnoException).code !== 'EEXIST') throw caught;
    await rm(also, { force: true });
    await link(file, also);
  }
}

/** What file systems say that have no hard links, or none here. */
const unableToLink = new Set(['EPERM', 'ENOTSUP', 'ENOSYS', 'EXDEV', 'EMLINK', 'EINVAL']);

/** @returns false: there is no such file, which who has no links may not have looked for. */
async function copied(from: string, to: string): Promise<boolean> {
  try {
    await copyFile(from, to);
  } catch (caught) {
    if ((caught as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw caught;
  }
  const file = await open(to, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
  return true;
}
