/**
 * Connections to an engine on another machine, as Docker's own CLI makes them: the system's `ssh`
 * runs `docker system dial-stdio` there.
 *
 * The rule this file keeps: whom to believe and who one is stays ssh's business. Known hosts, keys,
 * agents and jump hosts are those of its own configuration; where it would have to ask a person,
 * it fails and says why.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';

/** As much as explains a failure. */
const complaintMax = 500;

/** Where ssh goes; as in `ssh://user@host:port`. */
export interface SshTarget {
  readonly host: string;
  /** null: what ssh's own configuration says. */
  readonly port: number | null;
  readonly username: string | null;
}

/** @returns an agent each of whose connections is a process of `ssh`. */
export function sshAgent(target: SshTarget): http.Agent {
  const agent = new http.Agent({ keepAlive: false });
  let shared: string | null = null;
  // Node asks for a connection as it would of `net`; any duplex will do.
  (agent as { createConnection: unknown }).createConnection = () => {
    shared ??= sharedFolder();
    return new SshConnection(spawn('ssh', argumentsFor(target, shared)));
  };
  return agent;
}

function sharedFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'pointsman-ssh-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** @param shared a folder for the socket by which all connections share one log-in. */
function argumentsFor({ host, port, username }: SshTarget, shared: string): readonly string[] {
  return [
    ...['-T', '-o', 'BatchMode=yes', '-o', 'ConnectTimeout=30'],
    ...['-o', 'ControlMaster=auto', '-o', `ControlPath=${join(shared, '%C')}`],
    ...['-o', 'ControlPersist=60'],
    ...(port === null ? [] : ['-p', String(port)]),
    ...(username === null ? [] : ['-l', username]),
    ...['--', host, 'docker', 'system', 'dial-stdio'],
  ];
}

/** What a process reads and writes, as one stream; it ends with the process, and it with it. */
class SshConnection extends Duplex {
  readonly #child: ChildProcessWithoutNullStreams;
  #complaint = '';

  constructor(child: ChildProcessWithoutNullStreams) {
    super();
    this.#child = child;
    child.stdout.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) child.stdout.pause();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      this.#complaint = (this.#complaint + chunk.toString()).slice(-complaintMax);
    });
    // A write that nobody takes any more: the exit says why.
    child.stdin.on('error', () => {});
    child.on('error', (error) => this.destroy(new Error(`ssh does not start: ${error.message}`)));
    child.stdout.on('end', () => this.#ended());
    child.on('exit', () => this.#ended());
  }

  /** The end of what it says and its exit come in any order. */
  #ended(): void {
    const { exitCode, stdout } = this.#child;
    if (exitCode === null || !stdout.readableEnded) return;
    if (exitCode === 0) {
      this.push(null);
      return;
    }
    // 'close' would wait for the shared log-in, which keeps stderr; what was said is there by then.
    const complain = (): void => {
      const complaint = this.#complaint
        .trim()
        .replaceAll(/\s*\n\s*/g, ' ')
        .replace(/\.$/, '');
      this.destroy(new Error(`ssh ended: ${complaint || `exit code ${exitCode}`}`));
    };
    setImmediate(() => setImmediate(complain));
  }

  /** As of a socket: it does not keep the process from ending. */
  unref(): void {
    this.#child.unref();
    for (const pipe of [this.#child.stdin, this.#child.stdout, this.#child.stderr]) {
      (pipe as unknown as { unref?: () => void }).unref?.();
    }
  }

  override _read(): void {
    this.#child.stdout.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#child.stdin.write(chunk, done);
  }

  override _final(done: () => void): void {
    this.#child.stdin.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#child.kill();
    done(error);
  }
}
