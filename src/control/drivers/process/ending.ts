/**
 * Ends processes, surely and no others.
 *
 * The rule this file keeps: what is signalled was ours when it was found (marked, or in the group
 * of a leader whose identity is known) and has the same identity still. It resolves when all of
 * them have ended, children that left the group included.
 */
import { type Clock, pause } from '../../../clock.ts';
import { Fault } from '../../../errors.ts';
import { identityOf } from '../../../processIdentity.ts';
import { everyProcess, type Found, type Mark } from './marks.ts';

export interface Ending {
  readonly owner: string;
  /** The first process of the replica, where it is known. */
  readonly leader: { readonly pid: number; readonly identity: string } | null;
  readonly ours: (mark: Mark) => boolean;
  /** From SIGTERM to SIGKILL; 0: at once. */
  readonly stopMs: number;
}

const lookEveryMs = 20;
// A process that SIGKILL does not end hangs in the kernel, on a dead disk for instance.
const killWaitMs = 10_000;

/** @throws Fault DRIVER_UNAVAILABLE where a process does not end, even by SIGKILL. */
export async function endProcesses(ending: Ending, clock: Clock): Promise<void> {
  const deadline = clock.now() + ending.stopMs;
  const asked = new Set<string>();
  let left = await find(ending);
  while (left.length > 0) {
    const late = clock.now() >= deadline;
    for (const { pid, identity } of left) {
      if (!late && asked.has(identity + pid)) continue;
      asked.add(identity + pid);
      signal(pid, late ? 'SIGKILL' : 'SIGTERM');
    }
    if (clock.now() >= deadline + killWaitMs) throw doesNotEnd(left);
    await pause(clock, lookEveryMs);
    left = await stillThere(left);
    // Only once those are gone is it worth reading all of /proc for what they left behind.
    if (left.length === 0) left = await find({ ...ending, leader: null });
  }
}

async function find({ owner, leader, ours }: Ending): Promise<readonly Found[]> {
  const known = leader !== null && (await identityOf(leader.pid)) === leader.identity;
  const all = await everyProcess(owner);
  return all.filter(
    ({ mark, group }) => (mark !== null && ours(mark)) || (known && group === leader.pid),
  );
}

async function stillThere(found: readonly Found[]): Promise<readonly Found[]> {
  const left: Found[] = [];
  for (const one of found) if ((await identityOf(one.pid)) === one.identity) left.push(one);
  return left;
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has just ended; or it may not be signalled, and then the deadline tells.
  }
}

function doesNotEnd(left: readonly Found[]): Fault {
  const pids = left.map(({ pid }) => pid);
  return new Fault(
    'DRIVER_UNAVAILABLE',
    `Not even SIGKILL ended the processes ${pids.join(', ')}. Look at what they wait for (ps -o wchan).`,
    { pids },
  );
}
