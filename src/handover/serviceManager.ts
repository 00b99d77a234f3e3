/**
 * What systemd is told, where it asks for it (`Type=notify`): that Pointsman is ready, and which
 * process is the main one from now on.
 *
 * The rule this file keeps: only we are told where to say it: releases that run as processes, and
 * every other child, never see the variable. Node has no datagrams on paths, so the system's own
 * `systemd-notify` says it; where that is missing or fails, the log says so and nothing else
 * happens.
 */
import { spawn } from 'node:child_process';
import type { Log } from '../log.ts';

const variable = 'NOTIFY_SOCKET';

export class ServiceManager {
  readonly #socket: string;

  private constructor(socket: string) {
    this.#socket = socket;
  }

  /** @param env loses the variable. @returns null: nobody wants to be told. */
  static from(env: NodeJS.ProcessEnv): ServiceManager | null {
    const socket = env[variable];
    delete env[variable];
    return socket ? new ServiceManager(socket) : null;
  }

  /** For the environment of a successor. */
  get variable(): Record<string, string> {
    return { [variable]: this.#socket };
  }

  /** This process serves, and is the one to watch. */
  ready(log: Log): void {
    const args = ['--ready', `--pid=${process.pid}`];
    const env = { ...process.env, ...this.variable };
    const told = spawn('systemd-notify', args, { env, stdio: 'ignore' });
    const failed = (why: string): void =>
      log.error({ why }, 'systemd was not told that Pointsman is ready');
    told.once('error', (cause) => failed(String(cause)));
    told.once('exit', (code) => {
      if (code !== 0) failed(`systemd-notify: exit code ${code}`);
    });
  }
}
