/**
 * A machine to reach by ssh: a private sshd on loopback, with a key to enter it by.
 *
 * The rule this file keeps: neither the settings nor the keys of whoever runs the tests are used or
 * changed; ssh is told of others by a command of its name that stands in front of it on PATH.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { until } from './engine/bench.ts';
import { freePort } from './whole.ts';

const run = promisify(execFile);
const sshd = '/usr/sbin/sshd';

/** Why none can be had here; null: it can. */
export const sshdMissing: string | null = existsSync(sshd)
  ? null
  : 'no sshd (apt-get install openssh-server openssh-client)';

export interface Machine {
  /** What DOCKER_HOST would be. */
  readonly url: string;
  /** Stands in front on PATH. */
  readonly bin: string;
  /** Makes the key of the machine known, or unknown again. */
  known(is: boolean): Promise<void>;
  close(): Promise<void>;
}

/** @param dockerHost what `docker` on that machine uses. */
export async function openMachine(dockerHost: string): Promise<Machine> {
  const folder = await mkdtemp(join(tmpdir(), 'pointsman-sshd-'));
  const at = (name: string): string => join(folder, name);
  const port = await freePort();
  for (const key of ['host', 'mine']) {
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', at(key)]);
  }
  await mkdir('/run/sshd', { recursive: true });
  await mkdir(at('bin'));
  const lines = [
    ...[`Port ${port}`, 'ListenAddress 127.0.0.1', `HostKey ${at('host')}`],
    ...[`AuthorizedKeysFile ${at('mine.pub')}`, 'StrictModes no', 'PermitRootLogin yes'],
    ...['UsePAM no', 'PidFile none', `SetEnv DOCKER_HOST=${dockerHost}`],
  ];
  await writeFile(at('sshd_config'), `${lines.join('\n')}\n`);
  const settings = [`IdentityFile ${at('mine')}`, `UserKnownHostsFile ${at('known')}`];
  await writeFile(at('ssh_config'), `${settings.join('\n')}\n`);
  const ssh = (await run('sh', ['-c', 'command -v ssh'])).stdout.trim();
  await writeFile(at('bin/ssh'), `#!/bin/sh\nexec ${ssh} -F ${at('ssh_config')} "$@"\n`);
  await chmod(at('bin/ssh'), 0o755);
  const child: ChildProcess = spawn(sshd, ['-D', '-f', at('sshd_config')], { stdio: 'ignore' });
  await until(() => listens(port));
  return {
    url: `ssh://root@127.0.0.1:${port}`,
    bin: at('bin'),
    known: async (is) => {
      const key = (await readFile(at('host.pub'), 'utf8')).split(' ').slice(0, 2).join(' ');
      await writeFile(at('known'), is ? `[127.0.0.1]:${port} ${key}\n` : '');
    },
    close: async () => {
      child.kill('SIGTERM');
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}
