/**
 * One controller per state directory.
 *
 * The rule this file keeps: create, then look. Each taker first puts down a file that names it, and
 * only then looks for others, so of any two at least one sees the other and none needs to take a
 * lock away from a live one. A taker that died left a file that names nobody alive; it is swept
 * aside, so the next controller starts at once after a kill -9. Two that start in the same instant
 * may both refuse.
 *
 * The name is pid and start time, so it holds within one pid namespace: two containers that share a
 * volume do not see each other's processes, and this lock does not keep them apart.
 */
import { createHash } from 'node:crypto';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault, reasonOf } from '../../errors.ts';
import { identityOf } from '../../processIdentity.ts';
import { writingAdvice } from './writing.ts';

const pattern = /^lock-(\d+)-([0-9a-f]{16})$/;

/**
 * @param dir an existing directory.
 * @returns gives the lock back.
 * @throws Fault STATE_NOT_WRITABLE where another process, named by its pid, has it, or the lock
 *   file cannot be written.
 */
export async function takeLock(dir: string): Promise<() => Promise<void>> {
  const mine = lockName(process.pid, await identityOf(process.pid));
  const file = join(dir, mine);
  await putDown(file, dir);
  try {
    for (const name of await readdir(dir)) {
      if (name === mine) continue;
      const holder = pattern.exec(name);
      if (!holder) continue;
      const pid = Number(holder[1]);
      if (lockName(pid, await identityOf(pid)) === name) throw heldBy(pid, dir);
      await rm(join(dir, name), { force: true });
    }
  } catch (caught) {
    await rm(file, { force: true });
    throw caught instanceof Fault ? caught : notWritable(dir, caught);
  }
  return () => rm(file, { force: true });
}

function lockName(pid: number, identity: string | null): string {
  const who = createHash('sha256').update(String(identity)).digest('hex').slice(0, 16);
  return `lock-${pid}-${identity === null ? 'gone' : who}`;
}

async function putDown(file: string, dir: string): Promise<void> {
  try {
    await writeFile(file, '', { flag: 'wx' });
  } catch (caught) {
    if ((caught as NodeJS.ErrnoException).code === 'EEXIST') throw heldBy(process.pid, dir);
    throw notWritable(dir, caught);
  }
}

function heldBy(pid: number, dir: string): Fault {
  const who = pid === process.pid ? 'this very process' : `process ${pid}`;
  return new Fault(
    'STATE_NOT_WRITABLE',
    `The state directory ${dir} belongs to ${who}, which is running. ` +
      'Stop it first, or give this Pointsman another `state` directory.',
    { dir, pid },
  );
}

function notWritable(dir: string, cause: unknown): Fault {
  return new Fault(
    'STATE_NOT_WRITABLE',
    `The state directory ${dir} cannot be locked (${reasonOf(cause)}). ${writingAdvice(cause)}`,
    { dir, cause },
  );
}
