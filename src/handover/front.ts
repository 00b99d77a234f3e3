/**
 * The process that somebody started and waits for, where nobody can be told of another one: a
 * terminal, a container's init, a service manager that is not systemd.
 *
 * The rule this file keeps: it stays until the last of its successors has ended, passes signals on
 * to the one that serves, and ends with its code. All of them hold one end of a line: it says who
 * serves, and is cut when nobody is left. A front that is killed cuts it too, and the one that
 * serves then ends, as the children of a supervisor do.
 */
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { inheritedFd } from './protocol.ts';

const passedOn = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR2'] as const;

/** What is said on the line, one JSON text a line. */
type Word = { readonly serves: number } | { readonly code: number };

/** The line, at the end of those behind the front. */
export class FrontLine {
  readonly #socket: Socket;

  /** @param cut is called when there is no front any more. */
  constructor(cut: () => void) {
    this.#socket = new Socket({ fd: inheritedFd.front, readable: true, writable: true });
    this.#socket.on('error', () => {});
    this.#socket.once('close', cut);
    this.#socket.resume();
    this.#socket.unref();
  }

  say(word: Word): void {
    this.#socket.write(`${JSON.stringify(word)}\n`);
  }
}

/** The line, at the front. */
export class Front {
  #serves = 0;
  #code = 1;
  readonly #cut: Promise<void>;

  /** @param line to all that come after. */
  constructor(line: Duplex) {
    let text = '';
    line.on('error', () => {});
    line.setEncoding('latin1').on('data', (part: string) => {
      const lines = (text + part).split('\n');
      text = lines.pop() ?? '';
      for (const one of lines) this.#heard(JSON.parse(one) as Word);
    });
    this.#cut = new Promise((resolve) => {
      line.once('close', resolve);
    });
  }

  /** Whether a successor serves; then signals are for it. */
  get serving(): boolean {
    return this.#serves !== 0;
  }

  pass(signal: NodeJS.Signals): void {
    try {
      process.kill(this.#serves, signal);
    } catch {
      // It has just ended: so does the line.
    }
  }

  /** Only passes signals on from here. @returns the exit code of the last one that served. */
  async stay(): Promise<number> {
    for (const signal of passedOn) {
      process.removeAllListeners(signal);
      process.on(signal, () => this.pass(signal));
    }
    await this.#cut;
    return this.#code;
  }

  #heard(word: Word): void {
    if ('serves' in word) this.#serves = word.serves;
    else this.#code = word.code;
  }
}
