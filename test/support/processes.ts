/**
 * What tests of processes share: the release that runs `app.mjs`, and looks at what runs.
 *
 * The rule this file keeps: a test ends every process it started, by its mark, also when it failed.
 */
import { join } from 'node:path';
import { systemClock } from '../../src/clock.ts';
import type { ProcessRun } from '../../src/config/config.ts';
import type { RunningTarget } from '../../src/control/drivers/driver.ts';
import { endProcesses } from '../../src/control/drivers/process/ending.ts';
import { everyProcess, type Found } from '../../src/control/drivers/process/marks.ts';
import type { Release } from '../../src/control/model/state.ts';

const appFile = join(import.meta.dirname, 'app.mjs');

/** What `app.mjs` answers. */
export interface About {
  readonly release: string;
  readonly pid: number;
  readonly child: number | null;
  readonly cwd: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

export function appRelease(
  name: string,
  env: Readonly<Record<string, string>> = {},
  more: Partial<ProcessRun> = {},
): Release & { readonly run: ProcessRun } {
  const command = [process.execPath, appFile];
  const cwd = import.meta.dirname;
  return { name, run: { kind: 'process', command, replicas: 2, env, cwd, stopMs: 5_000, ...more } };
}

/** Asks a target, again until something answers. */
export async function ask(target: RunningTarget, path = '/'): Promise<About> {
  for (;;) {
    try {
      const res = await fetch(`http://${target.host}:${target.port}${path}`);
      return (await res.json()) as About;
    } catch {
      // It was spawned and does not listen yet; the test's own limit ends this.
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

export async function answers(target: RunningTarget): Promise<boolean> {
  return fetch(`http://${target.host}:${target.port}/`).then(
    () => true,
    () => false,
  );
}

/** Everything that runs and is marked by this state directory. */
export async function marked(stateDir: string): Promise<readonly Found[]> {
  return (await everyProcess(stateDir)).filter(({ mark }) => mark !== null);
}

export async function endMarked(stateDir: string): Promise<void> {
  await endProcesses({ owner: stateDir, leader: null, ours: () => true, stopMs: 0 }, systemClock);
}

/** The first whole pid of a target's detail. */
export function pidOf(target: RunningTarget): number {
  return Number(/pid (\d+)/.exec(target.detail)?.[1]);
}
