/**
 * What differs between two configurations, and between a file and what runs, as a reload tells it.
 *
 * The rule this file keeps: what a reload cannot make true is said, never silently left; and it is
 * held against what is in force, not against the file before.
 */
import { isDeepStrictEqual } from 'node:util';
import { formatAddress } from './address.ts';
import type { Address, Config, InForce, ServiceConfig } from './config.ts';
import { formatDuration } from './units.ts';

export interface ServiceChange {
  /** Names of services. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly string[];
}

/** @param config what it was started with. */
export function inForceOf(config: Config): InForce {
  const { listen, tls, workers, stateDir, shutdownMs, handoverMs, admin } = config;
  const [tlsListen, adminTls] = [tls?.listen ?? [], admin.tls !== null];
  const times = { shutdownMs, handoverMs };
  return { listen, tlsListen, workers, stateDir, ...times, adminListen: admin.listen, adminTls };
}

/** @returns `config`, with what takes a restart as it is. */
export function asInForce(config: Config, inForce: InForce): Config {
  const { listen, workers, stateDir, shutdownMs, handoverMs, tlsListen, adminListen } = inForce;
  const tls = config.tls === null ? null : { ...config.tls, listen: tlsListen };
  const admin = { ...config.admin, listen: adminListen };
  return { ...config, listen, workers, stateDir, shutdownMs, handoverMs, tls, admin };
}

/**
 * @param before the configuration that was read before.
 * @param after the one that was read now.
 */
export function describeChange(before: Config, after: Config): ServiceChange {
  const old = new Map(before.services.map((service) => [service.name, service]));
  const names = new Set(after.services.map(({ name }) => name));
  return {
    added: after.services.filter(({ name }) => !old.has(name)).map(({ name }) => name),
    removed: [...old.keys()].filter((name) => !names.has(name)),
    changed: after.services
      .filter((service) => {
        const was = old.get(service.name);
        return was !== undefined && !isDeepStrictEqual(withEffect(was), withEffect(service));
      })
      .map(({ name }) => name),
  };
}

/** What a reload cannot make true, one sentence a setting, by what does. */
export interface Outstanding {
  /** By a hand-over to a successor. */
  readonly handover: readonly string[];
  /** By a stop and a start alone. */
  readonly needsRestart: readonly string[];
}

/**
 * The state is in one place as long as somebody has it; and one process that does everything is no
 * side of a hand-over.
 *
 * @param file what is read by now.
 */
export function outstanding(inForce: InForce, file: Config): Outstanding {
  const says = inForceOf(file);
  const settings: readonly (readonly [key: string, before: string, after: string])[] = [
    ['listen', addresses(inForce.listen), addresses(says.listen)],
    ['tls.listen', addresses(inForce.tlsListen), addresses(says.tlsListen)],
    ['workers', String(inForce.workers), String(says.workers)],
    ['state', inForce.stateDir, says.stateDir],
    ['shutdown', formatDuration(inForce.shutdownMs), formatDuration(says.shutdownMs)],
    ['handover', formatDuration(inForce.handoverMs), formatDuration(says.handoverMs)],
    ['admin.listen', addresses([inForce.adminListen]), addresses([says.adminListen])],
    ['admin.tls', inForce.adminTls ? 'on' : 'off', says.adminTls ? 'on' : 'off'],
  ];
  const other = settings.filter(([, before, after]) => before !== after);
  const alone = inForce.workers === 0 || says.workers === 0;
  const restarts = other.filter(([key]) => alone || key === 'state');
  return {
    handover: other
      .filter((setting) => !restarts.includes(setting))
      .map(([key, before, after]) => `${key} becomes ${after}; it is ${before}.`),
    needsRestart: restarts.map(
      ([key, before, after]) => `${key} stays ${before} until a restart; the file says ${after}.`,
    ),
  };
}

/** A first release is deployed once: what the file says of it later changes nothing. */
function withEffect({ first: _, ...service }: ServiceConfig): Omit<ServiceConfig, 'first'> {
  return service;
}

function addresses(all: readonly Address[]): string {
  return all.length === 0 ? 'none' : all.map(formatAddress).join(' ');
}
