/**
 * A Docker Engine of the tests' own: a private dockerd, a registry on loopback, and images of a
 * tiny app. The bench uses it too.
 *
 * The rule this file keeps: it shares nothing with an engine that may run on this machine (its own
 * socket, data, bridge, no iptables), and what it started is ended by pid.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { accessSync, constants } from 'node:fs';
import { cp, mkdir, mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
/**
 * Says of an app that it is of this process' engine: a port that one engine gives back is soon
 * another's, and on it another's app.
 */
export const engineMark = randomUUID();
const appFile = fileURLToPath(new URL('./engine/app.cjs', import.meta.url));

export interface TestEngine {
  /** What DOCKER_HOST would be. */
  readonly host: string;
  /** `127.0.0.1:port`; anyone may push and pull. */
  readonly registry: string;
  /** The same, for `pointsman` with the password `secret` alone. */
  readonly lockedRegistry: string;
  /** Docker's own CLI on this engine. @returns its output without the last newline. */
  docker(...args: readonly string[]): Promise<string>;
  /** Removes every container. */
  clear(): Promise<void>;
  /** SIGTERM, as an upgrade does it; containers end with the engine. */
  stop(): Promise<void>;
  /** SIGKILL: the engine is gone in mid-sentence. */
  crash(): Promise<void>;
  /** Starts it again on the same data. @param more of dockerd's options, such as --live-restore */
  start(...more: readonly string[]): Promise<void>;
  /**
   * Makes an image of the app with these variables, and HEALTHCHECK where asked; once per content.
   */
  image(name: string, env: Readonly<Record<string, string>>, healthcheck?: boolean): Promise<void>;
  close(): Promise<void>;
}

/** Starts everything; takes two to three seconds. */
export async function openTestEngine(): Promise<TestEngine> {
  const folder = await mkdtemp(join(tmpdir(), 'pointsman-engine-'));
  const host = `unix://${folder}/docker.sock`;
  const bridge = `pm${process.pid % 1_000_000}x${Math.floor(Math.random() * 1e4)}`;
  const subnet = `10.213.${Math.floor(Math.random() * 250) + 1}.1/24`;
  await run('ip', ['link', 'add', 'name', bridge, 'type', 'bridge']);
  await run('ip', ['addr', 'add', subnet, 'dev', bridge]);
  await run('ip', ['link', 'set', bridge, 'up']);
  let daemon = await startDaemon(folder, host, bridge);
  const open = await startRegistry(folder, 'open', false);
  const locked = await startRegistry(folder, 'locked', true);
  // Docker's CLI must not see the settings of whoever runs the tests.
  const env = { ...process.env, DOCKER_HOST: host, DOCKER_CONFIG: join(folder, 'cli') };
  const docker = async (...args: readonly string[]): Promise<string> => {
    const { stdout } = await run('docker', args, { env, maxBuffer: 16 * 1024 * 1024 });
    return stdout.trimEnd();
  };
  await importBase(folder, env);
  let made = 0;
  const images = new Map<string, string>();

  const engine: TestEngine = {
    host,
    registry: open.address,
    lockedRegistry: locked.address,
    docker,
    clear: async () => {
      const all = (await docker('ps', '-aq')).split('\n').filter(Boolean);
      if (all.length > 0) await docker('rm', '-f', '-v', ...all);
    },
    stop: () => endProcess(daemon, 'SIGTERM'),
    crash: () => endProcess(daemon, 'SIGKILL'),
    start: async (...more) => {
      daemon = await startDaemon(folder, host, bridge, more);
    },
    image: async (name, variables, healthcheck = false) => {
      const key = JSON.stringify([name, variables, healthcheck]);
      if (images.get(name) === key) return;
      images.set(name, key);
      const scratch = `scratch-${made++}`;
      const changes = Object.entries(variables).map(([key, value]) => `ENV ${key}=${value}`);
      changes.push(`ENV ENGINE=${engineMark}`, `CMD ["${process.execPath}", "/app.cjs"]`);
      if (healthcheck) {
        const check = `CMD ["${process.execPath}", "/app.cjs", "check"]`;
        changes.push(`HEALTHCHECK --interval=250ms --timeout=2s --retries=1 ${check}`);
      }
      await docker('create', '--name', scratch, 'base', '/never');
      await docker('commit', ...changes.flatMap((one) => ['--change', one]), scratch, name);
      await docker('rm', scratch);
    },
    close: async () => {
      try {
        await engine.clear();
        await docker('network', 'prune', '-f');
      } finally {
        await endProcess(daemon, 'SIGTERM');
        await endProcess(open.child, 'SIGTERM');
        await endProcess(locked.child, 'SIGTERM');
        await run('ip', ['link', 'del', bridge]);
        await endLeftovers(folder);
        await rm(folder, { recursive: true, force: true });
      }
    },
  };
  return engine;
}

async function startDaemon(
  folder: string,
  host: string,
  bridge: string,
  more: readonly string[] = [],
): Promise<ChildProcess> {
  const log = await open(join(folder, 'dockerd.log'), 'a');
  const args = [
    ...['--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec')],
    ...['-p', join(folder, 'docker.pid'), '-H', host, '--bridge', bridge, '--iptables=false'],
    ...more,
  ];
  // One that was killed leaves pid files behind, of itself and of its containerd: where nobody
  // reaps the dead, its successor takes them for alive.
  await rm(join(folder, 'docker.pid'), { force: true });
  await rm(join(folder, 'exec/containerd/containerd.pid'), { force: true });
  const child = spawn('dockerd', args, { stdio: ['ignore', log.fd, log.fd] });
  await log.close();
  const env = { ...process.env, DOCKER_HOST: host };
  const until = performance.now() + 30_000;
  while (performance.now() < until) {
    if (child.exitCode !== null) break;
    const answer = await run('docker', ['version', '-f', '{{.Server.Version}}'], { env }).catch(
      () => null,
    );
    if (answer !== null) return child;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const said = await readFile(join(folder, 'dockerd.log'), 'utf8');
  throw new Error(`dockerd did not start:\n${said.slice(-3000)}`);
}

async function startRegistry(
  folder: string,
  name: string,
  locked: boolean,
): Promise<{ address: string; child: ChildProcess }> {
  const address = `127.0.0.1:${await freePort()}`;
  const root = join(folder, name);
  await mkdir(root);
  // bcrypt of `secret`, made with cost 5.
  const hash = '$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a';
  await writeFile(join(root, 'htpasswd'), `pointsman:${hash}\n`);
  const auth = `auth: { htpasswd: { realm: tests, path: ${join(root, 'htpasswd')} } }\n`;
  await writeFile(
    join(root, 'config.yml'),
    'version: 0.1\nlog: { level: error }\n' +
      `storage: { filesystem: { rootdirectory: ${root} } }\nhttp: { addr: "${address}" }\n` +
      (locked ? auth : ''),
  );
  const args = ['serve', join(root, 'config.yml')];
  const child = spawn('docker-registry', args, { stdio: 'ignore' });
  const until = performance.now() + 10_000;
  while (performance.now() < until) {
    const answer = await fetch(`http://${address}/v2/`).catch(() => null);
    if (answer !== null) return { address, child };
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  throw new Error(`docker-registry does not answer on ${address}`);
}

/** Node, what it is linked to, and the app: no public registry is needed. */
async function importBase(folder: string, env: NodeJS.ProcessEnv): Promise<void> {
  const root = join(folder, 'base');
  await mkdir(join(root, 'tmp'), { recursive: true });
  await cp(appFile, join(root, 'app.cjs'));
  const { stdout } = await run('ldd', [process.execPath]);
  const libraries = [...stdout.matchAll(/(\/\S+) \(0x/g)].map((match) => match[1] ?? '');
  await writeFile(join(root, 'list'), [process.execPath, ...libraries].join('\n'));
  const script =
    'tar -c --dereference -T "$1/list" -C "$1" app.cjs tmp 2>/dev/null | docker import - base';
  await run('sh', ['-c', script, 'sh', root], { env });
}

/**
 * What a killed dockerd left: shims of its containers, and mounts. Ours alone carry the folder's
 * name.
 */
async function endLeftovers(folder: string): Promise<void> {
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (Number(pid) !== process.pid && command.includes(folder))
      process.kill(Number(pid), 'SIGKILL');
  }
  const mounts = await readFile('/proc/self/mounts', 'utf8');
  const ours = mounts.split('\n').map((line) => line.split(' ')[1] ?? '');
  for (const one of ours.filter((path) => path.startsWith(`${folder}/`)).reverse()) {
    await run('umount', ['-l', one]).catch(() => {});
  }
}

function endProcess(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.kill(signal);
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

/** Why no engine can be had here; null: it can. */
export function whyNoEngine(): string | null {
  if (process.platform !== 'linux') return 'dockerd runs on Linux';
  if (process.getuid?.() !== 0) return 'starting dockerd takes root';
  for (const program of ['dockerd', 'docker', 'docker-registry', 'ip', 'tar', 'ldd']) {
    if (!onPath(program)) {
      return `no ${program} on PATH (apt-get install docker.io docker-registry iproute2)`;
    }
  }
  return null;
}

function onPath(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
