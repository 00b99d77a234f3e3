/**
 * What a config needs beside being right: the files that it names.
 *
 * The rule this file keeps: `run`, `check` and a reload ask here alike, before anything is changed,
 * so that what `check` lets pass nobody refuses later. Every mistake is told at once.
 */
import type { Config } from '../config/config.ts';
import { Fault } from '../errors.ts';
import { readToken } from './admin/authenticator.ts';
import { secretOf } from './notify/notifier.ts';

/**
 * @param warn is told what is doubtful and no reason to refuse.
 * @throws Fault CONFIG_INVALID, CONFIG_UNREADABLE; of several mistakes the first one's code, with a
 *   line each.
 */
export async function preflight(
  { admin, notify }: Config,
  warn: (message: string) => void = () => {},
): Promise<void> {
  const faults: Fault[] = [];
  const keep = (thrown: unknown): void => {
    if (!(thrown instanceof Fault)) throw thrown;
    faults.push(thrown);
  };
  for (const key of ['tokenFile', 'readTokenFile'] as const) {
    const file = admin[key];
    if (file === null) continue;
    await readToken(file, warn, key).catch(keep);
  }
  for (const receiver of notify) await secretOf(receiver).catch(keep);
  const [first] = faults;
  if (first === undefined) return;
  if (faults.length === 1) throw first;
  throw new Fault(first.code, faults.map(({ message }) => message).join('\n'));
}
