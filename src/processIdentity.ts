/**
 * Who a pid is: the number, and the moment that process began.
 *
 * The rule this file keeps: a pid alone names nobody, because the system gives it to a stranger
 * once its owner has ended. Whatever is signalled, adopted or believed to hold a lock is compared
 * by identity first. A zombie has ended: it only waits for its parent, which may be a container's
 * init that never looks. But one that has threads left has not: they may hold its files and ports
 * still.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';

/** One row of /proc: what `stat` says of a process. */
export interface ProcStat {
  /** One letter; Z is a zombie, X is dead. */
  readonly state: string;
  readonly threads: number;
  readonly group: number;
  /** Clock ticks from the boot of the machine to the start of the process. */
  readonly startTicks: string;
}

let boot: string | undefined;

/**
 * @returns what tells this process from every other one that had or will have its pid; null: it has
 *   ended.
 */
export async function identityOf(pid: number): Promise<string | null> {
  if (process.platform !== 'linux') return identityNow(pid);
  try {
    return identityFrom(parseStat(await readFile(`/proc/${pid}/stat`, 'latin1')));
  } catch {
    return null;
  }
}

/**
 * The same without giving up the turn: right after `spawn` a child cannot have been reaped yet, so
 * its pid is still its own. One read of /proc, which is memory; on macOS one run of `ps`.
 */
export function identityNow(pid: number): string | null {
  try {
    if (process.platform === 'linux') {
      return identityFrom(parseStat(readFileSync(`/proc/${pid}/stat`, 'latin1')));
    }
    const env = { ...process.env, LC_ALL: 'C', TZ: 'UTC' };
    const args = ['-o', 'stat=,lstart=', '-p', String(pid)];
    const [state = 'Z', ...began] = execFileSync('ps', args, { env, encoding: 'utf8' })
      .trim()
      .split(/\s+/);
    return state.startsWith('Z') || began.length === 0 ? null : began.join('-');
  } catch {
    return null;
  }
}

/**
 * @param text of /proc/<pid>/stat. The name in it may hold spaces and brackets, so count from its
 *   end.
 */
export function parseStat(text: string): ProcStat {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return {
    state: fields[0] ?? 'X',
    group: Number(fields[2]),
    threads: Number(fields[17]),
    startTicks: fields[19] ?? '',
  };
}

/** @returns null where the process has ended. */
export function identityFrom(stat: ProcStat): string | null {
  const ended = stat.state === 'X' || (stat.state === 'Z' && !(stat.threads > 1));
  if (ended || stat.startTicks === '') return null;
  boot ??= readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  return `${boot}/${stat.startTicks}`;
}
