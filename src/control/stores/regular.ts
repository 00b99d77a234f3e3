/**
 * Files that are files: what stands under the name of one may be a folder, a pipe, a link that
 * leads nowhere, or larger than anything we ever wrote.
 *
 * The rule this file keeps: what is no regular file is never opened, since a pipe can keep its
 * reader for ever, and never removed: it is put aside under a name of its own.
 */
import { constants } from 'node:fs';
import { type FileHandle, lstat, open, rename, stat } from 'node:fs/promises';
import { Fault } from '../../errors.ts';

/** So many things may stand in the way of one name, one after the other. */
const asideMax = 100;

/** What stands under a name and is not what was wanted: why, as the end of a sentence. */
export class NotRegular extends Error {}

/**
 * @throws NotRegular, or what the system said (ENOENT: nothing stands there).
 */
export async function openRegular(path: string, bytesMax: number): Promise<FileHandle> {
  refuse(await stat(path).catch(linksNowhere), bytesMax);
  // Should a pipe have taken its place since: that is opened without waiting, and found out below.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    refuse(await file.stat(), bytesMax);
  } catch (thrown) {
    await file.close();
    throw thrown;
  }
  return file;
}

/**
 * Whatever stands under the name and is no regular file gets another one beside it.
 *
 * @throws Fault STATE_NOT_WRITABLE where there is no name left, or what the system said.
 */
export async function makeWay(path: string): Promise<void> {
  const found = await lstat(path).catch(nothing);
  if (found === null || found.isFile()) return;
  for (let number = 1; number <= asideMax; number++) {
    const aside = `${path}.aside-${number}`;
    if ((await lstat(aside).catch(nothing)) !== null) continue;
    await rename(path, aside);
    return;
  }
  throw new Fault('STATE_NOT_WRITABLE', `Too much has stood in the way of ${path}: clear it up.`);
}

function refuse(found: Awaited<ReturnType<typeof stat>>, bytesMax: number): void {
  if (found.isDirectory()) throw new NotRegular('it is a folder, and a file was wanted');
  if (!found.isFile()) throw new NotRegular('it is a pipe, a socket or a device, and no file');
  if (found.size <= bytesMax) return;
  throw new NotRegular(`it has ${found.size} bytes, and a file of ours at most ${bytesMax}`);
}

function linksNowhere(caught: NodeJS.ErrnoException): never {
  if (caught.code === 'ELOOP') throw new NotRegular('it is a link that leads to itself');
  throw caught;
}

function nothing(caught: NodeJS.ErrnoException): null {
  if (caught.code === 'ENOENT') return null;
  throw caught;
}
