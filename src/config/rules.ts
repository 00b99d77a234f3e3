/**
 * What no single key can know: rules between the keys of a file.
 *
 * The rule this file keeps: a rule speaks only of values that are right by themselves, and says at
 * the place that is easiest to change what does not go together, and why.
 */
import { formatAddress, formatTarget, isLoopback } from './address.ts';
import { checkEdge } from './edge.ts';
import { checkHooks } from './hooks.ts';
import { checkPreviews } from './preview.ts';
import { below, type Reading } from './reading.ts';
import type { FileFields, ServiceFields } from './schema.ts';
import { listens, refusalOf } from './targets.ts';
import { checkTargetTls } from './targetTrust.ts';
import { checkListens, checkServiceTls, checkTls } from './tlsRules.ts';
import { formatDuration } from './units.ts';

/** Reports everything in the file that does not go together. */
export function checkRules(file: FileFields, reading: Reading): void {
  checkListens(file, reading);
  checkTls(file, reading);
  checkAdmin(file, reading);
  checkRoutes(file, reading);
  checkPreviews(file, reading);
  for (const [name, service] of Object.entries(file.services)) {
    const path = below('services', name);
    checkProbes(service, path, reading);
    checkRun(service, path, reading);
    checkFirst(file, service, path, reading);
    checkWarm(service, path, reading);
    checkServiceTls(file, service, path, reading);
    checkEdge(service, path, reading);
    checkTargetTls(service.targetTls, `${path}.targetTls`, reading);
    checkHooks(service, path, reading);
  }
}

/**
 * How long a probe may take where the file does not say; no longer than the interval in any case.
 */
export const probeTimeoutDefaultMs = 2000;

function checkAdmin({ admin }: FileFields, reading: Reading): void {
  const path = 'admin.listen';
  if (reading.spoilt('admin')) return;
  if (!isLoopback(admin.listen.host) && admin.tokenFile === null) {
    const got = `${formatAddress(admin.listen)} without one`;
    const wanted = 'wanted admin.tokenFile where others than this machine can connect';
    reading.report(path, reading.at(path), `${wanted}, got ${got}`);
  }
  if (admin.readTokenFile !== null && admin.tokenFile === null) {
    const key = 'admin.readTokenFile';
    const wanted = 'wanted admin.tokenFile beside it, since without one everybody may act';
    reading.report(key, reading.at(key), `${wanted}, got a token to look alone`);
  }
}

/** Two services, or one twice, that answer for the same host and prefix: neither can be meant. */
function checkRoutes({ services }: FileFields, reading: Reading): void {
  const taken = new Map<string, { readonly service: string; readonly path: string }>();
  const told = new Set<string>();
  for (const [name, { hosts, paths }] of Object.entries(services)) {
    const service = below('services', name);
    if (reading.spoilt(`${service}.hosts`) || reading.spoilt(`${service}.paths`)) continue;
    for (const [h, host] of (hosts.length === 0 ? ['any host'] : hosts).entries()) {
      for (const [p, prefix] of paths.entries()) {
        const route = `${host} ${prefix}`;
        const path = nearestWritten(reading, service, h, p);
        const other = taken.get(route);
        if (other === undefined) taken.set(route, { service: name, path });
        else if (!told.has(`${other.service} ${name}`)) {
          told.add(`${other.service} ${name}`);
          const { line, column, file } = reading.at(other.path);
          const got = `${host === 'any host' ? 'any host, ' : host}${prefix}`;
          const where = `${other.path} (${file === undefined ? '' : `${file}, `}line ${line}, column ${column})`;
          const message = `wanted a route of its own, got ${got}, which ${where} answers for already`;
          reading.report(path, reading.at(path), message);
        }
      }
    }
  }
}

function checkProbes(
  { health, deploy, run }: ServiceFields,
  service: string,
  reading: Reading,
): void {
  if (reading.spoilt(`${service}.health`) || reading.spoilt(`${service}.deploy`)) return;
  const interval = formatDuration(health.interval);
  if (health.timeout !== null && health.timeout > health.interval) {
    const path = `${service}.health.timeout`;
    const wanted = `wanted at most the interval, ${interval}, so that a probe ends before the next`;
    reading.report(path, reading.at(path), `${wanted}, got ${formatDuration(health.timeout)}`);
  }
  if (health.port !== null && run.process !== null) {
    const path = `${service}.health.port`;
    const why =
      'replicas of a process share this machine, and each is asked at the PORT it is given';
    reading.report(path, reading.at(path), `wanted no port, got ${health.port}: ${why}`);
  }
  const leastMs = (health.rise - 1) * health.interval;
  if (deploy.timeout < leastMs) {
    const path = `${service}.deploy.timeout`;
    const why = `which ${health.rise} probes every ${interval} take`;
    const got = formatDuration(deploy.timeout);
    const message = `wanted at least ${formatDuration(leastMs)}, ${why}, got ${got}`;
    reading.report(path, reading.at(path), message);
  }
}

function checkRun({ run }: ServiceFields, service: string, reading: Reading): void {
  const { docker, process } = run;
  if (process !== null && Object.hasOwn(process.env, 'PORT')) {
    const path = `${service}.run.process.env.PORT`;
    reading.report(
      path,
      reading.at(path),
      'wanted no PORT, got one: each replica is given its own',
    );
  }
  if (process !== null && process.command[0]?.trim() === '') {
    const path = `${service}.run.process.command[0]`;
    reading.report(path, reading.at(path), 'wanted a program, got ""');
  }
  if (docker === null || docker.discover || docker.port !== null) return;
  const path = `${service}.run.docker.port`;
  if (reading.spoilt(path)) return;
  const wanted = 'wanted the port the application listens on inside its container';
  reading.report(path, reading.at(path), `${wanted}, got nothing: port is required`);
}

function checkFirst(
  file: FileFields,
  { run, first }: ServiceFields,
  service: string,
  reading: Reading,
): void {
  const path = `${service}.first`;
  if (first === null || reading.spoilt(path) || reading.spoilt(`${service}.run`)) return;
  const images = run.docker !== null && !run.docker.discover;
  const kind = run.docker !== null ? 'containers' : run.process !== null ? 'processes' : 'static';
  const said = kind === 'static' ? 'which is static' : `which runs ${kind}`;
  const report = (key: string, message: string): void =>
    reading.report(`${path}.${key}`, reading.at(`${path}.${key}`), message);

  if (images && first.image === null) {
    report('image', `wanted an image for a service that runs containers, got nothing`);
  }
  if (!images && first.image !== null) {
    const who = run.docker === null ? said : 'whose containers someone else starts';
    report('image', `wanted no image for a service ${who}, got one`);
  }
  if (kind === 'static' && first.targets.length === 0) {
    report('targets', 'wanted at least one target for a service that is static, got none');
  }
  if (kind !== 'static' && first.targets.length > 0) {
    report('targets', `wanted no targets for a service ${said}, got ${first.targets.length}`);
  }
  if (['listen', 'tls.listen', 'admin'].some((key) => reading.spoilt(key))) return;
  const own = listens(file).map(([, listen]) => listen);
  for (const [index, target] of first.targets.entries()) {
    const refusal = refusalOf(target, { own, linkLocal: run.static?.linkLocal ?? false });
    if (refusal !== null) report(`targets[${index}]`, `${refusal}, got ${formatTarget(target)}`);
  }
}

function checkWarm({ warm, run }: ServiceFields, service: string, reading: Reading): void {
  if (typeof warm !== 'object') return;
  if (reading.spoilt(`${service}.warm`) || reading.spoilt(`${service}.run`)) return;
  if (warm.freeze && (run.docker === null || run.docker.discover)) {
    const path = `${service}.warm.freeze`;
    const why = 'only containers that Pointsman starts are its to freeze';
    reading.report(path, reading.at(path), `wanted false: ${why}, got true`);
  }
  const path = `${service}.warm.replicas`;
  if (warm.replicas === null) return;
  const all = run.docker?.replicas ?? run.process?.replicas;
  if (all === undefined) {
    const message = 'wanted none for a service which is static: its targets are not ours to stop';
    reading.report(path, reading.at(path), `${message}, got ${warm.replicas}`);
  } else if (warm.replicas > all) {
    const message = `wanted at most the ${all} the live pool has, got ${warm.replicas}`;
    reading.report(path, reading.at(path), message);
  }
}

/** The place to change a route at: its path, else its host, else the service. */
function nearestWritten(reading: Reading, service: string, host: number, path: number): string {
  const places = [`${service}.paths[${path}]`, `${service}.hosts[${host}]`];
  return places.find((place) => reading.written(place)) ?? service;
}
