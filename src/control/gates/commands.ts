/**
 * Commands around a flip: programs of this machine that are given a deployment in their
 * environment, and say by how they end whether it may go on.
 *
 * The rule this file keeps: nothing runs on unsaid. Each command has a group of its own and carries
 * a mark in its environment, as replicas do; when its check is over, by its end, its limit or its
 * signal, so is everything that it began. What a controller that was killed left behind, the next
 * one finds by the mark and ends.
 */
import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { type Clock, pause } from '../../clock.ts';
import type { CommandHook } from '../../config/hook.ts';
import { reasonOf } from '../../errors.ts';
import type { Log } from '../../log.ts';
import { asGiven } from '../../priority.ts';
import { identityNow } from '../../processIdentity.ts';
import { linesOf } from '../drivers/docker/engine/lines.ts';
import { type Ending, endProcesses } from '../drivers/process/ending.ts';
import { inherited } from '../drivers/process/launch.ts';
import { markVariable } from '../drivers/process/marks.ts';
import { clean } from '../drivers/process/output.ts';
import { cleaned } from '../health/targetConnection.ts';
import { type Gate, type Subject, told, type Verdict } from './gate.ts';
import { givenUp } from './request.ts';

/** From SIGTERM to SIGKILL, for a command that has to end. */
const stopMs = 2_000;
/** So long what it printed last may take to arrive, once it has ended. */
const outputMs = 500;
/** Of what a command is called. */
const nameMax = 80;

export interface CommandsOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Absolute; commands are known by it, over lives. */
  readonly stateDir: string;
  /** What they inherit. */
  readonly env: NodeJS.ProcessEnv;
}

export class Commands {
  readonly #options: CommandsOptions;
  /** Not that of replicas, whose driver looks for its own. */
  readonly #owner: string;
  readonly #running = new Set<Promise<unknown>>();
  #count = 0;

  constructor(options: CommandsOptions) {
    this.#options = options;
    this.#owner = join(options.stateDir, 'hooks');
  }

  gate(hook: CommandHook): Gate {
    return {
      name: nameOf(hook),
      check: (subject, signal, said) => {
        const check = this.#run(hook, subject, signal, said);
        this.#running.add(check);
        return check.finally(() => this.#running.delete(check));
      },
    };
  }

  /** See `Gates.sweep`. */
  async sweep(deployment: string): Promise<void> {
    await this.#end(null, (mark) => mark.poolId === deployment).catch((thrown: unknown) => {
      this.#options.log.error({ deployment }, `A command runs on: ${reasonOf(thrown)}`);
    });
  }

  /** See `Gates.close`. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#running);
  }

  async #run(
    { command, cwd, env, timeoutMs }: CommandHook,
    subject: Subject,
    signal: AbortSignal,
    said: (line: string) => void,
  ): Promise<Verdict> {
    if (signal.aborted) return { passed: false, result: givenUp };
    const [program = '', ...args] = command;
    const { deployment } = subject;
    const replica = ++this.#count;
    const mark = markVariable({
      owner: this.#owner,
      poolId: deployment,
      service: subject.service,
      color: subject.color,
      release: subject.release,
      replica,
      port: 0,
      stopMs,
    });
    const own = { ...inherited(this.#options.env), ...env, ...variablesOf(subject), ...mark };
    let child: ChildProcessByStdio<null, Readable, Readable>;
    try {
      child = asGiven(() =>
        spawn(program, args, { cwd, env: own, detached: true, stdio: ['ignore', 'pipe', 'pipe'] }),
      );
      if (child.pid === undefined) throw (await once(child, 'error'))[0];
    } catch (thrown) {
      const { code, message } = thrown as NodeJS.ErrnoException;
      return {
        passed: false,
        result: `${program} could not be started in ${cwd} (${code ?? message})`,
      };
    }
    const leader = { pid: child.pid, identity: identityNow(child.pid) ?? 'ended at once' };
    const outputs = [child.stdout, child.stderr];
    const read = Promise.all(outputs.map((stream) => tell(stream, said)));
    const result = await this.#ended(child, timeoutMs, signal);
    try {
      await this.#end(leader, (one) => one.poolId === deployment && one.replica === replica);
      return result;
    } catch (thrown) {
      return { passed: false, result: reasonOf(thrown) };
    } finally {
      // What has shed even its environment may hold them open.
      await Promise.race([read, pause(this.#options.clock, outputMs)]);
      for (const stream of outputs) stream.destroy();
    }
  }

  /** Resolves when the command has ended, or has to. */
  #ended(child: ChildProcess, timeoutMs: number, signal: AbortSignal): Promise<Verdict> {
    return new Promise((resolve) => {
      const end = (passed: boolean, result: string): void => {
        cancel();
        signal.removeEventListener('abort', gone);
        resolve({ passed, result });
      };
      const late = `it did not end within ${timeoutMs / 1000} s, and was ended`;
      const cancel = this.#options.clock.after(timeoutMs, () => end(false, late));
      const gone = (): void => end(false, givenUp);
      signal.addEventListener('abort', gone, { once: true });
      child.once('exit', (code, by) => {
        end(code === 0, by === null ? `it ended with ${code}` : `it was ended by ${by}`);
      });
    });
  }

  async #end(leader: Ending['leader'], ours: Ending['ours']): Promise<void> {
    await endProcesses({ owner: this.#owner, leader, ours, stopMs }, this.#options.clock);
  }
}

/** On one line, and not all of a long one. */
function nameOf({ command }: CommandHook): string {
  const text = cleaned(Buffer.from(command.join(' ')));
  return text.length <= nameMax ? text : `${text.slice(0, nameMax - 1)}…`;
}

async function tell(stream: Readable, said: (line: string) => void): Promise<void> {
  try {
    for await (const line of linesOf(stream)) said(clean(line));
  } catch {
    // It was destroyed with what it printed last.
  }
}

/** `POINTSMAN_SERVICE` and its like; what is not known is empty. */
function variablesOf(subject: Subject): Record<string, string> {
  return Object.fromEntries(
    Object.entries(told(subject)).map(([name, value]) => [
      `POINTSMAN_${name.toUpperCase()}`,
      value === null ? '' : String(value),
    ]),
  );
}
