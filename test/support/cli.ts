/**
 * The CLI in this process: its arguments in, its output and exit code out.
 */

import type { Io, Out } from '../../src/cli/io.ts';
import { main } from '../../src/cli/main.ts';
import type { Clock } from '../../src/clock.ts';

export interface Ran {
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  readonly url?: string;
  readonly env?: Record<string, string>;
  /** Both streams are terminals. */
  readonly tty?: boolean;
  readonly columns?: number;
  readonly run?: Io['run'];
  /** What comes on standard input. */
  readonly input?: string;
  /** What is typed, a line for each question; otherwise nobody is there to be asked. */
  readonly answers?: readonly string[];
}

export interface Running {
  readonly ended: Promise<Ran>;
  readonly stdout: string;
  readonly stderr: string;
  /** Resolves once the output has it. */
  until(found: string | RegExp): Promise<void>;
  /** Ctrl-C. */
  interrupt(): void;
}

/** Three minutes after everything in `fakeControl` began. */
export const nowAt = '2026-01-01T00:03:00.000Z';

/** Real timers, a wall clock that stands still: ages in golden outputs never change. */
function standingClock(): Clock & { readonly pending: number } {
  const timers = new Set<NodeJS.Timeout>();
  return {
    now: () => performance.now(),
    date: () => new Date(nowAt),
    after(delayMs, wake) {
      const timer = setTimeout(() => {
        timers.delete(timer);
        wake();
      }, delayMs);
      timers.add(timer);
      return () => {
        clearTimeout(timer);
        timers.delete(timer);
      };
    },
    get pending() {
      return timers.size;
    },
  };
}

/** Rejects where the command left a timer behind: as a process it would go on waiting for it. */
export function startCli(argv: readonly string[], options: CliOptions = {}): Running {
  const clock = standingClock();
  const answers = options.answers === undefined ? null : [...options.answers];
  let interrupted = (): void => {};
  const waiting = new Set<() => void>();
  const text = { stdout: '', stderr: '' };
  const out = (name: 'stdout' | 'stderr'): Out => ({
    write(written) {
      text[name] += written;
      for (const look of waiting) look();
    },
    isTTY: options.tty ?? false,
    columns: options.columns ?? 80,
    rows: 40,
  });
  const io: Io = {
    stdout: out('stdout'),
    stderr: out('stderr'),
    env: { USER: 'ada', ...(options.url && { POINTSMAN_ADMIN: options.url }), ...options.env },
    hostname: 'desk',
    version: '0.1.0',
    clock,
    onInterrupt(listener) {
      interrupted = listener;
      return () => {
        interrupted = () => {};
      };
    },
    input: async () => options.input ?? '',
    ask: answers === null ? null : async () => answers.shift() ?? '',
    run: options.run ?? (async () => 0),
  };
  const ended = main(argv, io).then((exit) => {
    if (clock.pending > 0) throw new Error(`${argv.join(' ')} left ${clock.pending} timers behind`);
    return { exit, ...text };
  });
  return {
    ended,
    get stdout() {
      return text.stdout;
    },
    get stderr() {
      return text.stderr;
    },
    interrupt: () => interrupted(),
    until: (found) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const all = text.stdout + text.stderr;
          if (!(typeof found === 'string' ? all.includes(found) : found.test(all))) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        ended.then(({ exit }) => {
          look();
          reject(new Error(`ended with ${exit} before ${found}: ${text.stdout}${text.stderr}`));
        });
        look();
      }),
  };
}

export function runCli(argv: readonly string[], options: CliOptions = {}): Promise<Ran> {
  return startCli(argv, options).ended;
}
