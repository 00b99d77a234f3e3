/**
 * A child of the supervisor: the controller, or a worker, whichever process is it just now.
 *
 * The rule this file keeps: it says how a child is started and how long after its end the next one
 * is; when that happens, and what follows from it, the supervisor says.
 */
import { type ChildProcess, type ForkOptions, fork } from 'node:child_process';
import { childEnv, type WorkerInfo } from '../ipc.ts';
import { asGiven } from '../priority.ts';
import type { Household } from './household.ts';

export interface Child {
  readonly name: 'controller' | 'worker';
  readonly slot: number;
  process: ChildProcess | null;
  loaded: boolean;
  listening: boolean;
  startedMs: number;
  delayMs: number;
}

/** A child that ends sooner than this after its start is started again with a growing delay. */
const steadyAfterMs = 10_000;
const backoffFirstMs = 50;
const backoffLastMs = 5_000;

/**
 * A young generation (MB) that does not grow. From one MB it would be collected all the time; of 16
 * the bodies that were read and are not needed any more would pile up beside it until V8 marks the
 * whole heap for them, which is what the slowest of a hundred requests then wait for.
 */
const workerFlags = ['--min-semi-space-size=4', '--max-semi-space-size=4'];

export function childAt(name: Child['name'], slot: number): Child {
  const none = { process: null, loaded: false, listening: false };
  return { name, slot, ...none, startedMs: 0, delayMs: 0 };
}

/** @param sockets descriptors of what it listens on. */
export function startChild(
  child: Child,
  household: Household,
  sockets: readonly number[],
): ChildProcess {
  child.startedMs = performance.now();
  child.loaded = false;
  child.listening = false;
  const options: ForkOptions = {
    execArgv: child.name === 'worker' ? [...process.execArgv, ...workerFlags] : process.execArgv,
    env: {
      ...process.env,
      [childEnv.role]: child.name,
      [childEnv.slot]: String(child.slot),
      [childEnv.firstSlot]: String(household.firstSlot),
      [childEnv.workers]: String(household.workers),
      [childEnv.config]: household.configFile,
      [childEnv.inForce]: JSON.stringify(household.inForce),
      [childEnv.plain]: String(household.listen.length),
      [childEnv.secure]: String(household.tlsListen.length),
    },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc', household.board, ...sockets],
  };
  // Each takes its own priority, and knows what it was given.
  const started = asGiven(() => fork(household.entry, [], options));
  child.process = started;
  return started;
}

/** How long to wait before the next one is started, now that this one has ended. */
export function restartDelayMs(child: Child): number {
  const steady = performance.now() - child.startedMs > steadyAfterMs;
  child.delayMs = steady ? 0 : Math.min(Math.max(child.delayMs * 2, backoffFirstMs), backoffLastMs);
  return child.delayMs;
}

export function infoOf(worker: Child): WorkerInfo {
  return { worker: worker.slot, pid: worker.process?.pid ?? 0 };
}
