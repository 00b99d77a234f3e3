/**
 * Texts that the configuration is made of, or names.
 *
 * The rule this file keeps: no more is read than is taken, whatever the file is: a device may never
 * end. Only the config file itself may be a pipe (`-c /dev/stdin`): of others, one that nobody writes
 * to would keep a reload for ever.
 */
import { open, stat } from 'node:fs/promises';
import { Fault, reasonOf } from '../errors.ts';

/**
 * @param what it is called in a mistake, such as `The config file`.
 * @param bytesMax the longest that is taken.
 * @throws Fault CONFIG_UNREADABLE where there is no such text in UTF-8.
 */
export async function readTextFile(
  path: string,
  what: string,
  bytesMax: number,
): Promise<{ readonly text: string; readonly mode: number }> {
  const { bytes, mode } = await readBytes(path, what, bytesMax).catch((cause) => {
    if (cause instanceof Fault) throw cause;
    // The reason stands in the message; as a cause as well it would be told twice.
    const gone = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    const why = gone ? 'there is no such file' : reasonOf(cause);
    throw new Fault('CONFIG_UNREADABLE', `${what} ${path} cannot be read: ${why}`, { file: path });
  });
  if (bytes.length > bytesMax) throw tooLong(path, what, bytesMax);
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes), mode };
  } catch (cause) {
    const message = `${what} ${path} is not UTF-8; save it as UTF-8`;
    throw new Fault('CONFIG_UNREADABLE', message, { cause, file: path });
  }
}

export function tooLong(file: string, what: string, bytesMax: number): Fault {
  const most = bytesMax % MiB === 0 ? `${bytesMax / MiB} MiB` : `${bytesMax / 1024} KiB`;
  const message = `${what} ${file} is longer than ${most}, the most that is read`;
  return new Fault('CONFIG_UNREADABLE', message, { file, bytesMax });
}

/** What the one file is called that may be anything that can be read. */
export const configFile = 'The config file';

const MiB = 1024 * 1024;

/** At most one byte more than is taken. */
async function readBytes(
  path: string,
  what: string,
  bytesMax: number,
): Promise<{ readonly bytes: Buffer; readonly mode: number }> {
  if (what !== configFile && !(await stat(path)).isFile()) {
    const message = `${what} ${path} cannot be read: it is a folder, a pipe or a device`;
    throw new Fault('CONFIG_UNREADABLE', message, { file: path });
  }
  const file = await open(path);
  try {
    const { mode, size } = await file.stat();
    const bytes = Buffer.alloc(Math.min(bytesMax, size > 0 ? size : bytesMax) + 1);
    let length = 0;
    while (length < bytes.length) {
      const { bytesRead } = await file.read(bytes, length, bytes.length - length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return { bytes: bytes.subarray(0, length), mode };
  } finally {
    await file.close();
  }
}
