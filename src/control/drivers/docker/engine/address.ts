/**
 * Where the engine is: DOCKER_HOST and its companions, as Docker's own CLI understands them.
 *
 * The rule this file keeps: an explicit address wins over DOCKER_HOST, that over the chosen Docker
 * context, that over the well-known sockets; and what was chosen can be said in one line.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Fault, reasonOf } from '../../../../errors.ts';
import type { SshTarget } from './ssh.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** How to reach the engine. */
export interface EngineAddress {
  /** For people: `unix:///var/run/docker.sock`, `ssh://deploy@box`. */
  readonly where: string;
  /** The machine the engine runs on, where that is not this one. */
  readonly remoteHost: string | null;
  /** Where ssh leads there; null: it is not needed. */
  readonly ssh: SshTarget | null;
  /** In the words of dockerode's options. */
  readonly options: {
    readonly protocol: 'http' | 'https';
    readonly socketPath?: string;
    readonly host?: string;
    readonly port?: number;
    readonly ca?: Buffer;
    readonly cert?: Buffer;
    readonly key?: Buffer;
  };
}

/**
 * @param dockerHost `unix://path`, `tcp://host:port`, `ssh://user@host`; null: as the environment
 *   says.
 * @throws Fault DRIVER_UNAVAILABLE where the address or its certificates cannot be read.
 */
export function engineAddressOf(dockerHost: string | null, env: Env = process.env): EngineAddress {
  const where = dockerHost ?? (env.DOCKER_HOST || contextHost(env) || wellKnownSocket(env));
  if (where.startsWith('unix://')) {
    const socketPath = where.slice('unix://'.length) || '/var/run/docker.sock';
    return {
      where: `unix://${socketPath}`,
      remoteHost: null,
      ssh: null,
      options: local(socketPath),
    };
  }
  if (where.startsWith('npipe://')) {
    const options = local(where.slice('npipe://'.length));
    return { where, remoteHost: null, ssh: null, options };
  }
  const url = parsed(where);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const loopback = host === 'localhost' || host === '::1' || host.startsWith('127.');
  const remoteHost = loopback ? null : host;
  if (url.protocol === 'ssh:') {
    const port = url.port === '' ? null : Number(url.port);
    const ssh = { host, port, username: decodeURIComponent(url.username) || null };
    // The name only fills the Host header: the engine at the other end listens to a socket.
    return { where, remoteHost, ssh, options: { protocol: 'http', host: 'docker' } };
  }
  const tls = Boolean(env.DOCKER_TLS_VERIFY) || url.protocol === 'https:' || url.port === '2376';
  const port = Number(url.port || (tls ? 2376 : 2375));
  const options = tls
    ? ({ protocol: 'https', host, port, ...certificates(env) } as const)
    : ({ protocol: 'http', host, port } as const);
  return { where, remoteHost, ssh: null, options };
}

/** The directory of Docker's own settings. */
export function dockerConfigDir(env: Env = process.env): string {
  return env.DOCKER_CONFIG || join(env.HOME || homedir(), '.docker');
}

function local(socketPath: string): EngineAddress['options'] {
  return { protocol: 'http', socketPath };
}

function parsed(where: string): URL {
  const text = where.includes('://') ? where : `tcp://${where}`;
  try {
    const url = new URL(text);
    if (['tcp:', 'http:', 'https:', 'ssh:'].includes(url.protocol) && url.hostname !== '') {
      return url;
    }
  } catch {
    // Said below, with what was wanted.
  }
  throw new Fault(
    'DRIVER_UNAVAILABLE',
    `DOCKER_HOST is unix://path, tcp://host:port or ssh://user@host; got "${where}".`,
    { dockerHost: where },
  );
}

function certificates(env: Env): { ca?: Buffer; cert?: Buffer; key?: Buffer } {
  const folder = env.DOCKER_CERT_PATH || dockerConfigDir(env);
  const files = ['ca', 'cert', 'key'] as const;
  if (!env.DOCKER_CERT_PATH && !existsSync(join(folder, 'cert.pem'))) return {};
  try {
    return Object.fromEntries(files.map((one) => [one, readFileSync(join(folder, `${one}.pem`))]));
  } catch (thrown) {
    throw new Fault(
      'DRIVER_UNAVAILABLE',
      `DOCKER_CERT_PATH must hold ca.pem, cert.pem and key.pem: ${reasonOf(thrown)}.`,
      { folder, cause: thrown },
    );
  }
}

/** The address of the context that `docker context use` chose; rootless installations set one. */
function contextHost(env: Env): string | null {
  const folder = dockerConfigDir(env);
  const name = env.DOCKER_CONTEXT || readJson(join(folder, 'config.json'))?.currentContext;
  if (typeof name !== 'string' || name === '' || name === 'default') return null;
  const id = createHash('sha256').update(name).digest('hex');
  const meta = readJson(join(folder, 'contexts', 'meta', id, 'meta.json'));
  const endpoints = meta?.Endpoints as { docker?: { Host?: string } } | undefined;
  return endpoints?.docker?.Host || null;
}

function wellKnownSocket(env: Env): string {
  const sockets = [join(env.HOME || homedir(), '.docker/run/docker.sock'), '/var/run/docker.sock'];
  if (env.XDG_RUNTIME_DIR) sockets.push(join(env.XDG_RUNTIME_DIR, 'docker.sock'));
  return `unix://${sockets.find((one) => existsSync(one)) ?? '/var/run/docker.sock'}`;
}

function readJson(file: string): Record<string, unknown> | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  } catch {
    // No such file, or one that Docker's own CLI would complain about.
    return null;
  }
}
