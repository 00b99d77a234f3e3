/**
 * What a command may touch of the process it runs in, as an argument.
 *
 * The rule this file keeps: nothing else in `src/cli` reads or writes the process, so a test runs
 * every command in its own process and sees all it does. Results go to `stdout`, everything else to
 * `stderr`.
 */
import { hostname } from 'node:os';
import { createInterface } from 'node:readline/promises';
import type { Clock } from '../clock.ts';

export interface Out {
  write(text: string): void;
  readonly isTTY: boolean;
  /** Of the terminal; 80 where there is none. */
  readonly columns: number;
  readonly rows: number;
}

export interface Io {
  readonly stdout: Out;
  readonly stderr: Out;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly hostname: string;
  readonly version: string;
  /** Its timers keep the process alive. */
  readonly clock: Clock;
  /** Calls `listener` when a person presses Ctrl-C. @returns ends it. */
  onInterrupt(listener: () => void): () => void;
  /** What comes on standard input, up to its end; at most 64 KiB of it. */
  input(): Promise<string>;
  /** Asks whoever sits there, and waits for a line; null: nobody does. */
  readonly ask: ((question: string) => Promise<string>) | null;
  /** Runs the proxy until it ends. @returns the exit code. */
  run(configPath: string): Promise<number>;
}

/** The real thing. */
export function processIo(version: string, run: Io['run']): Io {
  // A command that only waits, for a controller to come back, must not end for want of work.
  const clock: Clock = {
    now: () => performance.now(),
    date: () => new Date(),
    after(delayMs, wake) {
      const timer = setTimeout(wake, delayMs);
      return () => clearTimeout(timer);
    },
  };
  return {
    stdout: outOf(process.stdout),
    stderr: outOf(process.stderr),
    env: process.env,
    hostname: hostname(),
    version,
    clock,
    onInterrupt(listener) {
      process.once('SIGINT', listener);
      return () => process.off('SIGINT', listener);
    },
    input: () => inputOf(process.stdin),
    ask: process.stdin.isTTY ? ask : null,
    run,
  };
}

/** Enough for a password, and no reason to wait for more. */
const inputCharsMax = 64 * 1024;

async function inputOf(stream: NodeJS.ReadStream): Promise<string> {
  let text = '';
  for await (const part of stream.setEncoding('utf8')) {
    text += part;
    if (text.length > inputCharsMax) break;
  }
  return text;
}

/** On stderr, so that what a command prints can go into a file. */
async function ask(question: string): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await lines.question(question);
  } finally {
    lines.close();
  }
}

function outOf(stream: NodeJS.WriteStream): Out {
  return {
    write: (text) => {
      stream.write(text);
    },
    get isTTY() {
      return stream.isTTY === true;
    },
    get columns() {
      return stream.columns || 80;
    },
    get rows() {
      return stream.rows || 24;
    },
  };
}
