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

/** @returns one sentence for each setting of `file` that stays as it is until a restart. */
export function needsRestart(inForce: InForce, file: Config): readonly string[] {
  const says = inForceOf(file);
  return [
    ...untilRestart('listen', addresses(inForce.listen), addresses(says.listen)),
    ...untilRestart('tls.listen', addresses(inForce.tlsListen), addresses(says.tlsListen)),
    ...untilRestart('workers', String(inForce.workers), String(says.workers)),
    ...untilRestart('state', inForce.stateDir, says.stateDir),
    ...untilRestart(
      'shutdown',
      formatDuration(inForce.shutdownMs),
      formatDuration(says.shutdownMs),
    ),
    ...untilRestart(
      'handover',
      formatDuration(inForce.handoverMs),
      formatDuration(says.handoverMs),
    ),
    ...untilRestart(
      'admin.listen',
      addresses([inForce.adminListen]),
      addresses([says.adminListen]),
    ),
    ...untilRestart('admin.tls', inForce.adminTls ? 'on' : 'off', says.adminTls ? 'on' : 'off'),
  ];
}

/** A first release is deployed once: what the file says of it later changes nothing. */
function withEffect({ first: _, ...service }: ServiceConfig): Omit<ServiceConfig, 'first'> {
  return service;
}

function addresses(all: readonly Address[]): string {
  return all.length === 0 ? 'none' : all.map(formatAddress).join(' ');
}

function untilRestart(key: string, before: string, after: string): string[] {
  if (before === after) return [];
  return [`${key} stays ${before} until a restart; the file says ${after}.`];
}
