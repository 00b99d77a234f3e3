/**
 * The only importer of pino: the log of a process, and the access log of a worker.
 *
 * The rule this file keeps: nobody waits for a log. Lines go out in the background, in whole lines
 * of bounded size; when the reader does not read, they are dropped and counted, and traffic goes
 * on.
 */
import pino from 'pino';

/** Bytes kept for a reader that is behind, per process; beyond it lines are dropped. */
const backlogBytesMax = 4 * 1024 * 1024;
/** At most PIPE_BUF bytes a write, so that lines of several processes on one pipe never mix. */
const writeBytesMax = 4096;
/** What is kept for the reader when a process ends has so long to get there. */
const lastWordsMs = 200;

export interface Log {
  info(detail: Readonly<Record<string, unknown>>, message: string): void;
  warn(detail: Readonly<Record<string, unknown>>, message: string): void;
  error(detail: Readonly<Record<string, unknown>>, message: string): void;
}

/** A log that can say how much of it was lost. */
export interface Sink extends Log {
  /** One line, as it is. */
  line(fields: Readonly<Record<string, unknown>>): void;
  readonly dropped: number;
  /**
   * Resolves when all is written: wait for it before the process ends. A write to a reader that
   * does not read blocks, and no process ends by itself while a write of it blocks; this one is
   * then ended hard.
   */
  written(): Promise<void>;
}

/**
 * @param role what the process is: supervisor, controller, worker-1; in every line.
 * @param to a file descriptor: 1 for the access log and everything else that is asked for.
 */
export function openLog(role: string, to = 1): Sink {
  let dropped = 0;
  let pending = false;
  const out = pino.destination({
    fd: to,
    sync: false,
    maxLength: backlogBytesMax,
    maxWrite: writeBytesMax,
  });
  out.on('drop', () => dropped++);
  // A reader that went away is no reason to stop serving.
  out.on('error', () => dropped++);
  out.on('drain', () => {
    pending = false;
  });
  const lines = {
    write(line: string): void {
      pending = true;
      out.write(line);
    },
  };
  const options = { base: { role }, timestamp: pino.stdTimeFunctions.isoTime };
  const logger = pino({ ...options, formatters: { level: (label) => ({ level: label }) } }, lines);
  return {
    info: (detail, message) => logger.info(detail, message),
    warn: (detail, message) => logger.warn(detail, message),
    error: (detail, message) => logger.error(detail, message),
    line: (fields) => logger.info(fields),
    get dropped() {
      return dropped;
    },
    written: () =>
      new Promise((resolve) => {
        if (!pending) {
          resolve();
          return;
        }
        out.once('drain', resolve);
        setTimeout(() => {
          if (pending) process.kill(process.pid, 'SIGKILL');
        }, lastWordsMs);
      }),
  };
}

/** For tests, and for whoever has nothing to say. */
export const silentLog: Log = { info() {}, warn() {}, error() {} };
