/**
 * From the fields of a file to a Config: paths become absolute, `auto` becomes a number, and what
 * the file groups for people is regrouped for those who use it.
 *
 * The rule this file keeps: it cannot fail. Whatever could be wrong was refused before.
 */
import { availableParallelism } from 'node:os';
import { resolve as absolute, dirname } from 'node:path';
import type { EdgeTls, TargetTls } from '../wireTls.ts';
import type {
  AcmeConfig,
  Config,
  DockerRun,
  Health,
  Protect,
  Run,
  ServiceConfig,
  TlsConfig,
  Warm,
} from './config.ts';
import { serviceEdge } from './edge.ts';
import { type EdgeFiles, type EdgeFilesOf, noEdgeFiles } from './edgeFiles.ts';
import { serviceHooks } from './hooks.ts';
import { servicePreview } from './preview.ts';
import { probeTimeoutDefaultMs } from './rules.ts';
import type { FileFields, ServiceFields } from './schema.ts';
import { targetTlsOf } from './targetTrust.ts';

/** Let's Encrypt's, for trying things out. */
const stagingDirectory = 'https://acme-staging-v02.api.letsencrypt.org/directory';

/**
 * @param file where it was read from; relative paths begin at its folder.
 * @param files what the files hold that services name.
 */
export function resolve(fields: FileFields, file: string, files: EdgeFilesOf = new Map()): Config {
  const path = absolute(file);
  const folder = dirname(path);
  const { admin } = fields;
  return {
    file: path,
    listen: fields.listen,
    tls: fields.tls === null ? null : tls(fields.tls, folder),
    // The schema ends at 64, and so do machines with more.
    workers: fields.workers === 'auto' ? Math.min(availableParallelism(), 64) : fields.workers,
    stateDir: absolute(folder, fields.state),
    admin: {
      listen: admin.listen,
      tls: admin.tls === null ? null : pair(admin.tls, folder),
      tokenFile: admin.tokenFile === null ? null : absolute(folder, admin.tokenFile),
      readTokenFile: admin.readTokenFile === null ? null : absolute(folder, admin.readTokenFile),
      hosts: admin.hosts.map((host) => host.toLowerCase()),
    },
    edge: {
      trustedProxies: fields.trustedProxies,
      proxyProtocol: fields.proxyProtocol,
      accessLog: fields.accessLog,
      lanes: fields.lanes,
      tls: fields.tls === null ? null : edgeTls(fields.tls),
    },
    shutdownMs: fields.shutdown,
    handoverMs: fields.handover,
    notify: fields.notify.map((one) => ({
      ...one,
      secretFile: one.secretFile === null ? null : absolute(folder, one.secretFile),
    })),
    services: Object.entries(fields.services).map(([name, of]) =>
      service(name, of, fields, folder, files.get(name) ?? noEdgeFiles),
    ),
  };
}

function tls(of: NonNullable<FileFields['tls']>, folder: string): TlsConfig {
  return {
    listen: of.listen,
    certificates: of.certificates.map((one) =>
      typeof one === 'string' ? { folder: absolute(folder, one) } : pair(one, folder),
    ),
    acme: of.acme === null ? null : acme(of.acme, folder),
  };
}

function edgeTls(of: NonNullable<FileFields['tls']>): EdgeTls {
  const { minimum, unknown, redirect, http2 } = of;
  const port = typeof redirect === 'number' ? redirect : null;
  return { minimum, unknown, redirect: redirect !== false, redirectPort: port, http2 };
}

function acme(of: NonNullable<NonNullable<FileFields['tls']>['acme']>, folder: string): AcmeConfig {
  const { email, profile, eab, caFile, challenges, key } = of;
  return {
    directory: of.staging ? stagingDirectory : of.directory,
    email,
    profile,
    eab: eab === null ? null : { kid: eab.kid, keyFile: absolute(folder, eab.keyFile) },
    caFile: caFile === null ? null : absolute(folder, caFile),
    challenges,
    key,
  };
}

function pair(
  { cert, key }: { readonly cert: string; readonly key: string },
  folder: string,
): { readonly cert: string; readonly key: string } {
  return { cert: absolute(folder, cert), key: absolute(folder, key) };
}

function service(
  name: string,
  of: ServiceFields,
  file: FileFields,
  folder: string,
  files: EdgeFiles,
): ServiceConfig {
  const { timeouts, limits } = of;
  const targetTls = targetTlsOf(of.targetTls, files.targetPems);
  return {
    name,
    hosts: of.hosts,
    paths: of.paths,
    health: health(of.health, targetTls, of.protocol),
    deploy: { timeoutMs: of.deploy.timeout, flip: of.deploy.flip },
    warm: warm(of),
    protect: protect(of.protect),
    freeze: of.freeze ?? file.freeze,
    hooks: serviceHooks(of, targetTls, (path) => absolute(folder, path)),
    policy: {
      connectMs: timeouts.connect,
      responseMs: timeouts.response,
      idleMs: timeouts.idle,
      queueMs: timeouts.queue,
      bodyBytesMax: limits.body,
      headerBytesMax: limits.header,
      responseHeaderBytesMax: limits.responseHeader,
      queueMax: limits.queue,
      connectionsPerTargetMax: limits.connectionsPerTarget,
      bytesPerSecondMin: limits.minRate,
      drainMs: of.drain,
      hstsSeconds: Math.ceil(of.hsts / 1000),
      ...(of.protocol === 'h2' && { protocol: of.protocol }),
      retryAfterSeconds: Math.max(1, Math.ceil(of.health.interval / 1000)),
    },
    tls: { mode: of.tls, healthPath: of.health.path },
    edge: serviceEdge(name, of, files),
    preview: servicePreview(name, of, file, files),
    targetTls,
    clientCa: of.clientCa === null ? null : absolute(folder, of.clientCa),
    run: run(of, folder),
    first: of.first,
  };
}

function health(
  of: ServiceFields['health'],
  tls: TargetTls,
  protocol: ServiceFields['protocol'],
): Health {
  // A port of its own is for who cannot be asked as requests are.
  const http2 = of.grpc !== null || (protocol === 'h2' && of.port === null);
  return {
    path: of.path,
    host: of.host,
    port: of.port,
    intervalMs: of.interval,
    timeoutMs: of.timeout ?? Math.min(of.interval, probeTimeoutDefaultMs),
    rise: of.rise,
    fall: of.fall,
    status: of.status,
    tls,
    ...(http2 && { http2 }),
    ...(of.grpc !== null && { grpc: of.grpc }),
  };
}

function warm({ warm: of, run }: ServiceFields): Warm {
  const plain = { replicas: null, freeze: false, until: null };
  const full = typeof of === 'object' ? of : { for: of, ...plain };
  const { for: time, replicas, freeze, until } = full;
  // Who starts containers by labels puts them in the place of those that were there.
  const usual = run.docker?.discover ? 'deploy' : 'flip';
  return { forMs: time === 'until-next' ? null : time, replicas, freeze, until: until ?? usual };
}

/** What `on` means; the schema says the same of the single keys. */
const protectOn = { window: 60_000, requests: 50, clients: 2 };

function protect(of: ServiceFields['protect']): Protect | null {
  if (of === 'off') return null;
  const { window, requests, clients } = of === 'on' ? protectOn : of;
  return { windowMs: window, requestsMin: requests, clientsMin: clients };
}

function run({ run: of, health: { port } }: ServiceFields, folder: string): Run {
  const { docker, process, static: fixed } = of;
  if (docker !== null) return dockerRun(docker, folder, port);
  if (process === null) return { kind: 'static', linkLocal: fixed?.linkLocal ?? false };
  return {
    kind: 'process',
    command: process.command,
    replicas: process.replicas,
    env: process.env,
    cwd: absolute(folder, process.cwd ?? '.'),
    stopMs: process.stopTimeout,
  };
}

function dockerRun(
  of: NonNullable<ServiceFields['run']['docker']>,
  folder: string,
  healthPort: number | null,
): DockerRun {
  return {
    kind: 'docker',
    port: of.port ?? 0,
    replicas: of.replicas,
    env: of.env,
    envFile: of.envFile === null ? null : absolute(folder, of.envFile),
    volumes: of.volumes,
    network: of.network,
    command: of.command,
    user: of.user,
    labels: of.labels,
    memoryBytes: of.memory,
    cpus: of.cpus,
    stopMs: of.stopTimeout,
    stopSignal: of.stopSignal,
    readOnly: of.readOnly,
    capDrop: of.capDrop,
    init: of.init,
    pull: of.pull,
    discover: of.discover,
    keepImages: of.keepImages,
    ...(healthPort !== null && { healthPort }),
  };
}
