/**
 * The mark that every process of a replica carries in its environment, and the search for those
 * that do.
 *
 * The rule this file keeps: a process is ours from its first instruction on, because the mark comes
 * with the spawn itself. So there is no moment between a spawn and its record in which a kill -9 of
 * the controller loses a process. Children inherit the mark, also those that left their process
 * group. (For the instant between its fork and its exec a process is a copy of the controller: who
 * looks just then sees no mark. Such a one is not adopted, and ended with its pool.)
 */
import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { identityFrom, parseStat } from '../../../processIdentity.ts';
import type { Color } from '../../../wire.ts';

/** Which replica a process belongs to. */
export interface Mark {
  /** Absolute path of the state directory of the Pointsman that started it. */
  readonly owner: string;
  readonly poolId: string;
  readonly service: string;
  readonly color: Color;
  readonly release: string;
  /** 1 to as many as there are. */
  readonly replica: number;
  readonly port: number;
  /** From SIGTERM to SIGKILL, for a stop by somebody who knows no more than the mark. */
  readonly stopMs: number;
}

/** A process as it was when looked at. */
export interface Found {
  readonly pid: number;
  readonly identity: string;
  readonly group: number;
  /** null: not marked by this owner. */
  readonly mark: Mark | null;
}

const variable = 'POINTSMAN_MARK';
// So many files are open at once while /proc is read: descriptors are for traffic.
const readsAtOnce = 16;
// An exec takes the kernel a millisecond or so, more where the program comes from the disk, and a
// second where others have the CPU. It is the kernel's time, so it is no matter for a Clock.
const execReadsMax = 1_000;
const emptyReadsMax = 20;
const emptyWaitMs = 2;

/**
 * One word of letters, digits, `-` and `_`, so that it is found in any listing of an environment.
 */
export function markVariable(mark: Mark): Record<string, string> {
  return { [variable]: Buffer.from(JSON.stringify(mark)).toString('base64url') };
}

/** Every process there is, without those that have ended. */
export async function everyProcess(owner: string): Promise<readonly Found[]> {
  return process.platform === 'linux' ? fromProc(owner) : fromPs(owner);
}

async function fromProc(owner: string): Promise<readonly Found[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found: Found[] = [];
  while (pids.length > 0) {
    const looks = pids.splice(0, readsAtOnce).map((pid) => look(pid, owner));
    for (const one of await Promise.all(looks)) if (one) found.push(one);
  }
  return found;
}

async function look(pid: number, owner: string): Promise<Found | null> {
  try {
    const stat = parseStat(await readFile(`/proc/${pid}/stat`, 'latin1'));
    const identity = identityFrom(stat);
    if (identity === null) return null;
    const environment = await environmentOf(pid, stat.group);
    return { pid, identity, group: stat.group, mark: markIn(environment, owner) };
  } catch {
    return null;
  }
}

/** '' where it is a stranger's and forbidden, or where there is none. */
async function environmentOf(pid: number, group: number): Promise<string> {
  for (let tries = 1; ; tries++) {
    const text = await shown(pid, 'environ');
    if (text === null) return '';
    // Kernel threads (group 0) never show one.
    if (text !== '' || group === 0 || tries === execReadsMax) return text;
    // In the middle of an exec a process shows neither this nor its command; one that was started
    // with an empty environment shows that.
    if (tries >= emptyReadsMax && (await shown(pid, 'cmdline')) !== '') return text;
    await setTimeout(emptyWaitMs);
  }
}

/** @returns null: it is forbidden, or the process has ended. */
function shown(pid: number, what: 'environ' | 'cmdline'): Promise<string | null> {
  return readFile(`/proc/${pid}/${what}`, 'latin1').catch(() => null);
}

// pid, group, state, the five words of the start time, and the command with its environment.
const psLine = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+((?:\S+\s+){4}\S+)\s+(.*)$/;

async function fromPs(owner: string): Promise<readonly Found[]> {
  const { stdout } = await promisify(execFile)(
    'ps',
    ['-axww', '-E', '-o', 'pid=,pgid=,stat=,lstart=,command='],
    { env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' }, maxBuffer: 64 * 1024 * 1024 },
  );
  const found: Found[] = [];
  for (const line of stdout.split('\n')) {
    const [, pid, group, state, began, rest] = psLine.exec(line) ?? [];
    if (!pid || !began || !rest || state?.startsWith('Z')) continue;
    const identity = began.split(/\s+/).join('-');
    found.push({ pid: Number(pid), identity, group: Number(group), mark: markIn(rest, owner) });
  }
  return found;
}

const markPattern = new RegExp(`(?:^|[\\0 ])${variable}=([\\w-]+)(?:[\\0 ]|$)`);

function markIn(environment: string, owner: string): Mark | null {
  const word = markPattern.exec(environment)?.[1];
  if (word === undefined) return null;
  try {
    const mark = JSON.parse(Buffer.from(word, 'base64url').toString()) as Mark;
    return mark.owner === owner ? mark : null;
  } catch {
    return null;
  }
}
