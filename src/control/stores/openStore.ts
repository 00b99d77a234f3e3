/**
 * Opens the state where another process may still have it.
 *
 * The rule this file keeps: a directory that is somebody else's stays that, and one whose owner is
 * about to end is waited for, no longer than a socket is.
 */
import { type Clock, pause } from '../../clock.ts';
import { Fault } from '../../errors.ts';
import { letGoLookMs, letGoMs } from '../../listener.ts';
import { type FileStore, fileStore } from './file.ts';

/**
 * A controller whose supervisor was killed ends by itself, and may have the directory until then.
 *
 * @throws Fault STATE_UNREADABLE, STATE_NOT_WRITABLE
 */
export async function openStore(dir: string, clock: Clock): Promise<FileStore> {
  const untilMs = clock.now() + letGoMs;
  for (;;) {
    try {
      return await fileStore(dir);
    } catch (thrown) {
      const held = thrown instanceof Fault && thrown.detail.pid !== undefined;
      if (!held || clock.now() > untilMs) throw thrown;
      await pause(clock, letGoLookMs);
    }
  }
}
