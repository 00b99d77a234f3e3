/**
 * The controller as a process of its own, between the supervisor and nobody else.
 *
 * The rule this file keeps: it may die at any moment. Workers serve on; the next one asks them
 * where they are. What it refuses to start with, it says in one line, and the supervisor decides
 * what that means.
 */
import { systemClock } from '../clock.ts';
import { asInForce } from '../config/change.ts';
import type { InForce } from '../config/config.ts';
import { loadConfig } from '../config/load.ts';
import { Fault, reasonOf } from '../errors.ts';
import {
  childEnv,
  type FromController,
  type Handover,
  inherited,
  refusedExitCodes,
  type ToController,
} from '../ipc.ts';
import { openLog } from '../log.ts';
import { Controller } from './controller.ts';
import { tryState } from './stores/file.ts';
import { Workers } from './workers/workerProcesses.ts';

/** Orders of one controller are numbered far from those of the one before it. */
const seqApart = 2 ** 30;

/** Runs until the supervisor says stop, or is gone. */
export async function runController(): Promise<void> {
  const log = openLog('controller');
  const send = (message: FromController): void => {
    // A supervisor that is gone is told of by 'disconnect'.
    process.send?.(message, undefined, undefined, () => {});
  };
  const end = (code: number): void => void log.written().then(() => process.exit(code));
  process.on('disconnect', () => end(0));
  // It may have gone while this process read its code.
  if (!process.connected) end(0);
  // A terminal sends these to the whole group; the supervisor says what to do about them.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
  const configFile = process.env[childEnv.config] ?? '';
  const inForce = JSON.parse(process.env[childEnv.inForce] ?? '') as InForce;

  const refuse = (thrown: unknown): void => {
    if (!(thrown instanceof Fault)) throw thrown;
    process.stderr.write(`pointsman: ${reasonOf(thrown)}\n`);
    const { config, state } = refusedExitCodes;
    const code = thrown.code.startsWith('CONFIG_') ? config : state;
    const last: FromController = { kind: 'refused', why: reasonOf(thrown) };
    process.send?.(last, undefined, undefined, () => process.exit(code));
  };

  let controller: Controller | null = null;
  let workers: Workers | null = null;
  let handover: Handover | null = null;
  const listener = {
    up: (worker: Parameters<Controller['workerUp']>[0]) => controller?.workerUp(worker),
    down: (worker: Parameters<Controller['workerUp']>[0], why: string) =>
      controller?.workerDown(worker, why),
  };
  const start = async (welcome: Extract<ToController, { kind: 'welcome' }>): Promise<void> => {
    const seqFirst = (process.pid % 2 ** 20) * seqApart;
    workers = new Workers(send, systemClock, listener, welcome.workers, seqFirst);
    try {
      controller = await Controller.start({
        config: asInForce(await loadConfig(configFile), inForce),
        configFile,
        plane: workers,
        clock: systemClock,
        log,
        adminSocket: { fd: inherited.listeners },
        handOver: (asked) => send({ kind: 'upgrade', asked }),
        onBug: (thrown) => {
          log.error({ stack: thrown instanceof Error ? thrown.stack : null }, `bug: ${thrown}`);
          end(1);
        },
      });
      if (handover !== null) controller.replacement.heard(handover);
      send({ kind: 'ready' });
    } catch (thrown) {
      refuse(thrown);
    }
  };
  const prepare = async (): Promise<void> => {
    try {
      const { stateDir } = asInForce(await loadConfig(configFile), inForce);
      await tryState(stateDir);
      send({ kind: 'loaded' });
    } catch (thrown) {
      refuse(thrown);
    }
  };
  const yieldNow = async (): Promise<void> => {
    const busy = controller === null ? 'Pointsman is starting' : await controller.yield();
    if (busy === null) end(0);
    else send({ kind: 'busy', why: busy });
  };
  process.on('message', (message: ToController) => {
    if (message.kind === 'welcome') void start(message);
    else if (message.kind === 'prepare') void prepare();
    else if (message.kind === 'up') workers?.up(message.worker);
    else if (message.kind === 'down') workers?.down(message.worker, message.why);
    else if (message.kind === 'from') workers?.replied(message.worker, message.reply);
    else if (message.kind === 'reload') controller?.reload().catch(ignoreFault);
    else if (message.kind === 'handover') {
      handover = message.handover;
      controller?.replacement.heard(handover);
    } else if (message.kind === 'yield') void yieldNow();
    else if (message.kind === 'stopping') controller?.stopping();
    else void Promise.resolve(controller?.close()).then(() => end(0));
  });
}

/** A reload that fails was logged and told as an event where it failed. */
function ignoreFault(thrown: unknown): void {
  if (!(thrown instanceof Fault)) throw thrown;
}
